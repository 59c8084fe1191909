// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"syscall"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/service"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/tracing"
)

// runStdio serves one client until it closes stdin or a signal comes.
func (a *app) runStdio(c *config) error {
	log, done, err := c.logger(a.stderr)
	if err != nil {
		return err
	}
	defer done()
	c.tellForeign(log)
	tracer, err := c.tracer(a.signals.Stop, tracing.Options{Logger: log})
	if err != nil {
		return err
	}
	defer tracer.Close()
	log = tracer.Logger(log)
	server, parts, err := c.server(log, func(o *fetchserver.Options) { trace(o, tracer) })
	if err != nil {
		return err
	}
	if tracer != nil {
		server.MCP().AddReceivingMiddleware(traceMethods(tracer, "pipe"))
	}
	ctx := a.signals.Stop
	err = server.MCP().Run(ctx, &patient{&mcp.IOTransport{Reader: a.stdin, Writer: a.stdout}, c.drainTimeout})
	if ctx.Err() != nil || errors.Is(err, io.EOF) {
		err = nil
	}
	server.Close()
	parts.Close()
	return err
}

// check reads all that is read to serve, but does not listen.
func (a *app) check(c *config) error {
	log, done, err := c.logger(a.stderr)
	if err != nil {
		return err
	}
	defer done()
	c.tellForeign(log)
	if c.certs.CertFile != "" {
		if _, err := c.certs.Open(log); err != nil {
			return err
		}
	}
	server, parts, err := c.server(silent, nil)
	if err != nil {
		return err
	}
	server.Close()
	parts.Close()
	where := "on standard input and output"
	if !c.stdio {
		addr, err := net.ResolveTCPAddr("tcp", c.address())
		if err != nil {
			return &usageError{text: "--host: " + err.Error()}
		}
		if _, err := c.protection(addr, silent); err != nil {
			return err
		}
		where = "at " + c.baseURL(addr) + c.path
	}
	_, err = fmt.Fprintf(a.stdout, "The configuration is fine: MCP %s.\n", where)
	return err
}

// runHTTP serves until it is told to stop.
func (a *app) runHTTP(c *config) error {
	log, done, err := c.logger(a.stderr)
	if err != nil {
		return err
	}
	defer done()
	c.tellForeign(log)
	if _, err := c.options(silent); err != nil {
		return err
	}
	tracer, err := c.tracer(a.signals.Stop, tracing.Options{Logger: log})
	if err != nil {
		return err
	}
	defer tracer.Close()
	log = tracer.Logger(log)
	listener, err := listen(a.signals.Stop, c.address(), "--port takes another port; 0 means any free one")
	if err != nil {
		return err
	}
	defer listener.Close()
	p := &program{app: a, config: c, log: log, listener: listener, manager: service.NewNotifier(a.environment.lookup, log), meter: newMeter(c), tracer: tracer}
	if p.keys, err = c.certs.Open(log); err != nil {
		return err
	}
	if err := p.use(c); err != nil {
		return err
	}
	defer p.handler.close()
	if addr, ok := listener.Addr().(*net.TCPAddr); ok && !addr.IP.IsLoopback() && len(c.authIssuers) == 0 {
		log.LogAttrs(a.signals.Stop, slog.LevelWarn, "everyone who can reach this address can use the server; --auth-issuer demands tokens")
	}
	if isPipe(a.stdin) {
		log.LogAttrs(a.signals.Stop, slog.LevelInfo, "serving HTTP; a client that has started this program to talk to it needs --stdio")
	}
	return p.serve()
}

// isPipe reports whether somebody may be about to write to stdin.
func isPipe(stdin io.Reader) bool {
	f, ok := stdin.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&(os.ModeNamedPipe|os.ModeSocket) != 0
}

func listen(ctx context.Context, address, hint string) (net.Listener, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, &hintedError{fmt.Errorf("cannot listen: %w", err), hint}
	}
	if err != nil {
		return nil, fmt.Errorf("cannot listen: %w", err)
	}
	return listener, nil
}
