// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
)

// direction is who writes values of a schema: clients, or the server.
type direction bool

const (
	input  direction = false // a client must fit: what is stricter breaks it
	output direction = true  // a client reads: what is wider breaks it
)

// texts are the keywords that say something to people only.
var texts = []string{"title", "description", "default", "examples", "$comment", "deprecated", "$schema", "$id", "readOnly", "writeOnly"}

// nested are the keywords whose value is a schema, or has schemas as members.
var (
	nestedSchema  = []string{"items", "additionalProperties", "unevaluatedProperties", "contains", "propertyNames", "not", "if", "then", "else"}
	nestedMembers = []string{"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"}
	nestedList    = []string{"anyOf", "oneOf", "allOf", "prefixItems"}
)

// lower and upper are bounds: the greater a lower one, the stricter.
var (
	lowerBounds = []string{"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties", "minContains"}
	upperBounds = []string{"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties", "maxContains"}
)

// schemas compares JSON Schemas (2020-12) of one subject.
type schemas struct {
	subject string
	dir     direction
	list    []Change
}

func (s *schemas) add(c Change, breaking bool, why string) {
	c.Subject = s.subject
	if c.Breaking = breaking; breaking {
		c.Why = why
	}
	s.list = append(s.list, c)
}

// judge adds a change: stricter breaks who must fit, wider breaks who reads.
func (s *schemas) judge(c Change, stricter, wider bool) {
	why := "clients may send what is refused now"
	breaking := stricter
	if s.dir == output {
		why, breaking = "clients may get what they do not expect", wider
	}
	s.add(c, breaking, why)
}

func (s *schemas) compare(path string, a, b any) {
	if equal(a, b) {
		return
	}
	before, after := asSchema(a), asSchema(b)
	if before == nil || after == nil {
		// One of them is false, which nothing fits.
		s.judge(change(path, a, b, a != nil, b != nil), after == nil, before == nil)
		return
	}
	for _, name := range names(before, after) {
		s.keyword(member(path, name), name, before, after)
	}
}

// asSchema is a schema as an object; nil if it is false, or none.
func asSchema(v any) map[string]any {
	if v == true || v == nil {
		return map[string]any{}
	}
	object, _ := v.(map[string]any)
	return object
}

func (s *schemas) keyword(path, name string, before, after map[string]any) {
	a, had := before[name]
	b, has := after[name]
	if had && has && equal(a, b) {
		return
	}
	c := change(path, a, b, had, has)
	switch {
	case slices.Contains(texts, name):
		s.add(c, false, "")
	case name == "properties":
		s.properties(path, before, after)
	case name == "required":
		s.sets(path, a, b, true)
	case name == "type":
		s.types(c)
	case name == "enum":
		s.enum(path, a, b, had, has)
	case slices.Contains(nestedSchema, name):
		s.compare(path, a, b)
	case slices.Contains(nestedMembers, name):
		s.members(path, a, b)
	case slices.Contains(nestedList, name) && had && has && sameLength(a, b):
		for i := range a.([]any) {
			s.compare(path+"["+strconv.Itoa(i)+"]", a.([]any)[i], b.([]any)[i])
		}
	case slices.Contains(lowerBounds, name):
		s.judge(c, number(b, math.Inf(-1)) > number(a, math.Inf(-1)), number(b, math.Inf(-1)) < number(a, math.Inf(-1)))
	case slices.Contains(upperBounds, name):
		s.judge(c, number(b, math.Inf(1)) < number(a, math.Inf(1)), number(b, math.Inf(1)) > number(a, math.Inf(1)))
	default:
		// Any other keyword restricts. What its values mean is not known here.
		s.judge(c, has, had)
	}
}

func change(path string, a, b any, had, has bool) Change {
	switch {
	case !had:
		return Change{Path: path, Kind: Added, After: b}
	case !has:
		return Change{Path: path, Kind: Removed, Before: a}
	}
	return Change{Path: path, Kind: Changed, Before: a, After: b}
}

func sameLength(a, b any) bool {
	x, ok := a.([]any)
	y, also := b.([]any)
	return ok && also && len(x) == len(y)
}

func number(v any, missing float64) float64 {
	if n, ok := v.(json.Number); ok {
		if f, err := n.Float64(); err == nil {
			return f
		}
	}
	return missing
}

// properties compares them by name. One that is added breaks nobody by itself:
// required says so. One that is gone breaks who uses it.
func (s *schemas) properties(path string, before, after map[string]any) {
	a, b := asSchema(before["properties"]), asSchema(after["properties"])
	for _, name := range names(a, b) {
		old, had := a[name]
		now, has := b[name]
		switch at := member(path, name); {
		case !has:
			s.add(Change{Path: at, Kind: Removed, Before: old}, true, "clients may use it")
		case !had:
			s.add(Change{Path: at, Kind: Added, After: now}, false, "")
		default:
			s.compare(at, old, now)
		}
	}
}

// members compares schemas by name, such as those of $defs. What is added or
// gone there shows where it is used.
func (s *schemas) members(path string, a, b any) {
	before, after := asSchema(a), asSchema(b)
	for _, name := range names(before, after) {
		old, had := before[name]
		now, has := after[name]
		if had && has {
			s.compare(member(path, name), old, now)
			continue
		}
		s.add(change(member(path, name), old, now, had, has), false, "")
	}
}

// sets compares lists whose order does not matter, an element at a time.
// restricts says that each element is a demand, as in required, and not a
// possibility, as in enum.
func (s *schemas) sets(path string, a, b any, restricts bool) {
	before, _ := a.([]any)
	after, _ := b.([]any)
	for _, v := range after {
		if !contains(before, v) {
			s.judge(Change{Path: path, Kind: Added, After: v}, restricts, !restricts)
		}
	}
	for _, v := range before {
		if !contains(after, v) {
			s.judge(Change{Path: path, Kind: Removed, Before: v}, !restricts, restricts)
		}
	}
}

func contains(list []any, v any) bool {
	return slices.ContainsFunc(list, func(other any) bool { return equal(other, v) })
}

func (s *schemas) enum(path string, a, b any, had, has bool) {
	if had && has {
		s.sets(path, a, b, false)
		return
	}
	s.judge(change(path, a, b, had, has), has, had)
}

// types compares type, which is a name or a list of them; none is any.
func (s *schemas) types(c Change) {
	a, b := typeSet(c.Before), typeSet(c.After)
	stricter, wider := !covers(b, a), !covers(a, b)
	if !stricter && !wider {
		return
	}
	s.judge(c, stricter, wider)
}

func typeSet(v any) []any {
	if list, ok := v.([]any); ok {
		return list
	}
	if v == nil {
		return nil
	}
	return []any{v}
}

// covers reports whether all of the types want are among have; none is any. A
// number may be an integer.
func covers(have, want []any) bool {
	if have == nil {
		return true
	}
	if want == nil {
		return false
	}
	return !slices.ContainsFunc(want, func(v any) bool {
		return !contains(have, v) && !(v == "integer" && contains(have, "number"))
	})
}
