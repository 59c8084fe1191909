// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/exposition"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/service"
)

// readyTime is how long the parts may take to show that they can work.
const readyTime = 5 * time.Second

// condition is the answer of /healthz and /readyz.
type condition struct {
	Status string `json:"status"` // ok, stopping or failed
	Error  string `json:"error,omitempty"`
}

// health tells that the process is up, also while it comes to its end: whoever
// restarts it for that would cut calls off.
func (p *program) health(w http.ResponseWriter, _ *http.Request) {
	status := "ok"
	if p.stopping.Load() {
		status = "stopping"
	}
	tell(w, http.StatusOK, condition{Status: status})
}

// ready tells whether calls should be sent here.
func (p *program) ready(w http.ResponseWriter, r *http.Request) {
	if p.stopping.Load() {
		tell(w, http.StatusServiceUnavailable, condition{Status: "stopping"})
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), readyTime)
	defer cancel()
	if err := p.handler.generation().parts.Ready(ctx); err != nil {
		tell(w, http.StatusServiceUnavailable, condition{Status: "failed", Error: oneLine(err.Error())})
		return
	}
	tell(w, http.StatusOK, condition{Status: "ok"})
}

func (p *program) metrics(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h.Set("Content-Type", exposition.ContentType)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	to := exposition.NewWriter(w)
	exposition.Process(to)
	p.meter.write(to)
	load := p.handler.generation().server.Load()
	for _, g := range []struct {
		name, help string
		value      int64
	}{
		{"fetches_in_flight", "Requests to sites that are being made or converted.", int64(load.Working)},
		{"fetches_waiting", "Requests to sites that wait for their turn.", int64(load.Waiting)},
		{"cache_entries", "Documents that are kept.", int64(load.CacheEntries)},
		{"cache_bytes", "Memory of the documents that are kept.", load.CacheBytes},
	} {
		to.Family(exposition.Gauge, "fetchserver_"+g.name, g.help)
		to.Sample(float64(g.value))
	}
}

// tell writes a JSON answer that is not to be kept.
func tell(w http.ResponseWriter, status int, answer condition) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer) // whoever asked may be gone
}

// admin answers probes and Prometheus, at an address of its own.
func (p *program) admin() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+healthPath, p.health)
	mux.HandleFunc("GET "+readyPath, p.ready)
	mux.HandleFunc("GET /metrics", p.metrics)
	return service.OnLoopback(mux)
}

// startAdmin serves the admin address, if there is one, until stop is called.
func (p *program) startAdmin() (stop func(), err error) {
	if p.adminAddr == "" {
		return func() {}, nil
	}
	ctx := p.signals.Stop
	listener, err := listen(ctx, p.adminAddr, "--admin-addr takes another port; 0 means any free one")
	if err != nil {
		return nil, fmt.Errorf("--admin-addr: %w", err)
	}
	server := newServer(p.admin(), p.log)
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			p.log.LogAttrs(ctx, slog.LevelError, "admin address failed", slog.String("error", err.Error()))
		}
	})
	p.log.LogAttrs(ctx, slog.LevelInfo, "admin address", slog.String("url", "http://"+listener.Addr().String()+"/metrics"))
	return func() {
		_ = server.Close()
		serving.Wait()
	}, nil
}
