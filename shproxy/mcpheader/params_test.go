// SPDX-License-Identifier: Apache-2.0

package mcpheader

import (
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// listOf returns a response to tools/list.
func listOf(tools ...string) string {
	return `{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","tools":[` + strings.Join(tools, ",") + `]}}`
}

// toolOf returns a tool; properties are those of its input schema.
func toolOf(name, properties string) string {
	return `{"name":"` + name + `","inputSchema":{"type":"object","properties":{` + properties + `}}}`
}

func paramsOf(t testing.TB, lists ...string) *Params {
	t.Helper()
	p := new(Params)
	for _, list := range lists {
		frame, m := scan(t, list)
		if _, err := p.Add(frame, m); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func callOf(tool, arguments string) string {
	return request("tools/call", `"name":"`+tool+`","arguments":`+arguments+`,`)
}

var sql = toolOf("sql", `"region":{"type":"string","x-mcp-header":"Region"},
	"limit":{"type":"integer","x-mcp-header":"Limit"},
	"dry":{"x-mcp-header":"Dry-Run","type":"boolean"},
	"where":{"type":"object","properties":{"zone":{"type":"object","properties":{"id":{"type":"string","x-mcp-header":"Method"}}}}},
	"query":{"type":"string"}`)

func TestParamsCheck(t *testing.T) {
	const region, limit, dry, zone = "Mcp-Param-Region", "Mcp-Param-Limit", "Mcp-Param-Dry-Run", "Mcp-Param-Method"
	tests := []struct {
		name, arguments string
		h               http.Header
		bad             string // the header that does not match
	}{
		{"all", `{"region":"us-west1","limit":42,"dry":true,"where":{"zone":{"id":"z"}},"query":"q"}`,
			headers(region, "us-west1", limit, "42", dry, "true", zone, "z"), ""},
		{"none", `{}`, nil, ""},
		{"null", `{"region":null,"where":{"zone":{"id":null}}}`, nil, ""},
		{"null on the way", `{"where":{"zone":null}}`, nil, ""},
		{"no object on the way", `{"where":[{"zone":{"id":"z"}}]}`, nil, ""},
		{"name at another place", `{"zone":{"id":"z"},"where":{"id":"z","region":"r"},"Region":"r"}`, nil, ""},
		{"unknown header", `{}`, headers("Mcp-Param-Other", "x", "Mcp-Param-Query", "q"), ""},
		{"base64", `{"region":"Hello"}`, headers(region, "=?base64?SGVsbG8=?="), ""},
		{"base64 of a number", `{"limit":7}`, headers(limit, "=?base64?Nw==?="), ""},
		{"literal without the prefix", `{"region":"SGVsbG8="}`, headers(region, "SGVsbG8="), ""},
		{"literal without the suffix", `{"region":"=?base64?SGVsbG8="}`, headers(region, "=?base64?SGVsbG8="), ""},
		{"escapes", `{"r\u0065gion":"\u0041\n"}`, headers(region, "=?base64?QQo=?="), ""},
		{"empty text", `{"region":""}`, headers(region, ""), ""},
		{"empty text in base64", `{"region":""}`, headers(region, "=?base64??="), ""},
		{"white space", `{"region":"a","limit":1}`, headers(region, " a\t", limit, " 1 "), ""},
		{"integer as 42.0", `{"limit":42}`, headers(limit, "42.0"), ""},
		{"integer as 4.2e1", `{"limit":42.00}`, headers(limit, "4.2e1"), ""},
		{"negative", `{"limit":-7}`, headers(limit, "-7"), ""},
		{"minus zero", `{"limit":-0.0}`, headers(limit, "0"), ""},
		{"largest", `{"limit":9007199254740991}`, headers(limit, "9007199254740991"), ""},
		{"text where an integer should be", `{"limit":"42"}`, headers(limit, "42"), ""},

		{"missing", `{"region":"us-west1"}`, nil, region},
		{"missing text that is empty", `{"region":""}`, nil, region},
		{"missing below", `{"where":{"zone":{"id":"z"}}}`, nil, zone},
		{"missing false", `{"dry":false}`, nil, dry},
		{"other text", `{"region":"us-west1"}`, headers(region, "us-east1"), region},
		{"other case", `{"region":"us-west1"}`, headers(region, "US-WEST1"), region},
		{"without argument", `{}`, headers(region, "us-west1"), region},
		{"without argument, empty", `{}`, headers(region, ""), region},
		{"with null", `{"region":null}`, headers(region, "null"), region},
		{"two", `{"region":"a"}`, headers(region, "a", region, "a"), region},
		{"bad padding", `{"region":"Hello"}`, headers(region, "=?base64?SGVsbG8?="), region},
		{"bad base64", `{"region":"Hello"}`, headers(region, "=?base64?SGVs!!!bG8=?="), region},
		{"bad characters", `{"region":"é"}`, headers(region, "é"), region},
		{"bad characters without argument", `{}`, headers(region, "\xff"), region},
		{"other number", `{"limit":42}`, headers(limit, "43"), limit},
		{"fraction", `{"limit":42}`, headers(limit, "42.5"), limit},
		{"hexadecimal", `{"limit":42}`, headers(limit, "0x2a"), limit},
		{"plus sign", `{"limit":42}`, headers(limit, "+42"), limit},
		{"leading zero", `{"limit":42}`, headers(limit, "042"), limit},
		{"not a number", `{"limit":42}`, headers(limit, "forty-two"), limit},
		{"text as a number", `{"region":"42"}`, headers(region, "42.0"), region},
		{"digits that a double loses", `{"limit":9007199254740991}`, headers(limit, "9007199254740991.1"), limit},
		{"unsafe integer", `{"limit":9007199254740992}`, headers(limit, "9007199254740992"), limit},
		{"fraction in the body", `{"limit":1.5}`, headers(limit, "1.5"), limit},
		{"huge exponent", `{"limit":1e999999999}`, headers(limit, "1"), limit},
		{"object", `{"region":{}}`, nil, region},
		{"array", `{"region":["us-west1"]}`, headers(region, "us-west1"), region},
		{"boolean in upper case", `{"dry":true}`, headers(dry, "TRUE"), dry},
		{"boolean as a number", `{"dry":true}`, headers(dry, "1"), dry},
		{"duplicate", `{"region":"a","region":"b"}`, headers(region, "b"), region},
		{"duplicate, one escaped", `{"region":"a","\u0072egion":"b"}`, headers(region, "a"), region},
		{"duplicate on the way", `{"where":{"zone":{"id":"z"}},"where":{}}`, nil, zone},
	}
	p := paramsOf(t, listOf(toolOf("other", ""), sql))
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			frame, m := scan(t, callOf("sql", test.arguments))
			err := p.Check(test.h, frame, m)
			if test.bad == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var mismatch *Mismatch
			if !errors.As(err, &mismatch) || mismatch.Header != test.bad {
				t.Errorf("err = %v, want a mismatch of %s", err, test.bad)
			}
		})
	}
}

func TestParamsCheckTellsWhy(t *testing.T) {
	p := paramsOf(t, listOf(sql))
	for arguments, want := range map[string]string{
		`{"region":"a"}`:                  `header mismatch: Mcp-Param-Region is missing for the argument "region"`,
		`{"region":{}}`:                   `header mismatch: Mcp-Param-Region can only be a string, boolean or safe integer, unlike the argument "region"`,
		`{"where":{"zone":{"id":"new"}}}`: `header mismatch: Mcp-Param-Method is missing for the argument "where.zone.id"`,
	} {
		frame, m := scan(t, callOf("sql", arguments))
		if err := p.Check(nil, frame, m); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", arguments, err, want)
		}
	}
}

// A header of an earlier call does not stay.
func TestParamsDeriveRemoves(t *testing.T) {
	p := paramsOf(t, listOf(sql))
	for _, arguments := range []string{`{}`, `{"region":null}`, `{"region":[]}`, `{"region":"a","region":"b"}`} {
		frame, m := scan(t, callOf("sql", arguments))
		h := headers("Mcp-Param-Region", "old", "Mcp-Param-Other", "x")
		if p.Derive(h, frame, m); len(h) != 1 || h.Get("Mcp-Param-Other") != "x" {
			t.Errorf("%s: %v", arguments, h)
		}
	}
}

// Nothing is enforced for what is no call of a tool with valid annotations.
func TestParamsCheckIgnores(t *testing.T) {
	p := paramsOf(t, listOf(sql, toolOf("bad", `"region":{"type":"number","x-mcp-header":"Region"}`)))
	for _, text := range []string{
		callOf("unknown", `{"region":"a"}`),
		callOf("bad", `{"region":"a"}`),
		request("prompts/get", `"name":"sql","arguments":{"region":"a"},`),
		`{"jsonrpc":"2.0","method":"tools/call","params":{"name":"sql","arguments":{"region":"a"}}}`,
		`{"jsonrpc":"2.0","id":1,"result":{"name":"sql","arguments":{"region":"a"}}}`,
		request("tools/call", `"name":5,"arguments":{"region":"a"},`),
		request("tools/call", `"name":"sql",`),
		request("tools/call", `"name":"sql","arguments":["region"],`),
	} {
		frame, m := scan(t, text)
		if err := p.Check(nil, frame, m); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	frame, m := scan(t, callOf("sql", `{"region":"a"}`))
	for _, p := range []*Params{nil, {}} {
		if err := p.Check(nil, frame, m); err != nil {
			t.Error(err)
		}
		if p.Derive(http.Header{}, frame, m); len(maps.Collect(p.Invalid())) != 0 {
			t.Error("tools out of nothing")
		}
	}
}

func TestParamsInvalid(t *testing.T) {
	header := func(kind, name string) string { return `"a":{"type":"` + kind + `","x-mcp-header":"` + name + `"}` }
	const annotated = `{"type":"string","x-mcp-header":"Region"}`
	many := make([]string, maxParams+1)
	for i := range many {
		many[i] = `"p` + strconv.Itoa(i) + `":{"type":"string","x-mcp-header":"P` + strconv.Itoa(i) + `"}`
	}
	deep := strings.Repeat(`"a":{"properties":{`, maxSchemaDepth) + `"a":` + annotated + strings.Repeat("}}", maxSchemaDepth)
	tests := []struct{ name, properties, rest string }{
		{"empty", header("string", ""), ""},
		{"object", header("object", "Data"), ""},
		{"array", header("array", "Items"), ""},
		{"null", header("null", "Nil"), ""},
		{"number", header("number", "Score"), ""},
		{"no type", `"a":{"x-mcp-header":"Region"}`, ""},
		{"two types", `"a":{"type":["string","null"],"x-mcp-header":"Region"}`, ""},
		{"same name", `"a":` + annotated + `,"b":` + annotated, ""},
		{"same name in another case", header("string", "MyField") + `,"b":{"type":"string","x-mcp-header":"myfield"}`, ""},
		{"same name below", `"a":` + annotated + `,"b":{"properties":{"c":` + annotated + `}}`, ""},
		{"space", header("string", "My Region"), ""},
		{"colon", header("string", "Region:Primary"), ""},
		{"beyond ASCII", header("string", "Région"), ""},
		{"tab", header("string", `Region\t1`), ""},
		{"line break", header("string", `Region\r\nX`), ""},
		{"long", header("string", strings.Repeat("r", maxHeader+1)), ""},
		{"no text", `"a":{"type":"string","x-mcp-header":7}`, ""},
		{"null name", `"a":{"type":"string","x-mcp-header":null}`, ""},
		{"root", ``, `,"x-mcp-header":"Root"`},
		{"items", `"a":{"type":"array","items":` + annotated + `}`, ""},
		{"properties of items", `"a":{"items":{"properties":{"b":` + annotated + `}}}`, ""},
		{"prefixItems", `"a":{"prefixItems":[{},` + annotated + `]}`, ""},
		{"oneOf", ``, `,"oneOf":[{"properties":{"a":` + annotated + `}}]`},
		{"not", `"a":{"not":` + annotated + `}`, ""},
		{"then", ``, `,"if":{},"then":{"properties":{"a":` + annotated + `}}`},
		{"$defs", `"a":{"$ref":"#/$defs/r"}`, `,"$defs":{"r":` + annotated + `}`},
		{"patternProperties", ``, `,"patternProperties":{"^a":` + annotated + `}`},
		{"additionalProperties", ``, `,"additionalProperties":` + annotated},
		{"too many", strings.Join(many, ","), ""},
		{"too deep", deep, ""},
		{"escaped", `"a":{"type":"number","x-mcp\u002dheader":"Region"}`, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			tool := `{"name":"bad","inputSchema":{"type":"object","properties":{` + test.properties + `}` + test.rest + `}}`
			p := paramsOf(t, listOf(tool, sql))
			invalid := maps.Collect(p.Invalid())
			if reason := invalid["bad"]; len(invalid) != 1 || reason == "" || len(reason) > 200 {
				t.Fatalf("invalid = %v", invalid)
			}
			t.Log(invalid["bad"])
			frame, m := scan(t, callOf("sql", `{"region":"a"}`))
			if p.Check(nil, frame, m) == nil {
				t.Error("the other tool was not checked")
			}
		})
	}
}

func TestParamsValid(t *testing.T) {
	const annotated = `{"type":"string","x-mcp-header":"Region"}`
	for _, schema := range []string{
		`true`, `null`, `7`, `[]`, `"x-mcp-header"`, `{}`,
		`{"properties":[` + annotated + `]}`,
		`{"properties":{"x-mcp-header":{"type":"number"}}}`,
		`{"properties":{"a":{"type":"number","default":{"x-mcp-header":"Region"},"examples":[{"x-mcp-header":""}],"enum":[{"x-mcp-header":""}],"const":{"x-mcp-header":""}}}}`,
		`{"properties":{"a":{"description":"x-mcp-header"}},"required":["x-mcp-header"]}`,
	} {
		p := paramsOf(t, listOf(`{"name":"a","inputSchema":`+schema+`}`))
		if len(p.tools) != 0 {
			t.Errorf("%s: %+v", schema, p.tools)
		}
	}
	p := paramsOf(t, listOf(`{"name":"a","inputSchema":{"properties":{"properties":{"properties":{"type":`+annotated+`}},"$ref":{"type":"string","$ref":"#/x","x-mcp-header":"`+strings.Repeat("~", maxHeader)+`"}}}}`))
	if got := p.tools["a"].params; len(got) != 2 || !slices.Equal(got[0].path, []string{"properties", "type"}) {
		t.Errorf("%+v", p.tools)
	}
}

func TestParamsAdd(t *testing.T) {
	p := new(Params)
	frame, m := scan(t, `{"jsonrpc":"2.0","id":1,"result":{"tools":[7,null,{},{"name":5},`+sql+`],"nextCursor":"p\u0032"}}`)
	if next, err := p.Add(frame, m); next != "p2" || err != nil {
		t.Errorf("%q, %v", next, err)
	}
	frame, m = scan(t, listOf(toolOf("more", `"a":{"type":"string","x-mcp-header":"A"}`)))
	if next, err := p.Add(frame, m); next != "" || err != nil || len(p.tools) != 2 {
		t.Errorf("%q, %v, %d tools", next, err, len(p.tools))
	}
	frame, m = scan(t, listOf(toolOf("sql", `"region":{"type":"string"}`)))
	if _, err := p.Add(frame, m); err != nil || len(p.tools) != 1 {
		t.Errorf("%v, %d tools after a replacement", err, len(p.tools))
	}
	for _, text := range []string{
		`{"jsonrpc":"2.0","id":1,"result":{}}`, `{"jsonrpc":"2.0","id":1,"result":{"tools":{}}}`, `{"jsonrpc":"2.0","id":1,"result":[]}`,
		`{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"m"}}`, request("tools/list", `"tools":[],`),
	} {
		frame, m := scan(t, text)
		if _, err := p.Add(frame, m); err == nil {
			t.Errorf("no error for %s", text)
		}
	}
}

func TestParamsAddIsBounded(t *testing.T) {
	tools := make([]string, MaxTools+1)
	for i := range tools {
		tools[i] = toolOf("t"+strconv.Itoa(i), `"a":{"type":"string","x-mcp-header":"A"}`)
	}
	p := paramsOf(t, listOf(tools[:MaxTools]...), listOf(tools[:10]...))
	frame, m := scan(t, listOf(tools[MaxTools]))
	if _, err := p.Add(frame, m); err == nil || len(p.tools) != MaxTools {
		t.Errorf("%v, %d tools", err, len(p.tools))
	}
}

func TestAppendValid(t *testing.T) {
	bad := toolOf("bad", `"a":{"type":"number","x-mcp-header":"A"}`)
	tests := []struct{ name, list, want string }{
		{"none", `[]`, `[]`},
		{"all valid", "[ {} ,\n" + sql + ` ]`, "[ {} ,\n" + sql + ` ]`},
		{"first", `[ ` + bad + ` , ` + sql + ` ]`, `[ ` + sql + ` ]`},
		{"last", `[ ` + sql + ` , ` + bad + ` ]`, `[ ` + sql + ` ]`},
		{"middle", `[1,` + bad + `,2]`, `[1,2]`},
		{"several", `[` + bad + `,` + bad + `,1,` + bad + `,` + bad + `,2,` + bad + `]`, `[1,2]`},
		{"only", `[ ` + bad + ` ]`, `[  ]`},
		{"all invalid", `[` + bad + `, ` + bad + `]`, `[]`},
		{"no list", `{"a":` + bad + `}`, `{"a":` + bad + `}`},
	}
	for _, test := range tests {
		head, tail := `{"jsonrpc":"2.0","id":1,"result":{"a":1.0,"tools":`, `,"z" : [1, 2]}}`
		frame, m := scan(t, head+test.list+tail)
		if got, want := string(AppendValid(nil, frame, m)), head+test.want+tail; got != want {
			t.Errorf("%s: got %s, want %s", test.name, got, want)
		}
		scan(t, string(AppendValid(nil, frame, m)))
	}
}

func TestNumber(t *testing.T) {
	tests := []struct {
		raw, want string
		ok        bool
	}{
		{"0", "0", true}, {"-0", "0", true}, {"0e999999", "0", true}, {"0.000", "0", true},
		{"42", "42", true}, {"42.0", "42", true}, {"4.20e1", "42", true}, {"420E-1", "42", true}, {"-4200e-2", "-42", true},
		{"0.42e2", "42", true}, {"1e15", "1000000000000000", true}, {"9007199254740991", "9007199254740991", true},
		{"-9007199254740991", "-9007199254740991", true}, {"9007199254740991.000", "9007199254740991", true},
		{"9007199254740992", "", false}, {"1e16", "", false}, {"9999999999999999", "", false}, {"1e2147483647", "", false},
		{"1e-2147483648", "", false}, {"1e99999999999999999999", "", false}, {"1.5", "", false}, {"15e-2", "", false},
		{"", "", false}, {"-", "", false}, {"NaN", "", false}, {"Infinity", "", false}, {"1_0", "", false}, {" 1", "", false},
		{"null", "", false}, {"1 ", "", false}, {"1." + strings.Repeat("0", maxNumber-2), "1", true}, {"1." + strings.Repeat("0", maxNumber-1), "", false}, {strings.Repeat("1", maxNumber+1), "", false},
	}
	for _, test := range tests {
		got, ok := number([]byte(test.raw))
		if ok != test.ok || ok && got != test.want {
			t.Errorf("number(%.40q) = %q, %v; want %q, %v", test.raw, got, ok, test.want, test.ok)
		}
	}
}

func BenchmarkParamsCheck(b *testing.B) {
	p := paramsOf(b, listOf(sql))
	frame, m := scan(b, callOf("sql", `{"region":"us-west1","limit":42,"dry":true,"query":"SELECT * FROM users"}`))
	h := http.Header{}
	p.Derive(h, frame, m)
	b.ReportAllocs()
	for b.Loop() {
		if err := p.Check(h, frame, m); err != nil {
			b.Fatal(err)
		}
	}
}
