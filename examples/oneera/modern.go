// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"slices"
	"sync"
)

const modernVersion = "2026-07-28"

// modern is the era in which every request stands for itself.
type modern struct {
	*server
	seal seal

	mu      sync.Mutex
	listens map[string]listen // guarded by mu; by id
}

// A listen is a subscription in force.
type listen struct {
	id json.RawMessage
	filter
}

// A filter says which notifications a client subscribes to.
type filter struct {
	Tools     bool     `json:"toolsListChanged,omitempty"`
	Prompts   bool     `json:"promptsListChanged,omitempty"`
	Resources bool     `json:"resourcesListChanged,omitempty"`
	URIs      []string `json:"resourceSubscriptions,omitempty"`
}

func newModern(s *server) *modern {
	return &modern{server: s, seal: newSeal(), listens: map[string]listen{}}
}

func (m *modern) request(req *message, p params) error {
	client, err := admit(req, p)
	switch {
	case err != nil:
		return err
	case req.Method == "server/discover":
		m.discover(req, p)
		return nil
	case req.Method == "subscriptions/listen":
		return m.listen(req, p)
	case methods[req.Method] == nil:
		return fail(methodNotFound, "Method not found: %s", req.Method)
	}
	so, err := m.seal.open(p)
	if err != nil {
		return err
	}
	m.start(&call{client: client, id: req.ID, method: req.Method, params: p, rounds: so})
	return nil
}

// admit checks what a request has to say of its client.
func admit(req *message, p params) (client, error) {
	version := p.Meta.ProtocolVersion
	switch {
	case version == nil && req.Method == "initialize":
		return client{}, unsupported(p.ProtocolVersion)
	case version == nil:
		return client{}, fail(invalidParams, "params._meta must hold io.modelcontextprotocol/protocolVersion")
	case p.Meta.Capabilities == nil:
		return client{}, fail(invalidParams, "params._meta must hold io.modelcontextprotocol/clientCapabilities")
	case *version != modernVersion:
		return client{}, unsupported(*version)
	case p.Meta.LogLevel != nil && !slices.Contains(logLevels, *p.Meta.LogLevel):
		return client{}, fail(invalidParams, "no such level: %q", *p.Meta.LogLevel)
	}
	return client{version: *version, info: p.Meta.ClientInfo, capabilities: p.Meta.Capabilities}, nil
}

func unsupported(version string) error {
	err := fail(unsupportedVersion, "Unsupported protocol version")
	err.Data = object{"supported": []string{modernVersion}, "requested": version}
	return err
}

func (m *modern) discover(req *message, p params) {
	result := object{"supportedVersions": []string{modernVersion}, "capabilities": m.capabilities(), "instructions": instructions}
	m.finish(&call{method: req.Method, params: p}, result)
	m.answer(req.ID, result, nil)
}

// listen subscribes until the request is cancelled.
func (m *modern) listen(req *message, p params) error {
	if p.Notifications == nil {
		return fail(invalidParams, "params must hold notifications")
	}
	id := string(req.ID)
	l := listen{req.ID, *p.Notifications}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.listens[id] = l
	m.onCancel(req.ID, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.listens, id)
	})
	m.tell(l, "notifications/subscriptions/acknowledged", object{"notifications": l.filter})
	return nil
}

// tell sends a notification of a subscription.
func (m *modern) tell(l listen, method string, params object) {
	params["_meta"] = object{"io.modelcontextprotocol/subscriptionId": l.id}
	m.notify(method, params)
}

func (m *modern) changed(list string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range m.listens {
		if list == "tools" && l.Tools || list == "prompts" && l.Prompts || list == "resources" && l.Resources {
			m.tell(l, "notifications/"+list+"/list_changed", object{})
		}
	}
}

func (m *modern) updated(uri string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range m.listens {
		if slices.Contains(l.URIs, uri) {
			m.tell(l, "notifications/resources/updated", object{"uri": uri})
		}
	}
}

// Clients send no notification but the one that cancels, and no responses.
func (m *modern) notification(req *message, _ params) { complain(req) }
func (m *modern) response(req *message)               { complain(req) }

// finish says of every result what it is, who made it, and of some how long
// they hold.
func (m *modern) finish(c *call, result object) {
	if result["resultType"] == nil {
		result["resultType"] = "complete"
	}
	result["_meta"] = object{"io.modelcontextprotocol/serverInfo": m.info()}
	switch c.method {
	case "server/discover", "tools/list", "prompts/list", "resources/list", "resources/templates/list", "resources/read":
		if result["resultType"] == "complete" {
			result["ttlMs"], result["cacheScope"] = 0, "private"
		}
	}
}

func (m *modern) wantsLog(c *call, level string) bool {
	return c.params.Meta.LogLevel != nil && atLeast(level, *c.params.Meta.LogLevel)
}

func (m *modern) noResource() int { return invalidParams }

// visit asks the user to open a page, which is done when he agrees.
func (m *modern) visit(c *call, name, url string) error {
	a, err := c.ask1(name, page("Please log in", url))
	if err == nil && a.Action != "accept" {
		err = fail(invalidParams, "the user did not open %s", url)
	}
	return err
}
