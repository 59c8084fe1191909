// SPDX-License-Identifier: Apache-2.0

package toolargs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// assignment is one argument of the command line.
type assignment struct {
	name string
	text string
	json bool
}

// parse reads the command line: assignments, and values without a name.
func (s *Schema) parse(texts []string, read func(string) ([]byte, error)) ([]assignment, error) {
	if len(texts) == 1 {
		if members, ok := objectMembers(texts[0]); ok {
			return members, nil
		}
	}
	sole, hasSole := s.sole()
	var given []assignment
	var words []string
	for _, text := range texts {
		if !s.isAssignment(text, hasSole) {
			if !hasSole {
				return nil, fmt.Errorf("cannot read argument %q: want key=value, key:=json or key=@file", text)
			}
			words = append(words, text)
			continue
		}
		a, err := parseAssignment(text, read)
		if err != nil {
			return nil, err
		}
		given = append(given, a)
	}
	if len(words) > 1 && !sole.types.has(typeArray) {
		words = []string{strings.Join(words, " ")}
	}
	for _, word := range words {
		if !utf8.ValidString(word) {
			return nil, fmt.Errorf("argument %q is not UTF-8 text", sole.Name)
		}
		given = append(given, assignment{name: sole.Name, text: word})
	}
	return given, nil
}

// objectMembers takes a JSON object apart, in its order.
func objectMembers(text string) ([]assignment, bool) {
	if !strings.HasPrefix(strings.TrimSpace(text), "{") || !json.Valid([]byte(text)) || !utf8.ValidString(text) {
		return nil, false
	}
	dec := json.NewDecoder(bytes.NewReader([]byte(text)))
	if _, err := dec.Token(); err != nil {
		return nil, false
	}
	var members []assignment
	for dec.More() {
		name, err := dec.Token()
		var value json.RawMessage
		if err != nil || dec.Decode(&value) != nil {
			return nil, false
		}
		members = append(members, assignment{name: name.(string), text: string(value), json: true})
	}
	return members, true
}

// sole is the argument that a value without a name is for.
func (s *Schema) sole() (Param, bool) {
	required := 0 // which come first
	for _, p := range s.params {
		if p.Required {
			required++
		}
	}
	if required == 1 || len(s.params) == 1 {
		return s.params[0], true
	}
	return Param{}, false
}

// usualName is what nobody takes for the beginning of a text or an address.
var usualName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)

// isAssignment tells key=value from a value that happens to have an equals
// sign. A name that is not declared still counts as one if it looks it: it is
// nearly always a slip of the pen.
func (s *Schema) isAssignment(text string, hasSole bool) bool {
	name, _, ok := strings.Cut(text, "=")
	name = strings.TrimSuffix(name, ":")
	if !ok || name == "" {
		return false
	}
	_, declared := s.param(name)
	return declared || usualName.MatchString(name) || s.open && !hasSole
}

func parseAssignment(text string, read func(string) ([]byte, error)) (assignment, error) {
	name, value, _ := strings.Cut(text, "=")
	name, isJSON := strings.CutSuffix(name, ":")
	if file, ok := strings.CutPrefix(value, "@"); ok {
		content, err := read(file)
		if err != nil {
			return assignment{}, fmt.Errorf("argument %q: %w", name, err)
		}
		value = string(content)
	}
	if !utf8.ValidString(value) {
		return assignment{}, fmt.Errorf("argument %q is not UTF-8 text", name)
	}
	return assignment{name: name, text: value, json: isJSON}, nil
}
