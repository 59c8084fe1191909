// SPDX-License-Identifier: Apache-2.0

package toolargs

import (
	"strings"
	"testing"
)

func TestValuesWithoutAKey(t *testing.T) {
	const (
		fetch  = `{"properties":{"url":{"type":"string"},"limit":{"type":"integer"}},"required":["url"]}`
		lookup = `{"properties":{"query":{"type":"string"}}}`
		tags   = `{"properties":{"tags":{"type":"array","items":{"type":"string"}}}}`
		number = `{"properties":{"n":{"type":"integer"}},"required":["n"]}`
		two    = `{"properties":{"path":{"type":"string"},"content":{"type":"string"}},"required":["path","content"]}`
		open   = `{"type":"object"}`
	)
	for _, test := range []struct{ name, schema, args, want string }{
		{"an address with a query", fetch, "https://x.example/?a=1&b=2", `{"url":"https://x.example/?a=1&b=2"}`},
		{"and another argument", fetch, "limit=3 | https://x.example/?a=1", `{"limit":3,"url":"https://x.example/?a=1"}`},
		{"words", lookup, "python | tutorial", `{"query":"python tutorial"}`},
		{"quotes stay", lookup, `"python"`, `{"query":"\"python\""}`},
		{"an @ is no file", lookup, "@alice", `{"query":"@alice"}`},
		{"JSON in text", lookup, "[1]", `{"query":"[1]"}`},
		{"elements", tags, "a | b", `{"tags":["a","b"]}`},
		{"a number", number, "5", `{"n":5}`},
		{"no number", number, "five", `argument "n": "five" is not an integer`},
		{"a name that looks like a slip", fetch, "uri=x", `unknown argument "uri": did you mean "url"?`},
		{"which of two?", two, "/tmp/x", `cannot read argument "/tmp/x": want key=value, key:=json or key=@file`},
		{"an object", two, `{"content": 1.0e2x}`, `cannot read argument "{\"content\": 1.0e2x}": want key=value, key:=json or key=@file`},
		{"an object in its own order", two, ` {"path": "a", "content": "b"} `, `{"path":"a","content":"b"}`},
		{"any name if anything goes", open, "x/y=1", `{"x/y":"1"}`},
		{"no value if anything goes", open, "x", `cannot read argument "x": want key=value, key:=json or key=@file`},
	} {
		got, err := parseSchema(t, test.schema).Encode(strings.Split(test.args, " | "), readTestFile)
		text := string(got)
		if err != nil {
			text = err.Error()
		}
		if text != test.want {
			t.Errorf("%s: %s, want %s", test.name, text, test.want)
		}
	}
}

func TestDidYouMean(t *testing.T) {
	known := []string{"echo", "search", "get_weather", "add"}
	for name, want := range map[string]string{
		"ecko": "echo", "ehco": "echo", "echoo": "echo", "Search": "search", "getweather": "get_weather",
		"get-weather": "get_weather", "ad": "add", "x": "", "weather": "", "": "", "delete": "",
	} {
		got := DidYouMean(name, known)
		if want != "" {
			want = `: did you mean "` + want + `"?`
		}
		if got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}
