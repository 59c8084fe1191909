// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestAppendCall(t *testing.T) {
	frame := appendCall(nil, firstCallID, 3, modernMeta)
	var call struct {
		ID     int64
		Method string
		Params struct {
			Name      string
			Arguments struct {
				Text  string
				Times int
			}
			Meta map[string]any `json:"_meta"`
		}
	}
	if err := json.Unmarshal(frame, &call); err != nil {
		t.Fatal(err)
	}
	if call.ID != firstCallID || call.Method != "tools/call" || call.Params.Name != "echo" {
		t.Errorf("unexpected call %s", frame)
	}
	if text := call.Params.Arguments.Text; len(text) != textLength || call.Params.Arguments.Times != 3 {
		t.Errorf("unexpected arguments in %s", frame)
	}
	if len(call.Params.Meta) != 3 || call.Params.Meta["io.modelcontextprotocol/protocolVersion"] != modernVersion {
		t.Errorf("unexpected _meta in %s", frame)
	}
}

func TestCheck(t *testing.T) {
	const id = firstCallID
	text := string(appendText(nil, id))
	other := string(appendText(nil, id+1))
	tests := []struct {
		name, frame string
		times       int
		want        string // "": no error
	}{
		{"compact", `{"jsonrpc":"2.0","id":1000001,"result":{"content":[{"type":"text","text":"` + text + `"}]}}`, 1, ""},
		{"id last", `{"result":{"content":[{"type":"text","text":"` + text + `"}]},"jsonrpc":"2.0","id":1000001}`, 1, ""},
		{"spaced", `{ "result" : {"content": [ {"text" : "` + text + `"} ] }, "id" : 1000001 }`, 1, ""},
		{"escaped", `{"id":1000001,"result":{"content":[{"text":"\u0063` + text[1:] + `"}]}}`, 1, ""},
		{"repeated", `{"id":1000001,"result":{"content":[{"text":"` + text + text + `"}]}}`, 2, ""},
		{"longer id", `{"id":10000012,"result":{"content":[{"text":"` + text + `"}]}}`, 1, "reply has id 10000012, want 1000001"},
		{"id as a string", `{"id":"1000001","result":{"content":[{"text":"` + text + `"}]}}`, 1, `reply has id "1000001", want 1000001`},
		{"no id", `{"result":{"content":[{"text":"` + text + `"}]}}`, 1, "reply has id , want 1000001"},
		{"another text", `{"id":1000001,"result":{"content":[{"text":"` + other + `"}]}}`, 1, "reply does not echo the text"},
		{"too often", `{"id":1000001,"result":{"content":[{"text":"` + text + text + `"}]}}`, 1, "reply does not echo the text"},
		{"not often enough", `{"id":1000001,"result":{"content":[{"text":"` + text + `"}]}}`, 2, "reply does not echo the text"},
		{"changed at the end", `{"id":1000001,"result":{"content":[{"text":"` + text + other + `"}]}}`, 2, "reply does not echo the text"},
		{"no content", `{"id":1000001,"result":{}}`, 1, "reply does not echo the text"},
		{"request echoed", string(appendCall(nil, id, 1, "")), 1, "reply does not echo the text"},
		{"error", `{"id":1000001,"error":{"code":-32603,"message":"` + text + `"}}`, 1, `error reply: {"code":-32603,"message":"` + text + `"}`},
		{"cut", `{"id":1000001,"res`, 1, "reply is not JSON: unexpected end of JSON input"},
	}
	var c checker
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := ""
			if err := c.check([]byte(test.frame), id, test.times); err != nil {
				got = err.Error()
			}
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestAnswer(t *testing.T) {
	tests := []struct{ name, frame, want string }{
		{
			"call", `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"echo","arguments":{"text":"ab","times":2}}}`,
			`{"jsonrpc":"2.0","id":7,"result":{"content":[{"type":"text","text":"abab"}]}}`,
		},
		{
			"as other bridges write it", `{"method": "tools/call", "params": {"arguments": {"text": "ab"}, "name": "echo"}, "jsonrpc": "2.0", "id": "x-1"}`,
			`{"jsonrpc":"2.0","id":"x-1","result":{"content":[{"type":"text","text":"ab"}]}}`,
		},
		{
			"initialize", initializeFrame,
			`{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"echo","version":"1.0.0"}}}`,
		},
		{"ping", `{"jsonrpc":"2.0","id":0,"method":"ping"}`, `{"jsonrpc":"2.0","id":0,"result":{}}`},
		{"unknown", `{"jsonrpc":"2.0","id":2,"method":"x"}`, `{"jsonrpc":"2.0","id":2,"error":{"code":-32601,"message":"method not found"}}`},
		{"notification", initializedFrame, ""},
		{"response", `{"jsonrpc":"2.0","id":1,"result":{}}`, ""},
		{"garbage", "hello\n", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := string(answer(nil, []byte(test.frame))); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
	var list struct {
		Result struct{ Tools []struct{ Name string } }
	}
	if err := json.Unmarshal(answer(nil, []byte(`{"id":1,"method":"tools/list"}`)), &list); err != nil || len(list.Result.Tools) != 1 {
		t.Errorf("tools/list: %v, %+v", err, list)
	}
}

func TestAnswerModern(t *testing.T) {
	tests := []struct{ name, frame, want string }{
		{
			"call", `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"echo","arguments":{"text":"ab","times":2},` + modernMeta + `}}`,
			`{"jsonrpc":"2.0","id":7,"result":{"resultType":"complete","content":[{"type":"text","text":"abab"}]}}`,
		},
		{
			"discover", discoverFrame,
			`{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},` +
				`"ttlMs":0,"cacheScope":"private","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"echo","version":"1.0.0"}}}}`,
		},
		{
			"initialize", initializeFrame,
			`{"jsonrpc":"2.0","id":1,"error":{"code":-32022,"message":"unsupported protocol version","data":{"supported":["2026-07-28"],"requested":"2025-06-18"}}}`,
		},
		{"unknown", `{"jsonrpc":"2.0","id":2,"method":"ping"}`, `{"jsonrpc":"2.0","id":2,"error":{"code":-32601,"message":"method not found"}}`},
		{"notification", initializedFrame, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := answerModern(nil, []byte(test.frame))
			if string(got) != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
	if list := answerModern(nil, []byte(`{"id":1,"method":"tools/list"}`)); !json.Valid(list) || member(list, "resultType") == nil {
		t.Errorf("tools/list: %s", list)
	}
}

func TestServeStdio(t *testing.T) {
	var in, out strings.Builder
	const calls = 1000
	for i := range int64(calls) {
		in.Write(append(appendCall(nil, firstCallID+i, 1, ""), '\n'))
		in.WriteString(initializedFrame + "\n")
	}
	if err := serveStdio(strings.NewReader(in.String()), &out, answer); err != nil {
		t.Fatal(err)
	}
	replies := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if len(replies) != calls {
		t.Fatalf("%d replies to %d calls", len(replies), calls)
	}
	var c checker
	for i, frame := range replies {
		if err := c.check([]byte(frame), firstCallID+int64(i), 1); err != nil {
			t.Fatal(err)
		}
	}
	if err := serveStdio(strings.NewReader(strings.Repeat("x", 100_000)), &out, answer); err == nil {
		t.Error("an endless line is no error")
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte(initializeFrame), int64(1))
	f.Add(appendCall(nil, firstCallID, 2, ""), int64(firstCallID))
	f.Add([]byte(`{"id" :`), int64(0))
	f.Add([]byte(`"id""id":"`), int64(-1))
	f.Fuzz(func(t *testing.T, frame []byte, id int64) {
		answer(nil, frame)
		var c checker
		c.check(frame, id, 1)
		if err := c.check(answer(nil, appendCall(nil, max(id, 0), 2, "")), max(id, 0), 2); err != nil {
			t.Errorf("the echo server fails the check: %v", err)
		}
	})
}
