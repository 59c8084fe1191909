// SPDX-License-Identifier: Apache-2.0

package main

import (
	_ "embed"
	"fmt"
	"net"
	"net/http"
	"net/netip"
)

//go:embed page.html
var pageHTML []byte

// servePage serves one page on a loopback port of its own, so that allowing
// the fetch server to reach it allows nothing else.
func (g *gateway) servePage() (netip.AddrPort, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("page for the fetch server: %w", err)
	}
	g.pageURL = "http://" + l.Addr().String() + "/"
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(pageHTML)
	})
	g.serve(l, mux)
	return netip.ParseAddrPort(l.Addr().String())
}
