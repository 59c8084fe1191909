// SPDX-License-Identifier: Apache-2.0

package toolargs

import (
	"encoding/json"
	"strings"
)

// types is a set of JSON Schema types; the empty set stands for any.
type types uint8

const (
	typeString types = 1 << iota
	typeInteger
	typeNumber
	typeBoolean
	typeArray
	typeObject
	typeNull
)

var typeNames = []string{"string", "integer", "number", "boolean", "array", "object", "null"}

func (t types) has(u types) bool { return t&u != 0 }

func (t types) String() string {
	if t == 0 {
		return "any"
	}
	var names []string
	for i, name := range typeNames {
		if t.has(1 << i) {
			names = append(names, name)
		}
	}
	return strings.Join(names, "|")
}

// withArticle is the set in a sentence, such as "an integer".
func (t types) withArticle() string {
	name := strings.ReplaceAll(t.String(), "|", " or ")
	if strings.IndexByte("aio", name[0]) >= 0 {
		return "an " + name
	}
	return "a " + name
}

// parseTypes reads the type keyword: a name or a list of names.
func parseTypes(raw json.RawMessage) types {
	var names []string
	if json.Unmarshal(raw, &names) != nil {
		var name string
		if json.Unmarshal(raw, &name) != nil {
			return 0
		}
		names = []string{name}
	}
	var t types
	for i, known := range typeNames {
		for _, name := range names {
			if name == known {
				t |= 1 << i
			}
		}
	}
	return t
}

// typeOf is the type of a valid JSON value. A whole number is an integer, and
// so also fits where a number is asked for.
func typeOf(value json.RawMessage) types {
	switch text := strings.TrimSpace(string(value)); {
	case text == "":
		return 0
	case text[0] == '"':
		return typeString
	case text[0] == '[':
		return typeArray
	case text[0] == '{':
		return typeObject
	case text[0] == 'n':
		return typeNull
	case text[0] == 't' || text[0] == 'f':
		return typeBoolean
	case strings.ContainsAny(text, ".eE"):
		return typeNumber
	default:
		return typeInteger
	}
}

// accepts reports whether a value of type u may stand where t is asked for.
func (t types) accepts(u types) bool {
	if t.has(typeNumber) {
		t |= typeInteger
	}
	// 1.0 is an integer to JSON Schema; whether 1.5 is one the server decides.
	if t.has(typeInteger) {
		t |= typeNumber
	}
	return t == 0 || t.has(u)
}
