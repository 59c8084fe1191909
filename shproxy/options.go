// SPDX-License-Identifier: Apache-2.0

package shproxy

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"
)

// Server is the command that is wrapped. It is run without a shell, exactly
// as it is written here.
type Server struct {
	Command string   // name or path of the executable; a relative path begins at Dir
	Args    []string // without the command itself
	Env     []string // KEY=value; nil means the environment of this process
	Dir     string   // working directory; empty means that of this process
	Name    string   // for logs and messages; empty means the base of Command
	Limits  Limits   // of each process
	Era     Era      // that it speaks; EraAuto means that it is asked
}

// Limits bound what one process of the server, and each process that it
// starts, may take. Zero means no limit. They exist on Linux alone; elsewhere
// [New] refuses them.
type Limits struct {
	Memory    int64         // bytes of data: heap and other private memory (RLIMIT_DATA)
	OpenFiles int           // RLIMIT_NOFILE
	CPU       time.Duration // of processor time, rounded up to seconds (RLIMIT_CPU)
}

// Era names kinds of protocol versions, see
// https://modelcontextprotocol.io/specification/2026-07-28/basic/versioning.
type Era uint8

// The eras.
const (
	EraAuto   Era = iota // either
	EraLegacy            // those with initialize, 2024-11-05 to 2025-11-25
	EraModern            // those without, since 2026-07-28
)

// Mode says who shares a process of the server.
type Mode uint8

// The modes. Requests of MCP 2026-07-28, which has no sessions, go to one process
// for each caller in ModeSession, and to one for all in ModeShared, as long as it
// can tell whom it means.
const (
	// ModeSession gives each session a process of its own.
	ModeSession Mode = iota
	// ModeShared lets all sessions whose processes would have the same
	// environment share one, and the callers of MCP 2026-07-28 as well. The
	// server sees one client without capabilities, since its requests could
	// not be attributed; ping alone is answered, by the proxy. List changes
	// go to every session, resource updates to those that subscribed, log
	// messages only while there is one session.
	ModeShared
)

// Options of a [Proxy]. The zero value of each field is its default; a negative
// one is an error, but for ReplayBytes.
type Options struct {
	// Identify returns a stable identity of the authenticated caller. A
	// session is bound to the identity that started it; for everybody else
	// it does not exist. Callers for whom it is empty are not told apart, nor
	// bounded by MaxCallerSessions and MaxCallerRate. Nil: it is empty for all.
	Identify func(*http.Request) string
	// Environ returns further KEY=value pairs for the process that serves
	// the request, such as credentials of the caller. Callers with different
	// values never share a process or a session. Nil means none.
	Environ func(*http.Request) []string

	// AllowedHosts are values of the Host header to serve beside loopback
	// names and IP addresses, with or without a port. "*" allows all.
	AllowedHosts []string
	// AllowedOrigins are values of the Origin header to serve beside
	// loopback origins and the endpoint's own, like "https://app.example".
	// "*" allows all.
	AllowedOrigins []string

	// Clients is the era of the clients that are served, whatever the server
	// speaks; others are told the versions that are. Default both.
	Clients Era
	// Mode says who shares a process.
	Mode Mode
	// Warm is how many processes are kept started, waiting for a client.
	// Those with something from Environ cannot be. At most MaxSessions;
	// default 0.
	Warm int
	// MaxStarts bounds the processes that are starting at one time: that have
	// not said anything yet, and are not older than 10 seconds. Of several
	// places, one caller gets all but one, as far as Identify tells callers
	// apart, so that what that one makes hang keeps nobody else from starting.
	// Default 4.
	MaxStarts int
	// EndOnCrash ends a session whose process has ended by itself, so that
	// the client has to initialize again. The default is a fresh process,
	// initialized as the client had done it, with its log level and
	// subscriptions.
	EndOnCrash bool

	// MaxMessageBytes bounds one message in either direction. Default 64 MiB.
	MaxMessageBytes int
	// MaxSessions bounds the sessions at one time, and the processes for
	// callers of MCP 2026-07-28 with them. When it is reached, whatever was
	// idle longest, for at least a minute, makes room. Processes, with those
	// that are ending, are at most about twice as many. Default 100.
	MaxSessions int
	// IdleTimeout ends a session that has had neither a call in flight nor an
	// open stream for so long, and a process without calls. Default 30
	// minutes.
	IdleTimeout time.Duration
	// StartTimeout is how long a server may take to answer initialize.
	// Default 60 seconds.
	StartTimeout time.Duration
	// RequestTimeout is how long a server may take to answer any other
	// request: then the client gets an error and the server is told that the
	// request is cancelled. Default none.
	RequestTimeout time.Duration
	// InputTimeout is how long a call of a client of MCP 2026-07-28 waits for
	// that client to come back with what a server of the older versions asked
	// for. The server's process waits with it. Default 10 minutes.
	InputTimeout time.Duration
	// KeepAlive is the interval of comments on a quiet event stream, so that
	// proxies in between do not cut it. Default 15 seconds.
	KeepAlive time.Duration
	// ReplayBytes bounds the messages that a session keeps after they were
	// sent, for a client that lost its connection and resumes the stream with
	// Last-Event-ID. Default 1 MiB; negative means that streams cannot be
	// resumed.
	ReplayBytes int
	// ReplayTime is how long those messages are kept, and how long an
	// interrupted stream waits for its client. Default 5 minutes.
	ReplayTime time.Duration

	// Trace is called for each request and notification of a client that goes to
	// the server, with the context of its HTTP request, from the goroutine that
	// serves it. Nil means that nobody traces: then the trace context of the
	// request's headers goes into params._meta as it is.
	Trace func(context.Context, TracedCall) CallSpan
	// MaxCallerSessions bounds the sessions of one caller, as far as Identify
	// tells callers apart, on all replicas together. When it is reached, the
	// caller's session on this replica that was idle longest, for at least a
	// minute, makes room. Default none.
	MaxCallerSessions int
	// MaxCallerRate bounds the requests a second of one caller, as far as
	// Identify tells callers apart, on all replicas together; those of ten
	// seconds may come at once, and a batch of more is owed. Default none.
	MaxCallerRate int
	// Replicas makes the proxy one of several, see package replica. Nil means
	// that it is the only one.
	Replicas Replicas

	// Logger receives what happens to sessions and what the server writes to
	// stderr; never messages. Nil discards it.
	Logger *slog.Logger
}

const (
	defaultMaxMessageBytes = 64 << 20
	defaultMaxSessions     = 100
	defaultMaxStarts       = 4
	defaultIdleTimeout     = 30 * time.Minute
	defaultStartTimeout    = 60 * time.Second
	defaultInputTimeout    = 10 * time.Minute
	defaultKeepAlive       = 15 * time.Second
	defaultReplayBytes     = 1 << 20
	defaultReplayTime      = 5 * time.Minute
)

// complete checks the options and fills in the defaults.
func (o *Options) complete() error {
	switch {
	case min(o.MaxMessageBytes, o.MaxSessions, o.MaxStarts, o.Warm, o.MaxCallerSessions, o.MaxCallerRate) < 0,
		min(o.IdleTimeout, o.StartTimeout, o.RequestTimeout, o.InputTimeout, o.KeepAlive, o.ReplayTime) < 0:
		return errors.New("shproxy: a limit in Options is negative")
	case o.Mode > ModeShared:
		return errors.New("shproxy: unknown Mode in Options")
	case o.Clients > EraModern:
		return errors.New("shproxy: unknown Era in Options")
	}
	if o.Identify == nil {
		o.Identify = func(*http.Request) string { return "" }
	}
	if o.Environ == nil {
		o.Environ = func(*http.Request) []string { return nil }
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.MaxSessions = orDefault(o.MaxSessions, defaultMaxSessions); o.Warm > o.MaxSessions {
		return errors.New("shproxy: Warm in Options is more than MaxSessions")
	}
	o.MaxMessageBytes = orDefault(o.MaxMessageBytes, defaultMaxMessageBytes)
	o.MaxStarts = orDefault(o.MaxStarts, defaultMaxStarts)
	o.IdleTimeout = orDefault(o.IdleTimeout, defaultIdleTimeout)
	o.StartTimeout = orDefault(o.StartTimeout, defaultStartTimeout)
	o.InputTimeout = orDefault(o.InputTimeout, defaultInputTimeout)
	o.KeepAlive = orDefault(o.KeepAlive, defaultKeepAlive)
	o.ReplayTime = orDefault(o.ReplayTime, defaultReplayTime)
	o.ReplayBytes = max(orDefault(o.ReplayBytes, defaultReplayBytes), 0)
	return nil
}

func orDefault[T int | time.Duration](value, otherwise T) T {
	if value == 0 {
		return otherwise
	}
	return value
}
