// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"fmt"
	"strings"
	"testing"
)

// compareTools compares two tools that are alike but for what is given.
func compareTools(a, b string) string {
	surface := func(members string) *Surface {
		s := &Surface{Items: map[string]map[string]any{"tool": {}}}
		s.page(listings[0], decode([]byte(`{"tools":[{"name":"t",`+members+`}]}`)))
		return s
	}
	changes, _ := Compare(surface(a), surface(b))
	var lines []string
	for _, c := range changes {
		line := marks[c.Kind] + " " + c.Path
		if c.Breaking {
			line += " !"
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

func TestSchemaChanges(t *testing.T) {
	for _, test := range []struct{ name, a, b, input, output string }{
		{"nothing but order", `"type":"object","required":["a","b"],"enum":[1,2]`, `"enum":[2,1.0],"required":["b","a"],"type":"object"`, "", ""},
		{"text", `"description":"x"`, `"description":"y"`, "~ $.S.description", "~ $.S.description"},
		{"a type that is narrower", `"type":"number"`, `"type":"integer"`, "~ $.S.type !", "~ $.S.type"},
		{"a type that is wider", `"type":"string"`, `"type":["null","string"]`, "~ $.S.type", "~ $.S.type !"},
		{"a type in a list", `"type":["string","null"]`, `"type":["null","string"]`, "", ""},
		{"another type", `"type":"string"`, `"type":"boolean"`, "~ $.S.type !", "~ $.S.type !"},
		{"a type where there was none", `"title":"x"`, `"title":"x","type":"string"`, "+ $.S.type !", "+ $.S.type"},
		{"one more required", `"required":["a"]`, `"required":["a","b"]`, "+ $.S.required !", "+ $.S.required"},
		{"one less required", `"required":["a"]`, `"title":""`, "- $.S.required\n+ $.S.title", "- $.S.required !\n+ $.S.title"},
		{"a property is gone", `"properties":{"a":{},"b-c":{}}`, `"properties":{"a":{}}`, "- $.S.properties['b-c'] !", "- $.S.properties['b-c'] !"},
		{"a new property", `"properties":{}`, `"properties":{"a":{}}`, "+ $.S.properties.a", "+ $.S.properties.a"},
		{"one value less", `"enum":[1,2]`, `"enum":[1]`, "- $.S.enum !", "- $.S.enum"},
		{"one value more", `"enum":[1]`, `"enum":[1,2]`, "+ $.S.enum", "+ $.S.enum !"},
		{"values where there were none", `"title":"x"`, `"title":"x","enum":[1]`, "+ $.S.enum !", "+ $.S.enum"},
		{"a lower maximum", `"maximum":10`, `"maximum":9`, "~ $.S.maximum !", "~ $.S.maximum"},
		{"no maximum", `"maximum":10`, `"title":""`, "- $.S.maximum\n+ $.S.title", "- $.S.maximum !\n+ $.S.title"},
		{"a higher minimum", `"minLength":1`, `"minLength":2`, "~ $.S.minLength !", "~ $.S.minLength"},
		{"the same in another spelling", `"minLength":1`, `"minLength":1.0`, "", ""},
		{"nothing further", `"title":"x"`, `"title":"x","additionalProperties":false`, "+ $.S.additionalProperties !", "+ $.S.additionalProperties"},
		{"deep", `"items":{"anyOf":[{"type":"string"},{"type":"object","properties":{"a":{"pattern":"x"}}}]}`,
			`"items":{"anyOf":[{"type":"string"},{"type":"object","properties":{"a":{"pattern":"y"}}}]}`,
			"~ $.S.items.anyOf[1].properties.a.pattern !", "~ $.S.items.anyOf[1].properties.a.pattern !"},
		{"definitions", `"$defs":{"n":{"type":"number"}}`, `"$defs":{"n":{"type":"integer"}}`, "~ $.S['$defs'].n.type !", "~ $.S['$defs'].n.type"},
	} {
		for schema, want := range map[string]string{"inputSchema": test.input, "outputSchema": test.output} {
			want = strings.ReplaceAll(want, "S", schema)
			want = strings.ReplaceAll(want, "input"+schema, "inputSchema")
			got := compareTools(fmt.Sprintf(`"%s":{%s}`, schema, test.a), fmt.Sprintf(`"%s":{%s}`, schema, test.b))
			if got != want {
				t.Errorf("%s, %s:\n%s\nwant\n%s", test.name, schema, got, want)
			}
		}
	}
}

func TestToolChanges(t *testing.T) {
	for _, test := range []struct{ a, b, want string }{
		{`"outputSchema":{}`, `"title":"x"`, "- $.outputSchema !\n+ $.title"},
		{`"annotations":{"readOnlyHint":true}`, `"annotations":{"readOnlyHint":false}`, "~ $.annotations.readOnlyHint"},
		{`"inputSchema":true`, `"inputSchema":false`, "~ $.inputSchema !"},
	} {
		if got := compareTools(test.a, test.b); got != test.want {
			t.Errorf("%s and %s:\n%s\nwant\n%s", test.a, test.b, got, test.want)
		}
	}
}

func TestPromptAndServerChanges(t *testing.T) {
	surface := func(server, arguments string) *Surface {
		s := &Surface{Items: map[string]map[string]any{"prompt": {}}}
		s.open(decode([]byte(server)))
		s.page(listings[1], decode([]byte(`{"prompts":[{"name":"p","arguments":[`+arguments+`]}]}`)))
		return s
	}
	a := surface(`{"capabilities":{"tools":{"listChanged":true},"logging":{}}}`, `{"name":"x"},{"name":"y","required":false},{"name":"z"}`)
	b := surface(`{"capabilities":{"tools":{"listChanged":false}}}`, `{"name":"y","required":true},{"name":"x"},{"name":"n","required":true}`)
	changes, skipped := Compare(a, b)
	var text strings.Builder
	if err := WriteChanges(&text, changes); err != nil {
		t.Fatal(err)
	}
	want := `server
  - $.capabilities.logging: {}  (breaking: clients may rely on it)
  ~ $.capabilities.tools.listChanged: true → false  (breaking: clients may rely on it)
prompt p
  + $.arguments[?@.name=="n"]: {"name":"n","required":true}  (breaking: clients do not send it)
  ~ $.arguments[?@.name=="y"].required: false → true  (breaking: clients may not send it)
  - $.arguments[?@.name=="z"]: {"name":"z"}  (breaking: clients may use it)
`
	if text.String() != want || len(skipped) > 0 {
		t.Errorf("%s\nwant\n%s\nskipped %v", &text, want, skipped)
	}
}

func TestNamesOfStrangersControlNothing(t *testing.T) {
	var text strings.Builder
	_ = WriteChanges(&text, []Change{{Subject: "tool \x1b[2Jx", Path: "$.a", Kind: Changed, Before: "\u202e", After: "\u009b"}})
	if strings.ContainsAny(text.String(), "\x1b\u202e\u009b") {
		t.Errorf("%q", text.String())
	}
}
