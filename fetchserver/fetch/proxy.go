// SPDX-License-Identifier: Apache-2.0

package fetch

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"time"

	"golang.org/x/net/proxy"
)

// ProxyTarget says what an upstream proxy is told about a target.
type ProxyTarget string

// The kinds of target.
const (
	// ProxyName resolves a name here, judges every address it leads to, and
	// gives the proxy the name. What remains: the proxy resolves the name again
	// and may get another answer, so that a proxy that can reach private
	// addresses should refuse them itself.
	ProxyName ProxyTarget = "name"
	// ProxyAddress gives the proxy the judged address, so that there is nothing
	// left to be resolved. It needs a proxy that connects to addresses, and
	// CONNECT to port 80 for http URLs.
	ProxyAddress ProxyTarget = "address"
	// ProxyUnresolved gives the proxy names that are not resolved here, for
	// networks where only the proxy can. Addresses in URLs are still judged;
	// to judge those of names is left to the proxy entirely.
	ProxyUnresolved ProxyTarget = "unresolved"
)

// ProxyURL returns an [Options.Proxy] that is the same for all targets. It
// reads an http, https, socks5 or socks5h URL with a host and, if need be, a
// user name and password; the last two schemes are the same here. Errors do not
// repeat the URL.
func ProxyURL(raw string) (func(*url.URL) (*url.URL, error), error) {
	u, err := url.Parse(raw)
	if err == nil {
		err = checkProxy(u)
	}
	if err != nil {
		return nil, errors.New("fetch: the proxy must be a URL such as http://proxy.example:3128, with http, https or socks5 and a host")
	}
	return func(*url.URL) (*url.URL, error) { return u, nil }, nil
}

func checkProxy(u *url.URL) error {
	switch u.Scheme {
	case "http", "https", "socks5", "socks5h":
		if u.Hostname() != "" && u.Opaque == "" {
			return nil
		}
	}
	return &Error{Code: CodeProxy, Detail: "the configured proxy is not an http, https or socks5 URL with a host"}
}

// proxyKey is the context key of the proxy, a *url.URL that may be nil, for
// the connections of a request.
type proxyKey struct{}

func proxyOfRequest(r *http.Request) (*url.URL, error) {
	u, _ := r.Context().Value(proxyKey{}).(*url.URL)
	return u, nil
}

// proxyFor returns the proxy for a target, or nil.
func (c *Client) proxyFor(u *url.URL) (*url.URL, error) {
	if c.opts.Proxy == nil {
		return nil, nil
	}
	p, err := c.opts.Proxy(u)
	if err != nil { // its text may hold the proxy's credentials
		return nil, &Error{Code: CodeProxy, Detail: "the configuration of the proxy is not valid"}
	}
	if p == nil {
		return nil, nil
	}
	return p, checkProxy(p)
}

// route chooses the transport for a URL. Plain http goes to an HTTP proxy as a
// request for the whole URL, because many allow CONNECT to port 443 only; the
// target is judged before.
func (c *Client) route(ctx context.Context, u *url.URL) (*http.Transport, context.Context, error) {
	p, err := c.proxyFor(u)
	if err != nil {
		return nil, ctx, err
	}
	ctx = context.WithValue(ctx, proxyKey{}, p)
	if p == nil || u.Scheme != "http" || p.Scheme != "http" && p.Scheme != "https" || c.opts.ProxyTarget == ProxyAddress {
		return c.transport, ctx, nil
	}
	port, err := portOf(u)
	if err != nil {
		return nil, ctx, err
	}
	t, err := c.policy.target("tcp", net.JoinHostPort(u.Hostname(), strconv.Itoa(int(port))))
	if err == nil {
		_, err = c.proxyAddress(traceDNS(ctx), t)
	}
	return c.forward, ctx, err
}

// proxyAddress judges a target and returns what the proxy is told.
func (c *Client) proxyAddress(ctx context.Context, t target) (string, error) {
	told := t.String()
	switch c.opts.ProxyTarget {
	case ProxyAddress:
		addrs, err := c.judge(ctx, t, false)
		if err != nil {
			return "", err
		}
		told = netip.AddrPortFrom(preferred(addrs), t.port).String()
	case ProxyUnresolved:
	default:
		if _, err := c.judge(ctx, t, true); err != nil {
			return "", err
		}
	}
	Trace(ctx, Event{Stage: "dial", Detail: "the proxy is asked for " + told})
	return told, nil
}

// preferred is an IPv4 address if there is one: more proxies reach those.
func preferred(addrs []netip.Addr) netip.Addr {
	for _, addr := range addrs {
		if addr.Is4() {
			return addr
		}
	}
	return addrs[0]
}

// tunnel connects to a target through a proxy.
func (c *Client) tunnel(ctx context.Context, p *url.URL, t target) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	told, err := c.proxyAddress(ctx, t)
	if err != nil {
		return nil, err
	}
	if p.Scheme == "socks5" || p.Scheme == "socks5h" {
		return c.socks(ctx, p, told)
	}
	conn, err := c.dialProxy(ctx, p)
	if err != nil {
		return nil, err
	}
	// The handshake ends with ctx; the connection outlives it.
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	err = connect(conn, p, told, c.opts.MaxHeaderBytes)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// dialProxy connects to an HTTP proxy, which may be in a private network.
func (c *Client) dialProxy(ctx context.Context, p *url.URL) (net.Conn, error) {
	port := p.Port()
	if port == "" {
		port = strconv.Itoa(int(defaultPort(p.Scheme)))
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(p.Hostname(), port))
	if err != nil {
		return nil, proxyError("cannot connect to the proxy", err)
	}
	if p.Scheme == "http" {
		return conn, nil
	}
	config := c.opts.tlsConfig()
	config.ServerName, config.NextProtos = p.Hostname(), nil
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, proxyError("the TLS handshake with the proxy failed", err)
	}
	return secure, nil
}

// connect asks an HTTP proxy for a tunnel (RFC 9110 section 9.3.6).
func connect(conn net.Conn, p *url.URL, told string, maxHeader int64) error {
	req := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: told}, Host: told, Header: http.Header{"User-Agent": {""}}}
	if p.User != nil {
		password, _ := p.User.Password()
		req.Header.Set("Proxy-Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(p.User.Username()+":"+password)))
	}
	if err := req.Write(conn); err != nil {
		return proxyError("the connection to the proxy broke", err)
	}
	r := bufio.NewReader(io.LimitReader(conn, maxHeader))
	resp, err := http.ReadResponse(r, req)
	if err != nil {
		return proxyError("the proxy gave no answer that can be read", err)
	}
	// A successful CONNECT has no body; a refusal's is not read.
	switch {
	case resp.StatusCode == http.StatusProxyAuthRequired:
		return proxyError("the proxy wants other credentials", nil)
	case resp.StatusCode < 200 || resp.StatusCode > 299:
		return proxyError("the proxy refused to connect to "+told+", with status "+strconv.Itoa(resp.StatusCode), nil)
	case r.Buffered() > 0:
		return proxyError("the proxy sent data before it was asked", nil)
	}
	return nil
}

// socks connects through a SOCKS 5 proxy (RFC 1928, RFC 1929).
func (c *Client) socks(ctx context.Context, p *url.URL, told string) (net.Conn, error) {
	var auth *proxy.Auth
	if p.User != nil {
		password, _ := p.User.Password()
		auth = &proxy.Auth{User: p.User.Username(), Password: password}
	}
	port := p.Port()
	if port == "" {
		port = "1080"
	}
	d, err := proxy.SOCKS5("tcp", net.JoinHostPort(p.Hostname(), port), auth, &net.Dialer{})
	if err != nil {
		return nil, proxyError("the SOCKS proxy cannot be used", err)
	}
	conn, err := d.(proxy.ContextDialer).DialContext(ctx, "tcp", told)
	if err != nil {
		return nil, proxyError("the SOCKS proxy did not connect to "+told, err)
	}
	return conn, nil
}

func proxyError(detail string, err error) error {
	if isTimeout(err) {
		return err
	}
	return &Error{Code: CodeProxy, Detail: detail, Err: err}
}
