// SPDX-License-Identifier: Apache-2.0

package oauthdyn

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
)

const (
	// requestTimeout bounds each metadata, registration and token request
	// when Config.HTTPClient has no timeout.
	requestTimeout = 30 * time.Second

	maxBodyBytes = 1 << 20
	maxRedirects = 3
	maxTextBytes = 400 // of a peer's text that is repeated in an error
)

// statusError is an HTTP answer that is not what was asked for.
type statusError struct {
	url    string
	status int
}

func (e *statusError) Error() string {
	return fmt.Sprintf("GET %s: %d %s", e.url, e.status, http.StatusText(e.status))
}

// absent reports that a document does not exist, as opposed to one that cannot
// be had now.
func absent(err error) bool {
	e, ok := errors.AsType[*statusError](err)
	return ok && (e.status == http.StatusNotFound || e.status == http.StatusGone ||
		e.status == http.StatusMethodNotAllowed)
}

// getJSON reads the JSON object at a URL. The response is nil if none came; its
// body is closed.
func (c *Client) getJSON(ctx context.Context, rawURL string, v any) (*http.Response, error) {
	if err := c.checkURL(rawURL); err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, rawURL, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		return resp, err // a refused redirect leaves a response
	}
	defer drain(resp.Body)
	if resp.StatusCode != http.StatusOK {
		return resp, &statusError{url: rawURL, status: resp.StatusCode}
	}
	body, err := readBody(resp.Body)
	if err == nil {
		err = decodeObject(body, v)
	}
	if err != nil {
		return resp, fmt.Errorf("GET %s: %w", rawURL, err)
	}
	return resp, nil
}

// readBody reads a bounded body.
func readBody(r io.Reader) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r, maxBodyBytes+1))
	if err != nil {
		return nil, err
	}
	if len(body) > maxBodyBytes {
		return nil, fmt.Errorf("answer is larger than %d bytes", maxBodyBytes)
	}
	return body, nil
}

// drain reads what is left of a small body, so that the connection can be used
// again, and closes it.
func drain(body io.ReadCloser) {
	_, _ = io.CopyN(io.Discard, body, 16<<10) // only for reuse; its end does not matter
	_ = body.Close()
}

// decodeObject reads a JSON object. A member of an unexpected type counts as
// absent: peers send null, numbers as text and the like. The error does not
// quote the body, which may hold a secret.
func decodeObject(body []byte, v any) error {
	err := json.Unmarshal(body, v)
	if typeErr, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && typeErr.Field != "" {
		err = nil
	}
	if err != nil || !strings.HasPrefix(strings.TrimLeft(string(body[:min(len(body), 64)]), " \t\r\n"), "{") {
		return errors.New("answer is not a JSON object")
	}
	return nil
}

// checkURL accepts the URLs that metadata may name: https, and http on a
// loopback host when the configured resource or server is on one, too.
func (c *Client) checkURL(raw string) error {
	u, err := url.Parse(raw)
	if err != nil {
		return errors.New("metadata names something that is not a URL")
	}
	if u.Host == "" || u.Hostname() == "" || u.User != nil {
		return fmt.Errorf("URL %q: want an absolute URL without a user name", u.Redacted())
	}
	if err := secureScheme(u, c.local()); err != nil {
		return fmt.Errorf("URL %s: %w", u, err)
	}
	return nil
}

// local reports whether this client was set up for this machine, by its user.
func (c *Client) local() bool {
	if c.resource != nil && isLoopback(c.resource) {
		return true
	}
	u, err := url.Parse(c.cfg.AuthServer)
	return err == nil && isLoopback(u)
}

func secureScheme(u *url.URL, local bool) error {
	if u.Scheme == "https" || u.Scheme == "http" && local && isLoopback(u) {
		return nil
	}
	return fmt.Errorf("scheme %q is refused: want https, or http on a loopback host", u.Scheme)
}

// checkRedirect follows a few redirects of metadata, none of anything that
// carries a secret.
func (c *Client) checkRedirect(req *http.Request, via []*http.Request) error {
	if via[0].Method != http.MethodGet || via[0].Header.Get("Authorization") != "" || len(via) > maxRedirects {
		return http.ErrUseLastResponse
	}
	return c.checkURL(req.URL.String())
}

// peerText makes a peer's text fit for an error message or a terminal.
func peerText(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, s)
	if len(s) > maxTextBytes {
		s = strings.ToValidUTF8(s[:maxTextBytes], "") + "…"
	}
	return strings.TrimSpace(s)
}

// endpointError makes an error of an answer that is not a success.
func endpointError(status int, body []byte) *Error {
	e := &Error{}
	if decodeObject(body, e) != nil {
		*e = Error{}
	}
	e.Status = status
	e.Code, e.Description, e.URI = peerText(e.Code), peerText(e.Description), peerText(e.URI)
	return e
}

// postError is endpointError for requests that a client authenticates.
func postError(resp *http.Response, body []byte) error {
	e := endpointError(resp.StatusCode, body)
	if e.Code == "" && resp.StatusCode == http.StatusUnauthorized {
		e.Code = CodeInvalidClient // RFC 6749 section 5.2 has no other 401
	}
	if wait := retryAfter(resp.Header); wait > 0 {
		return &retryError{err: e, wait: wait}
	}
	return e
}

// retryError is a refusal for now.
type retryError struct {
	err  error
	wait time.Duration
}

func (e *retryError) Error() string {
	return fmt.Sprintf("%v (try again in %v)", e.err, e.wait)
}

func (e *retryError) Unwrap() error { return e.err }

// retryAfter reads Retry-After (RFC 9110 section 10.2.3); 0 when absent.
func retryAfter(h http.Header) time.Duration {
	v := h.Get("Retry-After")
	if n, err := strconv.Atoi(v); err == nil {
		return min(max(0, time.Duration(min(n, 3600))*time.Second), time.Hour)
	}
	if t, err := http.ParseTime(v); err == nil {
		return min(max(0, time.Until(t).Round(time.Second)), time.Hour)
	}
	return 0
}
