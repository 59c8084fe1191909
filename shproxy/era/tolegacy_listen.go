// SPDX-License-Identifier: Apache-2.0

package era

import (
	"bytes"
	"cmp"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// listen is a subscriptions/listen of the client.
type listen struct {
	id   []byte // the client's, raw
	key  string
	born uint64 // orders them
	held int    // bytes

	tools, prompts, resources bool     // it wants to know when they change
	uris                      []string // and of changes of these

	unanswered   int       // resources/subscribe that the server has not answered
	until        time.Time // how long the answers are awaited
	acknowledged bool
}

// resource is one that somebody wants to know of.
type resource struct {
	by  map[*listen]bool
	key uint64 // of the request that subscribes to it; 0 once it is answered
}

// patience is how long a server may take to answer resources/subscribe before
// the subscription begins without.
const patience = 2 * time.Second

// listen opens a subscription.
func (t *ToLegacy) listen(now time.Time, frame []byte, m jsonrpc.Message, out *Output) {
	id := m.ID.Of(frame)
	filter := lookup(frame, m.Params, "notifications")
	switch {
	case !isObject(frame, filter):
		out.client(refusal(id, jsonrpc.InvalidParams, `params must hold "notifications", an object`), nil)
		return
	case len(t.listens) >= maxListens:
		out.client(refusal(id, jsonrpc.InternalError, "too many subscriptions"), nil)
		return
	}
	l := &listen{
		id: bytes.Clone(id), key: jsonrpc.Key(id), born: t.nextListen(), until: now.Add(patience),
		tools:     t.server.toolsList && trueAt(frame, filter, "toolsListChanged"),
		prompts:   t.server.prompts && trueAt(frame, filter, "promptsListChanged"),
		resources: t.server.resources && trueAt(frame, filter, "resourcesListChanged"),
	}
	t.hold(l, len(l.id))
	t.listens[l.key] = l
	if t.server.subscribe {
		for item := range jsonrpc.Items(frame, lookup(frame, filter, "resourceSubscriptions")) {
			t.subscribe(l, jsonrpc.Text(item.Of(frame)), out)
		}
	}
	if l.unanswered == 0 {
		t.acknowledge(l, out)
		return
	}
	t.opening[l.key] = l
}

func (t *ToLegacy) nextListen() uint64 {
	t.listened++
	return t.listened
}

// hold accounts for n more bytes that are kept with a subscription.
func (t *ToLegacy) hold(l *listen, n int) {
	l.held += n
	t.held += n
}

// subscribe makes the server tell of a resource, unless it does already. What
// is too much is not granted.
func (t *ToLegacy) subscribe(l *listen, uri string, out *Output) {
	r := t.resources[uri]
	switch {
	case uri == "", r != nil && r.by[l], r == nil && len(t.resources) >= maxURIs, !t.fits(len(uri)):
		return
	case r == nil:
		r = &resource{by: make(map[*listen]bool)}
		t.resources[uri] = r
		r.key = t.ask("resources/subscribe", uriParams(uri), func(_ time.Time, _ []byte, m jsonrpc.Message, out *Output) {
			t.subscribed(r, uri, !m.Error.Present(), out)
		}, out)
	}
	r.by[l] = true
	l.uris = append(l.uris, uri)
	t.hold(l, len(uri))
	if r.key != 0 {
		l.unanswered++
	}
}

// subscribed takes the server's answer for all who wait for it.
func (t *ToLegacy) subscribed(r *resource, uri string, granted bool, out *Output) {
	r.key = 0
	if !granted {
		delete(t.resources, uri)
	}
	for _, l := range byAge(maps.Keys(r.by)) {
		if !granted {
			l.uris = slices.DeleteFunc(l.uris, func(u string) bool { return u == uri })
			t.hold(l, -len(uri))
		}
		if l.unanswered--; l.unanswered == 0 && !l.acknowledged {
			t.acknowledge(l, out)
		}
	}
}

func uriParams(uri string) string {
	return string(append(jsonrpc.AppendString([]byte(`{"uri":`), uri), '}'))
}

// acknowledge begins the subscription with what the server will tell of.
func (t *ToLegacy) acknowledge(l *listen, out *Output) {
	l.acknowledged = true
	delete(t.opening, l.key)
	params := append([]byte(nil), `{"notifications":{`...)
	comma := ""
	for _, granted := range []struct {
		name string
		yes  bool
	}{{"toolsListChanged", l.tools}, {"promptsListChanged", l.prompts}, {"resourcesListChanged", l.resources}} {
		if granted.yes {
			params = append(params, comma+`"`+granted.name+`":true`...)
			comma = ","
		}
	}
	for i, uri := range l.uris {
		if i == 0 {
			params = append(params, comma+`"resourceSubscriptions":[`...)
		} else {
			params = append(params, ',')
		}
		params = jsonrpc.AppendString(params, uri)
	}
	if len(l.uris) > 0 {
		params = append(params, ']')
	}
	params = append(params, `},"_meta":{"`+jsonrpc.MetaSubscriptionID+`":`...)
	params = append(append(params, l.id...), "}}"...)
	out.client(notification("notifications/subscriptions/acknowledged", string(params)), l.id)
}

// unlisten ends a subscription that the client cancelled.
func (t *ToLegacy) unlisten(l *listen, out *Output) {
	delete(t.listens, l.key)
	delete(t.opening, l.key)
	t.hold(l, -l.held)
	for _, uri := range l.uris {
		r := t.resources[uri]
		if delete(r.by, l); len(r.by) > 0 {
			continue
		}
		delete(t.resources, uri)
		delete(t.calls, r.key) // nobody waits for the answer any more
		t.tell("resources/unsubscribe", uriParams(uri), out)
	}
}

// changed tells those who want to know what the server says.
func (t *ToLegacy) changed(frame []byte, m jsonrpc.Message, listens []*listen, out *Output) {
	for _, l := range listens {
		if !l.acknowledged {
			continue
		}
		meta := without(nil, frame, m.Meta, func(name string) bool { return name == jsonrpc.MetaSubscriptionID },
			member{jsonrpc.MetaSubscriptionID, l.id})
		params := without(nil, frame, m.Params, func(name string) bool { return name == "_meta" }, member{"_meta", meta})
		out.client(notification(jsonrpc.Text(m.Method.Of(frame)), string(params)), l.id)
	}
}

// whoWants are the subscriptions of which something is true.
func (t *ToLegacy) whoWants(wants func(*listen) bool) []*listen {
	return slices.DeleteFunc(byAge(maps.Values(t.listens)), func(l *listen) bool { return !wants(l) })
}

// whoWantsURI are the subscriptions that cover a resource: itself, or one that
// it is part of.
func (t *ToLegacy) whoWantsURI(uri string) []*listen {
	found := make(map[*listen]bool)
	for subscribed, r := range t.resources {
		if uri == subscribed || strings.HasPrefix(uri, subscribed) && (strings.HasSuffix(subscribed, "/") || uri[len(subscribed)] == '/') {
			maps.Copy(found, r.by)
		}
	}
	return byAge(maps.Keys(found))
}

// byAge are subscriptions in the order in which they were opened.
func byAge(listens iter.Seq[*listen]) []*listen {
	return slices.SortedFunc(listens, func(a, b *listen) int { return cmp.Compare(a.born, b.born) })
}
