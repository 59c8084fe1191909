// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"sync"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/internal/buildinfo"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/exposition"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/service"
)

// probes tell whether calls should be sent here.
func (p *program) probes() *service.Probes {
	return &service.Probes{
		Stopping: &p.stopping,
		Check:    func(ctx context.Context) error { return p.handler.generation().parts.Ready(ctx) },
	}
}

func (p *program) metrics(to *exposition.Writer) {
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

// admin answers probes, operators and Prometheus, at an address of its own.
func (p *program) admin() http.Handler {
	return (&service.Admin{
		Program: "fetchserver", Version: buildinfo.Version(), Probes: p.probes(),
		Metrics: p.metrics, Facts: p.facts, Peers: p.peersOfStatus,
	}).Handler()
}

// facts are what the status page tells.
func (p *program) facts() []service.Fact {
	load := p.handler.generation().server.Load()
	return []service.Fact{
		{Name: "fetches in flight", Value: strconv.Itoa(load.Working)},
		{Name: "fetches waiting", Value: strconv.Itoa(load.Waiting)},
		{Name: "documents kept", Value: strconv.Itoa(load.CacheEntries)},
		{Name: "their bytes", Value: strconv.FormatInt(load.CacheBytes, 10)},
	}
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
	p.log.LogAttrs(ctx, slog.LevelInfo, "admin address", slog.String("url", "http://"+listener.Addr().String()+"/status"))
	return func() {
		_ = server.Close()
		serving.Wait()
	}, nil
}
