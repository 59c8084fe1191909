// SPDX-License-Identifier: Apache-2.0

package service

import (
	"net/http"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/exposition"
)

// An Admin answers operators and monitors, at an address of its own, which is
// the same for every program: /healthz and /readyz for probes, /status for
// people and, as JSON, for programs, /metrics for Prometheus.
type Admin struct {
	// Program is the name of the program, with which its metrics begin; Version
	// is its own.
	Program, Version string
	// Probes answer /healthz and /readyz. Required.
	Probes *Probes
	// Metrics writes the metrics of the program. Those of its process and its
	// build stand before them. Required.
	Metrics func(*exposition.Writer)
	// Facts are what the status page tells of the program. Nil means nothing.
	Facts func() []Fact
	// Peers are other programs of the gateway, which the page tells of too.
	Peers *Peers

	since time.Time
}

// Fact is a line of a status page. It holds no secrets.
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	Bad   bool   `json:"bad,omitempty"` // somebody should do something about it
}

// Handler returns the handler of the address. From a loopback address it
// answers no web page of another origin.
func (a *Admin) Handler() http.Handler {
	a.since = time.Now()
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", http.RedirectHandler("/status", http.StatusFound))
	mux.HandleFunc("GET /healthz", a.Probes.Health)
	mux.HandleFunc("GET /readyz", a.Probes.Ready)
	mux.HandleFunc("GET /status", a.status)
	mux.Handle("GET /metrics", MetricsHandler(a.Program, a.Version, a.Metrics))
	return OnLoopback(mux)
}

// MetricsHandler answers Prometheus: with the metrics of the process and the
// build, and then those that write writes.
func MetricsHandler(program, version string, write func(*exposition.Writer)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Set("Content-Type", exposition.ContentType)
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		to := exposition.NewWriter(w)
		exposition.Process(to)
		exposition.Build(to, program, version)
		write(to)
	})
}
