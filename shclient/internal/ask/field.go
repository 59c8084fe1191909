// SPDX-License-Identifier: Apache-2.0

package ask

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/mail"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/atrawog/mcp-oauth-gateway/shclient/internal/render"
)

// The kinds of fields (MCP, elicitation, "Requested Schema").
const (
	kindString  = "string"
	kindNumber  = "number"
	kindInteger = "integer"
	kindBoolean = "boolean"
	kindArray   = "array" // of options
)

// maxFields bounds a form: nobody answers more.
const maxFields = 100

// field is one question of a form.
type field struct {
	name, title, description string
	kind                     string
	required                 bool
	options                  []option // if one of them, or several of an array, are the answer
	fallback                 any      // nil if there is none
	rules                    rules
}

type option struct {
	value string
	title string
}

// shown is how a person sees an option.
func (o option) shown() string { return render.Line(cmp.Or(o.title, o.value)) }

// rules are what restricts an answer.
type rules struct {
	MinLength, MaxLength *int
	Pattern, Format      string
	Minimum, Maximum     *float64
	MinItems, MaxItems   *int
}

// wireField is a property of a requested schema: of those that the protocol
// lists, in the forms of all versions.
type wireField struct {
	rules
	Type, Title, Description string
	Enum, EnumNames          []string
	OneOf                    []wireOption
	Items                    struct {
		Enum  []string
		AnyOf []wireOption
	}
	Default json.RawMessage
}

type wireOption struct{ Const, Title string }

// parseFields reads a requested schema, in any form that encoding/json can
// marshal: required fields first, in the order of the schema.
func parseFields(schema any) ([]field, error) {
	raw, err := json.Marshal(schema)
	if err != nil {
		return nil, fmt.Errorf("requested schema: %w", err)
	}
	var s struct {
		Properties orderedFields
		Required   []string
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, fmt.Errorf("requested schema: %w", err)
	}
	if len(s.Properties) > maxFields {
		return nil, fmt.Errorf("requested schema: more than %d properties", maxFields)
	}
	for i := range s.Properties {
		f := &s.Properties[i]
		f.required = slices.Contains(s.Required, f.name)
	}
	slices.SortStableFunc(s.Properties, func(a, b field) int {
		return boolOrder(b.required) - boolOrder(a.required)
	})
	return s.Properties, nil
}

func boolOrder(b bool) int {
	if b {
		return 1
	}
	return 0
}

// orderedFields reads an object without losing the order of its members.
type orderedFields []field

func (o *orderedFields) UnmarshalJSON(raw []byte) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return errors.Join(err, errors.New("properties is no object"))
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return err
		}
		var w wireField
		if err := dec.Decode(&w); err != nil {
			return fmt.Errorf("property %q: %w", name, err)
		}
		*o = append(*o, w.field(name.(string)))
	}
	return nil
}

func (w wireField) field(name string) field {
	f := field{name: name, title: w.Title, description: render.Line(w.Description), kind: w.Type, rules: w.rules}
	values, titled := w.Enum, w.OneOf
	if w.Type == kindArray {
		values, titled = w.Items.Enum, w.Items.AnyOf
	}
	for i, value := range values {
		o := option{value: value}
		if i < len(w.EnumNames) {
			o.title = w.EnumNames[i]
		}
		f.options = append(f.options, o)
	}
	for _, t := range titled {
		f.options = append(f.options, option{t.Const, t.Title})
	}
	f.fallback = f.readDefault(w.Default)
	return f
}

// readDefault is the default of a schema, if it fits.
func (f field) readDefault(raw json.RawMessage) any {
	if f.kind == kindArray {
		var values []string
		if json.Unmarshal(raw, &values) != nil || values == nil {
			return nil
		}
		return toAny(values)
	}
	text := strings.TrimSpace(string(raw))
	var s string
	if json.Unmarshal(raw, &s) == nil && text != "null" {
		text = s
	} else if f.kind == kindString || f.kind == "" {
		return nil
	}
	value, err := f.parse(text)
	if text == "" || err != nil {
		return nil
	}
	return value
}

func toAny(values []string) []any {
	list := make([]any, len(values))
	for i, v := range values {
		list[i] = v
	}
	return list
}

func (f field) label() string { return render.Line(cmp.Or(f.title, f.name)) }

func (f field) kindName() string {
	switch {
	case f.kind == kindArray:
		return "any of these, separated by commas"
	case len(f.options) > 0:
		return "one of these"
	case f.kind == kindBoolean:
		return "yes or no"
	case f.rules.Format != "":
		return render.Line(f.rules.Format)
	}
	switch f.kind {
	case kindNumber:
		return "number"
	case kindInteger:
		return "whole number"
	}
	return "text"
}

// show is an answer for people.
func (f field) show(value any) string {
	switch v := value.(type) {
	case bool:
		if v {
			return "yes"
		}
		return "no"
	case []any:
		var parts []string
		for _, part := range v {
			parts = append(parts, f.showOption(fmt.Sprint(part)))
		}
		return strings.Join(parts, ", ")
	case string:
		return f.showOption(v)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	return render.Line(fmt.Sprint(value))
}

func (f field) showOption(value string) string {
	for _, o := range f.options {
		if o.value == value {
			return o.shown()
		}
	}
	return render.Line(value)
}

// parse reads what a person has entered. The error says what is wanted.
func (f field) parse(text string) (any, error) {
	trimmed := strings.TrimSpace(text)
	switch {
	case f.kind == kindArray:
		return f.several(trimmed)
	case len(f.options) > 0:
		return f.one(trimmed)
	case f.kind == kindBoolean:
		return parseBool(trimmed)
	case f.kind == kindInteger:
		n, err := strconv.ParseInt(trimmed, 10, 64)
		if err != nil {
			return nil, errors.New("want a whole number, such as 5")
		}
		return n, f.rules.number(float64(n))
	case f.kind == kindNumber:
		n, err := strconv.ParseFloat(trimmed, 64)
		if err != nil || math.IsInf(n, 0) || math.IsNaN(n) {
			return nil, errors.New("want a number, such as 2.5")
		}
		return n, f.rules.number(n)
	}
	return text, f.rules.text(text)
}

func parseBool(text string) (any, error) {
	switch strings.ToLower(text) {
	case "y", "yes", "true", "1":
		return true, nil
	case "n", "no", "false", "0":
		return false, nil
	}
	return nil, errors.New("want yes or no")
}

// one finds an option by its value, its title or its number.
func (f field) one(text string) (any, error) {
	for _, o := range f.options {
		if text == o.value {
			return o.value, nil
		}
	}
	for _, o := range f.options {
		if strings.EqualFold(text, o.shown()) || strings.EqualFold(text, o.value) {
			return o.value, nil
		}
	}
	if n, err := strconv.Atoi(text); err == nil && n >= 1 && n <= len(f.options) {
		return f.options[n-1].value, nil
	}
	return nil, fmt.Errorf("%q is none of them: want a number from 1 to %d", text, len(f.options))
}

func (f field) several(text string) (any, error) {
	var values []string
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		value, err := f.one(part)
		if err != nil {
			return nil, err
		}
		if s := value.(string); !slices.Contains(values, s) {
			values = append(values, s)
		}
	}
	switch r := f.rules; {
	case r.MinItems != nil && len(values) < *r.MinItems:
		return nil, fmt.Errorf("want at least %d of them", *r.MinItems)
	case r.MaxItems != nil && len(values) > *r.MaxItems:
		return nil, fmt.Errorf("want at most %d of them", *r.MaxItems)
	}
	return toAny(values), nil
}

func (r rules) number(n float64) error {
	switch {
	case r.Minimum != nil && n < *r.Minimum:
		return fmt.Errorf("want at least %v", *r.Minimum)
	case r.Maximum != nil && n > *r.Maximum:
		return fmt.Errorf("want at most %v", *r.Maximum)
	}
	return nil
}

func (r rules) text(text string) error {
	n := utf8.RuneCountInString(text)
	switch {
	case r.MinLength != nil && n < *r.MinLength:
		return fmt.Errorf("want at least %d characters", *r.MinLength)
	case r.MaxLength != nil && n > *r.MaxLength:
		return fmt.Errorf("want at most %d characters", *r.MaxLength)
	}
	if r.Pattern != "" {
		if pattern, err := regexp.Compile(r.Pattern); err == nil && !pattern.MatchString(text) {
			return fmt.Errorf("want something that matches %s", r.Pattern)
		}
	}
	return r.format(text)
}

// format checks the formats that the protocol lists.
func (r rules) format(text string) error {
	var err error
	switch r.Format {
	case "email":
		var address *mail.Address
		if address, err = mail.ParseAddress(text); err == nil && address.Address != text {
			err = errors.New("it has a name")
		}
	case "uri":
		var u *url.URL
		if u, err = url.Parse(text); err == nil && u.Scheme == "" {
			err = errors.New("it has no scheme")
		}
	case "date":
		_, err = time.Parse(time.DateOnly, text)
	case "date-time":
		_, err = time.Parse(time.RFC3339, text)
	}
	if err != nil {
		return errors.New(map[string]string{
			"email":     "want an email address, such as name@example.com",
			"uri":       "want an address, such as https://example.com",
			"date":      "want a date, such as 2026-07-28",
			"date-time": "want a date and time, such as 2026-07-28T12:00:00Z",
		}[r.Format])
	}
	return nil
}
