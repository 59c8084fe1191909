// SPDX-License-Identifier: Apache-2.0

// Package safedial keeps a client that follows addresses which peers name out
// of the networks that only its own machine can reach (server-side request
// forgery; MCP security best practices).
package safedial

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	dialTimeout = 30 * time.Second // as http.DefaultTransport has it
	keepAlive   = 30 * time.Second
)

// Dialer connects to any public address, and to others only by the choice of
// the user: to the hosts that the user configured, and to private networks when
// one of these hosts is in such a network itself. The address is checked after
// the look-up, right before the connection, so that a name cannot change in
// between.
type Dialer struct {
	configured []string
	lookup     func(ctx context.Context, host string) ([]netip.Addr, error)

	mu      sync.Mutex
	proxies map[string]bool // mu guards
	inside  *bool           // mu guards: whether a configured host is not public; nil when unknown
}

// New returns a dialer for a client whose user configured some hosts.
func New(configured ...string) *Dialer {
	configured = slices.Clone(configured)
	for i, host := range configured {
		configured[i] = strings.ToLower(host)
	}
	return &Dialer{
		configured: configured,
		lookup: func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		},
		proxies: map[string]bool{},
	}
}

// Transport returns a copy of a transport that connects through the dialer. The
// proxies of the user's environment may be anywhere; behind one it is the proxy
// that looks names up, and that has to refuse.
func (d *Dialer) Transport(base *http.Transport) *http.Transport {
	t := base.Clone()
	t.DialContext = d.DialContext
	if choose := t.Proxy; choose != nil {
		t.Proxy = func(r *http.Request) (*url.URL, error) {
			proxy, err := choose(r)
			if proxy != nil {
				d.mu.Lock()
				d.proxies[proxy.Hostname()] = true
				d.mu.Unlock()
			}
			return proxy, err
		}
	}
	return t
}

// DialContext connects like a net.Dialer.
func (d *Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: dialTimeout, KeepAlive: keepAlive}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if !d.trusts(host) {
		dialer.ControlContext = func(ctx context.Context, _, address string, _ syscall.RawConn) error {
			return d.check(ctx, address)
		}
	}
	return dialer.DialContext(ctx, network, address)
}

func (d *Dialer) trusts(host string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Contains(d.configured, strings.ToLower(host)) || d.proxies[host]
}

// check judges the address of a connection that is about to be made.
func (d *Dialer) check(ctx context.Context, address string) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	ip := at.Addr().Unmap().WithZone("")
	switch {
	case Public(ip):
		return nil
	case (ip.IsPrivate() || ip.IsLoopback()) && d.isInside(ctx):
		return nil
	}
	return &NotPublicError{Address: ip}
}

// NotPublicError tells that no connection was made, because of the address.
type NotPublicError struct{ Address netip.Addr }

// Error says what to do about an address that is right.
func (e *NotPublicError) Error() string {
	return fmt.Sprintf("address %s is not public, and a peer has no business naming it; if it is right, name its host in the configuration", e.Address)
}

// isInside reports whether a configured host is not public.
func (d *Dialer) isInside(ctx context.Context) bool {
	d.mu.Lock()
	known := d.inside
	d.mu.Unlock()
	if known != nil {
		return *known
	}
	inside, complete := false, true
	for _, host := range d.configured {
		addresses, err := d.addresses(ctx, host)
		complete = complete && err == nil
		inside = inside || slices.ContainsFunc(addresses, func(ip netip.Addr) bool { return !Public(ip.Unmap()) })
	}
	if inside || complete {
		d.mu.Lock()
		d.inside = &inside
		d.mu.Unlock()
	}
	return inside
}

func (d *Dialer) addresses(ctx context.Context, host string) ([]netip.Addr, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip}, nil
	}
	return d.lookup(ctx, host)
}

// globalUnicast6 is the only IPv6 block from which addresses of the public
// Internet are assigned (RFC 4291 section 2.4).
var globalUnicast6 = netip.MustParsePrefix("2000::/3")

// nat64 is how networks without IPv4 reach IPv4 addresses: RFC 6052.
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// special holds the other blocks that no public server lives in, from the IANA
// special-purpose address registries.
var special = mustPrefixes(
	"0.0.0.0/8",         // this network, RFC 791
	"10.0.0.0/8",        // private use, RFC 1918
	"100.64.0.0/10",     // shared address space, RFC 6598
	"127.0.0.0/8",       // loopback, RFC 1122
	"168.63.129.16/32",  // Azure's wire server: a public address that is served inside every virtual network
	"169.254.0.0/16",    // link local, RFC 3927; cloud metadata services
	"172.16.0.0/12",     // private use, RFC 1918
	"192.0.0.0/24",      // IETF protocol assignments, RFC 6890
	"192.0.2.0/24",      // documentation, RFC 5737
	"192.31.196.0/24",   // AS112-v4, RFC 7535
	"192.52.193.0/24",   // AMT, RFC 7450
	"192.88.99.0/24",    // deprecated 6to4 relay anycast, RFC 7526
	"192.168.0.0/16",    // private use, RFC 1918
	"192.175.48.0/24",   // direct delegation AS112 service, RFC 7534
	"198.18.0.0/15",     // benchmarking, RFC 2544
	"198.51.100.0/24",   // documentation, RFC 5737
	"203.0.113.0/24",    // documentation, RFC 5737
	"224.0.0.0/4",       // multicast, RFC 1112
	"240.0.0.0/4",       // reserved, RFC 1112; limited broadcast, RFC 919
	"2001::/23",         // IETF protocol assignments, RFC 2928: Teredo, benchmarking, ORCHID, AMT
	"2001:db8::/32",     // documentation, RFC 3849
	"2002::/16",         // 6to4, RFC 3056: carries any IPv4 address
	"2620:4f:8000::/48", // direct delegation AS112 service, RFC 7534
	"3fff::/20",         // documentation, RFC 9637
)

func mustPrefixes(texts ...string) []netip.Prefix {
	prefixes := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		prefixes[i] = netip.MustParsePrefix(text)
	}
	return prefixes
}

// Public reports whether an address belongs to the public Internet.
func Public(ip netip.Addr) bool {
	if nat64.Contains(ip) {
		b := ip.As16()
		ip = netip.AddrFrom4([4]byte(b[12:]))
	}
	return ip.IsValid() && (ip.Is4() || globalUnicast6.Contains(ip)) &&
		!slices.ContainsFunc(special, func(p netip.Prefix) bool { return p.Contains(ip) })
}
