// SPDX-License-Identifier: Apache-2.0

package shclient

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
)

// Options says which server to talk to, and how. URL is required.
type Options struct {
	// URL is the MCP endpoint, with scheme http or https and without a user name.
	// Five redirects are followed, within its origin.
	URL string

	// OAuth makes the client log in when the server asks for it. An empty
	// Resource means URL; a nil HTTPClient means the HTTPClient below. Nil
	// means that no login is attempted.
	OAuth *oauthdyn.Config

	// TLSConfig says which certificates are trusted, here and for OAuth. Nil
	// means those that the system trusts. It is not changed.
	TLSConfig *tls.Config

	// Network is "tcp4" to use addresses of IPv4 only, here and for OAuth, or
	// "tcp6" for IPv6. Empty means both.
	Network string

	// Header is sent with each request to the server's origin, and to no other.
	// Authorization in it and OAuth exclude each other.
	Header http.Header

	// HTTPClient makes the requests; its Transport, Jar and Timeout are used, and
	// TLSConfig and Network are not. Nil means a client that honours the proxy
	// environment variables, gives up connecting after 15 seconds, and waits for
	// answers without limit, as long as the connection lives: one whose other end
	// is silent is found out within a minute, and one from before the machine
	// slept is not used again.
	//
	// OAuth requests of the nil client reach addresses that are not public only
	// as oauthdyn.Config has it.
	HTTPClient *http.Client

	// Logger gets what is worth knowing but no error. Nil means silence.
	Logger *slog.Logger
}

// endpoint is the checked form of Options: one server, and the way to it.
type endpoint struct {
	url    *url.URL
	client *http.Client
	logger *slog.Logger
}

// endpoint puts the way to the server together. wrap, if not nil, goes between
// the login and the network.
func (o *Options) endpoint(wrap func(http.RoundTripper) http.RoundTripper) (*endpoint, error) {
	u, err := parseURL(o.URL)
	if err != nil {
		return nil, err
	}
	logger := o.Logger
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	base := o.HTTPClient
	if base == nil {
		transport, err := o.transport()
		if err != nil {
			return nil, err
		}
		base = &http.Client{Transport: transport}
	}
	client := *base
	client.CheckRedirect = sameOrigin
	if client.Transport == nil {
		client.Transport = http.DefaultTransport
	}
	if wrap != nil {
		client.Transport = wrap(client.Transport)
	}
	if o.OAuth != nil {
		if o.Header.Get("Authorization") != "" {
			return nil, errors.New("shclient: an Authorization header and OAuth exclude each other")
		}
		client.Transport, err = o.login(logger, client.Transport)
		if err != nil {
			return nil, err
		}
	}
	if len(o.Header) > 0 {
		client.Transport = &headerTransport{origin: origin(u), header: o.Header.Clone(), base: client.Transport}
	}
	return &endpoint{url: u, client: &client, logger: logger}, nil
}

// login puts the OAuth client in front of transport.
func (o *Options) login(logger *slog.Logger, transport http.RoundTripper) (http.RoundTripper, error) {
	config := *o.OAuth
	if config.Resource == "" {
		config.Resource = o.URL
	}
	if config.HTTPClient == nil && o.HTTPClient != nil {
		config.HTTPClient = o.HTTPClient
	} else if config.HTTPClient == nil {
		config.TLSConfig, config.Network = cmp.Or(config.TLSConfig, o.TLSConfig), cmp.Or(config.Network, o.Network)
	}
	if config.Logger == nil {
		config.Logger = logger
	}
	oauth, err := oauthdyn.New(config)
	if err != nil {
		return nil, err
	}
	return &loginTransport{oauth.Transport(transport)}, nil
}

func parseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, fmt.Errorf("shclient: %q is not a URL", text)
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		return nil, fmt.Errorf("shclient: %q is not an http or https URL", text)
	case u.User != nil:
		return nil, errors.New("shclient: the URL must not contain a user name or password; use an Authorization header")
	}
	u.Fragment = ""
	return u, nil
}

// name is the URL as messages show it: without the query, where keys may hide.
func (e *endpoint) name() string {
	return (&url.URL{Scheme: e.url.Scheme, Host: e.url.Host, Path: e.url.Path}).String()
}

// origin is the scheme, host and port of u (RFC 6454), in comparable form.
func origin(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return u.Scheme + "://" + net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}

// sameOrigin lets a request be redirected within the server that it was meant
// for. Anything else would hand the message to a stranger, or turn it into a
// GET.
func sameOrigin(req *http.Request, via []*http.Request) error {
	first := via[0]
	switch {
	case len(via) > 5:
		return errors.New("more than 5 redirects")
	case origin(req.URL) != origin(first.URL):
		target := url.URL{Scheme: req.URL.Scheme, Host: req.URL.Host, Path: req.URL.Path}
		return fmt.Errorf("redirected to %s: use that URL if you trust it", target.String())
	case req.Method != first.Method:
		return errors.New("redirected in a way that turns the request into a GET")
	}
	return nil
}

// headerTransport adds the user's headers to requests for one origin.
type headerTransport struct {
	origin string
	header http.Header
	base   http.RoundTripper
}

func (t *headerTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if origin(req.URL) == t.origin {
		req = req.Clone(req.Context())
		for name, values := range t.header {
			req.Header[http.CanonicalHeaderKey(name)] = values
		}
	}
	return t.base.RoundTrip(req)
}

// CloseIdleConnections lets http.Client.CloseIdleConnections reach the base.
func (t *headerTransport) CloseIdleConnections() {
	if c, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// newRequest makes a request for the endpoint. body may be nil.
func (e *endpoint) newRequest(ctx context.Context, method string, body []byte) *http.Request {
	req := (&http.Request{Method: method, URL: e.url, Header: http.Header{}, Host: e.url.Host}).WithContext(ctx)
	if body != nil {
		setBody(req, body)
	}
	return req
}

// setBody makes body the content of a POST, repeatable after a redirect.
func setBody(req *http.Request, body []byte) {
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	req.ContentLength = int64(len(body))
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	req.Body, _ = req.GetBody()
}
