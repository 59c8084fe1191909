// SPDX-License-Identifier: Apache-2.0

package fetch

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"time"
)

// Defaults of [Options].
const (
	DefaultUserAgent      = "fetchserver (+https://github.com/atrawog/mcp-oauth-gateway)"
	DefaultTimeout        = 30 * time.Second
	DefaultMaxBytes       = 10 << 20
	DefaultMaxHeaderBytes = 64 << 10
	DefaultMaxRedirects   = 5
)

// Options configure a [Client]. The zero value is the safe default.
type Options struct {
	// AllowPrefixes may be connected to although they are not public, on the
	// ports 80, 443 and Ports.
	AllowPrefixes []netip.Prefix
	// AllowEndpoints may be connected to although they are not public, and
	// whatever their port.
	AllowEndpoints []netip.AddrPort
	// Ports are allowed in addition to 80 and 443.
	Ports []uint16
	// UserAgent is the User-Agent field of each request. Default [DefaultUserAgent].
	UserAgent string
	// Timeout bounds a whole fetch, redirects and body included. Default 30 s.
	Timeout time.Duration
	// MaxBytes bounds a body in bytes, before and after decoding. Default 10 MiB.
	MaxBytes int64
	// MaxHeaderBytes bounds the header section of a response. Default 64 KiB.
	MaxHeaderBytes int64
	// MaxRedirects bounds the redirects of one fetch. Default 5; negative means none.
	MaxRedirects int
	// Resolver resolves host names. Nil means [net.DefaultResolver].
	Resolver *net.Resolver
	// TLSClientConfig may add certificate authorities. Nil means the system's.
	TLSClientConfig *tls.Config
	// Logger gets one debug record for each request. Nil discards.
	Logger *slog.Logger
}

func (o *Options) withDefaults() Options {
	var c Options
	if o != nil {
		c = *o
	}
	setDefault(&c.UserAgent, DefaultUserAgent)
	setDefault(&c.Timeout, DefaultTimeout)
	setDefault(&c.MaxBytes, DefaultMaxBytes)
	setDefault(&c.MaxHeaderBytes, DefaultMaxHeaderBytes)
	setDefault(&c.MaxRedirects, DefaultMaxRedirects)
	setDefault(&c.Logger, slog.New(slog.DiscardHandler))
	return c
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Client fetches URLs under the rules of the package. It is safe for
// concurrent use and keeps connections open between fetches.
type Client struct {
	opts      Options
	policy    *policy
	dialer    *net.Dialer // guarded
	transport *http.Transport
}

// New returns a client. A nil o means the defaults.
func New(o *Options) *Client {
	c := &Client{opts: o.withDefaults()}
	c.policy = newPolicy(&c.opts)
	c.dialer = &net.Dialer{
		Timeout:  10 * time.Second,
		Resolver: c.opts.Resolver,
		Control:  c.policy.control,
	}
	// The transport is used without an http.Client, which would follow
	// redirects: Do does that, one judged hop at a time.
	c.transport = &http.Transport{
		Proxy:                  nil, // a proxy would dial in our place, out of the guard's sight
		DialContext:            c.dial,
		TLSClientConfig:        c.opts.TLSClientConfig.Clone(),
		TLSHandshakeTimeout:    10 * time.Second,
		MaxResponseHeaderBytes: c.opts.MaxHeaderBytes,
		DisableCompression:     true, // decoded by this package, under its caps
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           100,
		IdleConnTimeout:        30 * time.Second,
	}
	return c
}

// Close closes idle connections. The client stays usable.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// CheckURL reports whether the form of a URL allows it to be fetched. It
// resolves nothing; the address is judged when it is connected to. The error
// is an *[Error].
func (c *Client) CheckURL(rawURL string) error {
	_, err := c.policy.parseURL(rawURL)
	return err
}

// Request says what to fetch.
type Request struct {
	// URL is an absolute http or https URL. A fragment is ignored.
	URL string
	// Header is sent to the origin of URL, and dropped when a redirect leaves
	// that origin. Fields that steer the connection, name the host, forge a
	// forwarding chain or unlock a metadata service are refused.
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
}

// Get fetches a URL. See [Client.Do].
func (c *Client) Get(ctx context.Context, rawURL string) (*Response, error) {
	return c.Do(ctx, &Request{URL: rawURL})
}

// Do performs a GET request, follows redirects and reads the whole body. The
// error is an *[Error], except for one that Request.Check returned.
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

	u, err := c.policy.parseURL(r.URL)
	if err != nil {
		return nil, err
	}
	if err := checkHeader(r.Header); err != nil {
		return nil, err
	}
	first := u
	var passed []string
	for {
		if r.Check != nil {
			if err := r.Check(ctx, u); err != nil {
				return nil, err
			}
		}
		var own http.Header
		if sameOrigin(first, u) {
			own = r.Header
		}
		resp, err := c.roundTrip(ctx, u, own)
		if err != nil {
			return nil, err
		}
		next, err := c.redirectTarget(u, resp)
		if err == nil && next != nil && len(passed) >= max(c.opts.MaxRedirects, 0) {
			err = &Error{Code: CodeRedirect, URL: redact(u), Detail: "more than " + strconv.Itoa(max(c.opts.MaxRedirects, 0)) + " redirects"}
		}
		if err != nil || next == nil {
			return c.finish(ctx, u, passed, resp, maxBytes, r.Truncate, err)
		}
		resp.Body.Close()
		passed = append(passed, u.String())
		u = next
	}
}

func (c *Client) roundTrip(ctx context.Context, u *url.URL, own http.Header) (*http.Response, error) {
	start := time.Now()
	req := (&http.Request{
		Method: http.MethodGet,
		URL:    withoutFragment(u),
		Header: http.Header{
			"Accept":          {accept},
			"Accept-Encoding": {acceptEncoding},
			"User-Agent":      {c.opts.UserAgent},
		},
	}).WithContext(ctx)
	for name, values := range own {
		req.Header[http.CanonicalHeaderKey(name)] = values
	}
	resp, err := c.transport.RoundTrip(req)
	if err != nil {
		err = classify(ctx, u, err)
		c.opts.Logger.LogAttrs(ctx, slog.LevelDebug, "fetch failed", slog.String("url", redact(u)), slog.String("error", err.Error()))
		return nil, err
	}
	c.opts.Logger.LogAttrs(ctx, slog.LevelDebug, "fetch answered", slog.String("url", redact(u)),
		slog.Int("status", resp.StatusCode), slog.Duration("duration", time.Since(start)))
	return resp, nil
}

// finish reads the body of the last hop, unless err already ended the fetch.
func (c *Client) finish(ctx context.Context, u *url.URL, passed []string, resp *http.Response, maxBytes int64, truncate bool, err error) (*Response, error) {
	defer resp.Body.Close()
	if err != nil {
		return nil, err
	}
	body, err := readBody(resp, maxBytes, truncate)
	if err != nil {
		return nil, classify(ctx, u, err)
	}
	return &Response{URL: u, Redirects: passed, Status: resp.StatusCode, Header: resp.Header, Body: body}, nil
}

func withoutFragment(u *url.URL) *url.URL {
	c := *u
	c.Fragment, c.RawFragment = "", ""
	return &c
}
