// SPDX-License-Identifier: Apache-2.0

package jsonrpc

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"
	"unicode/utf8"
)

// FuzzScan holds the scanner against encoding/json: what it accepts is JSON,
// and its spans are what a decoder finds.
func FuzzScan(f *testing.F) {
	for _, seed := range []string{
		callFrame,
		`{"jsonrpc":"2.0","id":"a","result":{"x":[1,-2.5e3,true,null,"\u00e9\ud83d\ude00"]}}`,
		`{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"m"}}`,
		`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":3,"_meta":{"a":{}}}}`,
		`{"\u006aSonrpc":"2.0"}`, `[]`, `{}`, "{\"jsonrpc\":\"2.0\",\r\n\"id\":1,\"method\":\"\\\"\"}",
		`{"jsonrpc":"2.0","id":1,"id":2,"method":"x"}`, "\xef\xbb\xbf{}", `{"a":"\ud800\"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		m, err := Scan(frame)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || m.Kind != Invalid {
				t.Fatalf("Scan = %+v, %v", m, err)
			}
			if m.ID.Present() && !json.Valid(m.ID.Of(frame)) {
				t.Fatalf("id %q of a refused frame", m.ID.Of(frame))
			}
			return
		}
		if !json.Valid(frame) || !utf8.Valid(frame) {
			t.Fatalf("accepted %q", frame)
		}
		checkSpans(t, frame, m)
		checkSplice(t, frame, m)
	})
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
	} {
		if got := check.span.Of(frame); !bytes.Equal(got, check.want) {
			t.Errorf("%s = %q, json finds %q in %q", check.name, got, check.want, frame)
		}
	}
	for name, want := range params {
		span, ok := Lookup(frame, m.Params, name)
		if got := span.Of(frame); !ok || !bytes.Equal(got, want) {
			if bytes.ContainsRune([]byte(name), '\\') || bytes.ContainsRune([]byte(name), utf8.RuneError) {
				continue // Is does not take such names
			}
			t.Errorf("Lookup(%q) = %q, %v; json finds %q in %q", name, got, ok, want, frame)
		}
	}
	var text string
	if m.Method.Present() && json.Unmarshal(m.Method.Of(frame), &text) == nil && Text(m.Method.Of(frame)) != text {
		t.Errorf("Text(%s) != %q", m.Method.Of(frame), text)
	}
}

func checkSplice(t *testing.T, frame []byte, m Message) {
	t.Helper()
	if !m.ID.Present() {
		return
	}
	id := bytes.Clone(m.ID.Of(frame))
	mapped := AppendSplice(nil, frame, Edit{m.ID, []byte("123456")})
	back, err := Scan(mapped)
	if err != nil || string(back.ID.Of(mapped)) != "123456" {
		if m.Kind == Response && string(id) == "null" {
			return
		}
		t.Fatalf("spliced %q: %v", mapped, err)
	}
	if again := AppendSplice(nil, mapped, Edit{back.ID, id}); !bytes.Equal(again, frame) {
		t.Errorf("%q came back as %q", frame, again)
	}
	folded := bytes.Clone(frame)
	Fold(folded)
	if _, err := Scan(folded); err != nil || bytes.ContainsAny(folded, "\r\n") {
		t.Errorf("folded %q: %v", folded, err)
	}
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
