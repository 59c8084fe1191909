// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Bounds of what proxies say of a request.
const (
	maxForwardedBytes = 4 << 10
	maxHops           = 32
)

// forwarded returns the request as the first proxy that is not ours got it: with
// the address of the client, and the host that it asked for. What proxies say
// counts only if the request comes from one of Options.TrustedProxies.
func (s *Server) forwarded(r *http.Request) *http.Request {
	peer := peerAddress(r)
	if !s.trusts(peer) {
		return r
	}
	client := s.clientBehind(peer, r.Header)
	host := lastOf(r.Header.Values("X-Forwarded-Host"))
	if client == peer && host == "" {
		return r
	}
	r = r.WithContext(r.Context()) // a copy
	if client != peer {
		r.RemoteAddr = netip.AddrPortFrom(client, 0).String()
	}
	if host != "" {
		r.Host = host
	}
	return r
}

// peerAddress is the address that a request has come from, or is said to have
// come from by a proxy that is trusted. It is invalid if the request came over
// no network.
func peerAddress(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap().WithZone("")
}

func (s *Server) trusts(addr netip.Addr) bool {
	return slices.ContainsFunc(s.o.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// clientBehind returns the last address that no trusted proxy has: everything
// before that one is what a client said of itself. An entry that is no address
// ends the search, at the proxy that sent it.
func (s *Server) clientBehind(peer netip.Addr, h http.Header) netip.Addr {
	client := peer
	for _, hop := range hops(h) {
		addr, ok := parseHop(hop)
		if !ok {
			break
		}
		if client = addr; !s.trusts(addr) {
			break
		}
	}
	return client
}

// hops lists what proxies say, the nearest one first. Forwarded (RFC 7239)
// counts only where there is no X-Forwarded-For: nearly all proxies set that
// one, and pass on the other as the client sent it.
func hops(h http.Header) []string {
	if values := h.Values("X-Forwarded-For"); len(values) > 0 {
		return backwards(values)
	}
	list := backwards(h.Values("Forwarded"))
	for i, element := range list {
		list[i] = ""
		for pair := range strings.SplitSeq(element, ";") {
			if name, value, _ := strings.Cut(strings.TrimSpace(pair), "="); strings.EqualFold(name, "for") {
				list[i] = strings.Trim(value, `"`)
			}
		}
	}
	return list
}

// backwards splits a list header and turns it around.
func backwards(values []string) []string {
	text := strings.Join(values, ",")
	if len(text) > maxForwardedBytes {
		_, text, _ = strings.Cut(text[len(text)-maxForwardedBytes:], ",")
	}
	list := strings.Split(text, ",")
	slices.Reverse(list)
	return list[:min(len(list), maxHops)]
}

// parseHop reads an address, with or without a port.
func parseHop(text string) (netip.Addr, bool) {
	text = strings.TrimSpace(text)
	if addr, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]")); err == nil {
		return addr.Unmap().WithZone(""), true
	}
	ap, err := netip.ParseAddrPort(text)
	return ap.Addr().Unmap().WithZone(""), err == nil
}

// lastOf returns what the nearest proxy says.
func lastOf(values []string) string {
	if len(values) == 0 {
		return ""
	}
	last := values[len(values)-1]
	return strings.TrimSpace(last[strings.LastIndexByte(last, ',')+1:])
}

// atIssuer reports whether a browser has asked for the host of the issuer, as
// far as that can be known: a proxy that is not trusted may have changed it.
func (s *Server) atIssuer(r *http.Request) bool {
	if len(s.o.TrustedProxies) == 0 && !s.loopback {
		return true
	}
	_, host, _ := strings.Cut(s.origin, "://")
	return withoutPort(r.Host, s.secure) == withoutPort(host, s.secure)
}

// withoutPort drops the usual port of a scheme, which most leave out.
func withoutPort(host string, secure bool) string {
	port := ":80"
	if secure {
		port = ":443"
	}
	return strings.TrimSuffix(strings.ToLower(host), port)
}

// onlyAtIssuer refuses browsers that reach a page under another name: cookies
// and forms belong to the issuer's, and a page of somebody else's may have led
// its own name here (DNS rebinding).
func (s *Server) onlyAtIssuer(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.atIssuer(r) {
			s.errorPage(w, http.StatusMisdirectedRequest, "This server has another address",
				"it is "+s.o.Issuer+". Start over in the app. If you run the server: its proxy must pass on the Host header, or send X-Forwarded-Host and be trusted")
			return
		}
		next(w, r)
	})
}
