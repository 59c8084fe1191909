// SPDX-License-Identifier: Apache-2.0

package faultyserver

import (
	"encoding/json"
	"strconv"
	"strings"
)

const pageSize = 2

// pixel is a PNG of one pixel.
const pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

func schema(required []string, properties obj) obj {
	m := obj{"type": "object", "properties": properties}
	if len(required) > 0 {
		m["required"] = required
	}
	return m
}

// tools are the tools as a version shows them.
func (s *Server) tools(version string) []any {
	tool := func(name, description string, input obj) obj {
		return obj{"name": name, "description": description, "inputSchema": input, "annotations": obj{"readOnlyHint": true, "openWorldHint": false}}
	}
	add := tool("add", "Adds two numbers.", schema([]string{"a", "b"}, obj{"a": obj{"type": "number"}, "b": obj{"type": "number"}}))
	if version >= v0618 {
		add["outputSchema"] = schema([]string{"sum"}, obj{"sum": obj{"type": "number"}})
	}
	count := tool("count", "Counts, and reports progress and log messages on the way.", schema(nil, obj{
		"steps": obj{"type": "integer", "minimum": 1, "maximum": 10, "default": 3}}))
	greet := tool("greet", "Says hello.", schema([]string{"name"}, obj{"name": obj{"type": "string"}}))
	picture := tool("picture", "Shows one pixel.", obj{"type": "object", "additionalProperties": false})
	region := tool("region", "Repeats the region, which is mirrored in a header.", schema(nil, obj{
		"region": obj{"type": "string", "x-mcp-header": "Region"}}))
	all := []any{add, count, greet, picture, region}
	if modern(version) {
		all = append(all, tool("ask", "Asks for a name, and greets it.", obj{"type": "object", "additionalProperties": false}))
	}

	property := func(extra obj) obj { return schema(nil, obj{"region": extra}) }
	switch {
	case s.on("tool-schema-invalid"):
		add["inputSchema"] = obj{"type": "object", "properties": obj{"a": obj{"type": "numbr"}}}
	case s.on("tool-schema-not-object"):
		add["inputSchema"] = obj{"type": "string"}
	case s.on("tool-schema-missing"):
		delete(add, "inputSchema")
	case s.on("tool-schema-null"):
		add["inputSchema"] = nil
	case s.on("tool-name-missing"):
		delete(add, "name")
	case s.on("tool-name-odd"):
		add["name"] = "add two numbers"
	case s.on("tool-name-long"):
		add["name"] = strings.Repeat("add", 50)
	case s.on("tool-annotation-odd"):
		object(picture, "annotations")["destructiveHint"] = "no"
	case s.on("tool-output-schema-invalid"):
		add["outputSchema"] = obj{"type": "object", "properties": obj{"sum": obj{"type": "numbr"}}}
	case s.on("tool-name-duplicate"):
		all = append(all, tool("greet", "Says hello, too.", schema(nil, obj{})))
	case s.on("param-header-name-empty"):
		region["inputSchema"] = property(obj{"type": "string", "x-mcp-header": ""})
	case s.on("param-header-name-invalid"):
		region["inputSchema"] = property(obj{"type": "string", "x-mcp-header": "My Region"})
	case s.on("param-header-of-number"):
		region["inputSchema"] = property(obj{"type": "number", "x-mcp-header": "Region"})
	case s.on("param-header-duplicate"):
		region["inputSchema"] = schema(nil, obj{"region": obj{"type": "string", "x-mcp-header": "Region"}, "other": obj{"type": "string", "x-mcp-header": "REGION"}})
	case s.on("param-header-in-array"):
		region["inputSchema"] = property(obj{"type": "array", "items": obj{"type": "string", "x-mcp-header": "Region"}})
	}
	return all
}

func (s *Server) resources(version string) []any {
	list := []any{
		obj{"uri": "test://text", "name": "text", "mimeType": "text/plain"},
		obj{"uri": "test://blob", "name": "blob", "mimeType": "image/png"},
		obj{"uri": "test://clock", "name": "clock", "description": "Changes at once when it is watched.", "mimeType": "text/plain"},
	}
	first := list[0].(obj)
	switch {
	case s.on("resource-uri-missing"):
		delete(first, "uri")
	case s.on("resource-uri-relative"):
		first["uri"] = "text"
	case s.on("resource-name-missing"):
		delete(first, "name")
	case s.on("resource-duplicate"):
		list = append(list, obj{"uri": "test://blob", "name": "blob again"})
	}
	return list
}

func (s *Server) templates() []any {
	t := obj{"uriTemplate": "test://item/{id}", "name": "item", "mimeType": "text/plain"}
	switch {
	case s.on("template-invalid"):
		t["uriTemplate"] = "test://item/{id"
	case s.on("template-name-missing"):
		delete(t, "name")
	}
	return []any{t}
}

func (s *Server) prompts() []any {
	list := []any{
		obj{"name": "plain", "description": "A prompt without arguments."},
		obj{"name": "greeting", "description": "Greets.", "arguments": []any{obj{"name": "name", "description": "whom to greet", "required": true}}},
		obj{"name": "picture", "description": "A prompt with an image and a resource."},
	}
	switch {
	case s.on("prompt-name-missing"):
		delete(list[0].(obj), "name")
	case s.on("prompt-argument-without-name"):
		list[1].(obj)["arguments"] = []any{obj{"description": "whom to greet"}}
	case s.on("prompt-duplicate"):
		list = append(list, obj{"name": "plain"})
	}
	return list
}

// page gives the page of a list that starts where the cursor says.
func (s *Server) page(x *exchange, key string, list []any) (obj, *failure) {
	start := 0
	if has(x.params, "cursor") {
		n, err := strconv.Atoi(strings.TrimPrefix(text(x.params, "cursor"), "after-"))
		switch {
		case err == nil && n > 0 && n < len(list):
			start = n
		case s.on("cursor-endless") || s.on("cursor-invalid-accepted"):
		default:
			return nil, invalid("no such cursor")
		}
	}
	end := min(start+pageSize, len(list))
	if modern(x.version) && s.on("list-order-changes") && len(list) > 1 && start == 0 && s.turn()%2 == 0 {
		list = append([]any{list[1], list[0]}, list[2:]...)
	}
	result := obj{key: list[start:end]}
	if end < len(list) {
		result["nextCursor"] = "after-" + strconv.Itoa(end)
	}
	switch {
	case s.on("cursor-endless"):
		result["nextCursor"] = "after-0"
	case s.on("cursor-null") && end == len(list):
		result["nextCursor"] = nil
	case s.on("cursor-number") && end < len(list):
		result["nextCursor"] = json.Number(strconv.Itoa(end))
	case s.on("list-member-missing"):
		delete(result, key)
	}
	return result, nil
}

// turn counts its calls.
func (s *Server) turn() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turns++
	return s.turns
}

// read gives the contents of a resource; nil when there is none.
func (s *Server) read(uri string) []any {
	c := obj{"uri": uri, "mimeType": "text/plain"}
	switch {
	case uri == "test://text":
		c["text"] = "Hello, world."
	case uri == "test://clock":
		c["text"] = "12:00"
	case uri == "test://blob":
		c["mimeType"], c["blob"] = "image/png", pixel
		if s.on("blob-not-base64") {
			c["blob"] = "not base64!"
		}
	case strings.HasPrefix(uri, "test://item/") && uri != "test://item/":
		c["text"] = "Item " + strings.TrimPrefix(uri, "test://item/")
	default:
		return nil
	}
	switch {
	case s.on("contents-without-uri"):
		delete(c, "uri")
	case s.on("contents-empty-member"):
		delete(c, "text")
		delete(c, "blob")
	}
	return []any{c}
}
