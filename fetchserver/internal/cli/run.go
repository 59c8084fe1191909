// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver"
)

// drainTime is how long open requests may finish after a signal.
const drainTime = time.Second

// runStdio serves one client until it closes stdin or ctx ends.
func (c *config) runStdio(ctx context.Context, stdin io.ReadCloser, stdout io.WriteCloser, stderr io.Writer) error {
	log, err := c.logger(stderr)
	if err != nil {
		return err
	}
	o, err := c.options(log)
	if err != nil {
		return err
	}
	if !c.noPDF {
		defer readPDF(o)()
	}
	server, err := fetchserver.New(o)
	if err != nil {
		return &usageError{err.Error()} // New has nothing to complain about but its options
	}
	defer server.Close()
	err = server.MCP().Run(ctx, &mcp.IOTransport{Reader: stdin, Writer: stdout})
	if ctx.Err() != nil || errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// runHTTP serves until ctx ends.
func (c *config) runHTTP(ctx context.Context, stderr io.Writer) error {
	log, err := c.logger(stderr)
	if err != nil {
		return err
	}
	o, err := c.options(log)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	if err := c.protect(o, mux, log); err != nil {
		return err
	}
	if !c.noPDF {
		defer readPDF(o)()
	}
	server, err := fetchserver.New(o)
	if err != nil {
		return &usageError{err.Error()} // New has nothing to complain about but its options
	}
	defer server.Close()
	mux.Handle(c.path, server.Handler())
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"status":"ok"}`+"\n")
	})

	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.address())
	if err != nil {
		return fmt.Errorf("cannot listen: %w; choose another --host or --port", err)
	}
	if addr, ok := listener.Addr().(*net.TCPAddr); ok && !addr.IP.IsLoopback() && len(c.authIssuers) == 0 {
		log.LogAttrs(ctx, slog.LevelWarn, "everyone who can reach this address can use the server; --auth-issuer demands tokens")
	}
	log.LogAttrs(ctx, slog.LevelInfo, "listening", slog.String("url", "http://"+listener.Addr().String()+c.path))
	return serve(ctx, listener, mux, log)
}

// serve answers requests until ctx ends, then lets open ones finish for a
// moment.
func serve(ctx context.Context, listener net.Listener, handler http.Handler, log *slog.Logger) error {
	requests, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	server := &http.Server{
		Handler:           handler,
		BaseContext:       func(net.Listener) context.Context { return requests },
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	drain, stop := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer stop()
	if server.Shutdown(drain) != nil {
		cancel()
		server.Close()
	}
	<-failed
	return nil
}
