// SPDX-License-Identifier: Apache-2.0

package fetch

import (
	"bytes"
	"context"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// Request says what to fetch.
type Request struct {
	// URL is an absolute http or https URL. A fragment is ignored.
	URL string
	// Method is GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS. Empty means
	// GET. Requests of the other methods than GET, HEAD and OPTIONS are sent
	// once; whoever wants a retry has to ask for it.
	Method string
	// Body is sent with POST, PUT, PATCH and DELETE. A redirect with the status
	// 307 or 308 repeats it to the same origin only.
	Body []byte
	// Header is sent to the origin of URL, and dropped for good when a redirect
	// leaves that origin. Accept, Accept-Language, Cache-Control,
	// If-Modified-Since, If-None-Match and, with a Body, Content-Type may be
	// set; [Options.AllowHeaders] may allow others. The conditional fields are
	// about URL and are not repeated for what it redirects to.
	Header http.Header
	// Check, when set, is asked before each hop, the first included. Its error
	// ends the fetch and is returned as it is.
	Check func(ctx context.Context, u *url.URL) error
	// MaxBytes overrides [Options.MaxBytes] when it is positive.
	MaxBytes int64
	// Truncate cuts a body that is too large instead of failing.
	Truncate bool
	// Timeout overrides [Options.Timeout] when it is positive.
	Timeout time.Duration
}

// Response is a whole answer. Any status is an answer, not an error.
type Response struct {
	URL       *url.URL    // the URL that answered, after redirects
	Redirects []string    // the URLs that redirected, in order
	Status    int         // the HTTP status code
	Header    http.Header // as received
	Body      []byte      // without its content coding
	Received  int64       // bytes of the body as they came, with its content coding
	Notes     []string    // what a reader should know about how it was got, a sentence each
}

var methods = []string{
	http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions,
}

// hop is the state of a fetch between two redirects.
type hop struct {
	url    *url.URL
	method string
	body   []byte
	header http.Header // the caller's, as far as it still goes
	passed []string
}

// begin checks a request and makes its first hop.
func (c *Client) begin(r *Request) (*hop, error) {
	u, err := c.policy.parseURL(r.URL, nil)
	if err != nil {
		return nil, err
	}
	h := &hop{url: u, method: r.Method, body: r.Body}
	if h.method == "" {
		h.method = http.MethodGet
	}
	refuse := func(detail string) error {
		return &Error{Code: CodeRequest, URL: redact(u), Detail: detail}
	}
	switch {
	case !slices.Contains(methods, h.method):
		return nil, refuse("the method is not supported; use GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS")
	case len(h.body) > 0 && (h.method == http.MethodGet || h.method == http.MethodHead || h.method == http.MethodOptions):
		return nil, refuse("a " + h.method + " request has no body; use POST")
	case int64(len(h.body)) > c.opts.MaxRequestBytes:
		return nil, refuse("the body of the request is larger than " + strconv.FormatInt(c.opts.MaxRequestBytes, 10) + " bytes")
	}
	h.header, err = c.callerHeader(r)
	return h, err
}

// request makes the HTTP request of a hop. It has no GetBody, so that the
// transport cannot repeat what may not be repeated.
func (c *Client) request(ctx context.Context, h *hop) *http.Request {
	u := *h.url
	u.Fragment, u.RawFragment = "", ""
	req := (&http.Request{
		Method: h.method,
		URL:    &u,
		Header: http.Header{
			"Accept":          {accept},
			"Accept-Encoding": {acceptEncoding},
			"User-Agent":      {c.opts.UserAgent},
		},
	}).WithContext(ctx)
	maps.Copy(req.Header, h.header)
	if len(h.body) > 0 {
		req.Body = io.NopCloser(bytes.NewReader(h.body))
		req.ContentLength = int64(len(h.body))
	}
	return req
}
