// SPDX-License-Identifier: Apache-2.0

// Package session joins the clients of Streamable HTTP to children that speak
// stdio. Frames pass as bytes; only ids are replaced on the way in, so that
// each answer finds its request whatever ids the clients chose, and restored
// on the way out.
//
//	Manager    the sessions, workers and children of one server, and the limits
//	  Worker   a place for one child at a time; survives its crashes
//	    link   the conversation with one child: ids, progress tokens, calls in flight
//	  Session  one client's state in the versions with initialize
//	    Stream one HTTP response, and what is kept so that it can be resumed
//	  Call     one request on its way
//
// A worker serves one session (the default), the sessions that share a child,
// or the requests of one principal since MCP 2026-07-28. One lock, that of the
// worker, guards it and all below it; that of the manager may be taken while
// it is held, never the other way round.
package session

import (
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/child"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// Why a session, a stream or a call ended.
var (
	ErrDeleted   = errors.New("the client ended the session")
	ErrIdle      = errors.New("the session was idle for too long")
	ErrShutdown  = errors.New("the proxy is shutting down")
	ErrCancelled = errors.New("the client cancelled the request")
	ErrReplaced  = errors.New("a newer stream of the session took over")
	ErrSlow      = errors.New("the client reads too slowly")
)

// Session is one client's conversation in the protocol versions with
// initialize. It is safe for concurrent use.
type Session struct {
	ID        string
	Principal string // who started it; nobody else may use it

	w     *Worker
	plain bool // of the transport of 2024-11-05: every message goes to the one stream

	// All guarded by w.mu.
	ended    bool
	counted  bool // Config.Leave takes it back
	cause    error
	offered  string // the protocol version that the client asked for
	version  string // the one that was agreed on
	stream   Stream // the standalone stream
	asked    questions
	replay   replay
	users    int // readers
	calls    int // in flight
	lastUsed time.Time
	idle     *time.Timer

	// What a fresh child has to be told.
	hello         []byte            // the client's initialize
	level         []byte            // its last logging/setLevel
	subscriptions map[string][]byte // its resources/subscribe, by URI
}

// What is remembered of a client for a fresh child is bounded; a session that
// exceeds it ends with its child.
const (
	maxHello         = 64 << 10
	maxSubscription  = 4 << 10
	maxSubscriptions = 1000
)

// maxPlainCalls bounds the calls in flight that share one stream; elsewhere
// each of them has a connection.
const maxPlainCalls = 1000

func newSession(w *Worker, id, principal string) *Session {
	s := &Session{ID: id, Principal: principal, w: w, lastUsed: time.Now()}
	s.stream = Stream{w: w, s: s, wake: make(chan struct{}, 1), answers: -1}
	return s
}

// Version is the protocol version that the child agreed to in its answer to
// initialize, or empty before that.
func (s *Session) Version() string {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	return s.version
}

// Cause tells why the session ended, and is nil while it has not.
func (s *Session) Cause() error {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	return s.cause
}

// Says describes what the child printed without being asked.
func (s *Session) Says() string {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	if s.w.link == nil {
		return ""
	}
	return s.w.link.child.Says()
}

// Plain makes this a session of the HTTP+SSE transport of 2024-11-05: answers
// go to its only stream, which cannot be resumed.
func (s *Session) Plain() {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	s.plain = true
}

// IsPlain reports whether Plain was called.
func (s *Session) IsPlain() bool {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	return s.plain
}

// Call sends a request to the child. The caller reads the call's stream. edit
// is a change to the frame, unless it is zero; events says that the client
// takes other messages before the response.
func (s *Session) Call(frame []byte, m jsonrpc.Message, edit jsonrpc.Edit, events bool) (*Call, error) {
	return s.call(nil, frame, m, edit, events)
}

// CallPlain sends a request whose answer goes to the standalone stream.
func (s *Session) CallPlain(frame []byte, m jsonrpc.Message, edit jsonrpc.Edit) error {
	_, err := s.call(&s.stream, frame, m, edit, false)
	return err
}

func (s *Session) call(out *Stream, frame []byte, m jsonrpc.Message, edit jsonrpc.Edit, events bool) (*Call, error) {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	if s.ended {
		return nil, s.cause
	}
	if s.w.m.draining.Load() {
		return nil, s.w.m.refusal()
	}
	if out != nil && s.calls >= maxPlainCalls {
		return nil, child.ErrBusy
	}
	c := s.w.newCall(s, out, frame, m)
	c.attended = events
	s.remember(c, frame, m)
	if !c.initialize {
		c.limit()
	}
	s.use(0)
	if err := s.w.dispatch(c, frame, m, edit); err != nil {
		c.forget()
		return nil, err
	}
	return c, nil
}

// Batch sends the requests of a batch (MCP 2025-03-26) on one stream. A
// request that cannot be sent is answered there.
func (s *Session) Batch(frames [][]byte, messages []jsonrpc.Message) (Reader, error) {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	if s.ended {
		return Reader{}, s.cause
	}
	if s.w.m.draining.Load() {
		return Reader{}, s.w.m.refusal()
	}
	t := &Stream{w: s.w, s: s, wake: make(chan struct{}, 1), answers: len(frames), attended: true}
	s.use(0)
	for i, frame := range frames {
		c := s.w.newCall(s, t, frame, messages[i])
		t.batch = append(t.batch, c)
		s.remember(c, frame, messages[i])
		c.limit()
		if err := s.w.dispatch(c, frame, messages[i], jsonrpc.Edit{}); err != nil {
			c.fail(err, nil)
		}
	}
	return t.attend(false), nil
}

// remember notes what a fresh child would have to be told. w.mu is held.
func (s *Session) remember(c *Call, frame []byte, m jsonrpc.Message) {
	switch {
	case jsonrpc.Is(frame, m.Method, "initialize"):
		c.initialize = true
		offered, _ := jsonrpc.Lookup(frame, m.Params, "protocolVersion")
		s.offered = jsonrpc.Text(offered.Of(frame))
		if s.hello == nil && len(frame) <= maxHello {
			s.hello = slices.Clone(frame)
		}
	case jsonrpc.Is(frame, m.Method, "logging/setLevel"):
		if len(frame) <= maxSubscription {
			s.level = slices.Clone(frame)
		}
	case jsonrpc.Is(frame, m.Method, "resources/subscribe"):
		if len(frame) <= maxSubscription && len(s.subscriptions) < maxSubscriptions {
			if s.subscriptions == nil {
				s.subscriptions = make(map[string][]byte)
			}
			s.subscriptions[uriOf(frame, m)] = slices.Clone(frame)
		}
	case jsonrpc.Is(frame, m.Method, "resources/unsubscribe"):
		delete(s.subscriptions, uriOf(frame, m))
	}
}

func uriOf(frame []byte, m jsonrpc.Message) string {
	uri, _ := jsonrpc.Lookup(frame, m.Params, "uri")
	return jsonrpc.Text(uri.Of(frame))
}

// outlives reports whether the session can go on with another child. w.mu is
// held.
func (s *Session) outlives() bool {
	return !s.w.m.cfg.EndOnCrash && s.version != "" && (s.w.kind == shared || s.hello != nil)
}

// Post sends a notification or a response of the client to the child.
func (s *Session) Post(frame []byte, m jsonrpc.Message) error {
	w := s.w
	w.mu.Lock()
	defer w.mu.Unlock()
	if s.ended {
		return s.cause
	}
	s.use(0)
	switch {
	case m.Kind == jsonrpc.Response:
		return s.respond(frame, m)
	case jsonrpc.Is(frame, m.Method, "notifications/cancelled"):
		return s.cancel(frame, m)
	case w.kind == shared && (jsonrpc.Is(frame, m.Method, "notifications/initialized") || jsonrpc.Is(frame, m.Method, "notifications/roots/list_changed")):
		return nil // the child was told by us, and that there are no roots
	}
	switch w.phase {
	case ready:
		return w.link.post(frame)
	case starting:
		if jsonrpc.Is(frame, m.Method, "notifications/initialized") {
			return nil // the fresh child is told by us
		}
		return w.enqueue(nil, frame, m, jsonrpc.Edit{})
	}
	return nil // a child to come will ask for what it wants to know
}

// cancel passes a cancellation on, under the id that the child knows, and
// releases the reader of the call. One that names no call in flight comes too
// late and goes no further. w.mu is held.
func (s *Session) cancel(frame []byte, m jsonrpc.Message) error {
	w := s.w
	span, ok := jsonrpc.Lookup(frame, m.Params, "requestId")
	if !ok {
		return nil
	}
	id := jsonrpc.Key(span.Of(frame))
	var call *Call
	newer := func(c *Call) {
		if c.s == s && jsonrpc.Key(c.id) == id && (call == nil || c.key > call.key) {
			call = c
		}
	}
	if w.link != nil {
		for _, c := range w.link.pending {
			newer(c)
		}
	}
	for _, f := range w.waiting {
		if f.call != nil {
			newer(f.call)
		}
	}
	if call == nil {
		if w.link == nil {
			return nil
		}
		key, ok := w.link.left.take(s, id)
		if !ok {
			return nil
		}
		return w.link.post(frame, jsonrpc.Edit{Span: span, With: appendKey(key)})
	}
	var err error
	if call.l != nil {
		err = w.link.post(frame, jsonrpc.Edit{Span: span, With: appendKey(call.key)})
		w.link.givenUp = true
	}
	call.forget()
	if call.out == &call.Stream {
		call.Stream.end(ErrCancelled)
	} else {
		call.out.answered()
	}
	return err
}

// Listen opens the standalone stream. The newest reader takes over from one
// that is there, together with what waits.
func (s *Session) Listen() (Reader, error) {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	if s.ended {
		return Reader{}, s.cause
	}
	r := s.stream.attend(false)
	s.stream.stream()
	s.stream.attended = true
	s.wake()
	return r, nil
}

// wake starts a child, if there is none, for a client that listens to what the
// server says of its own accord. w.mu is held.
func (s *Session) wake() {
	if s.w.phase == vacant && s.version != "" {
		s.w.revive()
	}
}

// use counts who reads and notes the time. w.mu is held.
func (s *Session) use(change int) {
	s.users += change
	s.lastUsed = time.Now()
}

// idleFor is how long nobody has used the session. w.mu is held.
func (s *Session) idleFor() time.Duration {
	if s.calls > 0 {
		return 0
	}
	return s.leftFor()
}

// leftFor is how long no client has read or sent anything, even if calls are
// in flight whose client may come back. w.mu is held.
func (s *Session) leftFor() time.Duration {
	if s.users > 0 {
		return 0
	}
	return time.Since(s.lastUsed)
}

// expire ends the session if it was idle for the whole time, and otherwise
// looks again when it may be.
func (s *Session) expire() {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	if s.ended {
		return
	}
	if rest := s.w.m.cfg.IdleTimeout - s.idleFor(); rest > 0 {
		s.idle.Reset(rest)
		return
	}
	s.end(ErrIdle)
}

// End ends the session: calls in flight fail with the cause, streams end, and
// a child of its own is stopped. It does not wait for the child.
func (s *Session) End(cause error) {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	s.end(cause)
}

// end is End. w.mu is held.
func (s *Session) end(cause error) {
	if s.ended {
		return
	}
	s.ended, s.cause = true, cause
	w := s.w
	w.m.removeSession(s) // first: whoever learns of the end finds no session
	if s.counted {
		w.m.leave(s.Principal)
	}
	for _, c := range s.inFlight() {
		if w.kind == shared && c.l != nil {
			c.l.cancel(c.key, cause.Error())
		}
		c.fail(cause, nil)
	}
	s.stream.end(cause)
	for _, t := range s.replay.streams {
		if !t.attended {
			t.discard()
		}
	}
	if s.replay.sweeper != nil {
		s.replay.sweeper.Stop()
	}
	if s.idle != nil {
		s.idle.Stop()
	}
	w.part(s, cause)
	w.m.log(slog.LevelInfo, "session ended", slog.String("cause", cause.Error()))
}

// inFlight lists the session's calls. w.mu is held.
func (s *Session) inFlight() (all []*Call) {
	if l := s.w.link; l != nil {
		for c := range maps.Values(l.pending) {
			if c.s == s {
				all = append(all, c)
			}
		}
	}
	for _, f := range s.w.waiting {
		if f.call != nil && f.call.s == s {
			all = append(all, f.call)
		}
	}
	return all
}

// part releases the worker from a session that ended. w.mu is held.
func (w *Worker) part(s *Session, cause error) {
	delete(w.sessions, s)
	switch w.kind {
	case own:
		w.close(cause)
	case shared:
		w.unsubscribe(s)
		w.touch()
	}
}

func unrelated(method string) bool {
	return strings.HasSuffix(method, "/list_changed") || method == "notifications/resources/updated"
}
