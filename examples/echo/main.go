// SPDX-License-Identifier: Apache-2.0

// Command echo is an MCP server for whoever builds a gateway, a proxy or a
// client, and wants to know what arrives at the other end: which headers, which
// token, which session, how late. It has two forms.
//
// The stateless one serves each request by itself. With -stateful, clients of
// the versions up to 2025-11-25 get a session, which remembers what was echoed
// last. Clients of 2026-07-28, which has no sessions, are served by both.
//
//	go run ./examples/echo
//	go run ./examples/echo -stateful
//	go run ./examples/echo -stdio
//
// It checks no tokens: that is what it is put behind a gateway for.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr))
}

// run is the command; it returns its exit status, 2 for bad usage.
func run(ctx context.Context, args, environ []string, stdin io.ReadCloser, stdout io.WriteCloser, stderr io.Writer) int {
	o, err := parse(args, environ, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintf(stderr, "echo: %v\n", err)
		return 2
	}
	level := slog.LevelInfo
	if o.debug {
		level = slog.LevelDebug
	}
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level}))
	s := newServer(o)
	if o.stdio {
		err = s.mcp.Run(ctx, &mcp.IOTransport{Reader: stdin, Writer: stdout})
	} else {
		err = serve(ctx, s, log)
	}
	if err != nil && ctx.Err() == nil {
		fmt.Fprintf(stderr, "echo: %v\n", err)
		return 1
	}
	return 0
}

// drainTimeout is how long calls may go on after a signal.
const drainTimeout = 5 * time.Second

// serve listens, and serves until ctx ends.
func serve(ctx context.Context, s *server, log *slog.Logger) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort(s.o.host, strconv.FormatUint(uint64(s.o.port), 10)))
	if err != nil {
		return err
	}
	if addr, ok := listener.Addr().(*net.TCPAddr); ok && !addr.IP.IsLoopback() {
		log.Warn("whoever reaches this address may call the tools; put a gateway in front that asks for a token")
	}
	web := &http.Server{
		Handler:           s.handler(log),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	log.Info("listening", "url", "http://"+listener.Addr().String()+endpoint, "form", s.form())
	ended := make(chan error, 1)
	go func() { ended <- web.Serve(listener) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	s.endSessions() // else their streams would last
	if web.Shutdown(drain) != nil {
		_ = web.Close() // what is still open is cut off
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
