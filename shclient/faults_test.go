// SPDX-License-Identifier: Apache-2.0

package shclient_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shclient"
)

const (
	callLine  = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x"}}`
	callReply = `{"jsonrpc":"2.0","id":1,"result":{"content":[]}}`
)

// Whatever a server does to a request, the program gets exactly one answer
// that says what happened.
func TestBridgeAnswersForTheServer(t *testing.T) {
	tests := []struct {
		name string
		post func(http.ResponseWriter, *http.Request)
		want string // the line, or part of the message of an error -32000
	}{
		{"JSON-RPC error with status 400", func(w http.ResponseWriter, _ *http.Request) {
			writeJSON(w, 400, `{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"no such tool","data":{"n":1.0}}}`)
		}, `{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"no such tool","data":{"n":1.0}}}`},
		{"JSON-RPC error about a session of the tool's own", func(w http.ResponseWriter, _ *http.Request) {
			writeJSON(w, 400, `{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"the browser session broke off"}}`)
		}, `{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"the browser session broke off"}}`},
		{"JSON-RPC error with id null", func(w http.ResponseWriter, _ *http.Request) {
			writeJSON(w, 400, `{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"eh?"}}`)
		}, `{"jsonrpc":"2.0","id":1,"error":{"code":-32700,"message":"eh?"}}`},
		{"JSON-RPC error without id", func(w http.ResponseWriter, _ *http.Request) {
			writeJSON(w, 503, `{"jsonrpc":"2.0","error":{"code":-32000,"message":"busy"}}`)
		}, `{"id":1,"jsonrpc":"2.0","error":{"code":-32000,"message":"busy"}}`},
		{"JSON-RPC error with an id of its own", func(w http.ResponseWriter, _ *http.Request) {
			writeJSON(w, 406, `{"jsonrpc":"2.0","id":"server-error","error":{"code":-32600,"message":"no"}}`)
		}, `{"jsonrpc":"2.0","id":1,"error":{"code":-32600,"message":"no"}}`},
		{"JSON-RPC error with id null and status 200", func(w http.ResponseWriter, _ *http.Request) {
			writeJSON(w, 200, `{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"eh?"}}`)
		}, `{"jsonrpc":"2.0","id":1,"error":{"code":-32700,"message":"eh?"}}`},
		{"JSON-RPC error with id null on a stream", func(w http.ResponseWriter, _ *http.Request) {
			writeEvents(w, "data: {\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32700,\"message\":\"eh?\"}}\n\n")
		}, `{"jsonrpc":"2.0","id":1,"error":{"code":-32700,"message":"eh?"}}`},
		{"plain text with status 500", func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "database is down\nsecret stack", 500)
		}, "answered 500 Internal Server Error: database is down"},
		{"web page with status 502", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(502)
			fmt.Fprint(w, "<h1>Bad gateway</h1>")
		}, "answered 502 Bad Gateway"},
		{"web page with status 200", func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, "<html><body>Welcome</body></html>")
		}, "not an MCP answer but text/html"},
		{"unauthorized", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) }, "answered 401 Unauthorized"},
		{"accepted", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(202) }, "an answer without content"},
		{"something else in JSON", func(w http.ResponseWriter, _ *http.Request) {
			writeJSON(w, 200, `{"ok":true}`)
		}, "no MCP message"},
		{"answer to another request", func(w http.ResponseWriter, _ *http.Request) {
			writeJSON(w, 200, `{"jsonrpc":"2.0","id":2,"result":{}}`)
		}, "something else"},
		{"JSON cut off", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Length", "1000")
			fmt.Fprint(w, `{"jsonrpc":`)
		}, "unexpected EOF"},
		{"stream cut off", func(w http.ResponseWriter, _ *http.Request) {
			writeEvents(w, ": nothing more\n\n")
		}, "the stream ended before the answer came"},
		{"stream broken off", func(w http.ResponseWriter, _ *http.Request) {
			writeEvents(w, "data: {\"jsonrpc\":")
			panic(http.ErrAbortHandler)
		}, "the stream ended before the answer came"},
		{"noise before the answer", func(w http.ResponseWriter, _ *http.Request) {
			writeEvents(w, "id: 1\ndata:\n\nevent: ping\ndata: {}\n\ndata: banner\n\ndata: "+callReply+"\n\n")
		}, callReply},
		{"two answers", func(w http.ResponseWriter, _ *http.Request) {
			writeEvents(w, "data: "+callReply+"\n\ndata: "+callReply+"\n\n")
		}, callReply},
		{"connection closed", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "the connection was closed"},
		{"too large", func(w http.ResponseWriter, _ *http.Request) {
			writeJSON(w, 200, strings.Repeat(" ", 1<<16)+callReply)
		}, "more than"},
		{"too large on a stream", func(w http.ResponseWriter, _ *http.Request) {
			writeEvents(w, "data: "+strings.Repeat(" ", 1<<16)+callReply+"\n\n")
		}, "too large"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := &fake{post: func(w http.ResponseWriter, r *http.Request, _ string) { tt.post(w, r) }}
			p := startBridge(t, shclient.Options{URL: serve(t, f) + "?key=secret"}, &shclient.BridgeOptions{
				MaxMessageBytes: 1 << 16,
				ServerEra:       shclient.EraLegacy, // or it would be asked what it speaks
			})
			p.initialize()
			p.send(callLine)
			if strings.HasPrefix(tt.want, "{") {
				p.want(tt.want)
			} else if got := p.wantError("1", -32000); !strings.Contains(got, tt.want) || strings.Contains(got, "secret") {
				t.Errorf("message %q, want %q and no secret", got, tt.want)
			}
			if err := p.wait(); err != nil {
				t.Error(err)
			}
			if n := len(f.requests(byBody("tools/call"))); n != 1 {
				t.Errorf("the call was posted %d times", n)
			}
		})
	}
}

func TestBridgeServerCannotBeReached(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	s.Close()
	p := startBridge(t, shclient.Options{URL: s.URL}, nil)
	p.send(callLine)
	if got := p.wantError("1", -32000); !strings.Contains(got, "connection refused") || !strings.Contains(got, s.URL) {
		t.Errorf("message %q", got)
	}
	p.send(initializedLine) // a notification has no answer, and must not end the bridge
	p.send(callLine)
	p.wantError("1", -32000)
	if err := p.wait(); err != nil {
		t.Error(err)
	}
}

// A redirect within the server is followed with the message; to another it is
// not, whoever asks for it.
func TestBridgeRedirects(t *testing.T) {
	stranger := &fake{post: func(w http.ResponseWriter, _ *http.Request, _ string) { writeJSON(w, 200, callReply) }}
	elsewhere := serve(t, stranger)
	tests := []struct{ name, target, want string }{
		{"same server", "/moved", ""},
		{"other server", elsewhere, "redirected to " + elsewhere},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := &fake{}
			f.post = func(w http.ResponseWriter, r *http.Request, _ string) {
				if r.URL.Path == "/moved" {
					writeJSON(w, 200, callReply)
					return
				}
				http.Redirect(w, r, tt.target, http.StatusTemporaryRedirect)
			}
			p := startBridge(t, shclient.Options{URL: serve(t, f), Header: http.Header{"X-Key": {"k"}}}, nil)
			p.send(callLine)
			if tt.want == "" {
				p.want(callReply)
				return
			}
			if got := p.wantError("1", -32000); !strings.Contains(got, tt.want) {
				t.Errorf("message %q, want %q", got, tt.want)
			}
		})
	}
	if got := stranger.requests(func(seen) bool { return true }); len(got) > 0 {
		t.Errorf("the stranger was asked: %+v", got)
	}
}

// forgetful is a fake that forgets session-1 when told to.
func forgetful(answer func(http.ResponseWriter)) (*fake, *atomic.Bool) {
	var forgotten atomic.Bool
	f := &fake{post: func(w http.ResponseWriter, r *http.Request, _ string) {
		if forgotten.Load() && r.Header.Get("Mcp-Session-Id") == "session-1" {
			answer(w)
			return
		}
		writeJSON(w, 200, callReply)
	}}
	return f, &forgotten
}

func TestBridgeRenewsTheSession(t *testing.T) {
	tests := []struct {
		name   string
		answer func(http.ResponseWriter)
	}{
		{"404", func(w http.ResponseWriter) { http.Error(w, "session not found", 404) }},
		{"400 of the example server", func(w http.ResponseWriter) {
			writeJSON(w, 400, `{"jsonrpc":"2.0","error":{"code":-32000,"message":"Bad Request: No valid session ID provided"},"id":null}`)
		}},
		{"400 with the id of the request", func(w http.ResponseWriter) {
			writeJSON(w, 400, `{"jsonrpc":"2.0","error":{"code":-32000,"message":"Bad Request: No valid session ID provided"},"id":1}`)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, forgotten := forgetful(tt.answer)
			p := startBridge(t, shclient.Options{URL: serve(t, f)}, nil)
			p.initialize()
			p.send(callLine)
			p.want(callReply)
			forgotten.Store(true)
			p.send(callLine)
			p.want(callReply)
			if err := p.wait(); err != nil { // also: nothing else was written
				t.Error(err)
			}
			var lines []string
			for _, r := range f.requests(byMethod(http.MethodPost)) {
				lines = append(lines, r.header.Get("Mcp-Session-Id")+" "+r.body)
			}
			want := []string{
				" " + initializeLine, "session-1 " + initializedLine, "session-1 " + callLine,
				"session-1 " + callLine, " " + initializeLine, "session-2 " + initializedLine, "session-2 " + callLine,
			}
			if got := strings.Join(lines, "\n"); got != strings.Join(want, "\n") {
				t.Errorf("server got:\n%s\nwant:\n%s", got, strings.Join(want, "\n"))
			}
			if got := f.await(t, byMethod(http.MethodDelete)).header.Get("Mcp-Session-Id"); got != "session-2" {
				t.Errorf("deleted %q", got)
			}
		})
	}
}

// Many calls that find the session gone open one new session together.
func TestBridgeRenewsTheSessionOnce(t *testing.T) {
	const calls = 20
	var waiting atomic.Int32
	all := make(chan struct{})
	f := &fake{}
	f.post = func(w http.ResponseWriter, r *http.Request, body string) {
		if r.Header.Get("Mcp-Session-Id") == "session-1" {
			if waiting.Add(1) == calls {
				close(all)
			}
			<-all
			w.WriteHeader(404)
			return
		}
		_, rest, _ := strings.Cut(body, `"id":`)
		id, _, _ := strings.Cut(rest, ",")
		writeJSON(w, 200, `{"jsonrpc":"2.0","id":`+id+`,"result":{}}`)
	}
	p := startBridge(t, shclient.Options{URL: serve(t, f)}, nil)
	p.initialize()
	answers := map[string]int{}
	for id := range calls {
		p.send(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"x"}`, id))
	}
	for range calls {
		answers[p.next()]++
	}
	if len(answers) != calls {
		t.Errorf("answers: %v", answers)
	}
	if err := p.wait(); err != nil {
		t.Error(err)
	}
	if f.opened != 2 {
		t.Errorf("%d sessions were opened", f.opened)
	}
}

func TestBridgeCannotRenewTheSession(t *testing.T) {
	f := &fake{post: func(w http.ResponseWriter, _ *http.Request, _ string) { w.WriteHeader(404) }}
	refuse := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Mcp-Session-Id") == "" && f.opened > 0 {
			writeJSON(w, 200, `{"jsonrpc":"2.0","id":"init","error":{"code":-32000,"message":"full"}}`)
			return
		}
		f.ServeHTTP(w, r)
	})
	p := startBridge(t, shclient.Options{URL: serve(t, refuse)}, nil)
	p.initialize()
	p.send(callLine)
	if got := p.wantError("1", -32000); !strings.Contains(got, "forgot the session") || !strings.Contains(got, "full") {
		t.Errorf("message %q", got)
	}
}

// The stream of server messages notices first that the session is gone.
func TestBridgeRenewsTheSessionFromTheStream(t *testing.T) {
	const notification = `{"jsonrpc":"2.0","method":"notifications/message","params":{}}`
	f := &fake{get: func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Mcp-Session-Id") == "session-1" {
			w.WriteHeader(404)
			return
		}
		writeEvents(w, "data: "+notification+"\n\n")
		<-r.Context().Done()
	}}
	p := startBridge(t, shclient.Options{URL: serve(t, f)}, nil)
	p.initialize()
	p.want(notification)
	if err := p.wait(); err != nil {
		t.Error(err)
	}
}

// A program may start over on the same pipe.
func TestBridgeInitializedTwice(t *testing.T) {
	f := &fake{post: func(w http.ResponseWriter, _ *http.Request, _ string) { writeJSON(w, 200, callReply) }}
	p := startBridge(t, shclient.Options{URL: serve(t, f)}, nil)
	p.initialize()
	p.initialize()
	p.send(callLine)
	p.want(callReply)
	if got := f.await(t, byBody("tools/call")).header.Get("Mcp-Session-Id"); got != "session-2" {
		t.Errorf("session %q", got)
	}
	if err := p.wait(); err != nil {
		t.Error(err)
	}
	var deleted []string
	for _, r := range f.requests(byMethod(http.MethodDelete)) {
		deleted = append(deleted, r.header.Get("Mcp-Session-Id"))
	}
	if got := strings.Join(deleted, " "); got != "session-1 session-2" {
		t.Errorf("deleted %s", got)
	}
}

// A stream whose events have ids is taken up where it was cut.
func TestBridgeResumesStreams(t *testing.T) {
	const progress = `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}}`
	var gets atomic.Int32
	f := &fake{
		post: func(w http.ResponseWriter, _ *http.Request, _ string) {
			writeEvents(w, "id: a\nretry: 1\ndata: "+progress+"\n\n")
			panic(http.ErrAbortHandler)
		},
		get: func(w http.ResponseWriter, r *http.Request) {
			switch r.Header.Get("Last-Event-ID") {
			case "":
				w.WriteHeader(405)
			case "a":
				switch gets.Add(1) {
				case 1:
					w.WriteHeader(503) // the server comes back a little later
					return
				case 2:
					http.Error(w, "stream ID conflicts with ongoing stream", http.StatusConflict) // and has not noticed the cut
					return
				}
				writeEvents(w, "id: b\ndata: "+progress+"\n\n")
			case "b":
				writeEvents(w, "id: c\ndata: "+callReply+"\n\n")
			}
		},
	}
	p := startBridge(t, shclient.Options{URL: serve(t, f)}, nil)
	p.initialize()
	p.send(callLine)
	p.want(progress)
	p.want(progress)
	p.want(callReply)
	if err := p.wait(); err != nil {
		t.Error(err)
	}
	if n := len(f.requests(byBody("tools/call"))); n != 1 {
		t.Errorf("the call was posted %d times", n)
	}
}

func TestBridgeStopsResuming(t *testing.T) {
	f := &fake{
		post: func(w http.ResponseWriter, _ *http.Request, _ string) {
			writeEvents(w, "id: a\nretry: 1\ndata:\n\n")
		},
		get: func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Last-Event-ID") == "" {
				w.WriteHeader(405)
				return
			}
			writeEvents(w, ": nothing\n\n")
		},
	}
	p := startBridge(t, shclient.Options{URL: serve(t, f)}, nil)
	p.initialize()
	p.send(callLine)
	if got := p.wantError("1", -32000); !strings.Contains(got, "stream ended") {
		t.Errorf("message %q", got)
	}
	resumed := f.requests(func(s seen) bool { return s.header.Get("Last-Event-ID") == "a" })
	if len(resumed) != 5 {
		t.Errorf("resumed %d times", len(resumed))
	}
}

// Nothing is heard of a request that the program cancelled.
func TestBridgeCancelledRequestMayStayUnanswered(t *testing.T) {
	release := make(chan struct{})
	f := &fake{post: func(w http.ResponseWriter, _ *http.Request, body string) {
		<-release
		writeEvents(w, ": cancelled\n\n")
	}}
	p := startBridge(t, shclient.Options{URL: serve(t, f)}, nil)
	p.initialize()
	p.send(callLine, `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`)
	f.await(t, byBody("notifications/cancelled"))
	close(release)
	if err := p.wait(); err != nil {
		t.Error(err)
	}
}

// In the modern era closing the stream is the cancellation, and there is no
// message for it.
func TestBridgeCancelsModernRequests(t *testing.T) {
	const meta = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}`
	for name, params := range map[string]string{"with _meta": `"requestId":1,` + meta, "without": `"requestId":1`} {
		t.Run(name, func(t *testing.T) {
			closed := make(chan struct{})
			f := &fake{post: func(w http.ResponseWriter, r *http.Request, _ string) {
				writeEvents(w, ": working\n\n")
				<-r.Context().Done()
				close(closed)
			}}
			p := startBridge(t, shclient.Options{URL: serve(t, f)}, nil)
			p.send(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x",` + meta + `}}`)
			f.await(t, byBody("tools/call"))
			p.send(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{` + params + `}}`)
			select {
			case <-closed:
			case <-time.After(patience):
				t.Fatal("the stream stays open")
			}
			if err := p.wait(); err != nil {
				t.Error(err)
			}
			if got := f.requests(byBody("notifications/cancelled")); len(got) > 0 {
				t.Errorf("posted: %s", got[0].body)
			}
		})
	}
}

// A program that closes its end does not wait for a server that never answers
// initialize.
func TestBridgeEndsWithoutAnInitialize(t *testing.T) {
	f := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	})
	p := startBridge(t, shclient.Options{URL: serve(t, f)}, &shclient.BridgeOptions{DrainTimeout: time.Millisecond})
	p.send(initializeLine, callLine)
	p.stdin.Close()
	answers := p.next() + p.next()
	for _, id := range []string{`"id":"init"`, `"id":1`} {
		if !strings.Contains(answers, id) {
			t.Errorf("no answer with %s in %s", id, answers)
		}
	}
	if err := p.wait(); err != nil {
		t.Error(err)
	}
}

// A program that sends nonsense and does not read what is wrong with it cannot
// keep the bridge from ending.
func TestBridgeEndsThoughNobodyReads(t *testing.T) {
	p := startBridge(t, shclient.Options{URL: serve(t, &fake{})}, nil)
	p.send("nonsense", "nonsense", "nonsense")
	p.end()
	select {
	case err := <-p.ended:
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Fatal("the bridge did not end")
	}
}
