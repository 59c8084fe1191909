// SPDX-License-Identifier: Apache-2.0

package strictjson

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, test := range []struct {
		name, in, want string // want: part of the error, empty for none
	}{
		{"empty object", `{}`, ""},
		{"nested", ` {"a":[1,{"b":null}],"c":"d"} `, ""},
		{"same name in other objects", `{"a":{"a":1},"b":[{"a":1},{"a":2}]}`, ""},
		{"large number", `{"a":123456789012345678901234567890}`, ""},
		{"empty", ``, "not valid JSON"},
		{"array", `[]`, "not a JSON object"},
		{"string", `"a"`, "not a JSON object"},
		{"truncated", `{"a":1`, "not valid JSON"},
		{"trailing comma", `{"a":1,}`, "not valid JSON"},
		{"second value", `{} {}`, "data behind"},
		{"rubbish behind", `{} x`, "data behind"},
		{"repeated", `{"a":1,"a":2}`, "repeated"},
		{"repeated, escaped", `{"a":1,"\u0061":2}`, "repeated"},
		{"repeated below", `{"x":[{"a":1,"a":1}]}`, "repeated"},
		{"invalid UTF-8", "{\"a\":\"\xff\"}", "UTF-8"},
		{"deep", strings.Repeat(`{"a":`, 40) + "1" + strings.Repeat("}", 40), "deeper"},
		{"bomb", strings.Repeat("[", 100_000), "not a JSON object"},
		{"bomb inside", `{"a":` + strings.Repeat("[", 100_000), "deeper"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Parse([]byte(test.in))
			switch {
			case test.want == "" && err != nil:
				t.Errorf("error %v", err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}

func TestDecode(t *testing.T) {
	type target struct {
		Name string   `json:"name"`
		List []string `json:"list"`
	}
	for _, test := range []struct {
		in, name, err string
	}{
		{`{"name":"x"}`, "x", ""},
		{`{"NAME":"x"}`, "", ""},             // encoding/json would take it
		{`{"name":"x","Name":"y"}`, "x", ""}, // and this one would win
		{`{"name":null,"list":null}`, "", ""},
		{`{"liſt":[1]}`, "", ""}, // encoding/json folds more than case
		{`{"other":{"deep":[]}}`, "", ""},
		{`{"name":1}`, "", `member "name" has the wrong type`},
		{`{"list":[1]}`, "", `member "list" has the wrong type`},
	} {
		obj, err := Parse([]byte(test.in))
		if err != nil {
			t.Fatal(err)
		}
		var got target
		err = obj.Decode(&got)
		if test.err == "" && (err != nil || got.Name != test.name) {
			t.Errorf("%s: %+v, %v", test.in, got, err)
		}
		if test.err != "" && (err == nil || err.Error() != test.err) {
			t.Errorf("%s: error %v, want %s", test.in, err, test.err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{`{}`, `{"a":[1,2,{"b":null}]}`, `{"a":1,"a":2}`, `{"":{"":{}}}`, `[`, `{"a":1}x`, "{\"\xff\":1}", `{"a":1e999}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		obj, err := Parse(data)
		if err != nil {
			return
		}
		var plain map[string]json.RawMessage
		if err := json.Unmarshal(data, &plain); err != nil {
			t.Fatalf("accepted what encoding/json refuses: %v", err)
		}
		if len(plain) != len(obj) {
			t.Fatalf("%d members, encoding/json sees %d", len(obj), len(plain))
		}
	})
}
