// SPDX-License-Identifier: Apache-2.0

package mcpheader

import (
	"bytes"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// What one tool may have. A tool with more is treated as one whose
// annotations are invalid.
const (
	maxParams      = 100 // annotations
	maxHeader      = 256 // bytes of an annotation
	maxSchemaDepth = 64  // schemas in each other
)

// param is an argument that clients repeat in a header.
type param struct {
	header string   // canonical
	path   []string // the names of the properties that lead to it
}

// tool is what the input schema of a tool says about headers.
type tool struct {
	params  []param
	invalid string // why the annotations count for nothing
}

// readTool reads the element of a tools list at span, and reports false if it
// is no tool.
func readTool(frame []byte, span jsonrpc.Span) (name string, t tool, ok bool) {
	nameSpan, _ := jsonrpc.Lookup(frame, span, "name")
	if !isString(frame, nameSpan) {
		return "", tool{}, false
	}
	name = jsonrpc.Text(nameSpan.Of(frame))
	schema, _ := jsonrpc.Lookup(frame, span, "inputSchema")
	if raw := schema.Of(frame); !bytes.Contains(raw, []byte("mcp-header")) && !bytes.Contains(raw, []byte(`\u`)) {
		return name, tool{}, true // no annotation, not even in escapes
	}
	w := walker{frame: frame}
	if reason := w.schema(schema, nil, true, 0); reason != "" {
		return name, tool{invalid: reason}, true
	}
	return name, tool{params: w.params}, true
}

// walker collects the annotations of a schema.
type walker struct {
	frame  []byte
	params []param
}

// schema reads one schema and those in it, and returns why an annotation is
// invalid ("Schema Extension"). path leads to the schema from the root;
// reachable is false once something else than "properties" was on the way.
func (w *walker) schema(span jsonrpc.Span, path []string, reachable bool, depth int) (reason string) {
	if depth > maxSchemaDepth {
		return "the schema is nested too deep"
	}
	var annotation, kind jsonrpc.Span
	for key, value := range jsonrpc.Members(w.frame, span) {
		switch word := jsonrpc.Text(key.Of(w.frame)); word {
		case "x-mcp-header":
			annotation = value
		case "type":
			kind = value
		case "properties":
			for name, property := range jsonrpc.Members(w.frame, value) {
				below := append(slices.Clip(path), jsonrpc.Text(name.Of(w.frame)))
				if reason := w.schema(property, below, reachable, depth+1); reason != "" {
					return reason
				}
			}
		default:
			if reason := w.keyword(word, value, path, depth+1); reason != "" {
				return reason
			}
		}
	}
	if !annotation.Present() {
		return ""
	}
	return w.annotation(annotation, kind, path, reachable)
}

// keyword reads the schemas in the value of a keyword that applies schemas
// (JSON Schema 2020-12, and what it kept of earlier drafts). Other values are
// data: an annotation in a default or an example is none.
func (w *walker) keyword(word string, value jsonrpc.Span, path []string, depth int) (reason string) {
	switch word {
	case "items", "prefixItems", "additionalItems", "unevaluatedItems", "contains",
		"additionalProperties", "unevaluatedProperties", "propertyNames",
		"allOf", "anyOf", "oneOf", "not", "if", "then", "else", "contentSchema":
		for item := range jsonrpc.Items(w.frame, value) {
			if reason := w.schema(item, path, false, depth); reason != "" {
				return reason
			}
		}
		return w.schema(value, path, false, depth)
	case "patternProperties", "dependentSchemas", "dependencies", "$defs", "definitions":
		for _, schema := range jsonrpc.Members(w.frame, value) {
			if reason := w.schema(schema, path, false, depth); reason != "" {
				return reason
			}
		}
	}
	return ""
}

// annotation adds the annotation of one property, or returns why it is
// invalid.
func (w *walker) annotation(annotation, kind jsonrpc.Span, path []string, reachable bool) (reason string) {
	at := "property " + quote(strings.Join(path, ".")) + ": "
	if len(path) == 0 {
		at = "the schema itself: "
	}
	header := jsonrpc.Text(annotation.Of(w.frame))
	switch {
	case !reachable || len(path) == 0:
		return at + "x-mcp-header where no chain of properties leads"
	case !isToken(header):
		return at + "x-mcp-header is no header name: " + quote(header)
	case len(header) > maxHeader:
		return at + "x-mcp-header is too long"
	case !w.isPrimitive(kind):
		return at + "x-mcp-header needs the type string, integer or boolean"
	case len(w.params) == maxParams:
		return "more than " + strconv.Itoa(maxParams) + " x-mcp-header"
	}
	key := http.CanonicalHeaderKey(ParamPrefix + header)
	for _, other := range w.params {
		if other.header == key {
			return at + "x-mcp-header is not unique: " + quote(header)
		}
	}
	w.params = append(w.params, param{key, path})
	return ""
}

func (w *walker) isPrimitive(kind jsonrpc.Span) bool {
	return jsonrpc.Is(w.frame, kind, "string") || jsonrpc.Is(w.frame, kind, "integer") || jsonrpc.Is(w.frame, kind, "boolean")
}

// isToken reports whether name is a token (RFC 9110 section 5.6.2).
func isToken(name string) bool {
	for i := range len(name) {
		c := name[i]
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		if !letter && (c < '0' || c > '9') && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return name != ""
}
