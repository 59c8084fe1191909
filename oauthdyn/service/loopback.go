// SPDX-License-Identifier: Apache-2.0

package service

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// OnLoopback refuses requests of foreign web pages to a loopback address, whose
// names lead there (DNS rebinding). Other addresses are meant to be reached,
// under names that only the operator knows. It is for what has no other guard,
// such as metrics.
func OnLoopback(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		addr, _ := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
		if addr != nil && addr.IP.IsLoopback() && !(isLocalHost(r.Host) && isLocalOrigin(r.Header.Get("Origin"))) {
			http.Error(w, "this address answers to localhost and 127.0.0.1", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func isLocalHost(hostport string) bool {
	u := url.URL{Host: hostport}
	if strings.EqualFold(u.Hostname(), "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(u.Hostname())
	return err == nil && addr.IsLoopback()
}

func isLocalOrigin(origin string) bool {
	u, err := url.Parse(origin)
	return origin == "" || err == nil && isLocalHost(u.Host)
}
