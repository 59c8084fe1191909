// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"net/http"
	"strconv"
	"sync/atomic"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/exposition"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/service"
	"github.com/atrawog/mcp-oauth-gateway/shproxy"
)

// mountStatus serves a page that tells how all of the gateway is, and the same
// for probes. It tells neither sessions nor who uses them; and like everything
// here it is on a loopback address, where it answers no foreign web page.
func (g *gateway) mountStatus(mux *http.ServeMux, auth *authserver.Server) {
	page := (&service.Admin{
		Program: "gateway", Version: "example",
		Probes:  &service.Probes{Stopping: new(atomic.Bool), Check: func(ctx context.Context) error { return auth.Ready(ctx) }},
		Metrics: func(*exposition.Writer) {},
		Facts:   g.facts,
	}).Handler()
	for _, path := range []string{"/healthz", "/readyz", "/status"} {
		mux.Handle("GET "+path, page)
	}
}

// facts are what the page tells.
func (g *gateway) facts() []service.Fact {
	var facts []service.Fact
	for _, proxy := range g.proxies {
		s := proxy.Status()
		failed := s.State == shproxy.StateFailed
		facts = append(facts,
			service.Fact{Name: s.Name, Value: string(s.State), Bad: failed},
			service.Fact{Name: s.Name + ": sessions", Value: strconv.Itoa(s.Sessions)},
			service.Fact{Name: s.Name + ": calls in flight", Value: strconv.Itoa(s.Calls)},
			service.Fact{Name: s.Name + ": crashed", Value: strconv.FormatInt(s.Crashed, 10), Bad: s.Crashed > 0},
		)
	}
	return append(facts, fetchFacts(g.fetch.Load())...)
}

func fetchFacts(load fetchserver.Load) []service.Fact {
	return []service.Fact{
		{Name: "fetch: pages in flight", Value: strconv.Itoa(load.Working)},
		{Name: "fetch: pages kept", Value: strconv.Itoa(load.CacheEntries)},
	}
}
