// SPDX-License-Identifier: Apache-2.0

package fetchserver

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// guard keeps web pages from using a browser inside the network to call the
// server (MCP specification, Streamable HTTP, security warning).
type guard struct {
	next    http.Handler
	hosts   []string
	origins []string
	cross   *http.CrossOriginProtection
}

func newGuard(next http.Handler, hosts, origins []string) http.Handler {
	g := &guard{next: next, cross: http.NewCrossOriginProtection()}
	for _, h := range hosts {
		g.hosts = append(g.hosts, strings.ToLower(h))
	}
	for _, o := range origins {
		o = strings.ToLower(strings.TrimRight(o, "/"))
		g.origins = append(g.origins, o)
	}
	return g
}

func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !g.hostAllowed(r) {
		http.Error(w, "this Host is not allowed here; the operator can allow it with --allow-host", http.StatusForbidden)
		return
	}
	origin := r.Header.Get("Origin")
	trusted := origin != "" && slices.Contains(g.origins, strings.ToLower(origin))
	if !trusted && !g.sameOrigin(r, origin) {
		http.Error(w, "this Origin is not allowed here; the operator can allow it with --allow-origin", http.StatusForbidden)
		return
	}
	if trusted {
		allowOrigin(w.Header(), origin)
		if r.Method == http.MethodOptions {
			w.WriteHeader(http.StatusNoContent)
			return
		}
	}
	w.Header().Set("X-Accel-Buffering", "no") // a proxy must not collect events
	g.next.ServeHTTP(w, r)
}

// hostAllowed refuses names that an attacker's DNS may have pointed at this
// machine.
func (g *guard) hostAllowed(r *http.Request) bool {
	name := strings.ToLower(hostname(r.Host))
	if isLoopbackName(name) || slices.Contains(g.hosts, name) {
		return true
	}
	return len(g.hosts) == 0 && !onLoopback(r)
}

// sameOrigin accepts requests that no web page made, and those of pages of
// this server. CrossOriginProtection looks at what changes state only; an
// Origin is checked on every request.
func (g *guard) sameOrigin(r *http.Request, origin string) bool {
	if g.cross.Check(r) != nil {
		return false
	}
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, r.Host)
}

// allowOrigin answers a browser (Fetch standard, CORS protocol).
func allowOrigin(h http.Header, origin string) {
	h.Add("Vary", "Origin")
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Allow-Methods", "POST, OPTIONS")
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Mcp-Method, Mcp-Name, Mcp-Protocol-Version")
	h.Set("Access-Control-Expose-Headers", "WWW-Authenticate")
	h.Set("Access-Control-Max-Age", "600")
}

func hostname(hostport string) string {
	if host, _, err := net.SplitHostPort(hostport); err == nil {
		return host
	}
	return strings.Trim(hostport, "[]")
}

func isLoopbackName(name string) bool {
	if name == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(name)
	return err == nil && addr.Unmap().IsLoopback()
}

func onLoopback(r *http.Request) bool {
	addr, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	return ok && isLoopbackName(hostname(addr.String()))
}
