// SPDX-License-Identifier: Apache-2.0

package shclient

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/mcpheader"
)

const headerSession = "Mcp-Session-Id"

// session is what the client and the server agreed on when they initialized,
// and what it takes to agree on it again.
type session struct {
	renewing chan struct{} // a lock that can be waited for with a context

	mu          sync.Mutex // guards the rest
	now         sessionState
	initialize  message
	initialized message
	level       message            // the last logging/setLevel that the server took
	subscribed  map[string]message // resources/subscribe, by URI
	quiet       context.CancelFunc // ends the stream of the server's own messages
	streaming   chan struct{}      // closed when the server has answered the request for it
	old         bool               // the server is one of HTTP+SSE
}

// sessionState names one session. The zero value is none.
type sessionState struct {
	id         string
	version    string
	generation int
	channel    *channel // of HTTP+SSE
	left       bool     // for the modern era: nothing goes this way any more
}

// broken reports whether the session cannot be used any more.
func (s sessionState) broken() bool { return s.channel != nil && s.channel.hasEnded() }

func (s sessionState) setHeaders(h http.Header) {
	if s.version != "" {
		h.Set(mcpheader.ProtocolVersion, s.version)
	}
	if s.id != "" {
		h.Set(headerSession, s.id)
	}
}

func (s *session) state() sessionState {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

// generationOf is that of the session that a channel is, or 0 if it is none, or
// none any more.
func (s *session) generationOf(ch *channel) int {
	if now := s.state(); now.channel == ch {
		return now.generation
	}
	return 0
}

func (s *session) isOld() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.old
}

func (s *session) setOld(old bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.old = old
}

// opened takes over what the server answered to initialize.
func (s *session) opened(c *call, m message) {
	span, ok := jsonrpc.Lookup(m.frame, m.Result, "protocolVersion")
	if !ok {
		return // an error
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.silence()
	s.now = sessionState{
		id:         c.sessionID,
		version:    jsonrpc.Text(span.Of(m.frame)),
		generation: s.now.generation + 1,
		channel:    c.channel,
	}
	if c.channel != nil {
		s.quiet = c.channel.close
	}
}

// maxSubscriptions is how many subscriptions are taken over into another
// session, and maxSubscription how many bytes one of them may have.
const (
	maxSubscriptions = 1000
	maxSubscription  = 8 << 10
)

// keep remembers for a renewal what the server has agreed to.
func (s *session) keep(m message) {
	uri := m.param("uri")
	s.mu.Lock()
	defer s.mu.Unlock()
	switch method := m.method(); {
	case method == methodSetLevel:
		s.level = m
	case method == methodUnsubscribe:
		delete(s.subscribed, uri)
	case method == methodSubscribe && len(s.subscribed) < maxSubscriptions && len(m.frame) <= maxSubscription:
		if s.subscribed == nil {
			s.subscribed = make(map[string]message)
		}
		s.subscribed[uri] = m
	}
}

// agreed is what was kept.
func (s *session) agreed() []message {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := slices.Collect(maps.Values(s.subscribed))
	if s.level.frame != nil {
		all = append(all, s.level)
	}
	return all
}

// silence ends the stream of the server's own messages. mu must be held.
func (s *session) silence() {
	if s.quiet != nil {
		s.quiet()
		s.quiet = nil
	}
}

// remember keeps the client's notifications/initialized for a renewal.
func (s *session) remember(m message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.initialized = m
}

// opening is the client's initialize.
func (s *session) opening() message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.initialize
}

// handshake is all of what the client and the server have agreed on.
func (s *session) handshake() []message {
	s.mu.Lock()
	all := []message{s.initialize}
	if s.initialized.frame != nil {
		all = append(all, s.initialized)
	}
	s.mu.Unlock()
	return append(all, s.agreed()...)
}

// restart forgets the session because the client initializes anew.
func (r *remote) restart(m message) {
	r.leave(false)
	s := &r.session
	s.mu.Lock()
	defer s.mu.Unlock()
	s.initialize, s.initialized, s.level, s.subscribed = m, message{}, message{}, nil
}

// leave forgets the session, for good or not, and says farewell to the server if
// there was one.
func (r *remote) leave(forGood bool) {
	s := &r.session
	s.mu.Lock()
	old := s.now
	s.silence()
	s.now = sessionState{generation: old.generation + 1, left: forGood}
	s.mu.Unlock()
	if old.id != "" {
		r.tasks.Go(func() { r.hangUp(context.WithoutCancel(r.ctx), old) })
	}
}

// listen opens the stream on which the server sends what belongs to no request,
// unless a channel is that already.
func (r *remote) listen() {
	s := &r.session
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now.channel != nil {
		return
	}
	ctx, cancel := context.WithCancel(r.ctx)
	s.silence()
	s.quiet = cancel
	now, there := s.now, make(chan struct{})
	s.streaming = there
	r.tasks.Go(func() {
		defer cancel()
		r.follow(ctx, now, sync.OnceFunc(func() { close(there) }))
	})
}

// streamTimeout is how long a client that has just initialized waits for the
// stream of the server's own messages.
const streamTimeout = 500 * time.Millisecond

// awaitStream waits until the server has answered the request for that stream,
// since servers send there what they ask in a call, and drop it if nobody
// listens.
func (r *remote) awaitStream() {
	r.session.mu.Lock()
	there := r.session.streaming
	r.session.mu.Unlock()
	if there == nil {
		return
	}
	timer := time.NewTimer(streamTimeout)
	defer timer.Stop()
	select {
	case <-there:
	case <-timer.C:
	case <-r.ctx.Done():
	}
}

// lost reports whether the server says that it does not know the session.
// The specification's word for it is 404; many servers were made from an
// example that says 400 with a JSON-RPC error about the session id instead.
// Any other error with the id of m may come from its execution. At the address
// of a channel nothing is executed before the answer to the POST.
func (r *remote) lost(resp *http.Response, m message, now sessionState) bool {
	switch {
	case now.id == "" && now.channel == nil:
		return false
	case resp.StatusCode == http.StatusNotFound:
		return true
	case resp.StatusCode != http.StatusBadRequest:
		return false
	}
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody)) // what came is enough
	resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(body))
	answer, ok := rpcError(body)
	if !ok {
		return now.channel != nil && bytes.Contains(bytes.ToLower(body), []byte("session"))
	}
	word := "session"
	if answer.ID.Present() && jsonrpc.Key(answer.ID.Of(body)) == jsonrpc.Key(m.id()) {
		word = "session id"
	}
	return bytes.Contains(bytes.ToLower(answer.Error.Of(body)), []byte(word))
}

// renewalError says why a session was not opened again. The server has not
// looked at the message that needed it.
type renewalError struct {
	cause error
	text  string
}

func (e *renewalError) Error() string { return e.text }

// renew initializes again as the client did, unless somebody has already. The
// client does not see it.
func (r *remote) renew(ctx context.Context, generation int) error {
	s := &r.session
	select {
	case s.renewing <- struct{}{}:
		defer func() { <-s.renewing }()
	case <-ctx.Done():
		return ctx.Err()
	}
	s.mu.Lock()
	current, initialize, initialized := s.now.generation, s.initialize, s.initialized
	s.mu.Unlock()
	if current != generation {
		return nil
	}
	r.logger.LogAttrs(ctx, slog.LevelInfo, "the server forgot the session: initializing again")
	if err := r.initializeAgain(ctx, initialize); err != nil {
		return &renewalError{err, "the server forgot the session, and opening another failed: " + r.text(err)}
	}
	for _, m := range r.asked.withdraw(s.state().generation) {
		r.deliver(m, nil)
	}
	if initialized.frame == nil {
		return nil
	}
	if err := r.once(ctx, initialized, nil, s.state(), func() {}); err != nil {
		return err
	}
	r.listen()
	r.awaitStream()
	r.agreeAgain(ctx)
	return nil
}

// agreeTimeout bounds how long the server may take to agree again to what was
// agreed on in the session that it forgot.
const agreeTimeout = 5 * time.Second

// agreeAgain sets the level of log messages and subscribes as the client did.
func (r *remote) agreeAgain(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, agreeTimeout)
	defer cancel()
	for _, m := range r.session.agreed() {
		if err := r.agree(ctx, m); err != nil {
			r.logger.LogAttrs(ctx, slog.LevelWarn, "not taken over into the new session",
				slog.String("method", m.method()), slog.String("error", r.text(err)))
		}
		if ctx.Err() != nil {
			return
		}
	}
}

// agree makes a request of the client again, which does not see it.
func (r *remote) agree(ctx context.Context, m message) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c := newHiddenCall(m, cancel)
	if err := r.calls.add(c); err != nil {
		return err
	}
	defer r.calls.remove(c)
	if err := r.once(ctx, m, c, r.session.state(), func() {}); err != nil {
		return err
	}
	return c.failure()
}

func (r *remote) initializeAgain(ctx context.Context, initialize message) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c := newHiddenCall(initialize, cancel)
	err := r.open(ctx, initialize, c)
	if err == nil && c.failure() != nil {
		err = c.failure()
	}
	r.refuses.Store(err != nil && turnedDown(err))
	return err
}

// hangUp ends a session at the server, as a courtesy: its answer, which may be
// that it does not allow this, changes nothing.
func (r *remote) hangUp(ctx context.Context, s sessionState) {
	if s.id == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, deleteTimeout)
	defer cancel()
	req := r.newRequest(ctx, http.MethodDelete, nil)
	s.setHeaders(req.Header)
	if resp, err := r.client.Do(req); err == nil {
		resp.Body.Close()
	}
}
