// SPDX-License-Identifier: Apache-2.0

// Package strictjson reads JSON objects that come from outside. Two readers
// must never see different members in one document, so what encoding/json
// forgives (repeated members, names in another case) is refused or left out.
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// maxDepth bounds the nesting of a document.
const maxDepth = 32

// Object holds the members of a JSON object by their exact name.
type Object map[string]json.RawMessage

// Parse reads one JSON object. It refuses invalid UTF-8, repeated member names
// at any depth, deep nesting, and anything behind the object.
func Parse(data []byte) (Object, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("not valid UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	tok, err := dec.Token()
	if err != nil {
		return nil, errors.New("not valid JSON")
	}
	if tok != json.Delim('{') {
		return nil, errors.New("not a JSON object")
	}
	if err := walk(dec, '{', 1); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("data behind the JSON object")
	}
	obj := Object{}
	if err := json.Unmarshal(data, &obj); err != nil {
		return nil, errors.New("not valid JSON")
	}
	return obj, nil
}

// walk passes over the rest of an array or object whose opening was read.
func walk(dec *json.Decoder, open json.Delim, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("nested deeper than %d levels", maxDepth)
	}
	var seen map[string]bool
	if open == '{' {
		seen = map[string]bool{}
	}
	for dec.More() {
		if seen != nil {
			name, err := dec.Token()
			if err != nil {
				return errors.New("not valid JSON")
			}
			if s := name.(string); seen[s] {
				return errors.New("a member is repeated")
			} else {
				seen[s] = true
			}
		}
		tok, err := dec.Token()
		if err != nil {
			return errors.New("not valid JSON")
		}
		if d, ok := tok.(json.Delim); ok {
			if err := walk(dec, d, depth+1); err != nil {
				return err
			}
		}
	}
	if _, err := dec.Token(); err != nil {
		return errors.New("not valid JSON")
	}
	return nil
}

// Decode stores the members in v, a pointer to a struct. Null members count as
// absent. Names match exactly: encoding/json would also take "Sub" for "sub",
// and "ſub", because the upper case of a long s is an S.
func (o Object) Decode(v any) error {
	kept := make(Object, len(o))
	for name, value := range o {
		if name == strings.ToLower(strings.ToUpper(name)) && string(value) != "null" {
			kept[name] = value
		}
	}
	data, err := json.Marshal(kept)
	if err != nil {
		return err
	}
	err = json.Unmarshal(data, v)
	if wrong := (*json.UnmarshalTypeError)(nil); errors.As(err, &wrong) {
		return fmt.Errorf("member %q has the wrong type", wrong.Field)
	}
	return err
}
