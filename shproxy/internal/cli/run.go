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
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy"
)

const (
	healthPath = "/healthz"
	// stopTime is how long sessions and open requests may take to end after
	// a signal.
	stopTime = 1800 * time.Millisecond
)

// run serves until ctx ends.
func (c *config) run(ctx context.Context, stderr io.Writer) error {
	if err := c.check(); err != nil {
		return err
	}
	log, err := c.logger(stderr)
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.address())
	if err != nil {
		return listenError(err)
	}
	defer listener.Close()
	proxy, handler, err := c.proxy(listener, log)
	if err != nil {
		return commandError(err)
	}
	if !c.noProbe {
		err = probe(ctx, proxy)
	}
	if err == nil && ctx.Err() == nil {
		if addr, ok := listener.Addr().(*net.TCPAddr); ok && !addr.IP.IsLoopback() && len(c.authIssuers) == 0 {
			log.LogAttrs(ctx, slog.LevelWarn, "everyone who can reach this address can use the server; --auth-issuer demands tokens")
		}
		log.LogAttrs(ctx, slog.LevelInfo, "listening", slog.String("url", endpoint(listener, c.path)))
		err = serve(ctx, listener, handler, proxy, log)
	}
	shutdown(ctx, proxy)
	return err
}

// probe tries the command once, so that a server that cannot work is known
// before a client meets it.
func probe(ctx context.Context, proxy *shproxy.Proxy) error {
	err := proxy.Probe(ctx)
	switch {
	case ctx.Err() != nil:
		return nil // told to stop
	case err != nil:
		return &hintedError{err, "the command must be an MCP server on stdio; --start-timeout gives it more time, --no-probe skips this check"}
	}
	return nil
}

// serve answers requests until ctx ends, and then ends sessions, whose
// streams hold requests open, and requests together.
func serve(ctx context.Context, listener net.Listener, handler http.Handler, proxy *shproxy.Proxy, log *slog.Logger) error {
	server := &http.Server{
		Handler:           handler,
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
	log.LogAttrs(ctx, slog.LevelInfo, "stopping")
	var both sync.WaitGroup
	both.Go(func() { shutdown(ctx, proxy) })
	both.Go(func() {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
		defer cancel()
		if server.Shutdown(last) != nil {
			_ = server.Close()
		}
	})
	both.Wait()
	<-failed
	return nil
}

// shutdown ends the sessions; what does not end in time is killed.
func shutdown(ctx context.Context, proxy *shproxy.Proxy) {
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
	defer cancel()
	_ = proxy.Shutdown(last) // the error only tells that something was killed
}

func listenError(err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return &hintedError{fmt.Errorf("cannot listen: %w", err), "--port takes another port; 0 means any free one"}
	}
	return fmt.Errorf("cannot listen: %w", err)
}

// commandError adds advice to the error of a command that cannot be run.
func commandError(err error) error {
	if errors.Is(err, exec.ErrNotFound) {
		return &hintedError{err, "give the path of the executable, or add its directory to PATH"}
	}
	return err
}
