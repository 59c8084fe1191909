// SPDX-License-Identifier: Apache-2.0

// Package session joins the clients of Streamable HTTP to children that speak
// stdio. A legacy session (MCP 2024-11-05 to 2025-11-25) has a child of its
// own. Frames pass as bytes; only ids are replaced on the way in, so that
// each answer finds its request whatever ids the client chose, and restored
// on the way out.
package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/child"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// Why a session or a stream ended.
var (
	ErrDeleted   = errors.New("the client ended the session")
	ErrIdle      = errors.New("the session was idle for too long")
	ErrShutdown  = errors.New("the proxy is shutting down")
	ErrCancelled = errors.New("the client cancelled the request")
	ErrReplaced  = errors.New("a newer stream of the session took over")
	ErrSlow      = errors.New("the client reads too slowly")
)

// Session is one client's conversation with one child. It is safe for
// concurrent use.
type Session struct {
	ID        string
	Principal string // who started it; nobody else may use it

	m *Manager

	mu       sync.Mutex
	child    *child.Child
	ended    bool // guarded by mu, as is all that follows
	cause    error
	version  string // the negotiated protocol version
	lastKey  uint64
	pending  map[uint64]*Call
	tokens   map[string]*Call // by progress token as the child sees it
	stream   *Stream          // the standalone stream, whether or not it has a reader
	users    int              // calls and streams with a reader
	lastUsed time.Time
	idle     *time.Timer
}

func newSession(m *Manager, id, principal string) *Session {
	s := &Session{
		ID: id, Principal: principal, m: m,
		pending: make(map[uint64]*Call), tokens: make(map[string]*Call),
		lastUsed: time.Now(),
	}
	s.stream = s.newStream()
	return s
}

func (s *Session) newStream() *Stream { return &Stream{s: s, wake: make(chan struct{}, 1)} }

// start runs the child. It holds the lock meanwhile, so that the child's
// first words find the session complete.
func (s *Session) start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return s.cause
	}
	c, err := s.m.startChild(s)
	if err != nil {
		return err
	}
	s.child = c
	s.idle = time.AfterFunc(s.m.cfg.IdleTimeout, s.expire)
	return nil
}

// Version is the protocol version that the child agreed to in its answer to
// initialize, or empty before that.
func (s *Session) Version() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.version
}

// Cause tells why the session ended, and is nil while it has not.
func (s *Session) Cause() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cause
}

// Says describes what the child printed without being asked.
func (s *Session) Says() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.child.Says()
}

// Post sends a notification or a response of the client to the child.
func (s *Session) Post(frame []byte, m jsonrpc.Message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return s.cause
	}
	s.use(0)
	if m.Kind == jsonrpc.Notification && jsonrpc.Is(frame, m.Method, "notifications/cancelled") {
		return s.cancel(frame, m)
	}
	return s.child.Send(frame)
}

// cancel passes a cancellation on, under the id that the child knows, and
// releases the reader of the call. One that names no call in flight comes too
// late and goes no further. s.mu is held.
func (s *Session) cancel(frame []byte, m jsonrpc.Message) error {
	span, ok := jsonrpc.Lookup(frame, m.Params, "requestId")
	if !ok {
		return s.child.Send(frame)
	}
	id := jsonrpc.Key(span.Of(frame))
	var call *Call
	for _, c := range s.pending {
		if jsonrpc.Key(c.id) == id && (call == nil || c.key > call.key) {
			call = c
		}
	}
	if call == nil {
		return nil
	}
	err := s.child.Send(frame, jsonrpc.Edit{Span: span, With: fmt.Append(nil, call.key)})
	s.forget(call)
	call.end(ErrCancelled)
	return err
}

// Listen opens the standalone stream. The newest reader takes over from one
// that is there, together with what waits.
func (s *Session) Listen() (*Stream, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return nil, s.cause
	}
	t, old := s.newStream(), s.stream
	t.attended = true
	t.takeOver(old)
	old.end(ErrReplaced)
	s.stream = t
	s.use(+1)
	return t, nil
}

// Leave ends the reader's interest in the standalone stream. What waits is
// kept for the next reader.
func (t *Stream) Leave() {
	s := t.s
	s.mu.Lock()
	defer s.mu.Unlock()
	s.use(-1)
	switch {
	case s.ended || t != s.stream:
		t.discard()
	case t.ended: // cut off
		t.discard()
		s.stream = s.newStream()
	default:
		t.attended = false
	}
}

// use counts who needs the session and notes the time. s.mu is held.
func (s *Session) use(change int) {
	s.users += change
	s.lastUsed = time.Now()
}

// expire ends the session if it was idle for the whole time, and otherwise
// looks again when it may be.
func (s *Session) expire() {
	s.mu.Lock()
	rest := s.m.cfg.IdleTimeout
	if s.users == 0 {
		rest -= time.Since(s.lastUsed)
	}
	if rest > 0 && !s.ended {
		s.idle.Reset(rest)
		s.mu.Unlock()
		return
	}
	s.mu.Unlock()
	s.End(ErrIdle)
}

// End ends the session: calls in flight fail with the cause, streams end, and
// the child is stopped. It does not wait for the child.
func (s *Session) End(cause error) {
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		return
	}
	s.ended, s.cause = true, cause
	s.mu.Unlock()

	// Whoever learns of the end finds that the session is gone.
	s.m.remove(s)
	s.mu.Lock()
	for _, c := range s.pending {
		s.finish(c, errorFrame(c.id, cause))
	}
	s.stream.end(cause)
	if !s.stream.attended {
		s.stream.discard()
	}
	if s.idle != nil {
		s.idle.Stop()
	}
	c := s.child
	s.mu.Unlock()

	if c != nil {
		c.Stop()
	}
	s.log(slog.LevelInfo, "session ended", slog.String("cause", cause.Error()))
}

// log never tells the session's id, which is as good as a password.
func (s *Session) log(level slog.Level, message string, attrs ...slog.Attr) {
	attrs = append(attrs, slog.String("server", s.m.cfg.Child.Name))
	s.m.cfg.Child.Logger.LogAttrs(context.Background(), level, message, attrs...)
}
