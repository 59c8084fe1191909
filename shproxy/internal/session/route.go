// SPDX-License-Identifier: Apache-2.0

package session

import (
	"maps"
	"strconv"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// receive takes a request or notification of the child to the session that it
// belongs to; related is the id of the call that it is known to belong to, or
// nil. w.mu is held.
func (s *Session) receive(l *link, frame []byte, m jsonrpc.Message, owned bool, related []byte) {
	t := s.target(frame, m)
	if c := l.find(related); c != nil && (c.out.attended || c.out.number != 0) {
		t = c.out
	}
	if m.Kind == jsonrpc.Request {
		if f := s.ask(l, frame, m, owned); f != nil {
			s.w.deliver(t, f)
		}
		return
	}
	if jsonrpc.Is(frame, m.Method, "notifications/cancelled") {
		if span, shown := s.withdrawn(l, frame, m); shown != nil {
			s.w.deliver(t, newFrame(frame, owned, jsonrpc.Edit{Span: span, With: shown}))
			return
		}
	}
	s.w.deliver(t, newFrame(frame, owned))
}

// target is the stream for a message that names no call. What a server says
// of its own accord goes to the standalone stream; other requests and
// notifications are taken to belong to the newest call in flight, whose
// client is there to answer. w.mu is held.
func (s *Session) target(frame []byte, m jsonrpc.Message) *Stream {
	if s.stream.attended && m.Kind == jsonrpc.Notification && unrelated(jsonrpc.Text(m.Method.Of(frame))) {
		return &s.stream
	}
	var newest *Call // with a reader, or one that may come back
	for _, c := range s.w.link.pending {
		if c.s != s || !c.out.attended && c.out.number == 0 {
			continue
		}
		if newest == nil || c.out.attended && !newest.out.attended || c.out.attended == newest.out.attended && c.key > newest.key {
			newest = c
		}
	}
	if newest == nil || !newest.out.attended && s.stream.attended {
		return &s.stream
	}
	return newest.out
}

// questions are the requests of the server that wait for the client, by the
// id that the client was shown.
type questions struct {
	open map[string]question
	last uint64 // number of an id of ours
	ours bool   // no id of the server's can be shown, since the client may still answer one that ended
}

type question struct {
	l  *link
	id []byte // the child's own, raw
}

// maxQuestions bounds what one session may be asked at a time.
const maxQuestions = 1000

// ask notes a request of the child. The client sees its own id, unless the
// answer could be taken for that to another question: then, and only then, one
// of ours. The result is nil if the child was refused. w.mu is held.
func (s *Session) ask(l *link, frame []byte, m jsonrpc.Message, owned bool) *Frame {
	q := &s.asked
	id := m.ID.Of(frame)
	if len(q.open) >= maxQuestions {
		l.refuseRequest(id, jsonrpc.InternalError, "too many requests wait for the client")
		return nil
	}
	if q.open == nil {
		q.open = make(map[string]question)
	}
	asked := question{l, append([]byte(nil), id...)}
	key := jsonrpc.Key(id)
	if _, taken := q.open[key]; !taken && !q.ours {
		q.open[key] = asked
		f := newFrame(frame, owned)
		f.request = m.ID
		return f
	}
	shown := q.name()
	q.open[jsonrpc.Key(shown)] = asked
	f := newFrame(frame, owned, jsonrpc.Edit{Span: m.ID, With: shown})
	f.request = jsonrpc.Span{Start: m.ID.Start, End: m.ID.Start + len(shown)}
	return f
}

// name returns an id of ours that no open question has.
func (q *questions) name() []byte {
	for {
		q.last++
		shown := jsonrpc.AppendString(nil, "shproxy-"+strconv.FormatUint(q.last, 10))
		if _, taken := q.open[jsonrpc.Key(shown)]; !taken {
			return shown
		}
	}
}

// forget gives up the questions of a child that has ended.
func (q *questions) forget(l *link) {
	n := len(q.open)
	maps.DeleteFunc(q.open, func(_ string, asked question) bool { return asked.l == l })
	q.ours = q.ours || len(q.open) < n
}

// respond passes the client's answer on, if the child that asked is still
// there. w.mu is held.
func (s *Session) respond(frame []byte, m jsonrpc.Message) error {
	key := jsonrpc.Key(m.ID.Of(frame))
	asked, ok := s.asked.open[key]
	if !ok {
		s.w.drop("an answer to no request of the server", m.ID.Of(frame))
		return nil
	}
	delete(s.asked.open, key)
	if asked.l != s.w.link {
		s.w.drop("an answer for a server that has ended", m.ID.Of(frame))
		return nil
	}
	return asked.l.post(frame, jsonrpc.Edit{Span: m.ID, With: asked.id})
}

// unask refuses a request that will not reach the client; shown is the id that
// the client would have seen. w.mu is held.
func (s *Session) unask(shown []byte) {
	key := jsonrpc.Key(shown)
	asked, ok := s.asked.open[key]
	if !ok {
		return
	}
	delete(s.asked.open, key)
	if asked.l == s.w.link && !s.ended {
		asked.l.refuseRequest(asked.id, jsonrpc.InternalError, "the client is not there to answer")
	}
}

// withdrawn takes note that the child no longer waits for an answer. It
// returns the id that the client was shown, and where it belongs. w.mu is held.
func (s *Session) withdrawn(l *link, frame []byte, m jsonrpc.Message) (at jsonrpc.Span, shown []byte) {
	span, ok := jsonrpc.Lookup(frame, m.Params, "requestId")
	if !ok {
		return span, nil
	}
	id := jsonrpc.Key(span.Of(frame))
	for key, asked := range s.asked.open {
		if asked.l != l || jsonrpc.Key(asked.id) != id {
			continue
		}
		delete(s.asked.open, key)
		if key == id {
			return span, nil
		}
		return span, jsonrpc.AppendString(nil, key[1:]) // only ours differ, and they are strings
	}
	return span, nil
}

func appendKey(key uint64) []byte { return strconv.AppendUint(nil, key, 10) }
