// SPDX-License-Identifier: Apache-2.0

package shclient_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shclient"
)

// Nothing that JSON can say may change on the way, in either direction.
func TestBridgeForwardsBytes(t *testing.T) {
	const (
		request = `{ "jsonrpc" : "2.0","id":12345678901234567890, "method":"vendor/odd","params":{"n":1.0,"big":1e400,"u":"\u00e9\/<&>","s":"日本語","e":{}}, "extra":[null] }`
		answer  = `{"id":12345678901234567890, "result":{"n":1.50,"s":"naïve \u2028","future":[{"type":"hologram"}]},"jsonrpc":"2.0","x":1}`
		event   = `{"jsonrpc":"2.0","method":"notifications/vendor","params":{"big":9007199254740993}}`
	)
	for _, stream := range []bool{false, true} {
		t.Run(fmt.Sprintf("stream=%t", stream), func(t *testing.T) {
			f := &fake{post: func(w http.ResponseWriter, _ *http.Request, _ string) {
				if stream {
					writeEvents(w, ": hello\n\ndata: "+event+"\n\ndata: "+answer+"\n\n")
					return
				}
				writeJSON(w, 200, answer)
			}}
			p := startBridge(t, shclient.Options{URL: serve(t, f)}, nil)
			p.initialize()
			p.send(request)
			if stream {
				p.want(event)
			}
			p.want(answer)
			if got := f.await(t, byBody("vendor/odd")).body; got != request {
				t.Errorf("server got  %s\nprogram sent %s", got, request)
			}
			if err := p.wait(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A message that a server spreads over lines must still fit on one.
func TestBridgeFoldsLineBreaks(t *testing.T) {
	f := &fake{post: func(w http.ResponseWriter, _ *http.Request, body string) {
		if strings.Contains(body, "stream") {
			writeEvents(w, "data: {\"jsonrpc\":\"2.0\",\ndata: \"id\":1,\"result\":{}}\n\n")
			return
		}
		writeJSON(w, 200, "{\r\n  \"jsonrpc\": \"2.0\",\n  \"id\": 2,\n  \"result\": {}\n}\n")
	}}
	p := startBridge(t, shclient.Options{URL: serve(t, f)}, nil)
	p.send(`{"jsonrpc":"2.0","id":1,"method":"stream"}`)
	p.want(`{"jsonrpc":"2.0", "id":1,"result":{}}`)
	p.send(`{"jsonrpc":"2.0","id":2,"method":"json"}`)
	p.want(`{    "jsonrpc": "2.0",   "id": 2,   "result": {} }`)
}

func TestBridgeSetsSessionHeaders(t *testing.T) {
	f := &fake{post: func(w http.ResponseWriter, _ *http.Request, _ string) {
		writeJSON(w, 200, `{"jsonrpc":"2.0","id":1,"result":{}}`)
	}}
	p := startBridge(t, shclient.Options{URL: serve(t, f), Header: http.Header{"X-Key": {"k"}}}, nil)
	p.initialize()
	p.send(`{"jsonrpc":"2.0","id":1,"method":"ping"}`)
	p.next()
	f.await(t, byMethod(http.MethodGet))
	if err := p.wait(); err != nil {
		t.Error(err)
	}
	f.await(t, byMethod(http.MethodDelete))
	for i, r := range f.requests(func(seen) bool { return true }) {
		session, version := "session-1", "2025-06-18"
		if i == 0 {
			session, version = "", ""
		}
		if got := r.header.Get("Mcp-Session-Id"); got != session {
			t.Errorf("%s %s: session %q, want %q", r.method, r.body, got, session)
		}
		if got := r.header.Get("Mcp-Protocol-Version"); got != version {
			t.Errorf("%s %s: version %q, want %q", r.method, r.body, got, version)
		}
		if r.header.Get("X-Key") != "k" {
			t.Errorf("%s %s: custom header missing", r.method, r.body)
		}
		if accept := r.header.Get("Accept"); r.method == "POST" && accept != "application/json, text/event-stream" {
			t.Errorf("Accept %q", accept)
		}
	}
}

func TestBridgeSetsModernHeaders(t *testing.T) {
	const meta = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}`
	tests := []struct{ method, params, wantName string }{
		{"server/discover", meta, ""},
		{"tools/call", meta + `,"name":"echo"`, "echo"},
		{"tools/call", meta + `,"name":"\u0065cho"`, "echo"},
		{"tools/call", meta + `,"name":"grüß"`, "=?base64?Z3LDvMOf?="},
		{"tools/call", meta + `,"name":" x"`, "=?base64?IHg=?="},
		{"prompts/get", meta + `,"name":"=?base64?eA==?="`, "=?base64?PT9iYXNlNjQ/ZUE9PT89?="},
		{"resources/read", meta + `,"uri":"file:///a%20b"`, "file:///a%20b"},
	}
	f := &fake{post: func(w http.ResponseWriter, _ *http.Request, _ string) {
		writeJSON(w, 200, `{"jsonrpc":"2.0","id":1,"result":{}}`)
	}}
	p := startBridge(t, shclient.Options{URL: serve(t, f)}, nil)
	p.initialize() // a program that speaks both eras keeps them apart
	for _, tt := range tests {
		p.send(`{"jsonrpc":"2.0","id":1,"method":"` + tt.method + `","params":{` + tt.params + `}}`)
		p.next()
		r := f.await(t, byBody(tt.params))
		if got := r.header.Get("Mcp-Protocol-Version"); got != "2026-07-28" {
			t.Errorf("%s: version %q", tt.params, got)
		}
		if got := r.header.Get("Mcp-Method"); got != tt.method {
			t.Errorf("%s: method %q", tt.params, got)
		}
		if got := r.header.Get("Mcp-Name"); got != tt.wantName {
			t.Errorf("%s: name %q, want %q", tt.params, got, tt.wantName)
		}
		if got := r.header.Get("Mcp-Session-Id"); got != "" {
			t.Errorf("%s: session %q", tt.params, got)
		}
	}
}

// The handshake arrives in order even if the program does not wait for it.
func TestBridgeKeepsTheHandshakeInOrder(t *testing.T) {
	f := &fake{post: func(w http.ResponseWriter, _ *http.Request, _ string) {
		writeJSON(w, 200, `{"jsonrpc":"2.0","id":1,"result":{}}`)
	}}
	p := startBridge(t, shclient.Options{URL: serve(t, f)}, nil)
	p.send(initializeLine, initializedLine, `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`)
	p.want(initializeReply)
	p.next()
	posts := f.requests(byMethod(http.MethodPost))
	for i, want := range []string{`"initialize"`, "initialized", "tools/list"} {
		if !strings.Contains(posts[i].body, want) {
			t.Errorf("message %d is %s, want %s", i, posts[i].body, want)
		}
		if i > 0 && posts[i].header.Get("Mcp-Session-Id") != "session-1" {
			t.Errorf("message %d has no session", i)
		}
	}
}

// A slow call holds up nothing, and its cancellation overtakes it.
func TestBridgeCallsAtTheSameTime(t *testing.T) {
	release := make(chan struct{})
	f := &fake{post: func(w http.ResponseWriter, _ *http.Request, body string) {
		if strings.Contains(body, "slow") {
			<-release
			writeJSON(w, 200, `{"jsonrpc":"2.0","id":1,"result":{}}`)
			return
		}
		writeJSON(w, 200, `{"jsonrpc":"2.0","id":2,"result":{}}`)
	}}
	p := startBridge(t, shclient.Options{URL: serve(t, f)}, nil)
	p.send(`{"jsonrpc":"2.0","id":1,"method":"slow"}`, `{"jsonrpc":"2.0","id":2,"method":"fast"}`)
	p.want(`{"jsonrpc":"2.0","id":2,"result":{}}`)
	p.send(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`)
	f.await(t, byBody("notifications/cancelled"))
	close(release)
	p.want(`{"jsonrpc":"2.0","id":1,"result":{}}`)
}

func TestBridgeDeliversServerMessages(t *testing.T) {
	const notification = `{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}`
	hold := make(chan struct{})
	defer close(hold)
	f := &fake{get: func(w http.ResponseWriter, r *http.Request) {
		writeEvents(w, "id: 7\nretry: 1\ndata: "+notification+"\n\n")
		if r.Header.Get("Last-Event-ID") == "" {
			return // cut off: the bridge comes back and says what it saw
		}
		select {
		case <-hold:
		case <-r.Context().Done():
		}
	}}
	p := startBridge(t, shclient.Options{URL: serve(t, f)}, nil)
	p.initialize()
	p.want(notification)
	p.want(notification)
	f.await(t, func(s seen) bool { return s.header.Get("Last-Event-ID") == "7" })
	if err := p.wait(); err != nil {
		t.Error(err)
	}
}

// Messages are as large as they are, and characters are not cut.
func TestBridgeLargeMessages(t *testing.T) {
	text := strings.Repeat("größer 日本語 ", 540_000) // more than 10 MB
	f := &fake{post: func(w http.ResponseWriter, _ *http.Request, body string) {
		answer := strings.Replace(body, `"method":"m","params"`, `"result"`, 1)
		if strings.Contains(body, `"id":1`) {
			writeJSON(w, 200, answer)
			return
		}
		writeEvents(w, "data: "+answer+"\n\n")
	}}
	p := startBridge(t, shclient.Options{URL: serve(t, f)}, nil)
	for id := 1; id <= 2; id++ {
		go func() {
			request := fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"m","params":{"text":"%s"}}`+"\n", id, text)
			for len(request) > 0 { // pieces of a prime length split every character somewhere
				n := min(len(request), 65_537)
				io.WriteString(p.stdin, request[:n])
				request = request[n:]
			}
		}()
		if got, want := p.next(), fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"result":{"text":"%s"}}`, id, text); got != want {
			t.Errorf("answer %d differs (%d bytes, want %d)", id, len(got), len(want))
		}
	}
}

func TestBridgeRefusesBadLines(t *testing.T) {
	f := &fake{post: func(w http.ResponseWriter, _ *http.Request, _ string) {
		writeJSON(w, 200, `{"jsonrpc":"2.0","id":9,"result":{}}`)
	}}
	p := startBridge(t, shclient.Options{URL: serve(t, f)}, &shclient.BridgeOptions{MaxMessageBytes: 1 << 20})
	tests := []struct {
		name, line, id string
		code           int
	}{
		{"no JSON", `hello`, "null", -32700},
		{"cut off", `{"jsonrpc":"2.0","id":5,"method":"x"`, "5", -32700},
		{"no UTF-8", "{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"\xff\"}", "5", -32700},
		{"no version", `{"id":5,"method":"x"}`, "5", -32600},
		{"duplicate member", `{"jsonrpc":"2.0","id":5,"method":"a","method":"b"}`, "5", -32600},
		{"batch", `[{"jsonrpc":"2.0","id":5,"method":"x"}]`, "null", -32600},
		{"too long", `{"jsonrpc":"2.0","id":5,"method":"` + strings.Repeat("x", 1<<20) + `"}`, "null", -32600},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p.send("", tt.line)
			if text := p.wantError(tt.id, tt.code); text == "" {
				t.Error("no reason given")
			}
		})
	}
	io.WriteString(p.stdin, `{"jsonrpc":"2.0","id":9,"method":"last line without a line break"}`)
	p.stdin.Close()
	p.want(`{"jsonrpc":"2.0","id":9,"result":{}}`)
	if err := p.wait(); err != nil {
		t.Error(err)
	}
}

func TestBridgeLimitsRequestsInFlight(t *testing.T) {
	release := make(chan struct{})
	f := &fake{post: func(w http.ResponseWriter, _ *http.Request, body string) {
		<-release
		writeJSON(w, 200, `{"jsonrpc":"2.0","id":1,"result":{}}`)
	}}
	p := startBridge(t, shclient.Options{URL: serve(t, f)}, &shclient.BridgeOptions{MaxInFlight: 1})
	p.send(`{"jsonrpc":"2.0","id":1,"method":"a"}`, `{"jsonrpc":"2.0","id":2,"method":"b"}`)
	if got := p.wantError("2", -32000); !strings.Contains(got, "limit") {
		t.Errorf("message %q", got)
	}
	close(release)
	p.want(`{"jsonrpc":"2.0","id":1,"result":{}}`)
	p.send(`{"jsonrpc":"2.0","id":1,"method":"c"}`)
	p.want(`{"jsonrpc":"2.0","id":1,"result":{}}`)
}

func TestBridgeEnds(t *testing.T) {
	block := func(w http.ResponseWriter, r *http.Request, _ string) { <-r.Context().Done() }
	t.Run("answers before it ends", func(t *testing.T) {
		var hits atomic.Int32
		f := &fake{post: func(w http.ResponseWriter, _ *http.Request, _ string) {
			hits.Add(1)
			time.Sleep(20 * time.Millisecond) // long enough for stdin to end first
			writeJSON(w, 200, `{"jsonrpc":"2.0","id":1,"result":{}}`)
		}}
		p := startBridge(t, shclient.Options{URL: serve(t, f)}, nil)
		p.send(`{"jsonrpc":"2.0","id":1,"method":"x"}`)
		p.stdin.Close()
		p.want(`{"jsonrpc":"2.0","id":1,"result":{}}`)
		if err := p.wait(); err != nil || hits.Load() != 1 {
			t.Errorf("err = %v, %d calls", err, hits.Load())
		}
	})
	t.Run("stdin ends, the server does not answer", func(t *testing.T) {
		f := &fake{post: block}
		p := startBridge(t, shclient.Options{URL: serve(t, f)}, &shclient.BridgeOptions{DrainTimeout: time.Millisecond})
		p.initialize()
		p.send(`{"jsonrpc":"2.0","id":1,"method":"x"}`)
		f.await(t, byBody(`"x"`))
		p.stdin.Close()
		p.wantError("1", -32000)
		if err := p.wait(); err != nil {
			t.Error(err)
		}
		f.await(t, byMethod(http.MethodDelete))
	})
	t.Run("stdin ends, a subscription is open", func(t *testing.T) {
		f := &fake{post: block}
		p := startBridge(t, shclient.Options{URL: serve(t, f)}, &shclient.BridgeOptions{DrainTimeout: time.Hour})
		p.send(`{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}`)
		f.await(t, byBody("listen"))
		p.stdin.Close()
		p.wantError("1", -32000)
		if err := p.wait(); err != nil {
			t.Error(err)
		}
	})
	t.Run("stdout is closed", func(t *testing.T) {
		f := &fake{}
		p := startBridge(t, shclient.Options{URL: serve(t, f)}, nil)
		p.initialize()
		p.out.Close()
		p.send(`no message`)
		select {
		case err := <-p.ended:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(patience):
			t.Fatal("still runs")
		}
		f.await(t, byMethod(http.MethodDelete))
	})
	t.Run("context ends", func(t *testing.T) {
		f := &fake{post: block}
		p := startBridge(t, shclient.Options{URL: serve(t, f)}, nil)
		p.initialize()
		p.send(`{"jsonrpc":"2.0","id":1,"method":"x"}`)
		f.await(t, byBody(`"x"`))
		p.end()
		p.wantError("1", -32000)
		if err := p.wait(); !errors.Is(err, context.Canceled) {
			t.Errorf("err = %v", err)
		}
		f.await(t, byMethod(http.MethodDelete))
	})
	t.Run("context ends and nobody reads stdout", func(t *testing.T) {
		f := &fake{}
		p := startBridge(t, shclient.Options{URL: serve(t, f)}, nil)
		p.send(initializeLine)
		f.await(t, byBody("initialize"))
		p.end()
		select {
		case <-p.ended:
		case <-time.After(patience):
			t.Fatal("still runs")
		}
	})
}
