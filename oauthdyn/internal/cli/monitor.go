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
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/certs"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/exposition"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/service"
)

// A monitor answers probes, operators and Prometheus, at an address of its own.
type monitor struct {
	meter    *meter
	ready    func(context.Context) error
	server   *authserver.Server // nil: none
	journal  *audit.Log         // nil: none
	certs    *certs.Source      // nil: no TLS
	facts    func() []service.Fact
	peers    *service.Peers
	stopping atomic.Bool
}

func (m *monitor) handler() http.Handler {
	return (&service.Admin{
		Program: "oauthdyn", Version: version(), Probes: &service.Probes{Stopping: &m.stopping, Check: m.ready},
		Metrics: m.metrics, Facts: m.facts, Peers: m.peers,
	}).Handler()
}

func (m *monitor) metrics(to *exposition.Writer) {
	m.meter.write(to)
	m.certs.Metrics(to, "oauthdyn")
	if m.server != nil {
		if read := m.server.RevocationsRead(); !read.IsZero() {
			to.Family(exposition.Gauge, "oauthdyn_revocations_age_seconds", "Time since all revocations were last read from the store.")
			to.Sample(time.Since(read).Seconds())
		}
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
	log.LogAttrs(ctx, slog.LevelInfo, "admin address", slog.String("url", "http://"+listener.Addr().String()+"/status"))
	return func() {
		_ = server.Close()
		serving.Wait()
	}, nil
}
