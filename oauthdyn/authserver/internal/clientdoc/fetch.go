// SPDX-License-Identifier: Apache-2.0

package clientdoc

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/safedial"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/strictjson"
)

const (
	// maxBytes is the draft's bound, section 6.6.
	maxBytes       = 5 << 10
	maxHeaderBytes = 16 << 10
	fetchTimeout   = 5 * time.Second
)

// newHTTPClient follows no redirects: section 6.6 of the draft.
func newHTTPClient(o Options) *http.Client {
	transport := o.Transport
	if transport == nil {
		transport = guarded(o.Hosts)
	}
	return &http.Client{
		Transport:     transport,
		Timeout:       fetchTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// guarded is a transport whose every connection goes to a public address, or to
// one of the hosts.
func guarded(hosts []string) http.RoundTripper {
	names := make([]string, len(hosts))
	for i, host := range hosts {
		names[i] = withoutPort(host)
	}
	base := &http.Transport{
		MaxResponseHeaderBytes: maxHeaderBytes,
		DisableCompression:     true,
		DisableKeepAlives:      true, // each host is asked rarely
		ForceAttemptHTTP2:      true,
	}
	return safedial.New(names...).Transport(base)
}

func withoutPort(host string) string {
	if strings.HasPrefix(host, "[") {
		name, _, _ := strings.Cut(host[1:], "]")
		return name
	}
	name, _, _ := strings.Cut(host, ":")
	return name
}

// fetch reads a document, and tells how long it may be used.
func (r *Reader) fetch(id string) (*oauthdyn.ClientMetadata, time.Duration, *Error) {
	ctx, cancel := context.WithTimeout(r.ctx, fetchTimeout)
	defer cancel()
	host := hostOf(id)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, id, nil)
	if err != nil {
		return nil, 0, invalid("the app's address (client_id) is not a URL")
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Accept-Encoding", "identity")
	resp, err := r.http.Do(req)
	if _, ok := errors.AsType[*safedial.NotPublicError](err); ok {
		return nil, 0, invalid("%s is not at a public address", host)
	}
	if err != nil {
		return nil, 0, temporary("%s does not answer, so that it cannot be found out what the app is; try again later", host)
	}
	defer resp.Body.Close()
	if e := checkResponse(resp, host); e != nil {
		return nil, 0, e
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBytes+1))
	if err != nil {
		return nil, 0, temporary("%s broke off, so that it cannot be found out what the app is; try again later", host)
	}
	if len(body) > maxBytes {
		return nil, 0, invalid("what %s says of the app is longer than 5 KiB", host)
	}
	m, err := parse(id, body)
	if err == nil {
		err = r.o.Check(m)
	}
	if err != nil {
		return nil, 0, invalid("what %s says of the app cannot be used: %v", host, err)
	}
	return m, ageOf(resp.Header), nil
}

func checkResponse(resp *http.Response, host string) *Error {
	mediaType, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	switch status := resp.StatusCode; {
	case status >= 500 || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout:
		return temporary("%s does not say right now what the app is (%d); try again later", host, status)
	case status != http.StatusOK:
		return invalid("%s does not know the app (%d)", host, status)
	case resp.Header.Get("Content-Encoding") != "":
		return invalid("what %s says of the app is encoded", host)
	case err != nil || mediaType != "application/json" && !strings.HasSuffix(mediaType, "+json"):
		return invalid("what %s says of the app is not application/json", host)
	}
	return nil
}

// parse reads a document: sections 4 and 4.1 of the draft. Members that only a
// server's metadata should have are known from clients, and do no harm.
func parse(id string, body []byte) (*oauthdyn.ClientMetadata, error) {
	obj, err := strictjson.Parse(body)
	if err != nil {
		return nil, err
	}
	var d struct {
		ClientID              string `json:"client_id"`
		ClientSecret          any    `json:"client_secret"`
		ClientSecretExpiresAt any    `json:"client_secret_expires_at"`
	}
	m := &oauthdyn.ClientMetadata{}
	for _, v := range []any{&d, m} {
		if err := obj.Decode(v); err != nil {
			return nil, err
		}
	}
	switch {
	case d.ClientID != id:
		return nil, errors.New("client_id is not its own address")
	case d.ClientSecret != nil || d.ClientSecretExpiresAt != nil:
		return nil, errors.New("it holds a client secret, which is public thereby")
	case m.ClientName == "":
		return nil, errors.New("client_name is missing")
	}
	switch m.TokenEndpointAuthMethod {
	case "":
		m.TokenEndpointAuthMethod = oauthdyn.AuthMethodNone // others need a secret, or are said
	case oauthdyn.AuthMethodNone:
	default:
		return nil, errors.New("token_endpoint_auth_method has to be none")
	}
	return m, nil
}

// ageOf is how long a response is fresh (RFC 9111 section 4.2.1), within bounds.
func ageOf(h http.Header) time.Duration {
	age := time.Duration(0)
	for directive := range strings.SplitSeq(strings.ToLower(h.Get("Cache-Control")), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		switch name {
		case "no-store", "no-cache":
			return minAge
		case "max-age":
			if n, err := strconv.Atoi(strings.Trim(value, `"`)); err == nil {
				age = time.Duration(min(max(n, 0), int(maxAge/time.Second))) * time.Second
			}
		}
	}
	return min(max(age, minAge), maxAge)
}
