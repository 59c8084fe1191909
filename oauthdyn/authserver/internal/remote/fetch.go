// SPDX-License-Identifier: Apache-2.0

package remote

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/safedial"
)

const (
	maxHeaderBytes = 16 << 10
	fetchTimeout   = 5 * time.Second
)

// newHTTPClient follows no redirects: section 6.6 of the draft of client ID
// metadata documents.
func newHTTPClient(transport http.RoundTripper, hosts []string) *http.Client {
	if transport == nil {
		transport = guarded(hosts)
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
	return safedial.New(names...).Transport(newTransport())
}

// newTransport uses no proxy: whatever the environment says is meant for others.
func newTransport() *http.Transport {
	return &http.Transport{
		MaxResponseHeaderBytes: maxHeaderBytes,
		DisableCompression:     true,
		DisableKeepAlives:      true, // each host is asked rarely
		ForceAttemptHTTP2:      true,
	}
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
func (r *Reader[T]) fetch(address string) (none T, _ time.Duration, _ *Error) {
	ctx, cancel := context.WithTimeout(r.ctx, fetchTimeout)
	defer cancel()
	host, about := hostOf(address), r.o.About
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return none, 0, invalid("%s is not a URL", r.o.Address)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Accept-Encoding", "identity")
	resp, err := r.http.Do(req)
	if _, ok := errors.AsType[*safedial.NotPublicError](err); ok {
		return none, 0, invalid("%s is not at a public address", host)
	}
	if err != nil {
		return none, 0, temporary("%s does not answer, so that nothing can be found out about %s; try again later", host, about)
	}
	defer resp.Body.Close()
	if e := r.checkResponse(resp, host); e != nil {
		return none, 0, e
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, r.o.MaxBytes+1))
	if err != nil {
		return none, 0, temporary("%s broke off, so that nothing can be found out about %s; try again later", host, about)
	}
	if int64(len(body)) > r.o.MaxBytes {
		return none, 0, invalid("what %s says of %s is longer than %d KiB", host, about, r.o.MaxBytes>>10)
	}
	content, err := r.o.Parse(address, body)
	if err != nil {
		return none, 0, invalid("what %s says of %s cannot be used: %v", host, about, err)
	}
	return content, ageOf(resp.Header), nil
}

func (r *Reader[T]) checkResponse(resp *http.Response, host string) *Error {
	mediaType, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	switch status := resp.StatusCode; {
	case status >= 500 || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout:
		return temporary("%s tells nothing about %s right now (%d); try again later", host, r.o.About, status)
	case status != http.StatusOK:
		return invalid("%s does not know %s (%d)", host, r.o.About, status)
	case resp.Header.Get("Content-Encoding") != "":
		return invalid("what %s says of %s is encoded", host, r.o.About)
	case err != nil || mediaType != "application/json" && !strings.HasSuffix(mediaType, "+json"):
		return invalid("what %s says of %s is not application/json", host, r.o.About)
	}
	return nil
}

// ageOf is how long a response is fresh (RFC 9111 section 4.2), within bounds.
func ageOf(h http.Header) time.Duration {
	directives := map[string]string{}
	for directive := range strings.SplitSeq(strings.ToLower(strings.Join(h.Values("Cache-Control"), ",")), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		if _, ok := directives[name]; !ok { // the first one counts
			directives[name] = value
		}
	}
	_, noStore := directives["no-store"]
	_, noCache := directives["no-cache"]
	if noStore || noCache {
		return minAge
	}
	var age time.Duration
	if text, ok := directives["max-age"]; ok {
		age = seconds(strings.Trim(text, `"`))
	} else if expires, err := http.ParseTime(h.Get("Expires")); err == nil {
		date, err := http.ParseTime(h.Get("Date"))
		if err != nil {
			date = time.Now()
		}
		age = expires.Sub(date)
	}
	return min(max(age-seconds(h.Get("Age")), minAge), maxAge)
}

// seconds reads a number of seconds: none if it is not one, and two days for all
// that are more.
func seconds(text string) time.Duration {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0
	}
	return min(time.Duration(n), 2*maxAge/time.Second) * time.Second
}
