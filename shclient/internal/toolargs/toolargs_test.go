// SPDX-License-Identifier: Apache-2.0

package toolargs

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

// orderSchema has one argument of each kind that servers publish, in the forms
// that Pydantic, zod and hand-written schemas use.
const orderSchema = `{
	"type": "object",
	"properties": {
		"item":     {"type": "string", "description": "what to order"},
		"count":    {"type": "integer"},
		"price":    {"type": "number"},
		"gift":     {"type": "boolean"},
		"tags":     {"type": "array", "items": {"type": "string"}},
		"sizes":    {"type": "array", "items": {"type": "integer"}},
		"address":  {"$ref": "#/$defs/Address"},
		"note":     {"anyOf": [{"type": "string"}, {"type": "null"}]},
		"limit":    {"anyOf": [{"type": "integer"}, {"type": "null"}]},
		"either":   {"type": ["string", "integer"]},
		"speed":    {"enum": ["slow", "<fast>", 3]},
		"top":      {"anyOf": [{"type": "integer"}, {"const": "auto", "type": "string"}]},
		"color":    {"anyOf": [{"$ref": "#/$defs/Color"}, {"type": "null"}]},
		"nothing":  {"type": "null"},
		"anything": {}
	},
	"required": ["item"],
	"$defs": {"Address": {"type": "object", "properties": {"city": {"type": "string"}}},
		"Color": {"type": "string", "enum": ["red", "blue"]}}
}`

func parseSchema(t testing.TB, text string) *Schema {
	t.Helper()
	s, err := Parse(json.RawMessage(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func readTestFile(name string) ([]byte, error) {
	switch name {
	case "tea.txt":
		return []byte("green tea\n"), nil
	case "seven":
		return []byte("7\n"), nil
	case "address.json":
		return []byte(`{"city": "Wien"}`), nil
	case "binary":
		return []byte{0xff, 0xfe}, nil
	}
	return nil, errors.New("no such file: " + name)
}

func TestEncode(t *testing.T) {
	s := parseSchema(t, orderSchema)
	tests := []struct {
		name string
		args string // separated by " | "
		want string
	}{
		{"string", "item=tea", `{"item":"tea"}`},
		{"number as a string", "item=01234", `{"item":"01234"}`},
		{"string that looks like JSON", `item={"a":1}`, `{"item":"{\"a\":1}"}`},
		{"empty string", "item=", `{"item":""}`},
		{"value with equals signs", "item=https://x.example/?a=1&b=2", `{"item":"https://x.example/?a=1&b=2"}`},
		{"order is kept", "count=2 | item=tea", `{"count":2,"item":"tea"}`},
		{"integer text is kept", "item=x | count=12345678901234567890", `{"item":"x","count":12345678901234567890}`},
		{"number text is kept", "item=x | price=1.50", `{"item":"x","price":1.50}`},
		{"whole number", "item=x | price=2", `{"item":"x","price":2}`},
		{"boolean", "item=x | gift=true", `{"item":"x","gift":true}`},
		{"array by elements", "item=x | tags=a | tags=1", `{"item":"x","tags":["a","1"]}`},
		{"array of one", "item=x | tags=a", `{"item":"x","tags":["a"]}`},
		{"array of integers", "item=x | sizes=1 | sizes=2", `{"item":"x","sizes":[1,2]}`},
		{"array as JSON", `item=x | tags=["a", "b"]`, `{"item":"x","tags":["a", "b"]}`},
		{"object by reference", `item=x | address={"city":"Wien"}`, `{"item":"x","address":{"city":"Wien"}}`},
		{"optional string named null", "item=x | note=null", `{"item":"x","note":"null"}`},
		{"optional integer", "item=x | limit=3", `{"item":"x","limit":3}`},
		{"optional integer, null", "item=x | limit=null", `{"item":"x","limit":null}`},
		{"string or integer: integer", "item=x | either=5", `{"item":"x","either":5}`},
		{"string or integer: string", "item=x | either=05", `{"item":"x","either":"05"}`},
		{"enum", "item=x | speed=<fast>", `{"item":"x","speed":"<fast>"}`},
		{"enum of a number", "item=x | speed=3", `{"item":"x","speed":3}`},
		{"beside an enum", "item=x | top=7", `{"item":"x","top":7}`},
		{"enum beside others", "item=x | top=auto", `{"item":"x","top":"auto"}`},
		{"optional enum, null", "item=x | color:=null", `{"item":"x","color":null}`},
		{"null", "item=x | nothing=null", `{"item":"x","nothing":null}`},
		{"untyped text", "item=x | anything=5", `{"item":"x","anything":"5"}`},
		{"untyped JSON", "item=x | anything:=[5]", `{"item":"x","anything":[5]}`},
		{"JSON null", "item=x | note:=null", `{"item":"x","note":null}`},
		{"file", "item=@tea.txt", `{"item":"green tea\n"}`},
		{"file with a number", "item=x | count=@seven", `{"item":"x","count":7}`},
		{"file with JSON", "item=x | address:=@address.json", `{"item":"x","address":{"city": "Wien"}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := s.Encode(strings.Split(tt.args, " | "), readTestFile)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestEncodeRefuses(t *testing.T) {
	s := parseSchema(t, orderSchema)
	tests := []struct {
		name, args, want string
	}{
		{"a value besides its key", "item=tea | coffee", `argument "item" is given twice`},
		{"unknown in an object", `{"itm": "tea"}`, `unknown argument "itm": did you mean "item"?`},
		{"wrong type in an object", `{"item": 5}`, `argument "item": "5" is an integer, want a string`},
		{"twice in an object", `{"item": "a", "item": "b"}`, `argument "item" is given twice`},
		{"missing", "count=1", `argument "item" is required (string): add item=VALUE`},
		{"misspelled", "itm=tea", `unknown argument "itm": did you mean "item"?`},
		{"unknown", "temperature=tea", `unknown argument "temperature": the tool takes item, address, `},
		{"twice", "item=tea | item=coffee", `argument "item" is given twice`},
		{"not an integer", "item=x | count=many", `argument "count": "many" is not an integer`},
		{"fraction", "item=x | count=1.5", `argument "count": "1.5" is not an integer`},
		{"leading zero", "item=x | count=007", `argument "count": "007" is not an integer`},
		{"not a number", "item=x | price=NaN", `argument "price": "NaN" is not a number`},
		{"not a boolean", "item=x | gift=yes", `argument "gift": "yes" is not a boolean`},
		{"not an object", "item=x | address=Wien", `argument "address": "Wien" is not an object`},
		{"not an element", "item=x | sizes=big", `argument "sizes": "big" is not an array or an element of one (integer)`},
		{"not in the enum", "item=x | speed=warp", `argument "speed": "warp" is not one of slow, <fast>, 3`},
		{"not in the enum, beside others", "item=x | top=all", `argument "top": "all" is not one of auto`},
		{"not in the optional enum", "item=x | color=null", `argument "color": "null" is not one of red, blue`},
		{"bad JSON", "item=x | address:={", `argument "address": "{" is not valid JSON`},
		{"JSON of another type", "item:=5", `argument "item": "5" is an integer, want a string`},
		{"no file", "item=@nowhere", `argument "item": no such file: nowhere`},
		{"not text", "item=@binary", `argument "item" is not UTF-8 text`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := s.Encode(strings.Split(tt.args, " | "), readTestFile)
			if err == nil {
				t.Fatalf("no error, but %s", got)
			}
			if !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("got  %q\nwant %q", err, tt.want)
			}
		})
	}
}

func TestUndeclaredArguments(t *testing.T) {
	tests := []struct {
		name, schema string
		want         bool
	}{
		{"by default not", `{"properties":{"a":{}}}`, false},
		{"refused", `{"properties":{"a":{}},"additionalProperties":false}`, false},
		{"welcomed", `{"properties":{"a":{}},"additionalProperties":true}`, true},
		{"welcomed with a schema", `{"properties":{"a":{}},"additionalProperties":{"type":"string"}}`, true},
		{"by pattern", `{"properties":{"a":{}},"patternProperties":{"^x-":{}}}`, true},
		{"nothing declared", `{"type":"object"}`, true},
		{"nothing allowed", `{"type":"object","additionalProperties":false}`, false},
		{"an empty list declared", `{"type":"object","properties":{}}`, false},
		{"no schema", `null`, true},
		{"anything goes", `true`, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parseSchema(t, tt.schema).Encode([]string{"x-new=1"}, readTestFile)
			if got := err == nil; got != tt.want {
				t.Errorf("accepted = %t, want %t (%v)", got, tt.want, err)
			}
		})
	}
}

func TestParams(t *testing.T) {
	tests := []struct {
		name, schema, want string
	}{
		{"required first", `{"properties":{"a":{"type":"string"},"z":{"type":"integer"}},"required":["z"]}`, "z! integer, a string"},
		{"array", `{"properties":{"a":{"type":"array","items":{"type":"integer"}}}}`, "a integer[]"},
		{"allOf", `{"allOf":[{"properties":{"a":{"type":"number"}},"required":["a"]}],"properties":{"b":true}}`, "a! number, b any"},
		{"union of references", `{"properties":{"a":{"oneOf":[{"$ref":"#/definitions/N"},{"const":"x"}]}},"definitions":{"N":{"type":"number"}}}`, "a string|number"},
		{"reference to itself", `{"properties":{"a":{"$ref":"#/$defs/A"}},"$defs":{"A":{"type":"object","anyOf":[{"$ref":"#/$defs/A"}]}}}`, "a object"},
		{"the whole by reference", `{"$ref":"#/$defs/In","$defs":{"In":{"properties":{"a":{"type":"null"}}}}}`, "a null"},
		{"required but not declared", `{"required":["a"]}`, "a! any"},
		{"malformed keywords", `{"properties":{"a":{"type":5,"enum":{},"items":7}},"required":"a"}`, "a any"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, p := range parseSchema(t, tt.schema).Params() {
				mark := ""
				if p.Required {
					mark = "!"
				}
				got = append(got, p.Name+mark+" "+p.Type())
			}
			if joined := strings.Join(got, ", "); joined != tt.want {
				t.Errorf("got %q, want %q", joined, tt.want)
			}
		})
	}
}

// Without a bound on the whole, each level would multiply the work by eight.
func TestBranchingReferences(t *testing.T) {
	ref := `{"$ref":"#/$defs/A"}`
	branches := strings.Repeat(ref+",", 7) + ref
	s := parseSchema(t, `{"properties":{"a":`+ref+`},"$defs":{"A":{"type":"string","anyOf":[`+branches+`],"allOf":[`+branches+`]}}}`)
	if got := s.Params()[0].Type(); got != "string" {
		t.Errorf("type = %q", got)
	}
}

func TestParamDescription(t *testing.T) {
	s := parseSchema(t, `{"properties":{"a":{"$ref":"#/$defs/A"}},"$defs":{"A":{"type":"string","description":"from afar"}}}`)
	if got := s.Params()[0].Description; got != "from afar" {
		t.Errorf("description = %q", got)
	}
}

// FuzzEncode holds that whatever the schema and the assignment, the outcome is
// an error or a JSON object.
func FuzzEncode(f *testing.F) {
	for _, args := range []string{"item=tea", "count=1e5", "tags=[", "address:={}", "speed=3", "a=b"} {
		f.Add(orderSchema, args)
	}
	f.Add(`{"$ref":"#/$defs/A","$defs":{"A":{"$ref":"#/$defs/A"}}}`, "a=1")
	f.Add(`{"properties":{"a":{"anyOf":[{"items":{"items":{}}}]}}}`, "a=[1]")
	f.Fuzz(func(t *testing.T, schema, arg string) {
		if !json.Valid([]byte(schema)) {
			return
		}
		s, err := Parse(json.RawMessage(schema))
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.Encode([]string{arg}, readTestFile)
		if err != nil {
			return
		}
		var object map[string]json.RawMessage
		if err := json.Unmarshal(got, &object); err != nil {
			t.Errorf("%s: %v", got, err)
		}
	})
}
