// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/service"
)

// An httpService answers requests until it is told to stop.
type httpService struct {
	handler http.Handler
	tls     *tls.Config // nil: none
	log     *slog.Logger
	monitor *monitor // nil: none
	manager *service.Notifier

	drainDelay, drainTimeout time.Duration
}

// serve answers requests until ctx ends. From then on probes hear that no more
// should be sent here; after the delay no more are taken, and those that are
// there get their time. A second signal does not come here: it ends the process.
func (s *httpService) serve(ctx context.Context, listener net.Listener) error {
	server := newHTTPServer(s.handler, s.log)
	failed := make(chan error, 1)
	if s.tls != nil {
		server.Handler, server.TLSConfig = strictTransport(s.handler), s.tls
		go func() { failed <- server.ServeTLS(listener, "", "") }()
	} else {
		go func() { failed <- server.Serve(listener) }()
	}
	s.manager.Ready()
	if err := waitFor(ctx.Done(), failed); err != nil {
		return err
	}
	if s.monitor != nil {
		s.monitor.stopping.Store(true)
	}
	s.manager.Stopping()
	s.log.LogAttrs(ctx, slog.LevelInfo, "stopping")
	if err := waitFor(time.After(s.drainDelay), failed); err != nil {
		return err
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.drainTimeout)
	defer cancel()
	if err := server.Shutdown(last); err != nil {
		s.log.LogAttrs(ctx, slog.LevelWarn, "requests were cut off, since they took longer than the time for them", slog.String("time", s.drainTimeout.String()))
		_ = server.Close()
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// strictTransport has browsers use TLS for this host from now on: RFC 6797. It
// says nothing of hosts below it, which may belong to others.
func strictTransport(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Strict-Transport-Security", "max-age=31536000")
		next.ServeHTTP(w, r)
	})
}

// waitFor waits until done, unless the server fails before.
func waitFor[T any](done <-chan T, failed <-chan error) error {
	select {
	case err := <-failed:
		return err
	case <-done:
		return nil
	}
}

// newHTTPServer bounds what a connection may cost.
func newHTTPServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}
