// SPDX-License-Identifier: Apache-2.0

package toolargs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Encode turns assignments into the JSON object of a tool's arguments, in the
// order in which they were given:
//
//	key=value    the text as the type that the schema asks for
//	key:=json    the JSON value as it is
//	key=@file    the contents of a file instead of the text; also key:=@file
//
// An array may also be given element by element, by naming its key more than
// once. read returns the contents of a file by the name behind the "@".
//
// Instead of all that, one JSON object may hold the arguments; and what is no
// assignment is the value of the one argument that the tool requires, or of the
// only one it has: its words, or the elements of an array.
func (s *Schema) Encode(assignments []string, read func(name string) ([]byte, error)) (json.RawMessage, error) {
	given, err := s.parse(assignments, read)
	if err != nil {
		return nil, err
	}
	var object orderedObject
	for _, a := range given {
		p, declared := s.param(a.name)
		if !declared && !s.open {
			return nil, s.unknown(a.name)
		}
		p.Name = a.name
		if err := object.add(p, a); err != nil {
			return nil, err
		}
	}
	for _, p := range s.params {
		if p.Required && !object.has(p.Name) {
			return nil, fmt.Errorf("argument %q is required (%s): add %s=VALUE", p.Name, p.Type(), p.Name)
		}
	}
	return object.encode(), nil
}

func (s *Schema) unknown(name string) error {
	var known []string
	for _, p := range s.params {
		known = append(known, p.Name)
	}
	if meant := DidYouMean(name, known); meant != "" {
		return fmt.Errorf("unknown argument %q%s", name, meant)
	}
	if len(known) == 0 {
		return fmt.Errorf("unknown argument %q: the tool takes none", name)
	}
	return fmt.Errorf("unknown argument %q: the tool takes %s", name, strings.Join(known, ", "))
}

// orderedObject is a JSON object under construction.
type orderedObject struct {
	members []member
}

type member struct {
	name     string
	values   []json.RawMessage
	elements bool // values are the elements of an array
}

func (o *orderedObject) has(name string) bool { return o.index(name) >= 0 }

func (o *orderedObject) index(name string) int {
	return slices.IndexFunc(o.members, func(m member) bool { return m.name == name })
}

func (o *orderedObject) add(p Param, a assignment) error {
	value, element, err := p.value(a)
	if err != nil {
		return err
	}
	i := o.index(a.name)
	if i < 0 {
		o.members = append(o.members, member{a.name, []json.RawMessage{value}, element})
		return nil
	}
	if !element || !o.members[i].elements {
		return fmt.Errorf("argument %q is given twice", a.name)
	}
	o.members[i].values = append(o.members[i].values, value)
	return nil
}

func (o *orderedObject) encode() json.RawMessage {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range o.members {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(quote(m.name))
		b.WriteByte(':')
		if !m.elements {
			b.Write(m.values[0])
			continue
		}
		b.WriteByte('[')
		for j, value := range m.values {
			if j > 0 {
				b.WriteByte(',')
			}
			b.Write(value)
		}
		b.WriteByte(']')
	}
	b.WriteByte('}')
	return b.Bytes()
}

// value converts an assignment. It reports whether the value is an element of
// an array rather than the argument itself.
func (p Param) value(a assignment) (value json.RawMessage, element bool, err error) {
	if a.json {
		value, err = p.jsonValue(a.text)
		return value, false, err
	}
	if value, ok := p.fromEnum(a.text); ok {
		return value, false, nil
	}
	if value, ok := convert(p.types, a.text); ok {
		return value, false, p.checkEnum(value)
	}
	if p.types.has(typeArray) {
		if value, ok := convert(p.items, a.text); ok {
			return value, true, nil
		}
		return nil, false, fmt.Errorf("argument %q: %s is not %s", p.Name, excerpt(a.text), p.elementsWanted())
	}
	return nil, false, fmt.Errorf("argument %q: %s is not %s", p.Name, excerpt(a.text), p.types.withArticle())
}

func (p Param) elementsWanted() string {
	if p.items == 0 {
		return "an array"
	}
	return "an array or an element of one (" + p.items.String() + ")"
}

func (p Param) jsonValue(text string) (json.RawMessage, error) {
	if !json.Valid([]byte(text)) {
		return nil, fmt.Errorf("argument %q: %s is not valid JSON", p.Name, excerpt(text))
	}
	value := json.RawMessage(text)
	if t := typeOf(value); !p.types.accepts(t) {
		return nil, fmt.Errorf("argument %q: %s is %s, want %s", p.Name, excerpt(text), t.withArticle(), p.types.withArticle())
	}
	return value, p.checkEnum(value)
}

// fromEnum finds the listed value that text spells, with or without quotes.
func (p Param) fromEnum(text string) (json.RawMessage, bool) {
	for _, value := range p.enum {
		if string(value) == text || string(value) == string(quote(text)) {
			return value, true
		}
	}
	return nil, false
}

// checkEnum refuses a value that the enumeration does not list, and no other
// alternative allows. Arrays and objects are the server's to compare.
func (p Param) checkEnum(value json.RawMessage) error {
	t := typeOf(value)
	if len(p.enum) == 0 || t.has(typeArray|typeObject) ||
		slices.ContainsFunc(p.free, func(free types) bool { return free.accepts(t) }) {
		return nil
	}
	var known []string
	for _, listed := range p.enum {
		if bytes.Equal(listed, bytes.TrimSpace(value)) {
			return nil
		}
		known = append(known, strings.Trim(string(listed), `"`))
	}
	return fmt.Errorf("argument %q: %s is not one of %s", p.Name, excerpt(strings.Trim(string(value), `"`)), strings.Join(known, ", "))
}

// convert writes text as the most telling of the wanted types; a string, which
// any text can be, comes last. Numbers keep their text.
func convert(want types, text string) (json.RawMessage, bool) {
	trimmed := strings.TrimSpace(text)
	if raw := json.RawMessage(trimmed); json.Valid(raw) && want != 0 {
		t := typeOf(raw)
		isText := t == typeString || t == typeNull && want.has(typeString)
		if !isText && want.accepts(t) && (t != typeNumber || want.has(typeNumber)) {
			return raw, true
		}
	}
	if want == 0 || want.has(typeString) {
		return quote(text), true
	}
	return nil, false
}

// quote writes a JSON string without the escapes that only HTML needs.
func quote(s string) json.RawMessage {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string always encodes
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// excerpt quotes text for an error message, and cuts it to a readable length.
func excerpt(text string) string {
	const limit = 60
	if utf8.RuneCountInString(text) > limit {
		text = string([]rune(text)[:limit]) + "…"
	}
	return fmt.Sprintf("%q", text)
}
