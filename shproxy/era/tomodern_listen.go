// SPDX-License-Identifier: Apache-2.0

package era

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// subscription is a subscriptions/listen of the translator's own (MCP
// 2026-07-28, subscriptions): one for changes of lists, and one for each
// resource that the client subscribed to.
type subscription struct {
	id     uint64 // that the server sees, or has seen last
	filter []byte // the member that says of what, raw
	uri    string // of a resource
	held   int    // bytes

	acknowledged bool          // at least once
	waiting      []*modernCall // for that
	opened       time.Time
	heard        bool      // something, since then
	tries        int       // in a row in which nothing was heard
	again        time.Time // when to open it again
}

// A subscription that the server ends is opened again after a pause, which
// doubles each time; but not for ever if nothing is ever heard on it.
const (
	firstPause = time.Second
	mostTries  = 6
	longLife   = time.Minute // of a subscription that was not opened in vain
)

// listen opens a subscription.
func (t *ToModern) listen(now time.Time, s *subscription, out *Output) {
	delete(t.paused, s.id)
	s.id, s.opened, s.heard = t.nextID(), now, false
	t.listens[s.id] = s
	out.server(ownRequest(s.id, "subscriptions/listen", metaMember(t.profile, 0), s.filter))
}

// unlisten ends a subscription.
func (t *ToModern) unlisten(s *subscription, out *Output) {
	if t.listens[s.id] == s {
		out.server(cancelled(strconv.AppendUint(nil, s.id, 10)))
	}
	t.lose(s)
}

// lose forgets a subscription.
func (t *ToModern) lose(s *subscription) {
	delete(t.listens, s.id)
	delete(t.paused, s.id)
	if t.lists == s {
		t.lists = nil
	} else {
		delete(t.uris, s.uri)
	}
	t.release(&s.held)
}

// listenToLists opens the subscription for changes of lists once the client is
// ready for them, if the server tells of any.
func (t *ToModern) listenToLists(now time.Time, out *Output) {
	if !t.ready || t.lists != nil {
		return
	}
	filter := []byte(`"notifications":{`)
	for _, kind := range []string{"tools", "prompts", "resources"} {
		if !t.offers(kind, "listChanged") {
			continue
		}
		if filter[len(filter)-1] != '{' {
			filter = append(filter, ',')
		}
		filter = append(filter, `"`+kind+`ListChanged":true`...)
	}
	if filter[len(filter)-1] == '{' {
		return
	}
	t.lists = &subscription{filter: append(filter, '}')}
	t.listen(now, t.lists, out)
}

// subscribe answers resources/subscribe once the server has agreed.
func (t *ToModern) subscribe(now time.Time, method string, frame []byte, m jsonrpc.Message, out *Output) {
	uri, ok := t.subscribable(frame, m, out)
	if !ok {
		return
	}
	s := t.uris[uri]
	switch id := m.ID.Of(frame); {
	case s == nil && len(t.uris) == mostURIs:
		out.client(refusal(id, jsonrpc.InternalError, "too many subscriptions"), nil)
		return
	case s != nil && s.acknowledged:
		out.client(result(id, "{}"), nil)
		return
	}
	c := t.admit(method, frame, m, out)
	if c == nil {
		return
	}
	if s == nil {
		raw := lookup(frame, m.Params, "uri").Of(frame)
		s = &subscription{uri: uri, filter: []byte(`"notifications":{"resourceSubscriptions":[` + string(raw) + `]}`)}
		if !t.hold(&s.held, len(s.uri)+len(s.filter)) {
			t.fail(c, jsonrpc.InternalError, "too many subscriptions", out)
			return
		}
		t.uris[uri] = s
		t.listen(now, s, out)
	}
	c.waits = s
	s.waiting = append(s.waiting, c)
}

// subscribable is the uri of a request about a subscription, or answers it.
func (t *ToModern) subscribable(frame []byte, m jsonrpc.Message, out *Output) (uri string, ok bool) {
	uri = textAt(frame, m.Params, "uri")
	switch id := m.ID.Of(frame); {
	case !t.offers("resources", "subscribe"):
		out.client(refusal(id, jsonrpc.MethodNotFound, "the server has no subscriptions to resources"), nil)
	case uri == "":
		out.client(refusal(id, jsonrpc.InvalidParams, "uri must be a string"), nil)
	default:
		ok = true
	}
	return uri, ok
}

// unsubscribe answers resources/unsubscribe.
func (t *ToModern) unsubscribe(frame []byte, m jsonrpc.Message, out *Output) {
	uri, ok := t.subscribable(frame, m, out)
	if !ok {
		return
	}
	if s := t.uris[uri]; s != nil {
		t.refuse(s, "the client has unsubscribed", out)
		t.unlisten(s, out)
	}
	out.client(result(m.ID.Of(frame), "{}"), nil)
}

// stopWaiting ends a subscription for which nobody waits any more.
func (t *ToModern) stopWaiting(c *modernCall, out *Output) {
	s := c.waits
	s.waiting = slices.DeleteFunc(s.waiting, func(other *modernCall) bool { return other == c })
	if len(s.waiting) == 0 {
		t.unlisten(s, out)
	}
}

// refuse answers the calls that wait for a subscription.
func (t *ToModern) refuse(s *subscription, text string, out *Output) {
	for _, c := range s.waiting {
		t.fail(c, jsonrpc.InternalError, text, out)
	}
	s.waiting = nil
}

// ofSubscription reports whether a notification says on which subscription it
// comes.
func ofSubscription(method string) bool {
	switch method {
	case "notifications/subscriptions/acknowledged", "notifications/tools/list_changed", "notifications/prompts/list_changed",
		"notifications/resources/list_changed", "notifications/resources/updated":
		return true
	}
	return false
}

// published takes a notification that comes on a subscription.
func (t *ToModern) published(method string, frame []byte, m jsonrpc.Message, out *Output) {
	s := t.listens[idOfOurs(m.SubscriptionID.Of(frame))]
	switch {
	case s == nil:
		out.Dropped++ // it has ended, or is none of ours
	case method == "notifications/subscriptions/acknowledged":
		t.acknowledged(s, frame, m, out)
	default:
		s.heard = true
		out.client(legacyNotification(frame, m), nil)
	}
}

// legacyNotification does not say on which subscription it comes.
func legacyNotification(frame []byte, m jsonrpc.Message) []byte {
	edits, kept := cut(nil, frame, m.Meta, func(name, _ jsonrpc.Span) bool {
		return jsonrpc.Is(frame, name, jsonrpc.MetaSubscriptionID)
	})
	if kept == 0 {
		edits, _ = cut(nil, frame, m.Params, func(name, _ jsonrpc.Span) bool { return jsonrpc.Is(frame, name, "_meta") })
	}
	return splice(frame, edits)
}

// acknowledged takes what the server agreed to.
func (t *ToModern) acknowledged(s *subscription, frame []byte, m jsonrpc.Message, out *Output) {
	s.acknowledged = true
	if s == t.lists {
		return // what is not in it, the client can do nothing about
	}
	for uri := range jsonrpc.Items(frame, lookup(frame, m.Params, "notifications", "resourceSubscriptions")) {
		if !jsonrpc.Is(frame, uri, s.uri) {
			continue
		}
		for _, c := range s.waiting {
			t.forget(c)
			out.client(result(c.id, "{}"), nil)
		}
		s.waiting = nil
		return
	}
	t.refuse(s, "the server does not take subscriptions to this resource", out)
	t.unlisten(s, out)
}

// ended takes the server's answer to a subscription, which ends it.
func (t *ToModern) ended(now time.Time, s *subscription, frame []byte, m jsonrpc.Message, out *Output) {
	if m.Error.Present() {
		for _, c := range s.waiting {
			t.forget(c)
			out.client(legacyError(c, frame, m), nil)
		}
		s.waiting = nil
	}
	t.over(now, s, out)
}

// torn takes the server's notifications/cancelled, which can end nothing but a
// subscription.
func (t *ToModern) torn(now time.Time, frame []byte, m jsonrpc.Message, out *Output) {
	id := lookup(frame, m.Params, "requestId")
	if s := t.listens[idOfOurs(id.Of(frame))]; s != nil {
		t.over(now, s, out)
		return
	}
	out.Dropped++
}

// over decides what becomes of a subscription that the server has ended.
func (t *ToModern) over(now time.Time, s *subscription, out *Output) {
	t.refuse(s, "the server ended the subscription", out)
	if s.uri != "" && !s.acknowledged {
		t.lose(s)
		return
	}
	if s.heard || now.Sub(s.opened) >= longLife {
		s.tries = 0
	}
	if s.tries == mostTries {
		t.lose(s)
		return
	}
	delete(t.listens, s.id)
	t.paused[s.id] = s
	s.again = now.Add(firstPause << s.tries)
	s.tries++
}

// inOrder are subscriptions by their ids.
func inOrder(of map[uint64]*subscription) []*subscription {
	var list []*subscription
	for _, id := range slices.Sorted(maps.Keys(of)) {
		list = append(list, of[id])
	}
	return list
}
