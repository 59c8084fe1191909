// SPDX-License-Identifier: Apache-2.0

// Package guard refuses requests that a web page may have made a browser send:
// the protection against DNS rebinding that the specification of Streamable
// HTTP demands.
package guard

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// A Guard knows which values of the Host and Origin headers are served. Its
// zero value accepts loopback names and IP addresses as hosts, and loopback
// origins and the endpoint's own. It is safe for concurrent use.
type Guard struct {
	hosts, origins     map[string]bool
	anyHost, anyOrigin bool
}

// New returns a guard that accepts more hosts, with or without a port, and
// origins like "https://app.example"; "*" stands for all.
func New(hosts, origins []string) (*Guard, error) {
	g := &Guard{hosts: make(map[string]bool), origins: make(map[string]bool)}
	for _, host := range hosts {
		if host == "" || strings.ContainsAny(host, "/ ") {
			return nil, fmt.Errorf("allowed host %q: want a name like mcp.example.com, with or without a port", host)
		}
		g.anyHost = g.anyHost || host == "*"
		g.hosts[strings.ToLower(host)] = true
	}
	for _, origin := range origins {
		u, err := url.Parse(origin)
		if origin != "*" && (err != nil || u.Host == "" || u.Scheme+"://"+u.Host != origin) {
			return nil, fmt.Errorf("allowed origin %q: want scheme://host like https://app.example.com", origin)
		}
		g.anyOrigin = g.anyOrigin || origin == "*"
		g.origins[strings.ToLower(origin)] = true
	}
	return g, nil
}

// Check returns why the request must be refused, with status 403, or nil.
func (g *Guard) Check(r *http.Request) error {
	if !g.hostAllowed(r.Host) {
		return fmt.Errorf("host %q is not allowed", r.Host)
	}
	if origin := r.Header["Origin"]; len(origin) > 0 && !g.originAllowed(origin[0], r.Host) {
		return fmt.Errorf("origin %q is not allowed", origin[0])
	}
	return nil
}

// hostAllowed accepts addresses as well: rebinding needs a name.
func (g *Guard) hostAllowed(hostport string) bool {
	if g.anyHost || isLocal(hostport) {
		return true
	}
	name := hostname(hostport)
	if _, err := netip.ParseAddr(name); err == nil {
		return true
	}
	return g.hosts[strings.ToLower(name)] || g.hosts[strings.ToLower(hostport)]
}

// originAllowed accepts the endpoint's own origin as well, since its host was
// checked before.
func (g *Guard) originAllowed(origin, host string) bool {
	if g.anyOrigin || g.origins[strings.ToLower(origin)] {
		return true
	}
	u, err := url.Parse(origin)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" {
		return false
	}
	return strings.EqualFold(u.Host, host) || isLocal(u.Host)
}

// isLocal reports whether a host names the machine itself.
func isLocal(hostport string) bool {
	name := strings.ToLower(hostname(hostport))
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(name)
	return err == nil && addr.IsLoopback()
}

// hostname cuts the port and the brackets of an IPv6 address.
func hostname(hostport string) string {
	if host, _, err := net.SplitHostPort(hostport); err == nil {
		return host
	}
	return strings.TrimSuffix(strings.TrimPrefix(hostport, "["), "]")
}
