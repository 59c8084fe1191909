// SPDX-License-Identifier: Apache-2.0

package era

import (
	"maps"
	"slices"

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
		t.changed(frame, m, t.whoWants(func(l *listen) bool { return l.tools }), out)
	case "notifications/prompts/list_changed":
		t.changed(frame, m, t.whoWants(func(l *listen) bool { return l.prompts }), out)
	case "notifications/resources/list_changed":
		t.changed(frame, m, t.whoWants(func(l *listen) bool { return l.resources }), out)
	case "notifications/resources/updated":
		t.changed(frame, m, t.whoWantsURI(textAt(frame, m.Params, "uri")), out)
	case "notifications/cancelled":
		t.withdrawn(frame, m)
	case "notifications/elicitation/complete", "notifications/tasks/status":
		// The modern era has none: a client learns it by its next try.
	case "notifications/subscriptions/acknowledged":
		out.Dropped++ // subscriptions are ours
	default:
		out.client(ofNoSubscription(frame, m), nil)
	}
}

// ofNoSubscription is a notification that does not say that it comes on a
// subscription, of which a legacy server knows none.
func ofNoSubscription(frame []byte, m jsonrpc.Message) []byte {
	if !m.SubscriptionID.Present() {
		return frame
	}
	return legacyNotification(frame, m)
}

// progress goes to the call whose token it has, under the token that the
// client's latest request for it names.
func (t *ToLegacy) progress(frame []byte, m jsonrpc.Message, out *Output) {
	span, _ := jsonrpc.Lookup(frame, m.Params, memberToken)
	c := t.calls[idOfOurs(span.Of(frame))]
	if c == nil || c.shown == nil {
		out.Dropped++
		return
	}
	out.client(jsonrpc.AppendSplice(nil, frame, jsonrpc.Edit{Span: span, With: c.shown}), c.id)
}

// logged takes a log message, which names no call, to the call that asked for
// such, if it is the only one at work.
func (t *ToLegacy) logged(frame []byte, m jsonrpc.Message, out *Output) {
	c := t.about
	if c == nil {
		c = t.alone()
	}
	switch {
	case c == nil && t.logging > 0:
		out.Dropped++
	case c == nil || c.level == 0 || severity(textAt(frame, m.Params, "level")) < c.level:
		// Nobody has asked for it.
	default:
		out.client(ofNoSubscription(frame, m), c.id)
	}
}

// alone is the only call that the server can be at work for, or nil.
func (t *ToLegacy) alone() (only *legacyCall) {
	if len(t.parked) > 0 {
		return nil
	}
	for _, c := range t.byClient {
		switch {
		case c.ping:
		case only != nil:
			return nil
		default:
			only = c
		}
	}
	return only
}

// setLevel makes the server log what a call asks for.
func (t *ToLegacy) setLevel(level int, out *Output) {
	if !t.server.logging || level == t.level {
		return
	}
	t.level = level
	t.tell("logging/setLevel", `{"level":"`+levels[level-1]+`"}`, out)
}

// withdrawn forgets a question whose answer the server does not want any more.
func (t *ToLegacy) withdrawn(frame []byte, m jsonrpc.Message) {
	span, _ := jsonrpc.Lookup(frame, m.Params, "requestId")
	key := jsonrpc.Key(span.Of(frame))
	if orphans, found := withdraw(t.orphans, key); found {
		t.setOrphans(orphans)
		return
	}
	for _, calls := range []map[uint64]*legacyCall{t.asking, t.parked} {
		for _, at := range slices.Sorted(maps.Keys(calls)) {
			c := calls[at]
			if open, found := withdraw(c.talk.open, key); found {
				c.talk.open = open
				t.weigh(c)
				return
			}
		}
	}
}
