// SPDX-License-Identifier: Apache-2.0

package session

import (
	"fmt"
	"log/slog"
	"strconv"
	"strings"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/child"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// Receive takes one message of the child to the stream that it belongs to.
func (s *Session) Receive(frame []byte, m jsonrpc.Message, owned bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	switch {
	case m.Kind == jsonrpc.Response:
		s.answer(frame, m, owned)
	case m.Kind == jsonrpc.Notification && jsonrpc.Is(frame, m.Method, "notifications/progress"):
		s.progress(frame, m, owned)
	default:
		s.deliver(s.target(frame, m), newFrameOf(frame, m, owned))
	}
}

// answer ends the call that the response belongs to. s.mu is held.
func (s *Session) answer(frame []byte, m jsonrpc.Message, owned bool) {
	c := s.pendingCall(m.ID.Of(frame))
	if c == nil {
		s.drop("an answer to no request in flight", m.ID.Of(frame))
		return
	}
	if c.initialize {
		if version, ok := jsonrpc.Lookup(frame, m.Result, "protocolVersion"); ok {
			s.version = jsonrpc.Text(version.Of(frame))
		}
	}
	s.finish(c, newFrame(frame, owned, jsonrpc.Edit{Span: m.ID, With: c.id}))
}

func (s *Session) pendingCall(id []byte) *Call {
	key, err := strconv.ParseUint(string(id), 10, 64)
	if err != nil {
		return nil
	}
	return s.pending[key]
}

// progress goes to the stream of the call that named its token. s.mu is held.
func (s *Session) progress(frame []byte, m jsonrpc.Message, owned bool) {
	span, _ := jsonrpc.Lookup(frame, m.Params, "progressToken")
	token := span.Of(frame)
	c := s.tokens[jsonrpc.Key(token)]
	if c == nil {
		s.drop("progress of no request in flight", token)
		return
	}
	if c.ownToken != nil {
		token = c.ownToken
	}
	f := newFrame(frame, owned, jsonrpc.Edit{Span: span, With: token})
	if c.attended {
		s.deliver(&c.Stream, f)
	} else {
		s.deliver(s.stream, f)
	}
}

// target is the stream for a message that names no call. What a server says
// of its own accord goes to the standalone stream; other requests and
// notifications are taken to belong to the newest call in flight, whose
// client is there to answer. s.mu is held.
func (s *Session) target(frame []byte, m jsonrpc.Message) *Stream {
	if s.stream.attended && m.Kind == jsonrpc.Notification && unrelated(jsonrpc.Text(m.Method.Of(frame))) {
		return s.stream
	}
	var newest *Call
	for _, c := range s.pending {
		if c.attended && (newest == nil || c.key > newest.key) {
			newest = c
		}
	}
	if newest == nil {
		return s.stream
	}
	return &newest.Stream
}

func unrelated(method string) bool {
	return strings.HasSuffix(method, "/list_changed") || method == "notifications/resources/updated"
}

// deliver queues a message. A reader that lets too much wait is cut off; where
// no reader is, the oldest messages go. s.mu is held.
func (s *Session) deliver(t *Stream, f *Frame) {
	if t.fits(len(f.Data)) {
		t.push(f)
		return
	}
	if t.attended {
		s.drop(ErrSlow.Error(), nil)
		t.discard()
		t.end(ErrSlow)
		t.attended = false
		s.refuse(f)
		f.Release()
		return
	}
	for !t.fits(len(f.Data)) {
		oldest := t.pop()
		s.drop("no stream is open and the backlog is full", nil)
		s.refuse(oldest)
		oldest.Release()
	}
	t.push(f)
}

// refuse answers a request of the child that will not reach the client, so
// that the child does not wait for it. s.mu is held.
func (s *Session) refuse(f *Frame) {
	if !f.request.Present() || s.ended {
		return
	}
	id := f.request.Of(f.Data)
	_ = s.child.Send(jsonrpc.AppendError(nil, id, jsonrpc.InternalError, "the client is not there to answer", nil))
}

// drop counts and logs a message that goes nowhere. s.mu is held.
func (s *Session) drop(why string, id []byte) {
	s.m.dropped.Add(1)
	s.log(slog.LevelDebug, "message dropped", slog.String("reason", why), slog.String("id", string(id)))
}

// Broken fails the call whose answer was unreadable, or every call in flight
// if it is not known which one it was.
func (s *Session) Broken(id []byte, reason error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	err := fmt.Errorf("server %q sent an unusable answer: %w", s.m.cfg.Child.Name, reason)
	if id != nil {
		if c := s.pendingCall(id); c != nil {
			s.finish(c, errorFrame(c.id, err))
		}
		return
	}
	for _, c := range s.pending {
		s.finish(c, errorFrame(c.id, err))
	}
}

// Exited ends the session with its child.
func (s *Session) Exited(err *child.ExitError) {
	s.m.childEnded(s)
	s.End(err)
}

// newFrameOf copies a message of the child as it is.
func newFrameOf(data []byte, m jsonrpc.Message, owned bool) *Frame {
	f := NewFrame()
	if owned {
		f.Data = data
	} else {
		f.Data = append(f.Data, data...)
	}
	if m.Kind == jsonrpc.Request {
		f.request = m.ID
	}
	return f
}

var _ child.Receiver = (*Session)(nil)
