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
	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/session"
)

// Server is the command that is wrapped. It is run without a shell, exactly
// as it is written here.
type Server struct {
	Command string   // name or path of the executable
	Args    []string // without the command itself
	Env     []string // KEY=value; nil means the environment of this process
	Dir     string   // working directory; empty means that of this process
	Name    string   // for logs and messages; empty means the base of Command
}

// Options of a [Proxy]. The zero value of each field is its default.
type Options struct {
	// Identify returns a stable identity of the authenticated caller. A
	// session is bound to the identity that started it; for everybody else
	// it does not exist. Nil means that all callers are the same.
	Identify func(*http.Request) string

	// AllowedHosts are values of the Host header to serve beside loopback
	// names and IP addresses, with or without a port. "*" allows all.
	AllowedHosts []string
	// AllowedOrigins are values of the Origin header to serve beside
	// loopback origins and the endpoint's own, like "https://app.example".
	// "*" allows all.
	AllowedOrigins []string

	// MaxMessageBytes bounds one message in either direction. Default 64 MiB.
	MaxMessageBytes int
	// MaxSessions bounds the sessions at one time. Processes, with those that
	// are ending, are at most about twice as many. Default 100.
	MaxSessions int
	// IdleTimeout ends a session that has had neither a call in flight nor an
	// open stream for so long. Default 30 minutes.
	IdleTimeout time.Duration
	// StartTimeout is how long a server may take to answer initialize.
	// Default 60 seconds.
	StartTimeout time.Duration
	// KeepAlive is the interval of comments on a quiet event stream, so that
	// proxies in between do not cut it. Default 15 seconds.
	KeepAlive time.Duration

	// Logger receives what happens to sessions and what the server writes to
	// stderr; never messages. Nil discards it.
	Logger *slog.Logger
}

const (
	defaultMaxMessageBytes = 64 << 20
	defaultMaxSessions     = 100
	defaultIdleTimeout     = 30 * time.Minute
	defaultStartTimeout    = 60 * time.Second
	defaultKeepAlive       = 15 * time.Second

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
	guard    guard
	sessions *session.Manager
	patience time.Duration
}

// New checks that the command exists and returns a proxy for it. Nothing is
// started yet; see [Proxy.Probe]. Call [Proxy.Shutdown] when done.
func New(s Server, o *Options) (*Proxy, error) {
	opts := Options{}
	if o != nil {
		opts = *o
	}
	if err := opts.complete(); err != nil {
		return nil, err
	}
	if s.Command == "" {
		return nil, errors.New("shproxy: no command")
	}
	path, err := lookPath(s)
	if err != nil {
		return nil, err
	}
	if s.Name == "" {
		s.Name = filepath.Base(s.Command)
	}
	guard, err := newGuard(opts.AllowedHosts, opts.AllowedOrigins)
	if err != nil {
		return nil, err
	}
	p := &Proxy{server: s, path: path, opts: opts, guard: guard, patience: patience}
	p.sessions = session.NewManager(p.sessionConfig(opts.Logger))
	return p, nil
}

func (p *Proxy) sessionConfig(log *slog.Logger) session.Config {
	return session.Config{
		MaxSessions: p.opts.MaxSessions,
		IdleTimeout: p.opts.IdleTimeout,
		Child: child.Config{
			Name: p.server.Name, Path: p.path, Args: p.server.Args, Env: p.server.Env, Dir: p.server.Dir,
			MaxLine: p.opts.MaxMessageBytes, MaxQueue: maxQueue, Grace: stopGrace, Logger: log,
		},
	}
}

// complete fills in the defaults.
func (o *Options) complete() error {
	if o.MaxMessageBytes < 0 || o.MaxSessions < 0 || o.IdleTimeout < 0 || o.StartTimeout < 0 || o.KeepAlive < 0 {
		return errors.New("shproxy: a limit in Options is negative")
	}
	if o.Identify == nil {
		o.Identify = func(*http.Request) string { return "" }
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.MaxMessageBytes = orDefault(o.MaxMessageBytes, defaultMaxMessageBytes)
	o.MaxSessions = orDefault(o.MaxSessions, defaultMaxSessions)
	o.IdleTimeout = orDefault(o.IdleTimeout, defaultIdleTimeout)
	o.StartTimeout = orDefault(o.StartTimeout, defaultStartTimeout)
	o.KeepAlive = orDefault(o.KeepAlive, defaultKeepAlive)
	return nil
}

func orDefault[T int | time.Duration](value, otherwise T) T {
	if value == 0 {
		return otherwise
	}
	return value
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
// it is known.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if problem := p.guard.check(r); problem != nil {
		problem.write(w, nil)
		return
	}
	switch r.Method {
	case http.MethodPost:
		p.post(w, r)
	case http.MethodGet:
		p.listen(w, r)
	case http.MethodDelete:
		p.delete(w, r)
	default:
		w.Header().Set("Allow", "GET, POST, DELETE")
		fail(http.StatusMethodNotAllowed, codeTransport, "method %s is not allowed", r.Method).write(w, nil)
	}
}

// Shutdown ends every session and waits until no process is left. Calls in
// flight are answered with an error. When ctx ends first, processes are
// killed instead of asked, and the error is that of ctx. New sessions are
// refused from the beginning.
func (p *Proxy) Shutdown(ctx context.Context) error {
	return p.sessions.Shutdown(ctx)
}
