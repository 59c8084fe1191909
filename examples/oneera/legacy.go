// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"sync"
)

var legacyVersions = []string{"2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"}

// legacy is the era in which client and server agree on everything first, and
// servers send requests of their own.
type legacy struct {
	*server
	newest string // version to agree on
	silent bool   // unknown methods are not answered

	mu          sync.Mutex
	client      *client                 // guarded by mu; nil before initialize
	level       string                  // guarded by mu; of messages that are sent
	subscribed  map[string]bool         // guarded by mu; by URI
	outstanding map[string]chan message // guarded by mu; our requests, by id
	used        map[string]int          // guarded by mu; how many requests had a name
	visited     map[string]bool         // guarded by mu; pages that the user has opened
}

func newLegacy(s *server, newest string, silent bool) *legacy {
	return &legacy{
		server: s, newest: newest, silent: silent, level: "debug",
		subscribed: map[string]bool{}, outstanding: map[string]chan message{}, used: map[string]int{}, visited: map[string]bool{},
	}
}

func (l *legacy) request(m *message, p params) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case p.Meta.ProtocolVersion != nil:
		// An old server would overlook it. This one does not, so that nothing
		// modern reaches it unnoticed.
		return l.unknown(m)
	case m.Method == "initialize":
		return l.initialize(m, p)
	case m.Method == "ping":
		return l.empty(m)
	case !l.knows(m.Method):
		return l.unknown(m)
	case l.client == nil:
		return fail(invalidRequest, "%s before initialize", m.Method)
	}
	switch m.Method {
	case "logging/setLevel":
		if !slices.Contains(logLevels, p.Level) {
			return fail(invalidParams, "no such level: %q", p.Level)
		}
		l.level = p.Level
		return l.empty(m)
	case "resources/subscribe", "resources/unsubscribe":
		if l.find(p.URI) == nil {
			return noSuchResource(l, p.URI)
		}
		l.subscribed[p.URI] = m.Method == "resources/subscribe"
		return l.empty(m)
	}
	l.start(&call{client: *l.client, id: m.ID, method: m.Method, params: p})
	return nil
}

func (l *legacy) knows(method string) bool {
	switch method {
	case "logging/setLevel", "resources/subscribe", "resources/unsubscribe":
		return true
	}
	return methods[method] != nil
}

func (l *legacy) unknown(m *message) error {
	if l.silent {
		return nil
	}
	return fail(methodNotFound, "Method not found: %s", m.Method)
}

func (l *legacy) empty(m *message) error {
	l.answer(m.ID, object{}, nil)
	return nil
}

func (l *legacy) initialize(m *message, p params) error {
	if l.client != nil {
		return fail(invalidRequest, "initialize was sent before")
	}
	version := l.newest
	if slices.Contains(legacyVersions, p.ProtocolVersion) && p.ProtocolVersion < version {
		version = p.ProtocolVersion
	}
	l.client = &client{version: version, info: p.ClientInfo, capabilities: p.Capabilities}
	l.answer(m.ID, object{
		"protocolVersion": version, "capabilities": l.capabilities(), "serverInfo": l.info(), "instructions": instructions,
	}, nil)
	return nil
}

func (l *legacy) notification(m *message, _ params) {
	switch m.Method {
	case "notifications/initialized", "notifications/roots/list_changed", "notifications/progress":
	default:
		complain(m)
	}
}

func (l *legacy) response(m *message) {
	var id string
	_ = json.Unmarshal(m.ID, &id) // ours are strings
	l.mu.Lock()
	defer l.mu.Unlock()
	if reply := l.outstanding[id]; reply != nil {
		delete(l.outstanding, id)
		reply <- *m
	}
}

// ask sends the questions all at once and waits for the answers. Like many
// servers it leaves it to clients to refuse what they cannot do.
func (l *legacy) ask(c *call, questions map[string]question) (answers, error) {
	type sent struct {
		id    string
		reply <-chan message
	}
	asked := map[string]sent{}
	for _, name := range names(questions) {
		id, reply := l.expect(name)
		asked[name] = sent{id, reply}
		l.send(message{ID: quote(id), Method: questions[name].method, Params: l.withID(questions[name].params, id)})
	}
	got := answers{}
	for name, q := range questions {
		select {
		case m := <-asked[name].reply:
			if m.Error != nil {
				return nil, fmt.Errorf("%s was refused: %s (%d)", q.method, m.Error.Message, m.Error.Code)
			}
			raw, _ := m.Result.(json.RawMessage)
			a, err := q.parse(raw)
			if err != nil {
				return nil, fmt.Errorf("%s: %w: %s", q.method, err, raw)
			}
			got[name] = a
		case <-c.ctx.Done():
			for _, other := range asked {
				if l.forget(other.id) {
					l.notify("notifications/cancelled", object{"requestId": other.id, "reason": "the call was cancelled"})
				}
			}
			return nil, c.ctx.Err()
		}
	}
	return got, nil
}

// expect makes an id for a question: its name, which says more than a number,
// unless a question of this session had it.
func (l *legacy) expect(name string) (string, <-chan message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.used[name]++
	id := name
	if n := l.used[name]; n > 1 {
		id = fmt.Sprintf("%s-%d", name, n)
	}
	reply := make(chan message, 1)
	l.outstanding[id] = reply
	return id, reply
}

func (l *legacy) forget(id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, ok := l.outstanding[id]
	delete(l.outstanding, id)
	return ok
}

// withID adds the id that pages had in this era.
func (l *legacy) withID(params object, id string) object {
	if params["mode"] == "url" {
		params["elicitationId"] = id
	}
	return params
}

// visit refuses the call until the user has opened the page. No browser calls
// back here, so that is as soon as the client knows of it.
func (l *legacy) visit(_ *call, name, url string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.visited[name] {
		return nil
	}
	l.visited[name] = true
	required := fail(urlRequired, "open %s first", url)
	required.Data = object{"elicitations": []object{l.withID(page("Please log in", url).params, name)}}
	return required
}

func (l *legacy) finish(*call, object) {}

func (l *legacy) wantsLog(_ *call, level string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return atLeast(level, l.level)
}

func (l *legacy) changed(list string) { l.notify("notifications/"+list+"/list_changed", object{}) }

func (l *legacy) updated(uri string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.subscribed[uri] {
		l.notify("notifications/resources/updated", object{"uri": uri})
	}
}

func (l *legacy) noResource() int { return resourceNotFound }

func quote(text string) json.RawMessage { return json.RawMessage(strconv.Quote(text)) }
