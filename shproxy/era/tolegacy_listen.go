// SPDX-License-Identifier: Apache-2.0

package era

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// listen is a subscriptions/listen of the client.
type listen struct {
	id  []byte // the client's, raw
	key string

	tools, prompts, resources bool     // it wants to know when they change
	uris                      []string // and of changes of these

	unanswered   int       // resources/subscribe that the server has not answered
	until        time.Time // how long the answers are awaited
	acknowledged bool
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
		id: bytes.Clone(id), key: jsonrpc.Key(id), until: now.Add(patience),
		tools:     t.server.toolsList && trueAt(frame, filter, "toolsListChanged"),
		prompts:   t.server.prompts && trueAt(frame, filter, "promptsListChanged"),
		resources: t.server.resources && trueAt(frame, filter, "resourcesListChanged"),
	}
	if t.server.subscribe {
		for item := range jsonrpc.Items(frame, lookup(frame, filter, "resourceSubscriptions")) {
			uri := jsonrpc.Text(item.Of(frame))
			if uri != "" && len(l.uris) < maxResourceURIs && !slices.Contains(l.uris, uri) {
				l.uris = append(l.uris, uri)
			}
		}
	}
	t.listens[l.key] = l
	for _, uri := range slices.Clone(l.uris) {
		t.subscribe(l, uri, out)
	}
	if l.unanswered == 0 {
		t.acknowledge(l, out)
	}
}

// subscribe makes the server tell of a resource, unless it does already.
func (t *ToLegacy) subscribe(l *listen, uri string, out *Output) {
	t.resources[uri]++
	if t.resources[uri] > 1 {
		return
	}
	l.unanswered++
	t.ask("resources/subscribe", uriParams(uri), func(_ time.Time, _ []byte, m jsonrpc.Message, out *Output) {
		l.unanswered--
		if m.Error.Present() && t.listens[l.key] == l && slices.Contains(l.uris, uri) {
			l.uris = slices.DeleteFunc(l.uris, func(u string) bool { return u == uri })
			if t.resources[uri]--; t.resources[uri] == 0 {
				delete(t.resources, uri)
			}
		}
		if l.unanswered == 0 && !l.acknowledged && t.listens[l.key] == l {
			t.acknowledge(l, out)
		}
	}, out)
}

func ignored(time.Time, []byte, jsonrpc.Message, *Output) {}

func uriParams(uri string) string {
	return string(append(jsonrpc.AppendString([]byte(`{"uri":`), uri), '}'))
}

// acknowledge begins the subscription with what the server will tell of.
func (t *ToLegacy) acknowledge(l *listen, out *Output) {
	l.acknowledged = true
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
	for _, uri := range l.uris {
		if t.resources[uri]--; t.resources[uri] > 0 {
			continue
		}
		delete(t.resources, uri)
		t.ask("resources/unsubscribe", uriParams(uri), ignored, out)
	}
}

// changed tells those who want to know what the server says.
func (t *ToLegacy) changed(frame []byte, m jsonrpc.Message, wants func(*listen) bool, out *Output) {
	reached := false
	for _, key := range slices.Sorted(maps.Keys(t.listens)) {
		l := t.listens[key]
		if !l.acknowledged || !wants(l) {
			continue
		}
		reached = true
		meta := without(nil, frame, m.Meta, func(name string) bool { return name == jsonrpc.MetaSubscriptionID },
			member{jsonrpc.MetaSubscriptionID, l.id})
		params := without(nil, frame, m.Params, func(name string) bool { return name == "_meta" }, member{"_meta", meta})
		out.client(notification(jsonrpc.Text(m.Method.Of(frame)), string(params)), l.id)
	}
	if !reached {
		out.Dropped++
	}
}

// wantsURI reports whether the subscription covers a resource: itself, or one
// that it is part of.
func (l *listen) wantsURI(uri string) bool {
	for _, subscribed := range l.uris {
		if uri == subscribed || strings.HasPrefix(uri, strings.TrimSuffix(subscribed, "/")+"/") {
			return true
		}
	}
	return false
}
