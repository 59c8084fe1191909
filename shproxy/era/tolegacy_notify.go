// SPDX-License-Identifier: Apache-2.0

package era

import (
	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// notified takes a notification of the server.
func (t *ToLegacy) notified(frame []byte, m jsonrpc.Message, out *Output) {
	switch jsonrpc.Text(m.Method.Of(frame)) {
	case "notifications/progress":
		t.progress(frame, m, out)
	case "notifications/message":
		t.logged(frame, m, out)
	case "notifications/tools/list_changed":
		t.changed(frame, m, func(l *listen) bool { return l.tools }, out)
	case "notifications/prompts/list_changed":
		t.changed(frame, m, func(l *listen) bool { return l.prompts }, out)
	case "notifications/resources/list_changed":
		t.changed(frame, m, func(l *listen) bool { return l.resources }, out)
	case "notifications/resources/updated":
		uri := textAt(frame, m.Params, "uri")
		t.changed(frame, m, func(l *listen) bool { return l.wantsURI(uri) }, out)
	case "notifications/cancelled":
		t.withdrawn(frame, m)
	case "notifications/elicitation/complete", "notifications/tasks/status":
		// The modern era has none: a client learns it by its next try.
	default:
		out.client(frame, nil)
	}
}

// progress goes to the call that named its token, under the token that the
// client's latest request for it names.
func (t *ToLegacy) progress(frame []byte, m jsonrpc.Message, out *Output) {
	span, _ := jsonrpc.Lookup(frame, m.Params, "progressToken")
	c := t.tokens[jsonrpc.Key(span.Of(frame))]
	switch {
	case c == nil:
		out.client(frame, nil) // its call cannot be asked, so nothing can have changed
	case len(c.shown) == 0:
		out.Dropped++
	default:
		out.client(jsonrpc.AppendSplice(nil, frame, jsonrpc.Edit{Span: span, With: c.shown}), c.id)
	}
}

// logged takes a log message, which names no call, to the call that asked for
// such, if it is the only one at work.
func (t *ToLegacy) logged(frame []byte, m jsonrpc.Message, out *Output) {
	c := t.about
	if c == nil && len(t.byClient) == 1 && len(t.parked) == 0 {
		for _, c = range t.byClient {
		}
	}
	if c == nil || c.level == 0 || severity(textAt(frame, m.Params, "level")) < c.level {
		out.Dropped++
		return
	}
	out.client(frame, c.id)
}

// setLevel makes the server log what a call asks for.
func (t *ToLegacy) setLevel(level int, out *Output) {
	if !t.server.logging || level == t.level {
		return
	}
	t.level = level
	t.ask("logging/setLevel", `{"level":"`+levels[level-1]+`"}`, ignored, out)
}

// withdrawn forgets a question whose answer the server does not want any more.
func (t *ToLegacy) withdrawn(frame []byte, m jsonrpc.Message) {
	span, _ := jsonrpc.Lookup(frame, m.Params, "requestId")
	key := jsonrpc.Key(span.Of(frame))
	if withdraw(&t.orphans, key) {
		return
	}
	for _, c := range t.calls {
		if c.talk != nil && withdraw(&c.talk.open, key) {
			return
		}
	}
}
