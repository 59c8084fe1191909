// SPDX-License-Identifier: Apache-2.0

package check

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// argumentsFor says whether a tool may be called, and gives arguments for it: those
// that its schema requires.
func (p *Probe) argumentsFor(tool map[string]json.RawMessage) (map[string]any, bool) {
	if !p.CallTools && string(members(tool["annotations"])["readOnlyHint"]) != "true" {
		return nil, false
	}
	return sampleObject(tool["inputSchema"], 0), true
}

const maxSampleDepth = 5

// sampleObject makes an object that has what a schema requires, as far as it can
// be seen without resolving references.
func sampleObject(schema json.RawMessage, depth int) map[string]any {
	m := members(schema)
	var required []string
	_ = json.Unmarshal(m["required"], &required) // none then
	object := map[string]any{}
	for _, name := range required {
		object[name] = sample(members(m["properties"])[name], depth+1)
	}
	return object
}

// sample makes a value for a schema.
func sample(schema json.RawMessage, depth int) any {
	m := members(schema)
	for _, keyword := range []string{"default", "const"} {
		if m[keyword] != nil {
			return m[keyword]
		}
	}
	for _, keyword := range []string{"enum", "examples"} {
		var values []json.RawMessage
		if json.Unmarshal(m[keyword], &values) == nil && len(values) > 0 {
			return values[0]
		}
	}
	for _, keyword := range []string{"anyOf", "oneOf", "allOf"} {
		var choices []json.RawMessage
		if json.Unmarshal(m[keyword], &choices) == nil && len(choices) > 0 && depth < maxSampleDepth {
			return sample(choices[0], depth+1)
		}
	}
	kind := text(m["type"])
	var kinds []string
	if json.Unmarshal(m["type"], &kinds) == nil && len(kinds) > 0 {
		kind = kinds[0]
	}
	switch kind {
	case "integer", "number":
		if m["minimum"] != nil {
			return m["minimum"]
		}
		return 1
	case "boolean":
		return false
	case "null":
		return nil
	case "array":
		var least int
		_ = json.Unmarshal(m["minItems"], &least) // 0 then
		items := make([]any, min(least, maxToured))
		for i := range items {
			items[i] = sample(m["items"], depth+1)
		}
		return items
	case "object":
		if depth < maxSampleDepth {
			return sampleObject(schema, depth)
		}
		return map[string]any{}
	}
	if text(m["format"]) == "uri" {
		return "https://example.com/"
	}
	var least int
	_ = json.Unmarshal(m["minLength"], &least) // 0 then
	return "test" + strings.Repeat("x", max(0, min(least, 1000)-len("test")))
}

// mirror sets the headers that repeat arguments at the top of the schema.
func (p *Probe) mirror(tool map[string]json.RawMessage, arguments map[string]any) func(http.Header) {
	return func(h http.Header) {
		for name, property := range members(members(tool["inputSchema"])["properties"]) {
			header := text(members(property)["x-mcp-header"])
			if value, ok := arguments[name]; ok && value != nil && isToken(header) {
				if raw, ok := value.(json.RawMessage); ok {
					value = strings.Trim(string(raw), `"`)
				}
				h.Set("Mcp-Param-"+header, wrapped(fmt.Sprint(value)))
			}
		}
	}
}
