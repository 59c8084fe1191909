// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/certs"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/resource/gosdk"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/service"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/tracing"
)

// lastWords is how long calls that were cancelled may take to tell so.
const lastWords = time.Second

// program is the running server.
type program struct {
	*app
	*config  // of the start: where it listens does not change
	log      *slog.Logger
	listener net.Listener
	manager  *service.Notifier
	keys     *certs.Source // nil: none
	handler  current
	meter    *meter
	tracer   *tracing.Tracer // nil: nothing is traced
	stopping atomic.Bool
}

// use serves with the settings of c from now on.
func (p *program) use(c *config) error {
	guard, err := c.protection(p.listener.Addr(), p.log)
	if err != nil {
		return err
	}
	server, parts, err := c.server(p.log, func(o *fetchserver.Options) {
		o.Observe = p.meter.observe
		trace(o, p.tracer)
		if guard != nil {
			// The cache keeps what is private apart by person.
			o.Middleware = func(next http.Handler) http.Handler { return gosdk.Middleware(guard, next) }
		}
	})
	if err != nil {
		return err
	}
	if p.tracer != nil {
		server.MCP().AddReceivingMiddleware(traceMethods(p.tracer, "tcp"))
	}
	mux := http.NewServeMux()
	route(mux, c.path, server.Handler())
	if guard != nil {
		mux.Handle(guard.MetadataPath(), guard.MetadataHandler())
	}
	probes := p.probes()
	mux.HandleFunc("GET "+healthPath, probes.Health)
	mux.HandleFunc("GET "+readyPath, probes.Ready)
	p.handler.replace(&generation{Handler: mux, server: server, parts: parts})
	return nil
}

// again reads the settings and the certificate again. What is broken stays as it
// was, and so does where the program listens.
func (p *program) again() {
	ctx := p.signals.Stop
	p.manager.Reloading()
	defer p.manager.Ready()
	keep := func(what string, err error) {
		if err != nil {
			p.log.LogAttrs(ctx, slog.LevelError, what+" not usable, keeping the old one", slog.String("error", oneLine(err.Error())))
		}
	}
	c, err := p.reread()
	if err == nil {
		err = p.use(c)
	}
	keep("configuration", err)
	keep("certificate", p.keys.Reload())
	if err == nil {
		p.log.LogAttrs(ctx, slog.LevelInfo, "configuration read again")
	}
}

// reread makes a config of the same command line and of what the environment and
// the files have now.
func (p *program) reread() (*config, error) {
	c := &config{environment: p.config.environment}
	cmd := &cobra.Command{Use: "fetchserver"}
	_, all := c.register(cmd, true)
	args := p.args
	if len(args) > 0 && args[0] == originalName {
		args = args[1:]
	}
	if err := cmd.ParseFlags(args); err != nil {
		return nil, err
	}
	if err := c.complete(all); err != nil {
		return nil, err
	}
	c.host, c.port = p.host, p.port
	return c, nil
}

// serve answers requests until it is told to stop. From then on probes hear that
// no more should be sent here; after the delay no more are taken, and the calls
// that are there get their time. Then they are cancelled.
func (p *program) serve() error {
	stopAdmin, err := p.startAdmin()
	if err != nil {
		return err
	}
	defer stopAdmin()
	calls, cancel := context.WithCancel(context.WithoutCancel(p.signals.Stop))
	defer cancel()
	server := newServer(p.tracer.Handler(p.meter.http.Count(service.AccessLog(&p.handler, p.log, "")), p.routeOf), p.log)
	server.BaseContext = func(net.Listener) context.Context { return calls }
	server.TLSConfig = p.keys.Config()
	failed := make(chan error, 1)
	go func() {
		if server.TLSConfig != nil {
			failed <- server.ServeTLS(p.listener, "", "")
		} else {
			failed <- server.Serve(p.listener)
		}
	}()
	p.signals.Reloads.Store(cmp.Or(p.configFile, p.certs.CertFile, p.secretFile, p.proxyFile, p.caFile) != "")
	p.log.LogAttrs(p.signals.Stop, slog.LevelInfo, "listening", slog.String("url", p.baseURL(p.listener.Addr())+p.path))
	p.manager.Ready()
	if err := p.wait(failed); err != nil {
		return err
	}
	p.stopping.Store(true)
	p.manager.Stopping()
	p.log.LogAttrs(p.signals.Stop, slog.LevelInfo, "stopping")
	select {
	case err := <-failed:
		return err
	case <-time.After(p.drainDelay):
	case <-p.signals.Kill.Done():
	}
	p.drain(server, cancel)
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// drain lets calls end in their time, and cancels what is left.
func (p *program) drain(server *http.Server, cancel func()) {
	last, stop := context.WithTimeout(p.signals.Kill, p.drainTimeout)
	defer stop()
	if server.Shutdown(last) == nil {
		return
	}
	if p.signals.Kill.Err() == nil {
		p.log.LogAttrs(p.signals.Stop, slog.LevelWarn, "calls are cancelled, since they took longer than the time for them", slog.String("time", p.drainTimeout.String()))
	}
	cancel()
	last, stop = context.WithTimeout(context.Background(), lastWords)
	defer stop()
	if server.Shutdown(last) != nil {
		_ = server.Close()
	}
}

// wait returns when the program has to stop, with the error if it is one of the
// server.
func (p *program) wait(failed <-chan error) error {
	for {
		select {
		case err := <-failed:
			return err
		case <-p.signals.Stop.Done():
			return nil
		case <-p.signals.Reload:
			p.again()
		}
	}
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
