// SPDX-License-Identifier: Apache-2.0

package fetch

import (
	"context"
	"net"
	"net/netip"
	"net/url"
	"strconv"
)

// DialContext connects to a host and port under the client's rules: the host
// must be one that may be fetched from, and each address it leads to is judged
// when it is about to be connected to; through the proxy if one is configured.
// It is for programs that let others speak HTTP through them, such as a proxy
// in front of a browser. The network is "tcp", "tcp4" or "tcp6". The error is
// an *[Error]. Decisions are reported to the trace of ctx.
func (c *Client) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := c.dial(traceDNS(ctx), network, address)
	if err != nil {
		return nil, classify(ctx, &url.URL{Host: address}, err)
	}
	return conn, nil
}

func (c *Client) dial(ctx context.Context, network, address string) (net.Conn, error) {
	t, err := c.policy.target(network, address)
	if err != nil {
		Trace(ctx, Event{Stage: "dial", Detail: "refused", Err: err})
		return nil, err
	}
	proxy, known := ctx.Value(proxyKey{}).(*url.URL)
	if !known {
		if proxy, err = c.proxyFor(t.url()); err != nil {
			return nil, err
		}
	}
	if proxy != nil {
		return c.tunnel(ctx, proxy, t)
	}
	return c.dialer.DialContext(ctx, network, t.String())
}

// target is a host and port that may be connected to as far as its form goes.
type target struct {
	host string     // canonical
	addr netip.Addr // valid if host is an address
	port uint16
}

func (p *policy) target(network, address string) (target, error) {
	refuse := func(detail string) (target, error) {
		return target{}, &Error{Code: CodeURL, Detail: detail}
	}
	if network != "tcp" && network != "tcp4" && network != "tcp6" {
		return refuse("the network " + strconv.Quote(network) + " is not tcp, tcp4 or tcp6")
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return refuse("the address is not HOST:PORT")
	}
	t := target{}
	if t.host, t.addr, err = canonicalHost(host); err != nil {
		return refuse("the host is not valid: " + err.Error())
	}
	if t.port, err = parsePort(port); err != nil {
		return refuse("the port is not a number from 1 to 65535")
	}
	return t, p.judgeHost(t.host, t.addr, t.port)
}

func (t target) String() string { return net.JoinHostPort(t.host, strconv.Itoa(int(t.port))) }

// url is what a proxy is chosen by when nothing but the target is known.
func (t target) url() *url.URL {
	u := &url.URL{Scheme: "https", Host: joinHost(t.host, t.port, "https")}
	if t.port == 80 {
		u.Scheme, u.Host = "http", joinHost(t.host, t.port, "http")
	}
	return u
}

// judge resolves a target and judges its addresses. It returns those that may
// be connected to, and an error if there are none, or if all is demanded and
// one is refused.
func (c *Client) judge(ctx context.Context, t target, all bool) ([]netip.Addr, error) {
	if t.addr.IsValid() {
		return []netip.Addr{t.addr}, nil // judged already
	}
	resolver := c.opts.Resolver
	if resolver == nil {
		resolver = net.DefaultResolver
	}
	found, err := resolver.LookupNetIP(ctx, "ip", t.host)
	if err != nil {
		return nil, err
	}
	var good []netip.Addr
	for _, addr := range found {
		checked := c.policy.control(ctx, "tcp"+family(addr), netip.AddrPortFrom(addr, t.port).String(), nil)
		switch {
		case checked == nil:
			good = append(good, addr.Unmap())
		case all:
			return nil, checked
		default:
			err = checked
		}
	}
	if len(good) == 0 {
		return nil, err
	}
	return good, nil
}

func family(addr netip.Addr) string {
	if addr.Is6() {
		return "6"
	}
	return "4"
}
