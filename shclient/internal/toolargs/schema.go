// SPDX-License-Identifier: Apache-2.0

// Package toolargs turns command line arguments into the arguments of a tool,
// as the JSON Schema that the server published for the tool asks for.
//
// It reads just the part of a schema that decides how to write a value: types,
// enumerations, items, and references within the document. Everything else is
// left to the server, which validates anyway.
package toolargs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// The schema comes from a stranger: these bound the references and combinators
// followed from one property, and the subschemas looked at in all.
const (
	maxDepth      = 16
	maxSubschemas = 10_000
)

// A Param is one argument that a tool declares.
type Param struct {
	Name        string
	Description string
	Required    bool

	types types
	items types // of an array
	enum  []json.RawMessage
	free  []types // of the alternatives that no enumeration restricts
}

// Type names the types that the argument may have, such as "integer" or
// "string|null", or "any".
func (p Param) Type() string {
	if p.types.has(typeArray) && p.items != 0 {
		return strings.Replace(p.types.String(), "array", p.items.String()+"[]", 1)
	}
	return p.types.String()
}

// A Schema is what a tool's input schema says about its arguments.
type Schema struct {
	params []Param
	open   bool // arguments that are not declared are welcome
}

// Parse reads an input schema, in any form that encoding/json can marshal.
func Parse(schema any) (*Schema, error) {
	var raw bytes.Buffer
	enc := json.NewEncoder(&raw)
	enc.SetEscapeHTML(false) // enumerations are compared as text
	if err := enc.Encode(schema); err != nil {
		return nil, fmt.Errorf("input schema: %w", err)
	}
	root := parseNode(raw.Bytes())
	r := resolver{root: root, left: maxSubschemas}
	top := r.resolve(root, maxDepth)
	s := &Schema{open: top.open()}
	for name, raw := range top.properties {
		s.params = append(s.params, r.param(name, raw, slices.Contains(top.required, name)))
	}
	for _, name := range top.required {
		if _, declared := top.properties[name]; !declared {
			s.params = append(s.params, Param{Name: name, Required: true})
		}
	}
	slices.SortFunc(s.params, func(a, b Param) int {
		if a.Required != b.Required {
			if a.Required {
				return -1
			}
			return 1
		}
		return strings.Compare(a.Name, b.Name)
	})
	return s, nil
}

// Params lists the declared arguments: required ones first, then by name.
func (s *Schema) Params() []Param { return s.params }

func (s *Schema) param(name string) (Param, bool) {
	i := slices.IndexFunc(s.params, func(p Param) bool { return p.Name == name })
	if i < 0 {
		return Param{}, false
	}
	return s.params[i], true
}

// node is a schema of which each keyword was read on its own, so that one
// malformed keyword does not hide the others.
type node struct {
	ref         string
	description string
	types       types
	enum        []json.RawMessage
	unions      []json.RawMessage // anyOf, oneOf
	allOf       []json.RawMessage
	items       json.RawMessage
	properties  map[string]json.RawMessage
	patterns    map[string]json.RawMessage
	additional  json.RawMessage
	required    []string
	defs        map[string]json.RawMessage
}

func parseNode(raw json.RawMessage) node {
	var keywords map[string]json.RawMessage
	if json.Unmarshal(raw, &keywords) != nil {
		return node{} // true, false or nonsense: no restriction that we know
	}
	var n node
	read := func(keyword string, into any) {
		if value, ok := keywords[keyword]; ok {
			_ = json.Unmarshal(value, into) // a malformed keyword restricts nothing
		}
	}
	read("$ref", &n.ref)
	read("description", &n.description)
	read("enum", &n.enum)
	read("items", &n.items)
	read("properties", &n.properties)
	read("patternProperties", &n.patterns)
	read("additionalProperties", &n.additional)
	read("required", &n.required)
	read("allOf", &n.allOf)
	read("anyOf", &n.unions)
	if n.unions == nil {
		read("oneOf", &n.unions)
	}
	read("definitions", &n.defs)
	read("$defs", &n.defs)
	if value, ok := keywords["const"]; ok {
		n.enum = []json.RawMessage{value}
	}
	n.types = parseTypes(keywords["type"])
	return n
}

// open reports whether undeclared arguments make sense. JSON Schema allows them
// unless told otherwise, but a name that a tool does not declare is nearly
// always a slip of the pen; so they must be welcomed in words.
func (n node) open() bool {
	if len(n.patterns) > 0 || n.properties == nil && len(n.required) == 0 {
		return string(n.additional) != "false"
	}
	return n.additional != nil && string(n.additional) != "false"
}

// resolver follows references within one document.
type resolver struct {
	root node
	left int // subschemas that may still be looked at
}

// resolve replaces a reference by its target, and merges what allOf adds.
func (r *resolver) resolve(n node, depth int) node {
	if r.left--; depth == 0 || r.left < 0 {
		return n
	}
	if target, ok := r.lookup(n.ref); ok {
		description := n.description
		n = r.resolve(target, depth-1)
		if description != "" {
			n.description = description
		}
	}
	for _, raw := range n.allOf {
		n = n.and(r.resolve(parseNode(raw), depth-1))
	}
	n.allOf = nil
	return n
}

func (r *resolver) lookup(ref string) (node, bool) {
	for _, prefix := range []string{"#/$defs/", "#/definitions/"} {
		if name, ok := strings.CutPrefix(ref, prefix); ok {
			raw, ok := r.root.defs[name]
			return parseNode(raw), ok
		}
	}
	return node{}, false
}

// and adds the keywords of other that n lacks; properties add up.
func (n node) and(other node) node {
	if n.types == 0 {
		n.types = other.types
	}
	if n.enum == nil {
		n.enum = other.enum
	}
	if n.items == nil {
		n.items = other.items
	}
	if n.unions == nil {
		n.unions = other.unions
	}
	if n.description == "" {
		n.description = other.description
	}
	properties := map[string]json.RawMessage{}
	for _, from := range []map[string]json.RawMessage{other.properties, n.properties} {
		maps.Copy(properties, from)
	}
	if len(properties) > 0 {
		n.properties = properties
	}
	n.required = append(slices.Clone(n.required), other.required...)
	return n
}

func (r *resolver) param(name string, raw json.RawMessage, required bool) Param {
	p := Param{Name: name, Required: required}
	r.collect(&p, parseNode(raw), maxDepth)
	return p
}

// collect adds to p the types of n and of all its alternatives.
func (r *resolver) collect(p *Param, n node, depth int) {
	n = r.resolve(n, depth)
	if p.Description == "" {
		p.Description = n.description
	}
	for _, value := range n.enum {
		p.enum = append(p.enum, value)
		if n.types == 0 {
			p.types |= typeOf(value)
		}
	}
	p.types |= n.types
	if depth == 0 || r.left < 0 {
		return
	}
	if n.items != nil {
		var element Param
		r.collect(&element, parseNode(n.items), depth-1)
		p.items |= element.types
	}
	outside := len(p.free)
	for _, alternative := range n.unions {
		r.collect(p, parseNode(alternative), depth-1)
	}
	switch {
	case n.enum != nil:
		p.free = p.free[:outside] // it restricts its alternatives too
	case n.unions == nil:
		p.free = append(p.free, n.types)
	}
}
