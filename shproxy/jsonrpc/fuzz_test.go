// SPDX-License-Identifier: Apache-2.0

package jsonrpc

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

var scanSeeds = []string{
	callFrame,
	`{"jsonrpc":"2.0","id":"a","result":{"x":[1,-2.5e3,true,null,"\u00e9\ud83d\ude00"]}}`,
	`{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"m"}}`,
	`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":3,"_meta":{"a":{}}}}`,
	`{"\u006aSonrpc":"2.0"}`, `[]`, `{}`, "{\"jsonrpc\":\"2.0\",\r\n\"id\":1,\"method\":\"\\\"\"}",
	`{"jsonrpc":"2.0","id":1,"id":2,"method":"x"}`, "\xef\xbb\xbf{}", `{"a":"\ud800\"}`,
	`{"jsonrpc":"2.0","id":1,"Method":"x"}`, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","NAME":"b"}}`,
	`{"jsonrpc":"2.0","id":1,"method":"x","params":{"progre\u017fsToken":1,"_meta":{"PROGRESSTOKEN":1}}}`,
	`{"jsonrpc":"2.0","method\u0000":"x"}`, `{"jsonrpc":"2.0","method":"x","a":[[{},[]],{"b":{"c":[]}}]}`,
	"{\"jsonrpc\":\"2.0\",\"method\":\"x\",\"long\":\"0123456789012345678901234567890123456789\xc3\xa9\xc3\"}",
}

// FuzzScan holds the scanner against encoding/json and the rules that the
// package documents: it accepts the frames that both accept, and no other,
// and its spans are what a decoder finds.
func FuzzScan(f *testing.F) {
	for _, seed := range scanSeeds {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		m, err := Scan(frame)
		if broken := brokenRule(frame); (broken == "") != (err == nil) {
			t.Fatalf("Scan(%q) = %v, but rule: %s", frame, err, broken)
		}
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || m.Kind != Invalid {
				t.Fatalf("Scan = %+v, %v", m, err)
			}
			if m.ID.Present() && (!json.Valid(m.ID.Of(frame)) || !utf8.Valid(m.ID.Of(frame))) {
				t.Fatalf("id %q of a refused frame", m.ID.Of(frame))
			}
			if e.Code == ParseError && strict(frame) {
				t.Fatalf("Scan(%q) = %v, but it is JSON", frame, err)
			}
			return
		}
		checkSpans(t, frame, m)
		checkSplice(t, frame, m)
	})
}

// strict reports whether frame is JSON by the rules of this package.
func strict(frame []byte) bool {
	depth, most := 0, 0
	inString := false
	for i := 0; i < len(frame); i++ {
		switch c := frame[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case !inString && (c == '{' || c == '['):
			depth++
			most = max(most, depth)
		case !inString && (c == '}' || c == ']'):
			depth--
		}
	}
	return json.Valid(frame) && utf8.Valid(frame) && most <= MaxDepth
}

// brokenRule names a rule that frame breaks, found with encoding/json alone.
func brokenRule(frame []byte) string {
	if !strict(frame) {
		return "JSON"
	}
	all, rule := readObject(frame, "jsonrpc", "id", "method", "params", "result", "error")
	if rule != "" {
		return rule
	}
	var method, version string
	_, _ = json.Unmarshal(all["method"], &method), json.Unmarshal(all["jsonrpc"], &version)
	has := func(name string) bool { return all[name] != nil }
	if p := all["params"]; p != nil {
		switch {
		case p[0] != '{' && p[0] != '[' && p[0] != 'n':
			return "params"
		case p[0] == '{':
			watched := []string{"_meta"}
			for _, f := range paramsOf[method] {
				watched = append(watched, string(fields[params][slices.IndexFunc(fields[params], func(k known) bool { return k.field == f })].name))
			}
			members, rule := readObject(p, watched...)
			if rule != "" {
				return "params: " + rule
			}
			if m := members["_meta"]; m != nil && m[0] == '{' {
				if _, rule := readObject(m, "progressToken", MetaProtocolVersion, MetaClientInfo, MetaClientCapabilities, MetaLogLevel, MetaSubscriptionID); rule != "" {
					return "_meta: " + rule
				}
			}
		}
	}
	id := all["id"]
	switch {
	case version != "2.0":
		return "version"
	case has("method") && all["method"][0] != '"':
		return "method"
	case has("id") && bytes.IndexByte([]byte(`"n-0123456789`), id[0]) < 0, len(id) > MaxID:
		return "id"
	case has("id") && id[0] == 'n' && !has("error"):
		return "null id"
	case has("method") == (has("result") || has("error")), has("result") && has("error"), has("result") && !has("id"):
		return "kind"
	}
	return ""
}

// readObject decodes one object. watched are the names of which no case
// variant may occur.
func readObject(raw []byte, watched ...string) (map[string]json.RawMessage, string) {
	d := json.NewDecoder(bytes.NewReader(raw))
	if token, err := d.Token(); err != nil || token != json.Delim('{') {
		return nil, "object"
	}
	all := map[string]json.RawMessage{}
	for d.More() {
		token, err := d.Token()
		name, ok := token.(string)
		var value json.RawMessage
		if err != nil || !ok || d.Decode(&value) != nil {
			return nil, "member"
		}
		if all[name] != nil {
			return nil, "duplicate"
		}
		if strings.Contains(name, "\x00") {
			return nil, "NUL"
		}
		for _, w := range watched {
			if name != w && strings.EqualFold(name, w) {
				return nil, "case"
			}
		}
		all[name] = value
	}
	return all, ""
}

func checkSpans(t *testing.T, frame []byte, m Message) {
	t.Helper()
	var all, params, meta map[string]json.RawMessage
	if err := json.Unmarshal(frame, &all); err != nil {
		t.Fatalf("json: %v of %q", err, frame)
	}
	if json.Unmarshal(all["params"], &params) == nil {
		_ = json.Unmarshal(params["_meta"], &meta)
	}
	for _, check := range []struct {
		name string
		span Span
		want json.RawMessage
	}{
		{"id", m.ID, all["id"]}, {"method", m.Method, all["method"]}, {"params", m.Params, all["params"]},
		{"result", m.Result, all["result"]}, {"error", m.Error, all["error"]},
		{"progressToken", m.ProgressToken, meta["progressToken"]},
		{"protocolVersion", m.ProtocolVersion, meta[MetaProtocolVersion]},
		{"logLevel", m.LogLevel, meta[MetaLogLevel]},
		{"subscriptionId", m.SubscriptionID, meta[MetaSubscriptionID]},
	} {
		if got := check.span.Of(frame); !bytes.Equal(got, check.want) {
			t.Errorf("%s = %q, json finds %q in %q", check.name, got, check.want, frame)
		}
	}
	var text string
	if m.Method.Present() && json.Unmarshal(m.Method.Of(frame), &text) == nil && Text(m.Method.Of(frame)) != text {
		t.Errorf("Text(%s) != %q", m.Method.Of(frame), text)
	}
}

func checkSplice(t *testing.T, frame []byte, m Message) {
	t.Helper()
	folded := bytes.Clone(frame)
	Fold(folded)
	if _, err := Scan(folded); err != nil || bytes.ContainsAny(folded, "\r\n") {
		t.Errorf("folded %q: %v", folded, err)
	}
	var same []Edit
	for _, span := range []Span{m.ID, m.Method, m.Result, m.Error, m.Params, m.ProgressToken, m.ProtocolVersion, m.LogLevel, m.SubscriptionID} {
		edit := Edit{span, span.Of(frame)}
		if got := AppendSplice([]byte("x"), frame, edit); string(got) != "x"+string(frame) {
			t.Errorf("%q with %q spliced in again is %q", frame, edit.With, got)
		}
		if span.Present() && span != m.Params {
			same = append(same, edit)
		}
	}
	slices.SortFunc(same, func(a, b Edit) int { return a.Span.Start - b.Span.Start })
	if got := AppendSplice(nil, frame, same...); !bytes.Equal(got, frame) {
		t.Errorf("%q with every member spliced in again is %q", frame, got)
	}
	id := bytes.Clone(m.ID.Of(frame))
	if len(id) == 0 || string(id) == "null" {
		return
	}
	mapped := AppendSplice(nil, frame, Edit{m.ID, []byte("123456")})
	back, err := Scan(mapped)
	if err != nil || string(back.ID.Of(mapped)) != "123456" || back.Kind != m.Kind {
		t.Fatalf("spliced %q: %v", mapped, err)
	}
	if again := AppendSplice(nil, mapped, Edit{back.ID, id}); !bytes.Equal(again, frame) {
		t.Errorf("%q came back as %q", frame, again)
	}
}

// FuzzElements compares with encoding/json, too, and checks that no byte of a
// batch is in none of its elements but structure and white space.
func FuzzElements(f *testing.F) {
	for _, seed := range scanSeeds {
		f.Add([]byte(seed))
		f.Add([]byte("[" + seed + ",\n" + seed + " ]"))
	}
	f.Add([]byte(`[1,"]",[[]],{}] `))
	f.Add([]byte("[1\x00]"))
	f.Fuzz(func(t *testing.T, frame []byte) {
		spans, err := Elements(frame)
		var want []json.RawMessage
		jsonErr := json.Unmarshal(frame, &want)
		if err != nil {
			e, ok := errors.AsType[*Error](err)
			if !ok || spans != nil || strict(frame) && (e.Code == ParseError || jsonErr == nil && 0 < len(want) && len(want) <= MaxBatch) {
				t.Fatalf("Elements(%q) = %v, %v", frame, spans, err)
			}
			return
		}
		if jsonErr != nil || !utf8.Valid(frame) || len(want) != len(spans) {
			t.Fatalf("Elements(%q) = %v, json finds %q, %v", frame, spans, want, jsonErr)
		}
		rest := bytes.Clone(frame)
		for i, span := range spans {
			if !bytes.Equal(span.Of(frame), want[i]) {
				t.Errorf("element %d is %q, want %q", i, span.Of(frame), want[i])
			}
			for j := span.Start; j < span.End; j++ {
				rest[j] = ' '
			}
		}
		if other := strings.Trim(string(rest), " \t\r\n[,]"); other != "" {
			t.Errorf("%q is in no element of %q", other, frame)
		}
	})
}

// FuzzWalk compares Members, Items and Lookup with encoding/json.
func FuzzWalk(f *testing.F) {
	for _, seed := range scanSeeds {
		f.Add([]byte(seed))
		f.Add([]byte("[" + seed + ",\n" + seed + " ]"))
	}
	f.Add([]byte(`{"a":1,"\u0061":{"a":"}"} , "\\a":[ ]}`))
	f.Fuzz(func(t *testing.T, frame []byte) {
		span := Span{0, len(frame)}
		for _, s := range Members(frame, span) { // must end whatever this is
			_ = s.Of(frame)
		}
		frame = bytes.Trim(frame, " \t\r\n")
		if span = (Span{0, len(frame)}); !strict(frame) {
			return
		}
		var items []json.RawMessage
		_ = json.Unmarshal(frame, &items)
		i := 0
		for item := range Items(frame, span) {
			if !bytes.Equal(item.Of(frame), items[i]) {
				t.Errorf("item %d is %q, want %q", i, item.Of(frame), items[i])
			}
			i++
		}
		if i != len(items) {
			t.Errorf("%d items, want %d", i, len(items))
		}
		var members map[string]json.RawMessage
		_ = json.Unmarshal(frame, &members)
		names := map[string]bool{}
		for name := range Members(frame, span) {
			names[Text(name.Of(frame))] = true
		}
		if len(names) != len(members) {
			t.Errorf("%d names, want %d", len(names), len(members))
		}
		for name, want := range members {
			if span, ok := Lookup(frame, span, name); !ok || !bytes.Equal(span.Of(frame), want) {
				t.Errorf("Lookup(%q) = %q, %v; json finds %q in %q", name, span.Of(frame), ok, want, frame)
			}
		}
	})
}

func FuzzAppendError(f *testing.F) {
	f.Add("plain", "more")
	f.Add("quote \" slash \\ line \n del \x7f bad \xff", "\u2028")
	f.Fuzz(func(t *testing.T, message, id string) {
		rawID := AppendString(nil, id)
		frame := AppendError(nil, rawID, InternalError, message, nil)
		if len(rawID) > MaxID {
			return
		}
		m, err := Scan(frame)
		if err != nil || m.Kind != Response {
			t.Fatalf("Scan(%q) = %+v, %v", frame, m, err)
		}
		var decoded struct {
			ID    string
			Error struct {
				Code    int
				Message string
			}
		}
		if err := json.Unmarshal(frame, &decoded); err != nil {
			t.Fatal(err)
		}
		if want := string([]rune(message)); decoded.Error.Message != want || decoded.ID != string([]rune(id)) {
			t.Errorf("%q decodes to %+v", frame, decoded)
		}
	})
}
