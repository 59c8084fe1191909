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
	"sync/atomic"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/audit"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/exposition"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/service"
)

// readyTime is how long the store may take to show that it answers.
const readyTime = 5 * time.Second

// A monitor answers probes and Prometheus, at an address of its own.
type monitor struct {
	meter    *meter
	server   *authserver.Server
	journal  *audit.Log // nil: none
	stopping atomic.Bool
}

func (m *monitor) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", m.health)
	mux.HandleFunc("GET /readyz", m.ready)
	mux.HandleFunc("GET /metrics", m.metrics)
	return service.OnLoopback(mux)
}

// condition is the answer of /healthz and /readyz.
type condition struct {
	Status string `json:"status"` // ok, stopping or failed
	Error  string `json:"error,omitempty"`
}

// health tells that the process is up, also while it comes to its end: whoever
// restarts it for that would cut requests off.
func (m *monitor) health(w http.ResponseWriter, _ *http.Request) {
	status := "ok"
	if m.stopping.Load() {
		status = "stopping"
	}
	tell(w, http.StatusOK, condition{Status: status})
}

// ready tells whether requests should be sent here.
func (m *monitor) ready(w http.ResponseWriter, r *http.Request) {
	if m.stopping.Load() {
		tell(w, http.StatusServiceUnavailable, condition{Status: "stopping"})
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), readyTime)
	defer cancel()
	if err := m.server.Ready(ctx); err != nil {
		tell(w, http.StatusServiceUnavailable, condition{Status: "failed", Error: oneLine(err.Error())})
		return
	}
	tell(w, http.StatusOK, condition{Status: "ok"})
}

func (m *monitor) metrics(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h.Set("Content-Type", exposition.ContentType)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	to := exposition.NewWriter(w)
	exposition.Process(to)
	m.meter.write(to)
	if read := m.server.RevocationsRead(); !read.IsZero() {
		to.Family(exposition.Gauge, "oauthdyn_revocations_age_seconds", "Time since all revocations were last read from the store.")
		to.Sample(time.Since(read).Seconds())
	}
	if m.journal != nil {
		to.Family(exposition.Counter, "oauthdyn_audit_events_lost_total", "Events that could not be written to the audit log.")
		to.Sample(float64(m.journal.LostEvents()))
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

// start serves the address, until stop is called.
func (m *monitor) start(ctx context.Context, addr string, log *slog.Logger) (stop func(), err error) {
	listener, err := listenAt(ctx, addr, "--admin-addr takes another port; 0 means any free one")
	if err != nil {
		return nil, fmt.Errorf("--admin-addr: %w", err)
	}
	server := newHTTPServer(m.handler(), log)
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.LogAttrs(ctx, slog.LevelError, "admin address failed", slog.String("error", err.Error()))
		}
	})
	log.LogAttrs(ctx, slog.LevelInfo, "admin address", slog.String("url", "http://"+listener.Addr().String()+"/metrics"))
	return func() {
		_ = server.Close()
		serving.Wait()
	}, nil
}
