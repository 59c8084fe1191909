// SPDX-License-Identifier: Apache-2.0

package shclient

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"sync"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// session is what the program and the server agreed on when they initialized,
// and what it takes to agree on it again.
type session struct {
	renewing chan struct{} // a lock that can be waited for with a context

	mu          sync.Mutex // guards the rest
	now         sessionState
	initialize  message
	initialized message
	quiet       context.CancelFunc // ends the stream of the server's own messages
}

// sessionState names one session. The zero value is none.
type sessionState struct {
	id         string
	version    string
	generation int
}

func (s sessionState) setHeaders(h http.Header) {
	if s.version != "" {
		h.Set(headerVersion, s.version)
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

// opened takes over what the server answered to initialize.
func (s *session) opened(ctx context.Context, c *call, m message) {
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
	}
}

// silence ends the stream of the server's own messages. mu must be held.
func (s *session) silence() {
	if s.quiet != nil {
		s.quiet()
		s.quiet = nil
	}
}

// remember keeps the program's notifications/initialized for a renewal.
func (s *session) remember(m message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.initialized = m
}

// restart forgets the session because the program initializes anew, and says
// farewell to the server if there was one.
func (l *link) restart(m message) {
	s := &l.session
	s.mu.Lock()
	old := s.now
	s.silence()
	s.now = sessionState{generation: old.generation + 1}
	s.initialize, s.initialized = m, message{}
	s.mu.Unlock()
	if old.id != "" {
		l.tasks.Go(func() { l.hangUp(context.WithoutCancel(l.ctx), old) })
	}
}

// listen opens the stream on which the server sends what belongs to no request.
func (l *link) listen() {
	ctx, cancel := context.WithCancel(l.ctx)
	s := &l.session
	s.mu.Lock()
	defer s.mu.Unlock()
	s.silence()
	s.quiet = cancel
	now := s.now
	l.tasks.Go(func() {
		defer cancel()
		l.follow(ctx, now)
	})
}

// lost reports whether the server says that it does not know the session.
// The specification's word for it is 404; many servers were made from an
// example that says 400 with a JSON-RPC error about the session id instead.
// Any other error with the id of m may come from its execution.
func (l *link) lost(resp *http.Response, m message, now sessionState) bool {
	switch {
	case now.id == "":
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
		return false
	}
	word := "session"
	if answer.ID.Present() && jsonrpc.Key(answer.ID.Of(body)) == jsonrpc.Key(m.id()) {
		word = "session id"
	}
	return bytes.Contains(bytes.ToLower(answer.Error.Of(body)), []byte(word))
}

// renew initializes again as the program did, unless somebody has already. The
// program does not see it.
func (l *link) renew(ctx context.Context, generation int) error {
	s := &l.session
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
	l.logger.LogAttrs(ctx, slog.LevelInfo, "the server forgot the session: initializing again")
	if err := l.initializeAgain(ctx, initialize); err != nil {
		return localError("the server forgot the session, and opening another failed: " + l.text(err))
	}
	if initialized.frame == nil {
		return nil
	}
	if err := l.once(ctx, initialized, nil, s.state()); err != nil {
		return err
	}
	l.listen()
	return nil
}

func (l *link) initializeAgain(ctx context.Context, initialize message) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c := &call{key: jsonrpc.Key(initialize.id()), opening: true, hidden: true, cancel: cancel, settle: func() {}}
	if err := l.once(ctx, initialize, c, sessionState{}); err != nil {
		return err
	}
	if !c.result.Error.Present() {
		return nil
	}
	var fault struct{ Message string }
	_ = json.Unmarshal(c.result.Error.Of(c.result.frame), &fault) // an unreadable error has no message
	return localError("the server refused: " + oneLine(fault.Message))
}

// hangUp ends a session at the server, as a courtesy: its answer, which may be
// that it does not allow this, changes nothing.
func (l *link) hangUp(ctx context.Context, s sessionState) {
	if s.id == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, deleteTimeout)
	defer cancel()
	req := l.newRequest(ctx, http.MethodDelete, nil)
	s.setHeaders(req.Header)
	if resp, err := l.client.Do(req); err == nil {
		resp.Body.Close()
	}
}
