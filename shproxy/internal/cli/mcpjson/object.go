// SPDX-License-Identifier: Apache-2.0

package mcpjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// A Member is one member of a JSON object.
type Member struct {
	Name  string
	Value json.RawMessage
}

// Members returns the members of a JSON object in their order. Unlike a struct
// it neither takes "Command" for "command" nor the last of two for both. The
// data must be valid JSON.
func Members(data []byte) ([]Member, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	first, err := dec.Token()
	if err != nil {
		return nil, err
	}
	if first != json.Delim('{') {
		return nil, errors.New("want a JSON object")
	}
	var members []Member
	seen := make(map[string]bool)
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return nil, err
		}
		m := Member{Name: token.(string)}
		if seen[m.Name] {
			return nil, fmt.Errorf("member %q is there twice", m.Name)
		}
		seen[m.Name] = true
		if err := dec.Decode(&m.Value); err != nil {
			return nil, err
		}
		members = append(members, m)
	}
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	return members, nil
}

// checkSyntax returns an error that names the line.
func checkSyntax(data []byte) error {
	var all json.RawMessage
	err := json.Unmarshal(data, &all)
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		before := data[:min(max(int(e.Offset), 0), len(data))]
		return fmt.Errorf("line %d: %w", bytes.Count(before, []byte("\n"))+1, err)
	}
	return err
}

// decode reads a value of a simple type.
func decode(value json.RawMessage, into any, want string) error {
	if err := json.Unmarshal(value, into); err != nil || string(value) == "null" {
		return errors.New("want " + want)
	}
	return nil
}

// Strings reads an array of strings.
func Strings(value json.RawMessage) ([]string, error) {
	var elements []*string // null would pass for an empty string
	err := decode(value, &elements, "an array of strings")
	texts := make([]string, len(elements))
	for i, text := range elements {
		if text == nil {
			return nil, errors.New("want an array of strings, and null is none")
		}
		texts[i] = *text
	}
	return texts, err
}

// object reads an object whose members are strings.
func object(value json.RawMessage) (map[string]string, error) {
	members, err := Members(value)
	if err != nil {
		return nil, err
	}
	texts := make(map[string]string, len(members))
	for _, m := range members {
		var text string
		if err := decode(m.Value, &text, "a string"); err != nil {
			return nil, fmt.Errorf("%s: %w", m.Name, err)
		}
		texts[m.Name] = text
	}
	return texts, nil
}
