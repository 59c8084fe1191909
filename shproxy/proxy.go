// SPDX-License-Identifier: Apache-2.0

package shproxy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/child"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/guard"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/session"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/stats"
)

const (
	// maxQueue bounds the bytes that wait for one server to read them.
	maxQueue = 8 << 20
	// patience is how long a call may take before its reply becomes an event
	// stream, so that the headers leave and keep-alives can follow.
	patience = time.Second
	// stopGrace is the time between closing a server's input, TERM and KILL:
	// short enough to end within two seconds.
	stopGrace = 600 * time.Millisecond
)

// Proxy is an MCP endpoint as an [http.Handler], at whatever path it is
// mounted. It is safe for concurrent use.
type Proxy struct {
	server   Server
	path     string // of the executable
	opts     Options
	guard    *guard.Guard
	sessions *session.Manager
	recorder *stats.Recorder
	counts   counter // of callers
	params   paramTables
	ready    readiness
	patience time.Duration
}

// New checks that the command exists and returns a proxy for it. Nothing is
// started yet, unless Options.Warm says so; see [Proxy.Probe]. Call
// [Proxy.Shutdown] or [Proxy.Close] when done.
func New(s Server, o *Options) (*Proxy, error) {
	opts := Options{}
	if o != nil {
		opts = *o
	}
	if err := opts.complete(); err != nil {
		return nil, err
	}
	switch {
	case s.Command == "":
		return nil, errors.New("shproxy: no command")
	case s.Era > EraModern:
		return nil, errors.New("shproxy: unknown Era of the server")
	}
	if s.Limits != (Limits{}) && !child.Limits(s.Limits).Supported() {
		return nil, errors.New("shproxy: limits of processes are not supported on this system")
	}
	path, err := lookPath(s)
	if err != nil {
		return nil, err
	}
	if s.Name == "" {
		s.Name = filepath.Base(s.Command)
	}
	guard, err := guard.New(opts.AllowedHosts, opts.AllowedOrigins)
	if err != nil {
		return nil, fmt.Errorf("shproxy: %w", err)
	}
	p := &Proxy{server: s, path: path, opts: opts, guard: guard, recorder: stats.NewRecorder(), patience: patience}
	p.ready.turn = make(chan struct{}, 1)
	c := p.sessionConfig(opts.Logger)
	p.replicate(&c)
	p.sessions = session.NewManager(c)
	return p, nil
}

func (p *Proxy) sessionConfig(log *slog.Logger) session.Config {
	return session.Config{
		MaxSessions: p.opts.MaxSessions, MaxStarts: p.opts.MaxStarts,
		IdleTimeout: p.opts.IdleTimeout, StartTimeout: p.opts.StartTimeout, RequestTimeout: p.opts.RequestTimeout,
		Shared: p.opts.Mode == ModeShared, Warm: p.opts.Warm,
		ReplayBytes: p.opts.ReplayBytes, ReplayTime: p.opts.ReplayTime,
		InputTimeout: p.opts.InputTimeout,
		LegacyOnly:   p.server.Era == EraLegacy, ModernOnly: p.server.Era == EraModern,
		EndOnCrash: p.opts.EndOnCrash, ToolsChanged: p.params.forget,
		Child: child.Config{
			Name: p.server.Name, Path: p.path, Args: p.server.Args, Env: p.server.Env, Dir: p.server.Dir,
			Limits:  child.Limits(p.server.Limits),
			MaxLine: p.opts.MaxMessageBytes, MaxQueue: maxQueue, Grace: stopGrace, Logger: log,
		},
	}
}

// lookPath finds the executable. A relative path is relative to the server's
// directory, as it is for the process.
func lookPath(s Server) (string, error) {
	name := s.Command
	if s.Dir != "" && filepath.Base(name) != name && !filepath.IsAbs(name) {
		name = filepath.Join(s.Dir, name)
	}
	path, err := exec.LookPath(name)
	if err != nil {
		if cause := errors.Unwrap(err); cause != nil {
			err = cause // without the path, which is said already
		}
		if cause, ok := errors.AsType[*fs.PathError](err); ok {
			err = cause.Err
		}
		return "", fmt.Errorf("shproxy: command %q: %w", s.Command, err)
	}
	return filepath.Abs(path)
}

// ServeHTTP answers POST, GET and DELETE of the Streamable HTTP transport.
// Errors carry a JSON-RPC error response, with the id of the request where
// it is known. Since MCP 2026-07-28, by the version in the header, there is
// only POST.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := p.guard.Check(r); err != nil {
		fail(http.StatusForbidden, codeTransport, "%v", err).write(w, nil)
		return
	}
	switch {
	case r.Method == http.MethodPost:
		p.post(w, r)
	case namesModern(r), p.opts.Clients == EraModern:
		notAllowed(w, r, "POST")
	case r.Method == http.MethodGet:
		p.listen(w, r)
	case r.Method == http.MethodDelete:
		p.delete(w, r)
	default:
		notAllowed(w, r, "GET, POST, DELETE")
	}
}

func notAllowed(w http.ResponseWriter, r *http.Request, allow string) {
	w.Header().Set("Allow", allow)
	fail(http.StatusMethodNotAllowed, codeTransport, "method %s is not allowed", r.Method).write(w, nil)
}

// caller is who sent a request: nobody else may use what is theirs, and a
// process is started with their environment.
type caller struct {
	principal string
	env       []string
}

func (p *Proxy) caller(r *http.Request) caller {
	return caller{p.opts.Identify(r), p.opts.Environ(r)}
}

// Drain refuses new sessions and calls with status 503 and waits until the
// calls in flight are answered, or ctx ends; then the error is that of ctx.
// It is what to do before [Proxy.Shutdown] when there is time. If there are
// other replicas, sessions end as soon as they have no call in flight, and
// clients are told that by status 404.
func (p *Proxy) Drain(ctx context.Context) error { return p.sessions.Drain(ctx) }

// Shutdown ends every session and waits until no process is left. Calls in
// flight are answered with an error. When ctx ends first, processes are
// killed instead of asked, and the error is that of ctx. New sessions are
// refused from the beginning.
func (p *Proxy) Shutdown(ctx context.Context) error {
	return p.sessions.Shutdown(ctx)
}

// Close is Shutdown in a hurry: processes are killed at once.
func (p *Proxy) Close() error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := p.Shutdown(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}
