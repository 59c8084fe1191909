// SPDX-License-Identifier: Apache-2.0

package session

import (
	"github.com/atrawog/mcp-oauth-gateway/shproxy/era"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// Since MCP 2026-07-28 there are neither sessions nor a handshake: a request
// says all that the server has to know.

// Caller is who sends a request of MCP 2026-07-28.
type Caller struct {
	Principal string
	Env       []string    // beyond that of the configuration
	Profile   era.Profile // what the request says of the client
}

// Key tells callers apart who never share a child.
func (c Caller) Key() string { return poolKey(false, c.Principal, c.Env) }

// Call sends a request of MCP 2026-07-28 to a child of the caller. The reader
// of the call's stream cancels the request when he leaves it before the answer.
// edit and events are those of [Session.Call]. [Manager.Modern] must have found
// out what the server speaks. The error is one of [Manager.Start], or
// [era.ErrState].
func (m *Manager) Call(who Caller, frame []byte, msg jsonrpc.Message, edit jsonrpc.Edit, events bool) (*Call, error) {
	if m.draining.Load() {
		return nil, ErrShutdown
	}
	r := modernRequest{frame: frame, m: msg, edit: edit, events: events}
	r.logs = msg.LogLevel.Present()
	p := m.poolOf(who)
	if p.profile != nil && era.MayBeAsked(jsonrpc.Text(msg.Method.Of(frame))) {
		if state, ok := era.State(frame, msg); ok {
			return m.takeUp(p, state, r)
		}
		r.asks = p.profile.Asked()
	}
	for {
		all := m.workers(p)
		if c, err := p.place(all, r); c != nil || err != nil {
			return c, err
		}
		if err := m.addWorker(p, len(all)); err != nil {
			return nil, err
		}
	}
}

// Post sends a notification of MCP 2026-07-28 to the caller's child, if there
// is one that speaks it. Over HTTP no cancellation is expected, and none is
// passed on: its id would name the request of any client of the principal.
func (m *Manager) Post(who Caller, frame []byte, msg jsonrpc.Message) error {
	if jsonrpc.Is(frame, msg.Method, "notifications/cancelled") {
		return nil
	}
	p := m.poolOf(who)
	all := m.workers(p)
	if len(all) == 0 || p.profile != nil {
		return nil
	}
	w := all[0]
	w.mu.Lock()
	defer w.mu.Unlock()
	switch w.phase {
	case ready:
		return w.link.post(frame)
	case starting:
		return w.enqueue(nil, frame, msg, jsonrpc.Edit{})
	}
	return nil
}

// subscription finds the id of a subscription in the answer to
// subscriptions/listen, where it stands for the call's. w.mu is held.
func (l *link) subscription(c *Call, frame []byte, m jsonrpc.Message) (jsonrpc.Span, bool) {
	if !c.listen {
		return jsonrpc.Span{}, false
	}
	meta, _ := jsonrpc.Lookup(frame, m.Result, "_meta")
	return jsonrpc.Lookup(frame, meta, jsonrpc.MetaSubscriptionID)
}

// receiveModern takes a notification to the call that it belongs to. w.mu is
// held.
func (l *link) receiveModern(frame []byte, m jsonrpc.Message, owned bool, related []byte) {
	w := l.w
	switch {
	case m.Kind == jsonrpc.Request: // there are none in these versions
		l.refuseRequest(m.ID.Of(frame), jsonrpc.MethodNotFound, "a server must not send requests; see input_required")
	case m.SubscriptionID.Present():
		c := l.find(m.SubscriptionID.Of(frame))
		if c == nil || !c.listen {
			w.drop("a notification of no subscription", m.SubscriptionID.Of(frame))
			return
		}
		if tell := w.m.cfg.ToolsChanged; tell != nil && jsonrpc.Is(frame, m.Method, "notifications/tools/list_changed") {
			tell()
		}
		w.deliver(c.out, newFrame(frame, owned, jsonrpc.Edit{Span: m.SubscriptionID, With: c.id}))
	case jsonrpc.Is(frame, m.Method, "notifications/cancelled"):
		l.tornDown(frame, m, owned)
	default:
		c := l.find(related)
		if c == nil {
			c = l.only(jsonrpc.Is(frame, m.Method, "notifications/message"))
		}
		switch {
		case c == nil:
			w.drop("nobody can be told whom "+jsonrpc.Text(m.Method.Of(frame))+" is for", nil)
		case !c.out.attended:
			w.drop(answerOnly, c.id)
		default:
			w.deliver(c.out, newFrame(frame, owned))
		}
	}
}

const answerOnly = "the client takes no more than the answer"

// tornDown ends a subscription that the server gave up. w.mu is held.
func (l *link) tornDown(frame []byte, m jsonrpc.Message, owned bool) {
	span, _ := jsonrpc.Lookup(frame, m.Params, "requestId")
	c := l.find(span.Of(frame))
	if c == nil || !c.listen {
		l.w.drop("a cancellation of no subscription", span.Of(frame))
		return
	}
	l.w.deliver(c.out, newFrame(frame, owned, jsonrpc.Edit{Span: span, With: c.id}))
	c.forget()
	c.out.end(nil)
}

// only returns the one call that a notification without an address can belong
// to, or nil. w.mu is held.
func (l *link) only(logs bool) (found *Call) {
	for _, c := range l.pending {
		if c.listen || logs && !c.logs {
			continue
		}
		if found != nil {
			return nil
		}
		found = c
	}
	return found
}

// completeFrame is the graceful end of a subscription.
func completeFrame(c *Call) *Frame {
	return resultFrame(c.id, `{"resultType":"complete","_meta":{"`+jsonrpc.MetaSubscriptionID+`":`+string(c.id)+`}}`)
}
