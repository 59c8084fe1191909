// SPDX-License-Identifier: Apache-2.0

package faultyserver

import (
	"encoding/json"
	"slices"
	"strings"
)

// exchange is one request with what is needed to answer it.
type exchange struct {
	request
	s       *Server
	version string
	session *session  // of a legacy version
	notify  func(obj) // sends a message on the request's own stream, before the answer
	after   []obj     // what a fault sends behind the answer
}

type handler func(x *exchange) (obj, *failure)

// shared are the methods of all versions.
var shared = map[string]handler{
	"tools/list": func(x *exchange) (obj, *failure) { return x.s.page(x, "tools", x.s.tools(x.version)) },
	"tools/call": callTool,
	"resources/list": func(x *exchange) (obj, *failure) {
		return x.s.page(x, "resources", x.s.resources(x.version))
	},
	"resources/templates/list": func(x *exchange) (obj, *failure) {
		return x.s.page(x, "resourceTemplates", x.s.templates())
	},
	"resources/read":      readResource,
	"prompts/list":        func(x *exchange) (obj, *failure) { return x.s.page(x, "prompts", x.s.prompts()) },
	"prompts/get":         getPrompt,
	"completion/complete": complete,
}

// legacyOnly are the methods up to 2025-11-25. initialize is apart, since it makes the session.
var legacyOnly = map[string]handler{
	"ping": func(x *exchange) (obj, *failure) {
		switch {
		case x.s.on("ping-error"):
			return nil, &failure{code: methodNotFound, message: "Method not found"}
		case x.s.on("ping-not-empty"):
			return obj{"pong": true}, nil
		}
		return obj{}, nil
	},
	"logging/setLevel":      setLevel,
	"resources/subscribe":   subscribe,
	"resources/unsubscribe": subscribe,
}

var modernOnly = map[string]handler{
	"server/discover": discover,
}

// method finds the handler of a method in a version.
func (s *Server) method(version, name string) handler {
	hollow := map[string]string{"prompts-hollow": "prompts/", "resources-hollow": "resources/", "tools-hollow": "tools/",
		"completions-hollow": "completion/", "logging-hollow": "logging/", "subscribe-hollow": "resources/subscribe", "discover-missing": "server/discover"}
	for fault, prefix := range hollow {
		if s.on(fault) && strings.HasPrefix(name, prefix) {
			return nil
		}
	}
	if h := shared[name]; h != nil {
		return h
	}
	if modern(version) {
		return modernOnly[name]
	}
	return legacyOnly[name]
}

// result runs the handler of a request.
func (s *Server) result(x *exchange) (obj, *failure) {
	h := s.method(x.version, x.method)
	if h != nil {
		return h(x)
	}
	f := &failure{code: methodNotFound, message: "Method not found: " + x.method, status: 404}
	switch {
	case s.on("unknown-method-answered"):
		return obj{}, nil
	case s.on("unknown-method-code"):
		f.code = internalError
	case s.on("unknown-method-status"):
		f.status = 200
	case s.on("reserved-error-code"):
		f.code = -32050
	}
	return nil, f
}

// capabilities as a version writes them.
func (s *Server) capabilities(version string) obj {
	caps := obj{
		"tools":     obj{},
		"resources": obj{"subscribe": true},
		"prompts":   obj{},
		"logging":   obj{},
	}
	if version >= v0326 {
		caps["completions"] = obj{}
	}
	for _, name := range []string{"tools", "resources", "prompts", "logging", "completions"} {
		if s.on(name + "-undeclared") {
			delete(caps, name)
		}
	}
	if s.on("extension-without-prefix") {
		caps["extensions"] = obj{"hello": obj{}}
	}
	if s.on("capability-not-object") {
		caps["tools"] = true
	}
	return caps
}

func (s *Server) info() obj {
	info := obj{"name": "faultyserver", "version": "1.0.0"}
	if s.on("server-info-without-version") {
		delete(info, "version")
	}
	return info
}

func setLevel(x *exchange) (obj, *failure) {
	level := text(x.params, "level")
	if !slices.Contains(levels, level) && !x.s.on("set-level-unchecked") || level == "notice" && x.s.on("set-level-refused") {
		return nil, invalid("no such level")
	}
	x.session.mu.Lock()
	defer x.session.mu.Unlock()
	x.session.level = level
	return obj{}, nil
}

var levels = []string{"debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"}

// log sends a message to the log if the client wants it.
func (x *exchange) log(level, says string) {
	wanted := ""
	if x.session != nil {
		x.session.mu.Lock()
		wanted = x.session.level
		x.session.mu.Unlock()
	} else {
		wanted = text(object(x.params, "_meta"), metaLogLevel)
	}
	switch {
	case x.s.on("log-unasked"), x.s.on("log-below-level"):
	case wanted == "", slices.Index(levels, level) < slices.Index(levels, wanted):
		return
	}
	if x.s.on("log-level-odd") {
		level = "fatal"
	}
	params := obj{"level": level, "logger": "count", "data": says}
	if x.s.on("log-without-data") {
		delete(params, "data")
	}
	x.notify(notification("notifications/message", params))
}

func subscribe(x *exchange) (obj, *failure) {
	uri, ok := x.params["uri"].(string)
	if !ok {
		return nil, invalid("uri must be a string")
	}
	if x.s.read(uri) == nil {
		return nil, &failure{code: notFound, message: "Resource not found", data: obj{"uri": uri}}
	}
	x.session.mu.Lock()
	x.session.watched[uri] = x.method == "resources/subscribe"
	x.session.mu.Unlock()
	if x.method == "resources/subscribe" && uri == "test://clock" {
		x.session.push(notification("notifications/resources/updated", obj{"uri": uri}))
	}
	return obj{}, nil
}

func readResource(x *exchange) (obj, *failure) {
	uri, ok := x.params["uri"].(string)
	switch {
	case !ok && x.s.on("read-without-uri-code"):
		return nil, &failure{code: internalError, message: "oops"}
	case !ok:
		return nil, invalid("uri must be a string")
	}
	contents := x.s.read(uri)
	if contents == nil {
		f := &failure{code: notFound, message: "Resource not found", data: obj{"uri": uri}}
		if modern(x.version) {
			f.code = invalidParams
		}
		switch {
		case x.s.on("unknown-resource-empty"):
			return obj{"contents": []any{}}, nil
		case x.s.on("unknown-resource-code"), x.s.on("missing-resource-code"):
			f.code = internalError
		case x.s.on("legacy-error-code"):
			f.code = notFound
		}
		return nil, f
	}
	return obj{"contents": contents}, nil
}

func getPrompt(x *exchange) (obj, *failure) {
	content := obj{"type": "text", "text": "Hello, model."}
	more := []any{}
	switch name := text(x.params, "name"); name {
	case "plain":
	case "greeting":
		who := text(object(x.params, "arguments"), "name")
		if who == "" && !x.s.on("prompt-argument-unchecked") {
			return nil, invalid("the argument name is required")
		}
		content["text"] = "Greet " + who + "."
	case "picture":
		content = obj{"type": "image", "data": pixel, "mimeType": "image/png"}
		if x.s.on("image-without-type") {
			delete(content, "mimeType")
		}
		more = append(more, obj{"role": "assistant", "content": obj{"type": "resource", "resource": x.s.read("test://text")[0]}})
	default:
		if x.s.on("unknown-prompt-code") {
			return nil, &failure{code: internalError, message: "oops"}
		}
		return nil, invalid("no such prompt: " + name)
	}
	role := "user"
	if x.s.on("prompt-role-odd") {
		role = "system"
	}
	return obj{"description": "A prompt.", "messages": append([]any{obj{"role": role, "content": content}}, more...)}, nil
}

func complete(x *exchange) (obj, *failure) {
	ref := object(x.params, "ref")
	argument := object(x.params, "argument")
	ok := text(ref, "type") == "ref/prompt" && text(ref, "name") == "greeting" && text(argument, "name") == "name" ||
		text(ref, "type") == "ref/resource" && text(ref, "uri") == "test://item/{id}" && text(argument, "name") == "id" ||
		text(ref, "type") == "ref/prompt" && slices.Contains([]string{"plain", "picture"}, text(ref, "name"))
	if !ok && !x.s.on("completion-ref-unchecked") {
		return nil, invalid("nothing can be completed there")
	}
	values := []any{}
	for _, v := range []string{"ada", "alan", "grace"} {
		if strings.HasPrefix(v, text(argument, "value")) {
			values = append(values, v)
		}
	}
	if x.s.on("completion-too-many") {
		for range 101 {
			values = append(values, "again")
		}
	}
	completion := obj{"values": values, "total": json.Number("3"), "hasMore": false}
	if x.s.on("completion-without-values") {
		delete(completion, "values")
	}
	return obj{"completion": completion}, nil
}
