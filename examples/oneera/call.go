// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
)

// A call is a request in the works that both eras know.
type call struct {
	*server
	ctx    context.Context
	client client
	id     json.RawMessage
	method string
	params params

	rounds rounds // modern: what was answered so far
	asked  int    // modern: how often this run has asked
}

// A client is what a client says of itself.
type client struct {
	version      string
	info         json.RawMessage
	capabilities map[string]json.RawMessage
}

func (c *client) has(capability string) bool { return c.capabilities[capability] != nil }

// methods are those that both eras have.
var methods = map[string]func(*call) (object, error){
	"tools/list":               (*call).listTools,
	"tools/call":               (*call).callTool,
	"prompts/list":             (*call).listPrompts,
	"prompts/get":              (*call).getPrompt,
	"resources/list":           (*call).listResources,
	"resources/templates/list": (*call).listTemplates,
	"resources/read":           (*call).readResource,
	"completion/complete":      (*call).complete,
}

// ask asks the client. Tools call it before they do anything else: in the
// modern era they run once more with the answers.
func (c *call) ask(questions map[string]question) (answers, error) {
	return c.era.ask(c, questions)
}

// ask1 asks the client a single question.
func (c *call) ask1(name string, q question) (answer, error) {
	got, err := c.ask(map[string]question{name: q})
	return got[name], err
}

func (c *call) log(level string, data any) {
	if c.ctx.Err() == nil && c.era.wantsLog(c, level) {
		c.notify("notifications/message", object{"level": level, "logger": "oneera", "data": data})
	}
}

// progress says how far the call is, if the client wants to know.
func (c *call) progress(done, total int) {
	if token := c.params.Meta.ProgressToken; token != nil && c.ctx.Err() == nil {
		c.notify("notifications/progress", object{
			"progressToken": token, "progress": done, "total": total, "message": fmt.Sprintf("%d of %d", done, total),
		})
	}
}

func (c *call) complete() (object, error) {
	values := []string{"paris", "park", "party"}
	return object{"completion": object{"values": values, "total": len(values), "hasMore": false}}, nil
}

var logLevels = []string{"debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"}

// atLeast reports whether a message of a level is severe enough.
func atLeast(level, least string) bool {
	return slices.Index(logLevels, level) >= slices.Index(logLevels, least)
}
