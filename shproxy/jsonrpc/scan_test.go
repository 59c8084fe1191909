// SPDX-License-Identifier: Apache-2.0

package jsonrpc

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"unicode"
)

func TestScan(t *testing.T) {
	tests := []struct {
		name, frame string
		kind        Kind
		id, method  string
	}{
		{"request", `{"jsonrpc":"2.0","id":1,"method":"ping"}`, Request, "1", `"ping"`},
		{"string id", `{"jsonrpc":"2.0","id":"a\u0062","method":"ping"}`, Request, `"a\u0062"`, `"ping"`},
		{"big id", `{"id":123456789012345678901234567890,"jsonrpc":"2.0","method":"x"}`, Request, "123456789012345678901234567890", `"x"`},
		{"fractional id", `{"id":-1.50e+2,"jsonrpc":"2.0","method":"x"}`, Request, "-1.50e+2", `"x"`},
		{"notification", `{"jsonrpc":"2.0","method":"notifications/initialized"}`, Notification, "", `"notifications/initialized"`},
		{"result", `{"result":{},"jsonrpc":"2.0","id":7}`, Response, "7", ""},
		{"null result", `{"result":null,"jsonrpc":"2.0","id":7}`, Response, "7", ""},
		{"error", `{"jsonrpc":"2.0","id":7,"error":{"code":-1,"message":"m"}}`, Response, "7", ""},
		{"error without id", `{"jsonrpc":"2.0","error":{"code":-1,"message":"m"}}`, Response, "", ""},
		{"error with null id", `{"jsonrpc":"2.0","id":null,"error":{}}`, Response, "null", ""},
		{"white space", " \r\n{ \"jsonrpc\" : \"2.0\" ,\n\"method\" : \"x\" , \"id\" : 1 }\t\n", Request, "1", `"x"`},
		{"escaped names", `{"\u006asonrpc":"2\u002e0","\u0069d":3,"m\u0065thod":"x"}`, Request, "3", `"x"`},
		{"case variants in params of another method", `{"jsonrpc":"2.0","id":1,"method":"acme/x","params":{"Name":1,"URI":2,"name":3}}`, Request, "1", `"acme/x"`},
		{"case variants below what is read", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","arguments":{"Name":1,"name\u0000":2},"_meta":{"x":{"_Meta":1}}}}`, Request, "1", `"tools/call"`},
		{"case variants of a result", `{"jsonrpc":"2.0","id":1,"result":{"Result":1,"ID":2}}`, Response, "1", ""},
		{"params that are an array", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":[{"Name":1}]}`, Request, "1", `"tools/call"`},
		{"unknown members", `{"jsonrpc":"2.0","id":1,"method":"x","zz":[{"id":2,"id":3}],"params":[1,{"a":1,"a":2}]}`, Request, "1", `"x"`},
		{"null params", `{"jsonrpc":"2.0","id":1,"method":"x","params":null}`, Request, "1", `"x"`},
		{"many members", `{"jsonrpc":"2.0","id":1,"method":"x",` + members(40) + `}`, Request, "1", `"x"`},
		{"deep", `{"jsonrpc":"2.0","method":"x","d":` + strings.Repeat("[", MaxDepth-1) + strings.Repeat("]", MaxDepth-1) + `}`, Notification, "", `"x"`},
		{"lone surrogate", `{"jsonrpc":"2.0","method":"\ud800"}`, Notification, "", `"\ud800"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m, err := Scan([]byte(test.frame))
			if err != nil {
				t.Fatal(err)
			}
			frame := []byte(test.frame)
			if m.Kind != test.kind {
				t.Errorf("kind = %v, want %v", m.Kind, test.kind)
			}
			if got := string(m.ID.Of(frame)); got != test.id {
				t.Errorf("id = %s, want %s", got, test.id)
			}
			if got := string(m.Method.Of(frame)); got != test.method {
				t.Errorf("method = %s, want %s", got, test.method)
			}
		})
	}
}

func TestScanMeta(t *testing.T) {
	frame := []byte(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"progressToken":9,"name":"n","_meta":{"x":{"progressToken":8},"progressToken":"t\"1","io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/logLevel":"debug","io.modelcontextprotocol/subscriptionId":7}}}`)
	m, err := Scan(frame)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(m.ProgressToken.Of(frame)); got != `"t\"1"` {
		t.Errorf("progressToken = %s", got)
	}
	if got := Text(m.ProtocolVersion.Of(frame)); got != "2026-07-28" {
		t.Errorf("protocolVersion = %s", got)
	}
	if got := Text(m.LogLevel.Of(frame)); got != "debug" {
		t.Errorf("logLevel = %s", got)
	}
	if got := string(m.SubscriptionID.Of(frame)); got != "7" {
		t.Errorf("subscriptionId = %s", got)
	}
	if span, ok := Lookup(frame, m.Params, "name"); !ok || Text(span.Of(frame)) != "n" {
		t.Errorf("Lookup(name) = %s, %v", span.Of(frame), ok)
	}
	if span, ok := Lookup(frame, m.Params, "absent"); ok {
		t.Errorf("Lookup(absent) = %s", span.Of(frame))
	}
	if got := frame[m.Meta.Start]; got != '{' {
		t.Errorf("meta starts with %c", got)
	}
}

func TestScanRefuses(t *testing.T) {
	tests := []struct {
		name, frame string
		code        int
		id          string // known in spite of the error
	}{
		{"nothing", "", ParseError, ""},
		{"text", "listening on port 1", ParseError, ""},
		{"array", `[{"jsonrpc":"2.0","id":1,"method":"x"}]`, InvalidRequest, ""},
		{"string", `"x"`, InvalidRequest, ""},
		{"number", ` -1.5 `, InvalidRequest, ""},
		{"number and more", `1 listening`, ParseError, ""},
		{"literal and more", `true story`, ParseError, ""},
		{"cut off", `{"jsonrpc":"2.0","id":4,"result":{"a":"bc`, ParseError, "4"},
		{"trailing bytes", `{"jsonrpc":"2.0","id":4,"method":"x"} {}`, ParseError, "4"},
		{"byte order mark", "\ufeff" + `{"jsonrpc":"2.0","method":"x"}`, ParseError, ""},
		{"invalid UTF-8", "{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"\xff\"}", ParseError, "4"},
		{"invalid UTF-8 in the id", "{\"jsonrpc\":\"2.0\",\"id\":\"\xff\",\"method\":\"x\"}", ParseError, ""},
		{"invalid UTF-8 in the id, cut off", "{\"jsonrpc\":\"2.0\",\"id\":\"\xff\"", ParseError, ""},
		{"overlong UTF-8", "{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"\xc0\xaf\"}", ParseError, "4"},
		{"control character", "{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"12345678\n\"}", ParseError, "4"},
		{"bad escape", `{"jsonrpc":"2.0","id":4,"method":"\x"}`, ParseError, "4"},
		{"bad hex", `{"jsonrpc":"2.0","id":4,"method":"\u12g4"}`, ParseError, "4"},
		{"leading zero", `{"jsonrpc":"2.0","id":4,"method":"x","n":01}`, ParseError, "4"},
		{"bare minus", `{"jsonrpc":"2.0","id":4,"method":"x","n":-}`, ParseError, "4"},
		{"no exponent", `{"jsonrpc":"2.0","id":4,"method":"x","n":1e}`, ParseError, "4"},
		{"literal", `{"jsonrpc":"2.0","id":4,"method":"x","n":nul}`, ParseError, "4"},
		{"comma", `{"jsonrpc":"2.0","id":4,"method":"x",}`, ParseError, "4"},
		{"too deep", `{"jsonrpc":"2.0","id":4,"method":"x","d":` + strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth) + `}`, ParseError, "4"},
		{"no version", `{"id":4,"method":"x"}`, InvalidRequest, "4"},
		{"other version", `{"jsonrpc":"1.0","id":4,"method":"x"}`, InvalidRequest, "4"},
		{"number version", `{"jsonrpc":2.0,"id":4,"method":"x"}`, InvalidRequest, "4"},
		{"object id", `{"jsonrpc":"2.0","id":{},"method":"x"}`, InvalidRequest, ""},
		{"bool id", `{"jsonrpc":"2.0","id":true,"method":"x"}`, InvalidRequest, ""},
		{"null id", `{"jsonrpc":"2.0","id":null,"method":"x"}`, InvalidRequest, "null"},
		{"null id of a result", `{"jsonrpc":"2.0","id":null,"result":1}`, InvalidRequest, "null"},
		{"long id", `{"jsonrpc":"2.0","id":"` + strings.Repeat("i", MaxID) + `","method":"x"}`, InvalidRequest, ""},
		{"number method", `{"jsonrpc":"2.0","id":4,"method":1}`, InvalidRequest, "4"},
		{"string params", `{"jsonrpc":"2.0","id":4,"method":"x","params":"y"}`, InvalidRequest, "4"},
		{"nothing said", `{"jsonrpc":"2.0","id":4}`, InvalidRequest, "4"},
		{"result and error", `{"jsonrpc":"2.0","id":4,"result":1,"error":{}}`, InvalidRequest, "4"},
		{"method and result", `{"jsonrpc":"2.0","id":4,"result":1,"method":"x"}`, InvalidRequest, "4"},
		{"result without id", `{"jsonrpc":"2.0","result":1}`, InvalidRequest, ""},
		{"two ids", `{"jsonrpc":"2.0","id":4,"id":5,"method":"x"}`, InvalidRequest, ""},
		{"two methods", `{"jsonrpc":"2.0","id":4,"method":"x","method":"y"}`, InvalidRequest, "4"},
		{"two methods, one escaped", `{"jsonrpc":"2.0","id":4,"method":"x","m\u0065thod":"y"}`, InvalidRequest, "4"},
		{"two methods, escaped first", `{"jsonrpc":"2.0","id":4,"m\u0065thod":"x","method":"y"}`, InvalidRequest, "4"},
		{"two names in params", `{"jsonrpc":"2.0","id":4,"method":"x","params":{"name":"a","name":"b"}}`, InvalidRequest, "4"},
		{"two members in _meta", `{"jsonrpc":"2.0","id":4,"method":"x","params":{"_meta":{"a":1,"a":2}}}`, InvalidRequest, "4"},
		{"name in another case", `{"jsonrpc":"2.0","id":4,"method":"x","Method":"y"}`, InvalidRequest, "4"},
		{"name in another case alone", `{"jsonrpc":"2.0","id":4,"METHOD":"y"}`, InvalidRequest, "4"},
		{"name in another case, escaped", `{"jsonrpc":"2.0","id":4,"method":"x","\u004dethod":"y"}`, InvalidRequest, "4"},
		{"name with the long s", `{"jsonrpc":"2.0","id":4,"method":"x","param` + "\u017f" + `":{}}`, InvalidRequest, "4"},
		{"name with the long s, escaped", `{"jsonrpc":"2.0","id":4,"method":"x","param\u017f":{}}`, InvalidRequest, "4"},
		{"id in another case", `{"jsonrpc":"2.0","id":4,"ID":5,"method":"x"}`, InvalidRequest, ""},
		{"_meta in another case", `{"jsonrpc":"2.0","id":4,"method":"x","params":{"_META":{}}}`, InvalidRequest, "4"},
		{"token with the Kelvin sign", `{"jsonrpc":"2.0","id":4,"method":"x","params":{"_meta":{"progressTo` + "\u212a" + `en":1}}}`, InvalidRequest, "4"},
		{"version in another case", `{"jsonrpc":"2.0","id":4,"method":"x","params":{"_meta":{"IO.modelcontextprotocol/protocolVersion":1}}}`, InvalidRequest, "4"},
		{"tool name in another case", `{"jsonrpc":"2.0","id":4,"method":"tools/call","params":{"name":"a","Name":"b"}}`, InvalidRequest, "4"},
		{"tool name in another case before the method", `{"jsonrpc":"2.0","params":{"NAME":"b"},"id":4,"method":"tools\/call"}`, InvalidRequest, "4"},
		{"uri in another case", `{"jsonrpc":"2.0","id":4,"method":"resources/read","params":{"URI":"b"}}`, InvalidRequest, "4"},
		{"cancelled id in another case", `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1,"RequestID":2}}`, InvalidRequest, ""},
		{"NUL in a name", `{"jsonrpc":"2.0","id":4,"method":"x","method\u0000":"y"}`, InvalidRequest, "4"},
		{"NUL in the name of the id", `{"jsonrpc":"2.0","id\u0000":4,"method":"x"}`, InvalidRequest, ""},
		{"NUL in a name of params", `{"jsonrpc":"2.0","id":4,"method":"tools/call","params":{"name\u0000x":"y"}}`, InvalidRequest, "4"},
		{"two of many members", `{"jsonrpc":"2.0","id":4,"method":"x",` + members(40) + `,"m3":1}`, InvalidRequest, "4"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m, err := Scan([]byte(test.frame))
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("Scan = %+v, %v; want an *Error", m, err)
			}
			if e.Code != test.code {
				t.Errorf("code = %d (%v), want %d", e.Code, err, test.code)
			}
			if m.Kind != Invalid {
				t.Errorf("kind = %v", m.Kind)
			}
			if got := string(m.ID.Of([]byte(test.frame))); got != test.id {
				t.Errorf("id = %s, want %s", got, test.id)
			}
		})
	}
}

// members returns n distinct members.
func members(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`"m` + string(rune('0'+i/10)) + string(rune('0'+i%10)) + `":1`)
	}
	b.WriteString(`,"m3":2`)
	return b.String()
}

// What a frame says does not make the error as large as the frame.
func TestErrorIsShort(t *testing.T) {
	name := strings.Repeat("n", 1<<20)
	_, err := Scan([]byte(`{"` + name + `":1,"` + name + `":2}`))
	if err == nil || len(err.Error()) > 200 || !strings.Contains(err.Error(), `duplicate member "nnn`) {
		t.Errorf("%.300v", err)
	}
}

// plain looks at several bytes at a time: at every position and length it
// must find what a loop over single bytes finds.
func TestPlain(t *testing.T) {
	for length := range 80 {
		for at := range length + 1 {
			for _, c := range []byte{'"', '\\', 0, '\n', 0x1f, ' ', '!', '#', '[', ']', 0x7f, 0x80, 0xa2, 0xdc, 0xff} {
				b := bytes.Repeat([]byte{'a'}, length)
				want, high := length, false
				if at < length {
					b[at] = c
					if high = c >= 0x80; c == '"' || c == '\\' || c < ' ' {
						want = at
					}
				}
				if got, seen := plain(b, 0); got != want || high && seen&highs == 0 {
					t.Fatalf("%q: stopped at %d, want %d; seen %x", b, got, want, seen)
				}
			}
		}
	}
}

// Every name that is read is recognized in every other case.
func TestFind(t *testing.T) {
	for l, known := range fields {
		for _, k := range known {
			if f, exact := find(level(l), k.name); f != k.field || !exact {
				t.Errorf("%s is %v, %v", k.name, f, exact)
			}
			for i, c := range string(k.name) {
				for other := unicode.SimpleFold(c); other != c; other = unicode.SimpleFold(other) {
					disguised := string(k.name[:i]) + string(other) + string(k.name[i+1:])
					if f, exact := find(level(l), []byte(disguised)); f != k.field || exact {
						t.Errorf("%s is %v, %v", disguised, f, exact)
					}
				}
			}
		}
	}
}
