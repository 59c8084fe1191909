// SPDX-License-Identifier: Apache-2.0

package fetch

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// dialTimeout bounds one connection, and one TLS handshake.
const dialTimeout = 10 * time.Second

// Client fetches URLs under the rules of the package. It is safe for
// concurrent use and keeps connections open between fetches.
type Client struct {
	opts      Options
	policy    *policy
	dialer    *net.Dialer     // guarded
	transport *http.Transport // connects by dial
	forward   *http.Transport // hands plain http requests to a proxy
}

// New returns a client. A nil o means the defaults.
func New(o *Options) *Client {
	c := &Client{opts: o.withDefaults()}
	c.policy = newPolicy(&c.opts)
	c.dialer = &net.Dialer{Timeout: dialTimeout, Resolver: c.opts.Resolver, ControlContext: c.policy.control}
	// The transports are used without an http.Client, which would follow
	// redirects: Do does that, one judged hop at a time.
	c.transport = &http.Transport{
		Proxy:                  nil, // a proxy would dial in our place, out of the guard's sight
		DialContext:            c.dial,
		TLSClientConfig:        c.opts.tlsConfig(),
		TLSHandshakeTimeout:    dialTimeout,
		ResponseHeaderTimeout:  c.opts.FirstByteTimeout,
		MaxResponseHeaderBytes: c.opts.MaxHeaderBytes,
		DisableCompression:     true, // decoded by this package, under its caps
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           100,
		IdleConnTimeout:        30 * time.Second,
	}
	if c.opts.Proxy != nil {
		c.forward = c.transport.Clone()
		c.forward.Proxy = proxyOfRequest
		c.forward.DialContext = (&net.Dialer{Timeout: dialTimeout}).DialContext
	}
	return c
}

// Close closes idle connections. The client stays usable.
func (c *Client) Close() {
	c.transport.CloseIdleConnections()
	if c.forward != nil {
		c.forward.CloseIdleConnections()
	}
}

// CheckURL reports whether a URL may be fetched as far as that can be said
// without a look-up; the address of a name is judged when it is connected to.
// The error is an *[Error].
func (c *Client) CheckURL(rawURL string) error {
	_, err := c.policy.parseURL(rawURL, nil)
	return err
}

// Get fetches a URL. See [Client.Do].
func (c *Client) Get(ctx context.Context, rawURL string) (*Response, error) {
	return c.Do(ctx, &Request{URL: rawURL})
}

// Do performs a request, follows redirects and reads the whole body. The error
// is an *[Error], except for one that Request.Check returned. Decisions are
// reported to the trace of ctx, one at a time and none after Do returned; see
// [WithTrace].
func (c *Client) Do(ctx context.Context, r *Request) (*Response, error) {
	timeout, maxBytes := c.opts.Timeout, c.opts.MaxBytes
	if r.Timeout > 0 {
		timeout = r.Timeout
	}
	if r.MaxBytes > 0 {
		maxBytes = r.MaxBytes
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	ctx, quiet := serialTrace(ctx)
	defer quiet()

	h, err := c.begin(r)
	if err != nil {
		Trace(ctx, Event{Stage: "url", URL: urlOf(err), Detail: "the request is refused", Err: err})
		return nil, err
	}
	for {
		Trace(ctx, Event{Stage: "url", URL: redact(h.url), Detail: "may be fetched, as far as the URL tells"})
		if r.Check != nil {
			if err := r.Check(ctx, h.url); err != nil {
				return nil, err
			}
		}
		resp, err := c.roundTrip(ctx, h)
		if err != nil {
			return nil, err
		}
		next, err := c.follow(ctx, h, resp)
		if err != nil {
			resp.Body.Close()
			return nil, err
		}
		if next == nil {
			return c.finish(ctx, h, resp, maxBytes, r.Truncate)
		}
		resp.Body.Close()
		h = next
	}
}

func (c *Client) roundTrip(ctx context.Context, h *hop) (*http.Response, error) {
	start := time.Now()
	transport, ctx, err := c.route(ctx, h.url)
	if err != nil {
		return nil, classify(ctx, h.url, err)
	}
	req := c.request(traceDNS(ctx), h)
	if Traced(ctx) {
		Trace(ctx, Event{Stage: "request", URL: redact(h.url), Detail: h.method + ", accepts " + strings.Join(req.Header["Accept"], ", ")})
	}
	resp, err := transport.RoundTrip(req)
	if err == nil && transport == c.forward && resp.StatusCode == http.StatusProxyAuthRequired {
		resp.Body.Close()
		err = &Error{Code: CodeProxy, Detail: "the proxy wants other credentials"}
	}
	if err != nil {
		err = classify(ctx, h.url, err)
		Trace(ctx, Event{Stage: "response", URL: redact(h.url), Detail: "none", Err: err})
		c.opts.Logger.LogAttrs(ctx, slog.LevelDebug, "fetch failed", slog.String("url", redact(h.url)), slog.String("error", err.Error()))
		return nil, err
	}
	if Traced(ctx) {
		Trace(ctx, Event{Stage: "response", URL: redact(h.url), Detail: describe(resp)})
	}
	c.opts.Logger.LogAttrs(ctx, slog.LevelDebug, "fetch answered", slog.String("url", redact(h.url)),
		slog.Int("status", resp.StatusCode), slog.Duration("duration", time.Since(start)))
	return resp, nil
}

// describe is an answer in one line.
func describe(resp *http.Response) string {
	var detail strings.Builder
	detail.WriteString("status " + strconv.Itoa(resp.StatusCode) + ", " + resp.Proto)
	for _, name := range []string{"Content-Type", "Content-Encoding", "Content-Length"} {
		if value := resp.Header.Get(name); value != "" {
			detail.WriteString(", " + strings.ToLower(name) + " " + strconv.QuoteToGraphic(value[:min(len(value), 100)]))
		}
	}
	return detail.String()
}

// finish reads the body of the last hop.
func (c *Client) finish(ctx context.Context, h *hop, resp *http.Response, maxBytes int64, truncate bool) (*Response, error) {
	defer resp.Body.Close()
	body, received, err := readBody(resp, maxBytes, truncate)
	if err != nil {
		err = classify(ctx, h.url, err)
		Trace(ctx, Event{Stage: "body", URL: redact(h.url), Detail: strconv.FormatInt(received, 10) + " bytes received", Err: err})
		return nil, err
	}
	r := &Response{URL: h.url, Redirects: h.passed, Status: resp.StatusCode, Header: resp.Header, Body: body, Received: received}
	if Traced(ctx) {
		r.trace(ctx)
	}
	return r, nil
}
