// SPDX-License-Identifier: Apache-2.0

package child

import (
	"bytes"
	"strings"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

func TestOutline(t *testing.T) {
	big := strings.Repeat(`x`, 1000)
	tests := []struct {
		name, text string
		ends       int // bytes of each end that are known; 0 is all
		id         string
		method     bool
	}{
		{"complete", `{"jsonrpc":"2.0","id":7,"result":{"id":8,"method":"m"}}`, 0, `7`, false},
		{"request", ` { "jsonrpc" : "2.0" , "id" : "a\"b" , "method" : "m" } `, 0, `"a\"b"`, true},
		{"notification", `{"jsonrpc":"2.0","method":"m","params":{"id":3}}`, 0, ``, true},
		{"NaN", `{"jsonrpc":"2.0","result":{"x":NaN},"id":7}`, 0, `7`, false},
		{"raw quote", `{"jsonrpc":"2.0","result":{"x":"a"b"},"id":7}`, 0, `7`, false},
		{"brackets in text", `{"jsonrpc":"2.0","result":"}]{[\\\"","id":7}`, 0, `7`, false},
		{"truncated", `{"jsonrpc":"2.0","id":7,"result":{"x":[1,2`, 0, `7`, false},
		{"truncated id", `{"jsonrpc":"2.0","id":7`, 0, ``, false},
		{"two ids", `{"jsonrpc":"2.0","id":7,"id":8,"result":{}}`, 0, ``, false},
		{"same id twice", `{"jsonrpc":"2.0","id":7,"id":7,"result":{}}`, 0, `7`, false},
		{"null id", `{"jsonrpc":"2.0","id":null,"error":{}}`, 0, ``, false},
		{"object as id", `{"jsonrpc":"2.0","id":{"id":7},"result":{}}`, 0, ``, false},
		{"invalid UTF-8", "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":\"\xff\"}", 0, `7`, false},
		{"id in front", `{"jsonrpc":"2.0","id":7,"result":"` + big + `"}`, 40, `7`, false},
		{"id at the end", `{"jsonrpc":"2.0","result":"` + big + `","id":7}`, 40, `7`, false},
		{"id near the end", `{"result":"` + big + `","id":"x","a":[{"id":1}],"jsonrpc":"2.0"}`, 60, `"x"`, false},
		{"id cut off in front", `{"jsonrpc":"2.0","result":1,"id":712345678,"x":"` + big + `"}`, 35, ``, false},
		{"id nowhere", `{"jsonrpc":"2.0","a":"` + big + `","id":7,"b":"` + big + `"}`, 40, ``, false},
		{"id only inside", `{"jsonrpc":"2.0","result":{"a":"` + big + `","id":7}}`, 40, ``, false},
		{"method at the end", `{"jsonrpc":"2.0","id":7,"params":"` + big + `","method":"m"}`, 40, `7`, true},
		{"empty", ``, 0, ``, false},
		{"brackets", `}}}{{{:,"`, 0, ``, false},
		{"colons", `{:1,::7,}`, 0, ``, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			text := []byte(test.text)
			beginning, end := text, text
			if test.ends > 0 {
				beginning, end = text[:test.ends], text[len(text)-test.ends:]
			}
			o := outlineOf(beginning, end)
			if string(o.id) != test.id || o.method != test.method {
				t.Errorf("id %s, method %v; want %s, %v", o.id, o.method, test.id, test.method)
			}
		})
	}
}

// FuzzOutline compares with a strict scan where that has a result.
func FuzzOutline(f *testing.F) {
	f.Add([]byte(`{"jsonrpc":"2.0","id":7,"result":{"id":8,"method":"m"}}`), uint16(5))
	f.Add([]byte(`{"jsonrpc":"2.0","params":["\\\"}",{}],"id":"\"","method":"m"}`), uint16(20))
	f.Add([]byte(`{:"",":}`), uint16(3))
	f.Fuzz(func(t *testing.T, text []byte, cut uint16) {
		at := min(int(cut), len(text))
		_ = outlineOf(text[:at], text[at:]) // must not fail, whatever it says
		m, err := jsonrpc.Scan(text)
		if err != nil || bytes.Contains(text, []byte(`\u`)) { // names may be escaped
			return
		}
		text = bytes.TrimSpace(text)
		m, err = jsonrpc.Scan(text)
		if err != nil {
			t.Fatal(err)
		}
		want := string(m.ID.Of(text))
		if want == "null" {
			want = ""
		}
		var forward, backward outline
		forward.forward(text)
		backward.backward(text)
		for name, o := range map[string]outline{"forward": forward, "backward": backward} {
			if string(o.id) != want || o.method != m.Method.Present() || !o.version {
				t.Errorf("%s: %+v of %s", name, o, text)
			}
		}
	})
}
