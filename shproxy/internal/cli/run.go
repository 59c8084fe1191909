// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os/signal"
	"syscall"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/certs"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/service"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/tracing"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/child"
)

const healthPath = "/healthz"

// run serves until it is told to stop.
func (c *config) run(sig *service.Signals, stderr io.Writer) (err error) {
	defer carryBallast()()
	defer newTrimmer().start()()
	if err := c.check(); err != nil {
		return err
	}
	log, done, err := c.logger(stderr)
	if err != nil {
		return err
	}
	defer done()
	c.foreign.tell(log)
	tracer, err := tracing.Start(sig.Stop, tracing.Options{
		Endpoint: c.otlp, Program: "shproxy", Version: version(), LookupEnv: c.environment.lookup, Logger: log,
	})
	if err != nil {
		return &usageError{text: err.Error()}
	}
	defer tracer.Close()
	log = tracer.Logger(log)
	if stop, err := child.Subreaper(signal.Notify, signal.Stop); err == nil {
		defer stop()
	} else {
		log.LogAttrs(sig.Stop, slog.LevelDebug, "processes that leave their group are not followed", slog.String("reason", err.Error()))
	}
	endpoints, err := c.endpoints(log) // before the address is taken, since mistakes in the flags come first
	if err != nil {
		return err
	}
	listener, err := listenAs(sig.Stop, publicListener(c.replicas.directory != ""), c.address(), "--port takes another port; 0 means any free one")
	if err != nil {
		return err
	}
	defer listener.Close()
	if err := c.checkAddress(listener.Addr()); err != nil {
		return err
	}
	p := &program{config: c, Signals: sig, log: log, listener: listener, manager: service.NewNotifier(c.environment.lookup, log), tracer: tracer}
	defer func() { err = errors.Join(err, p.close()) }()
	if err := p.prepare(); err != nil {
		return err
	}
	fresh, err := p.fleet.use(p.Kill, endpoints)
	if err != nil {
		return err
	}
	if err := p.fleet.try(sig.Stop, fresh); err != nil || sig.Stop.Err() != nil {
		p.fleet.end(sig.Kill)
		return err
	}
	return p.serve()
}

// program is the running command.
type program struct {
	*config
	*service.Signals
	log      *slog.Logger
	listener net.Listener
	manager  *service.Notifier
	access   *access
	fleet    *fleet
	cluster  *cluster      // nil: there are no other replicas
	keys     *certs.Source // nil: none
	tls      *tls.Config
	meter    *service.HTTPMeter // of requests; nil: nobody can ask for it
	tracer   *tracing.Tracer    // nil: nothing is traced
}

// prepare opens what lasts until the end.
func (p *program) prepare() (err error) {
	if p.keys, err = p.certs.Open(p.log); err != nil {
		return err
	}
	p.tls = p.keys.Config()
	if p.access, err = p.newAccess(p.listener, p.log); err != nil {
		return err
	}
	maker, err := newMaker(p.hosts(), p.origins(), p.access.identify(), p.log)
	if err != nil {
		return err
	}
	maker.trace = traceCalls(p.tracer)
	if p.cluster, err = p.openCluster(p.Stop, p.log, p.sessions); err != nil {
		return err
	}
	maker.cluster = p.cluster
	p.fleet = &fleet{
		maker: maker, access: p.access, cors: newCORS(p.corsOrigins), pass: p.cluster.wrap,
		sse:    legacyPaths{on: p.legacySSE, events: p.foreign.ssePath, message: p.foreign.messagePath},
		health: p.foreign.health, drain: p.drainTimeout, log: p.log,
	}
	p.Reloads.Store(p.file != "" || p.tokenFile != "" || p.certs.CertFile != "")
	return nil
}

// sessions counts those of all servers.
func (p *program) sessions() (n int) {
	if p.fleet == nil {
		return 0
	}
	for _, s := range p.fleet.servers() {
		if s.Proxy != nil {
			n += s.Proxy.Status().Sessions
		}
	}
	return n
}

// load reads the configuration and serves what is in it.
func (p *program) load() ([]*instance, error) {
	endpoints, err := p.endpoints(p.log)
	if err != nil {
		return nil, err
	}
	return p.fleet.use(p.Kill, endpoints)
}

// again reads everything that a file holds again. What is broken stays as it
// was.
func (p *program) again() {
	ctx := p.Stop
	p.manager.Reloading()
	defer p.manager.Ready()
	keep := func(what string, err error) {
		if err != nil {
			p.log.LogAttrs(ctx, slog.LevelError, what+" not usable, keeping the old one", slog.String("error", oneLine(err.Error())))
		}
	}
	fresh, err := p.load()
	keep("configuration", err)
	if p.access.tokens != nil {
		keep("token file", p.access.tokens.reload())
	}
	keep("certificate", p.keys.Reload())
	if err == nil {
		p.log.LogAttrs(ctx, slog.LevelInfo, "configuration read again", slog.Int("new_servers", len(fresh)))
		p.fleet.watch(ctx, fresh)
	}
}

// close lets go of what prepare has opened, when nothing is served any more.
func (p *program) close() error {
	if p.fleet != nil {
		p.fleet.background.Wait()
	}
	err := p.cluster.close(p.Kill)
	if p.access != nil {
		err = errors.Join(err, p.access.close())
	}
	return err
}

func listen(ctx context.Context, address, hint string) (net.Listener, error) {
	return listenAs(ctx, &net.ListenConfig{}, address, hint)
}

// publicListener is how the public address is listened on. Multipath TCP, which
// is Go's default, takes no filter, and a replica needs one at its end: see lull.
func publicListener(replica bool) *net.ListenConfig {
	how := new(net.ListenConfig)
	if replica {
		how.SetMultipathTCP(false)
	}
	return how
}

func listenAs(ctx context.Context, how *net.ListenConfig, address, hint string) (net.Listener, error) {
	listener, err := how.Listen(ctx, "tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, &hintedError{fmt.Errorf("cannot listen: %w", err), hint}
	}
	if err != nil {
		return nil, fmt.Errorf("cannot listen: %w", err)
	}
	return listener, nil
}

// ended is a context that has ended: there is nothing to wait for.
func ended() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
