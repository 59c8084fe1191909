// SPDX-License-Identifier: Apache-2.0

package mcpheader

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// What is derived for a call is what is checked, for random schemas and
// arguments; and after a change of any header it is not.
func TestParamsDeriveFitsCheck(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	mirrored := 0
	for range 500 {
		g := generator{Rand: r}
		schema, arguments := g.object(0)
		tool, err := json.Marshal(map[string]any{"name": "t", "inputSchema": schema})
		if err != nil {
			t.Fatal(err)
		}
		args, err := json.Marshal(arguments)
		if err != nil {
			t.Fatal(err)
		}
		p := paramsOf(t, listOf(string(tool)))
		for name, reason := range p.Invalid() {
			t.Fatalf("%s: %s", name, reason)
		}
		frame, m := scan(t, callOf("t", string(args)))
		h := http.Header{}
		Derive(h, frame, m)
		p.Derive(h, frame, m)
		if err := p.Check(h, frame, m); err != nil {
			t.Fatalf("%v\n%s\n%s\n%q", err, tool, frame, h)
		}
		if got := len(h) - 3; got != g.mirrored {
			t.Fatalf("%d headers, want %d\n%s\n%s\n%q", got, g.mirrored, tool, frame, h)
		}
		mirrored += g.mirrored
		checkChanges(t, p, h, frame, m)
	}
	if mirrored < 300 {
		t.Errorf("only %d arguments had a header", mirrored)
	}
}

// checkChanges takes headers away and changes them, one at a time.
func checkChanges(t *testing.T, p *Params, h http.Header, frame []byte, m jsonrpc.Message) {
	t.Helper()
	for _, key := range slices.Collect(maps.Keys(h)) {
		if !strings.HasPrefix(key, ParamPrefix) {
			continue
		}
		value := h.Get(key)
		for _, other := range [][]string{nil, {""}, {"x" + value}, {value + "0"}, {value, value}} {
			text, err := Decode(value)
			if len(other) == 1 && other[0] == "" && err == nil && text == "" {
				continue // the other spelling of the empty text
			}
			if h[key] = other; p.Check(h, frame, m) == nil {
				t.Fatalf("%s as %q passes for %s", key, other, frame)
			}
		}
		h.Set(key, value)
	}
}

// generator makes schemas together with arguments that fit them.
type generator struct {
	*rand.Rand
	annotations int
	mirrored    int // arguments that need a header
}

func (g *generator) object(depth int) (schema, value map[string]any) {
	properties := map[string]any{}
	value = map[string]any{}
	for i := range g.IntN(5) {
		name := []string{"a", "Name", "é\n", "x y", "", "\\\"", "properties"}[g.IntN(7)] + fmt.Sprint(i)
		var property map[string]any
		var v any
		if g.IntN(4) == 0 && depth < 3 {
			property, v = g.object(depth + 1)
		} else {
			property, v = g.primitive()
		}
		properties[name] = property
		if v != nil || g.IntN(2) == 0 {
			value[name] = v
		}
	}
	return map[string]any{"type": "object", "properties": properties}, value
}

func (g *generator) primitive() (map[string]any, any) {
	kind := []string{"string", "integer", "boolean", "number"}[g.IntN(4)]
	property := map[string]any{"type": kind}
	value := map[string]any{
		"string":  []string{"", "a", " a", "é", "=?base64?x?=", "line\r\nline", "42", "\x00", strings.Repeat("long", 500)}[g.IntN(9)],
		"integer": []any{0, -7, 42, json.Number("42.0"), json.Number("1E3"), maxSafe, -maxSafe}[g.IntN(7)],
		"boolean": g.IntN(2) == 0,
		"number":  g.NormFloat64(),
	}[kind]
	if kind == "number" || g.IntN(3) == 0 {
		return property, value
	}
	property["x-mcp-header"] = []string{"Param-", "x_", "MCP-", "~"}[g.IntN(4)] + fmt.Sprint(g.annotations)
	g.annotations++
	if g.IntN(3) == 0 {
		return property, nil
	}
	g.mirrored++
	return property, value
}

// FuzzParams gives the reader any schema and any arguments: it must not fail,
// must agree with itself, and must find a header wherever encoding/json finds
// an annotation at the top.
func FuzzParams(f *testing.F) {
	f.Add(`{"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"}}}`, `{"region":"us-west1"}`)
	f.Add(`{"properties":{"a":{"type":"integer","x-mcp-header":"A"},"b":{"properties":{"c":{"type":"boolean","x-mcp-header":"B"}}}}}`, `{"a":4.2e1,"b":{"c":false}}`)
	f.Add(`{"items":{"x-mcp\u002dheader":"a"}}`, `[]`)
	f.Add(`{"properties":{"a":{"type":"string","x-mcp-header":"A"}}}`, `{"a":"\ud800","a":" "}`)
	f.Add(`{"properTies":{"a":{"type":"string","x-mcp-header":"A"}}}`, `{"a":"b"}`)
	f.Fuzz(func(t *testing.T, schema, arguments string) {
		list := []byte(listOf(`{"name":"t","inputSchema":` + schema + `}`))
		lm, err := jsonrpc.Scan(list)
		if err != nil {
			return
		}
		p := new(Params)
		if _, err := p.Add(list, lm); err != nil {
			return
		}
		invalid := len(maps.Collect(p.Invalid())) > 0
		if valid := AppendValid(nil, list, lm); invalid == (len(valid) == len(list)) {
			t.Errorf("invalid is %v, but %s became %s", invalid, list, valid)
		} else if _, err := jsonrpc.Scan(valid); err != nil {
			t.Errorf("%s: %v", valid, err)
		}
		frame := []byte(callOf("t", arguments))
		m, err := jsonrpc.Scan(frame)
		if err != nil {
			return
		}
		h := http.Header{}
		p.Derive(h, frame, m)
		checkDerived(t, h, schema, arguments, invalid)
		if err := p.Check(h, frame, m); err == nil {
			checkChanges(t, p, h, frame, m)
		}
	})
}

func checkDerived(t *testing.T, h http.Header, schema, arguments string, invalid bool) {
	t.Helper()
	if invalid && len(h) > 0 {
		t.Errorf("headers %v for an invalid schema %s", h, schema)
	}
	for key, values := range h {
		if len(values) != 1 || !isToken(key) || !visible(values[0]) {
			t.Errorf("header %q: %q", key, values)
		}
	}
	// Maps, since the fields of structs match names in other cases, too.
	var s, properties map[string]json.RawMessage
	var args map[string]any
	if invalid || json.Unmarshal([]byte(schema), &s) != nil || json.Unmarshal(s["properties"], &properties) != nil ||
		json.Unmarshal([]byte(arguments), &args) != nil {
		return
	}
	for name, raw := range properties {
		var property map[string]any
		_ = json.Unmarshal(raw, &property)
		header, _ := property["x-mcp-header"].(string)
		text, isText := args[name].(string)
		key := http.CanonicalHeaderKey(ParamPrefix + header)
		if header == "" || !isText || strings.Count(arguments, ":") != len(args) || strings.Count(schema, "roperties") > 1 {
			continue
		}
		if values := h[key]; len(values) != 1 {
			t.Errorf("no %s for %q in %s by %s", key, name, arguments, schema)
		} else if got, err := Decode(values[0]); got != text || err != nil {
			t.Errorf("%s is %q, %v; want %q", key, got, err, text)
		}
	}
}

// FuzzDerive holds the halves of the client and the server against each other
// for any message: what is derived passes, on the wire too, unless the version
// or the method is one that no header can carry.
func FuzzDerive(f *testing.F) {
	f.Add(request("tools/call", `"name":"x",`))
	f.Add(request("tools/call", `"name":" =?base64?eA==?= \ud800",`))
	f.Add(request("resources/read", `"uri":"file:///é",`))
	f.Add(request("tasks/get", `"taskId":"",`))
	f.Add(request("prompts\\/get", `"n\u0061me":7,`))
	f.Add(request(" tools/list\\n", ""))
	f.Add(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{` + metaMember + `}}`)
	f.Add(`{"jsonrpc":"2.0","id":1,"result":{}}`)
	f.Fuzz(func(t *testing.T, text string) {
		frame := []byte(text)
		m, err := jsonrpc.Scan(frame)
		if err != nil {
			return
		}
		h := headers(Name, "stale", Method, "stale", ProtocolVersion, "stale")
		Derive(h, frame, m)
		for key, values := range h {
			if len(values) != 1 || !visible(values[0]) || trim(values[0]) != values[0] {
				t.Fatalf("%s: %q", key, values)
			}
		}
		err = Check(h, frame, m)
		carried := true
		for _, span := range []jsonrpc.Span{m.Method, m.ProtocolVersion} {
			carried = carried && (!isString(frame, span) || plain(jsonrpc.Text(span.Of(frame))))
		}
		if carried && err != nil {
			t.Fatalf("%v\n%s\n%q", err, frame, h)
		}
	})
}
