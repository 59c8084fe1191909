// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"slices"
	"strings"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// sharedHello is what a shared child is told of its clients: since it could
// not say which of them it wants to ask, it hears of one that cannot be asked.
const sharedHello = `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"shproxy","version":"1"}}}`

// greetShared initializes a child for whoever comes.
func (w *Worker) greetShared(ctx context.Context, l *link) error {
	f, err := w.hello(ctx, l, sharedHello)
	if err != nil {
		return err
	}
	defer f.Release()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.greeting = slices.Clone(f.Data)
	w.m.speaks(agreedVersion(f.Data))
	if err := l.post([]byte(initializedFrame)); err != nil {
		return err
	}
	for s := range w.sessions {
		if err := w.replay(l, s); err != nil {
			return err
		}
	}
	return nil
}

// answerShared answers what must not reach a child that others use as well,
// and reports whether it did. w.mu is held.
func (w *Worker) answerShared(c *Call, frame []byte, m jsonrpc.Message) bool {
	switch {
	case c.initialize:
		answer, err := jsonrpc.Scan(w.greeting)
		if err != nil {
			c.fail(err, nil)
			return true
		}
		edits := append(w.link.agreed(c.s, w.greeting, answer), jsonrpc.Edit{Span: answer.ID, With: c.id})
		c.finish(newFrame(w.greeting, false, inOrder(edits)...))
		return true
	case len(w.sessions) > 1 && jsonrpc.Is(frame, m.Method, "logging/setLevel"),
		jsonrpc.Is(frame, m.Method, "resources/unsubscribe") && w.subscribed(uriOf(frame, m)):
		c.finish(resultFrame(c.id, "{}"))
		return true
	}
	return false
}

// subscribed reports whether any session wants news of the resource. w.mu is
// held.
func (w *Worker) subscribed(uri string) bool {
	for s := range w.sessions {
		if _, ok := s.subscriptions[uri]; ok {
			return true
		}
	}
	return false
}

// unsubscribe gives up the subscriptions that only the session had. w.mu is
// held.
func (w *Worker) unsubscribe(s *Session) {
	if w.phase != ready {
		return
	}
	for uri := range s.subscriptions {
		if !w.subscribed(uri) {
			frame := append([]byte(nil), `{"jsonrpc":"2.0","id":0,"method":"resources/unsubscribe","params":{"uri":`...)
			frame = append(jsonrpc.AppendString(frame, uri), `}}`...)
			_ = w.tell(w.link, frame) // a child that is ending needs not be told
		}
	}
}

// receiveShared takes a request or notification of a shared child to the
// sessions that it certainly concerns, and to nobody else. w.mu is held.
func (l *link) receiveShared(frame []byte, m jsonrpc.Message, owned bool) {
	w := l.w
	if m.Kind == jsonrpc.Request {
		if jsonrpc.Is(frame, m.Method, "ping") {
			f := resultFrame(m.ID.Of(frame), "{}")
			_ = l.post(f.Data) // if the child does not read, it learns nothing anyway
			f.Release()
			return
		}
		l.refuseRequest(m.ID.Of(frame), jsonrpc.MethodNotFound, "several clients share this server, so none of them can be asked")
		return
	}
	method := jsonrpc.Text(m.Method.Of(frame))
	uri := ""
	if method == "notifications/resources/updated" {
		uri = uriOf(frame, m)
	}
	reached := false
	for s := range w.sessions {
		switch {
		case len(w.sessions) == 1 && s.version != "":
			s.receive(l, frame, m, owned, nil)
			return
		case s.version == "":
			continue
		case strings.HasSuffix(method, "/list_changed"), uri != "" && s.wants(uri):
			w.deliver(&s.stream, newFrame(frame, false))
			reached = true
		}
	}
	if !reached {
		w.drop("nobody can be told whom "+method+" is for", nil)
	}
}

// wants reports whether the session subscribed to the resource, or to one that
// it is part of. w.mu is held.
func (s *Session) wants(uri string) bool {
	for subscribed := range s.subscriptions {
		if uri == subscribed || subscribed != "" && strings.HasPrefix(uri, strings.TrimSuffix(subscribed, "/")+"/") {
			return true
		}
	}
	return false
}
