// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/service"
)

// serve answers requests until it is told to stop. Then calls get their time,
// and after that sessions, whose streams hold requests open, and requests end
// together.
func (p *program) serve() error {
	stopAdmin, err := p.startAdmin()
	if err != nil {
		p.fleet.end(ended())
		return err
	}
	handler := p.tracer.Handler(service.AccessLog(p.counted(), p.log, "server"), p.fleet.routeOf)
	if err := p.cluster.start(p.Stop, handler); err != nil {
		stopAdmin()
		p.fleet.end(ended())
		return err
	}
	server := newServer(p.closing(handler), p.log)
	server.TLSConfig = p.tls
	var quiet lull
	quiet.watch(server)
	failed := make(chan error, 1)
	go func() {
		if p.tls != nil {
			failed <- server.ServeTLS(p.listener, "", "")
		} else {
			failed <- server.Serve(p.listener)
		}
	}()
	p.announce()
	p.manager.Ready()
	err = p.wait(failed)
	p.manager.Stopping()
	p.log.LogAttrs(p.Stop, slog.LevelInfo, "stopping")
	p.drain()
	var both sync.WaitGroup
	both.Go(func() { p.fleet.end(p.Kill) })
	both.Go(func() {
		if p.cluster != nil {
			quiet.close(p.Kill, p.listener)
		}
		shutdown(p.Kill, server)
	})
	both.Wait()
	stopAdmin()
	if err == nil {
		<-failed
	}
	return err
}

// counted counts requests, if anybody can ask for their number.
func (p *program) counted() http.Handler {
	if p.adminAddr == "" {
		return p.fleet
	}
	return p.meter.Count(p.fleet)
}

// drain gives calls their time, and with other replicas sessions most of it.
func (p *program) drain() {
	ctx, cancel := context.WithTimeout(p.Kill, p.drainTimeout)
	defer cancel()
	p.retire(ctx)
	p.fleet.drainAll(ctx)
	if p.cluster != nil {
		p.cluster.member.Drain(ctx)
	}
}

// wait returns when the program has to stop, with the error if it is one of
// the server.
func (p *program) wait(failed <-chan error) error {
	for {
		select {
		case err := <-failed:
			return err
		case <-p.Stop.Done():
			return nil
		case <-p.Reload:
			p.again()
		}
	}
}

// announce tells where the servers are, and where the program listens if their
// URLs do not say so.
func (p *program) announce() {
	base := p.baseURL(p.listener)
	places := p.fleet.where()
	listening := []slog.Attr{slog.String("url", base)}
	if len(places) == 1 {
		listening[0] = slog.String("url", base+places[0].paths[0])
	} else {
		for _, e := range places {
			p.log.LogAttrs(p.Stop, slog.LevelInfo, "serving", slog.String("server", e.name), slog.String("url", base+e.paths[0]))
		}
		listening = append(listening, slog.Int("servers", len(places)))
	}
	if addr := p.listener.Addr().String(); !strings.HasSuffix(base, "//"+addr) {
		listening = append(listening, slog.String("addr", addr))
	}
	p.log.LogAttrs(p.Stop, slog.LevelInfo, "listening", listening...)
}

// startAdmin serves the admin address, if there is one, until stop is called.
func (p *program) startAdmin() (stop func(), err error) {
	if p.adminAddr == "" {
		return func() {}, nil
	}
	listener, err := listen(p.Stop, p.adminAddr, "--admin-addr takes another port; 0 means any free one")
	if err != nil {
		return nil, fmt.Errorf("--admin-addr: %w", err)
	}
	if addr, ok := listener.Addr().(*net.TCPAddr); ok && !addr.IP.IsLoopback() {
		p.log.LogAttrs(p.Stop, slog.LevelWarn, "everybody who can reach the admin address sees what the servers log")
	}
	p.meter = service.NewHTTPMeter("shproxy", p.fleet.endpointOf)
	admin := &admin{
		servers: p.fleet.servers, replica: p.cluster.status(), since: time.Now(),
		meter: p.meter, peers: p.peersOfStatus, certs: p.keys,
	}
	server := newServer(admin.handler(), p.log)
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			p.log.LogAttrs(p.Stop, slog.LevelError, "admin address failed", slog.String("error", err.Error()))
		}
	})
	p.log.LogAttrs(p.Stop, slog.LevelInfo, "admin address", slog.String("url", "http://"+listener.Addr().String()+"/status"))
	return func() {
		_ = server.Close()
		serving.Wait()
	}, nil
}

func newServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// shutdown lets open requests end, for a short time.
func shutdown(ctx context.Context, server *http.Server) {
	ctx, cancel := context.WithTimeout(ctx, stopTime)
	defer cancel()
	if server.Shutdown(ctx) != nil {
		_ = server.Close()
	}
}
