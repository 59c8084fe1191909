// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
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

// A monitor answers probes and Prometheus, at an address of its own.
type monitor struct {
	meter    *meter
	server   *authserver.Server
	journal  *audit.Log // nil: none
	stopping atomic.Bool
}

func (m *monitor) handler() http.Handler {
	mux, probes := http.NewServeMux(), &service.Probes{Stopping: &m.stopping, Check: m.server.Ready}
	mux.HandleFunc("GET /healthz", probes.Health)
	mux.HandleFunc("GET /readyz", probes.Ready)
	mux.HandleFunc("GET /metrics", m.metrics)
	return service.OnLoopback(mux)
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
