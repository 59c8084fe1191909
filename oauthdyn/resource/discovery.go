// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
)

const (
	fetchTimeout = 10 * time.Second
	maxDocument  = 1 << 20 // bytes of metadata, keys or an introspection response
	minBackoff   = 250 * time.Millisecond
	maxBackoff   = 30 * time.Second
)

// An authorizationServer is asked for its documents.
type authorizationServer struct {
	id     string
	client *http.Client
}

func newAuthorizationServer(id string, client *http.Client) (*authorizationServer, error) {
	if err := checkURL(id); err != nil {
		return nil, fmt.Errorf("authorization server %q: %w", id, err)
	}
	if client == nil {
		client = defaultClient()
	}
	return &authorizationServer{id: id, client: client}, nil
}

// defaultClient follows no redirects: keys come from where the issuer says, and
// from nowhere else.
func defaultClient() *http.Client {
	return &http.Client{
		Timeout:       fetchTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// checkURL allows https, and http on a loopback address.
func checkURL(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Hostname() == "" || u.User != nil || u.Fragment != "":
		return errors.New("not an absolute URL without user and fragment")
	case u.Scheme == "https" || u.Scheme == "http" && isLoopback(u.Hostname()):
		return nil
	}
	return errors.New("must use https (http is accepted on a loopback address only)")
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

// metadata returns the first metadata document that names exactly this issuer
// (RFC 8414 section 3.3) and passes the check.
func (a *authorizationServer) metadata(ctx context.Context, check func(*oauthdyn.ServerMetadata) error) (*oauthdyn.ServerMetadata, error) {
	var errs []error
	for _, address := range metadataURLs(a.id) {
		data, err := a.get(ctx, address)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		var md oauthdyn.ServerMetadata
		if err := json.Unmarshal(data, &md); err != nil {
			errs = append(errs, fmt.Errorf("%s: not metadata", address))
			continue
		}
		if md.Issuer != a.id {
			errs = append(errs, fmt.Errorf("%s: names issuer %q", address, md.Issuer))
			continue
		}
		if err := check(&md); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", address, err))
			continue
		}
		return &md, nil
	}
	return nil, errors.Join(errs...)
}

// metadataURLs lists where the metadata of an issuer may be, in the order of
// the MCP specification.
func metadataURLs(issuer string) []string {
	u, err := url.Parse(issuer)
	if err != nil {
		return nil
	}
	origin := u.Scheme + "://" + u.Host
	path := strings.TrimSuffix(u.EscapedPath(), "/")
	urls := []string{origin + oauthdyn.WellKnownServer + path, origin + oauthdyn.WellKnownOpenID + path}
	if path != "" {
		urls = append(urls, origin+path+oauthdyn.WellKnownOpenID)
	}
	return urls
}

// get reads a JSON document of limited size.
func (a *authorizationServer) get(ctx context.Context, address string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	return a.read(req)
}

// read makes a request and returns its response, which must be 200 and short.
func (a *authorizationServer) read(req *http.Request) ([]byte, error) {
	req.Header.Set("Accept", "application/json")
	res, err := a.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, &statusError{req.URL.Redacted(), res.StatusCode}
	}
	data, err := io.ReadAll(io.LimitReader(res.Body, maxDocument+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxDocument {
		return nil, fmt.Errorf("%s: longer than %d bytes", req.URL.Redacted(), maxDocument)
	}
	return data, nil
}

// A statusError is a response that is not 200.
type statusError struct {
	url  string
	code int
}

func (e *statusError) Error() string {
	return fmt.Sprintf("%s: %d %s", e.url, e.code, http.StatusText(e.code))
}

// A pause keeps off a server that fails, for longer each time.
type pause struct {
	until  time.Time
	length time.Duration
	reason error
}

func (p *pause) failed(now time.Time, reason error) {
	p.length = min(max(2*p.length, minBackoff), maxBackoff)
	p.until, p.reason = now.Add(p.length), reason
}

// inForce returns the reason of the pause while it lasts.
func (p *pause) inForce(now time.Time) error {
	if now.Before(p.until) {
		return p.reason
	}
	return nil
}
