// SPDX-License-Identifier: Apache-2.0

package mcpheader

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// scan returns a frame and its message.
func scan(t testing.TB, text string) ([]byte, jsonrpc.Message) {
	t.Helper()
	m, err := jsonrpc.Scan([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return []byte(text), m
}

const metaMember = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}`

// request returns a modern request. members, of params, ends in a comma.
func request(method, members string) string {
	return `{"jsonrpc":"2.0","id":1,"method":"` + method + `","params":{` + members + metaMember + `}}`
}

// headers makes a header of pairs, as net/http does when it reads them.
func headers(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Add(pairs[i], pairs[i+1])
	}
	return h
}

func TestCheck(t *testing.T) {
	const version = "2026-07-28"
	call := request("tools/call", `"name":"get_weather",`)
	list := request("tools/list", "")
	tests := []struct {
		name, frame string
		h           http.Header
		bad         string // the header that does not match
	}{
		{"call", call, headers("MCP-Protocol-Version", version, "Mcp-Method", "tools/call", "Mcp-Name", "get_weather"), ""},
		{"names in lower case", call, headers("mcp-protocol-version", version, "mcp-method", "tools/call", "mcp-name", "get_weather"), ""},
		{"names in upper case", call, headers("MCP-PROTOCOL-VERSION", version, "MCP-METHOD", "tools/call", "MCP-NAME", "get_weather"), ""},
		{"white space", call, headers(ProtocolVersion, " "+version+"\t", Method, " tools/call ", Name, "  get_weather  "), ""},
		{"base64", call, headers(ProtocolVersion, version, Method, "tools/call", Name, "=?base64?Z2V0X3dlYXRoZXI=?="), ""},
		{"list", list, headers(ProtocolVersion, version, Method, "tools/list"), ""},
		{"name of a method without", list, headers(ProtocolVersion, version, Method, "tools/list", Name, "x"), ""},
		{"prompt", request("prompts/get", `"name":"code_review",`), headers(ProtocolVersion, version, Method, "prompts/get", Name, "code_review"), ""},
		{"resource", request("resources/read", `"uri":"file:\/\/\/a%20b",`), headers(ProtocolVersion, version, Method, "resources/read", Name, "file:///a%20b"), ""},
		{"resource beyond ASCII", request("resources/read", `"uri":"file:///é",`), headers(ProtocolVersion, version, Method, "resources/read", Name, Encode("file:///é")), ""},
		{"escapes in the body", request("tools\\/call", `"n\u0061me":"\u0061",`), headers(ProtocolVersion, version, Method, "tools/call", Name, "a"), ""},
		{"backslash", request("tools/call", `"name":"a\\b",`), headers(ProtocolVersion, version, Method, "tools/call", Name, `a\b`), ""},
		{"task", request("tasks/get", `"taskId":"t1",`), headers(ProtocolVersion, version, Method, "tasks/get", Name, "t1"), ""},
		{"task without", request("tasks/get", `"taskId":"t1",`), headers(ProtocolVersion, version, Method, "tasks/get"), ""},
		{"no name in the body", request("tools/call", ""), headers(ProtocolVersion, version, Method, "tools/call"), ""},
		{"no text in the body", request("tools/call", `"name":7,`), headers(ProtocolVersion, version, Method, "tools/call", Name, "7"), ""},
		{"no version in the body", `{"jsonrpc":"2.0","id":1,"method":"x"}`, headers(Method, "x"), ""},
		{"response", `{"jsonrpc":"2.0","id":1,"result":{}}`, headers(Method, "x"), ""},
		{"notification without", `{"jsonrpc":"2.0","method":"acme/n","params":{` + metaMember + `}}`, nil, ""},
		{"notification with", `{"jsonrpc":"2.0","method":"acme/n","params":{` + metaMember + `}}`, headers(ProtocolVersion, version, Method, "acme/n"), ""},

		{"no version", list, headers(Method, "tools/list"), ProtocolVersion},
		{"other version", list, headers(ProtocolVersion, "2025-11-25", Method, "tools/list"), ProtocolVersion},
		{"two versions", list, headers(ProtocolVersion, version, ProtocolVersion, version, Method, "tools/list"), ProtocolVersion},
		{"no method", list, headers(ProtocolVersion, version), Method},
		{"other method", list, headers(ProtocolVersion, version, Method, "prompts/list"), Method},
		{"method in upper case", list, headers(ProtocolVersion, version, Method, "TOOLS/LIST"), Method},
		{"method in base64", list, headers(ProtocolVersion, version, Method, "=?base64?dG9vbHMvbGlzdA==?="), Method},
		{"two methods", list, headers(ProtocolVersion, version, Method, "tools/list", Method, "tools/list"), Method},
		{"two methods in one", list, headers(ProtocolVersion, version, Method, "tools/list, tools/list"), Method},
		{"method beyond ASCII", request("caf\u00e9", ""), headers(ProtocolVersion, version, Method, "caf\u00e9"), Method},
		{"no name", call, headers(ProtocolVersion, version, Method, "tools/call"), Name},
		{"empty name", call, headers(ProtocolVersion, version, Method, "tools/call", Name, ""), Name},
		{"other name", call, headers(ProtocolVersion, version, Method, "tools/call", Name, "wrong_tool_name"), Name},
		{"name in upper case", call, headers(ProtocolVersion, version, Method, "tools/call", Name, "GET_WEATHER"), Name},
		{"two names", call, headers(ProtocolVersion, version, Method, "tools/call", Name, "get_weather", Name, "x"), Name},
		{"bad base64", call, headers(ProtocolVersion, version, Method, "tools/call", Name, "=?base64?Z2V0X3dlYXRoZXI?="), Name},
		{"name beyond ASCII", request("tools/call", `"name":"é",`), headers(ProtocolVersion, version, Method, "tools/call", Name, "é"), Name},
		{"white space that is text", request("tools/call", `"name":" a",`), headers(ProtocolVersion, version, Method, "tools/call", Name, " a"), Name},
		{"other task", request("tasks/get", `"taskId":"t1",`), headers(ProtocolVersion, version, Method, "tasks/get", Name, "t2"), Name},
		{"notification with another method", `{"jsonrpc":"2.0","method":"acme/n"}`, headers(Method, "acme/m"), Method},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			frame, m := scan(t, test.frame)
			err := Check(test.h, frame, m)
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

// Nothing of a request makes the error long or puts control characters in it.
func TestMismatchIsShort(t *testing.T) {
	frame, m := scan(t, request("tools/call", `"name":"\u001b[31m`+strings.Repeat("n", 1<<20)+`",`))
	h := http.Header{}
	Derive(h, frame, m)
	h.Set(Name, "x\ty"+strings.Repeat("n", 1<<20))
	err := Check(h, frame, m)
	if err == nil || len(err.Error()) > 300 || strings.ContainsAny(err.Error(), "\x1b\t") {
		t.Errorf("%.400v", err)
	}
}

func TestDeriveFitsCheck(t *testing.T) {
	for _, text := range []string{
		request("tools/call", `"name":"a",`),
		request("tools/call", `"name":"",`),
		request("tools/call", `"name":" \u0000\r\né\ud800",`),
		request("tools/call", `"name":5,`),
		request("prompts/get", `"name":"=?base64?literal?=",`),
		request("resources/read", `"uri":"file:///\u4e16",`),
		request("tasks/cancel", `"taskId":"x y",`),
		request("acme/x", ""),
		`{"jsonrpc":"2.0","method":"acme/n","params":{` + metaMember + `}}`,
	} {
		frame, m := scan(t, text)
		h := headers(Name, "old", Method, "old", ProtocolVersion, "old")
		Derive(h, frame, m)
		if err := Check(h, frame, m); err != nil {
			t.Errorf("%s: %v; derived %v", text, err, h)
		}
	}
	frame, m := scan(t, `{"jsonrpc":"2.0","id":1,"method":"a\nb"}`)
	h := headers(ProtocolVersion, "old", Name, "old")
	if Derive(h, frame, m); len(h) != 0 {
		t.Errorf("derived %v", h)
	}
}

func TestCheckDoesNotAllocate(t *testing.T) {
	frame, m := scan(t, request("tools/call", `"name":"get_weather","arguments":{},`))
	h := http.Header{}
	Derive(h, frame, m)
	if n := testing.AllocsPerRun(100, func() {
		if err := Check(h, frame, m); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations a check", n)
	}
}

func BenchmarkCheck(b *testing.B) {
	frame, m := scan(b, request("tools/call", `"name":"get_weather","arguments":{"city":"Vienna"},`))
	h := http.Header{}
	Derive(h, frame, m)
	b.ReportAllocs()
	for b.Loop() {
		if err := Check(h, frame, m); err != nil {
			b.Fatal(err)
		}
	}
}
