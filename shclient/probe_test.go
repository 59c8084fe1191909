// SPDX-License-Identifier: Apache-2.0

package shclient_test

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shclient"
)

// What a server says to server/discover decides whether bytes pass.
func TestProbe(t *testing.T) {
	rpc := func(id, fault string) string { return `{"jsonrpc":"2.0","id":` + id + `,"error":{` + fault + `}}` }
	tests := []struct {
		name   string
		status int
		body   string
		legacy bool
	}{
		{"Go SDK, stateful", 400, "Bad Request: unsupported protocol version", true},
		{"TypeScript SDK", 400, rpc("null", `"code":-32000,"message":"Bad Request: Server not initialized"`), true},
		{"Python SDK", 400, rpc(`"server-error"`, `"code":-32600,"message":"Bad Request: Missing session ID"`), true},
		{"stateless", 200, rpc(`"discover"`, `"code":-32601,"message":"Method not found"`), true},
		{"not found", 404, "", true},
		{"no POST", 405, "", true},
		{"not acceptable", 406, "", true},
		{"other content", 415, "", true},
		{"does not know the method", 501, "", true},
		{"lists legacy versions", 200, `{"jsonrpc":"2.0","id":"discover","result":{"supportedVersions":["2025-11-25"]}}`, true},
		{"refuses and lists legacy versions", 400, rpc(`"discover"`, `"code":-32022,"message":"no","data":{"supported":["2025-11-25"]}`), true},
		{"modern", 200, `{"jsonrpc":"2.0","id":"discover","result":{"supportedVersions":["2026-07-28"],"capabilities":{}}}`, false},
		{"of both eras", 200, `{"jsonrpc":"2.0","id":"discover","result":{"supportedVersions":["2025-11-25","2026-07-28"],"capabilities":{}}}`, false},
		{"a newer one", 400, rpc(`"discover"`, `"code":-32022,"message":"no","data":{"supported":["2027-01-01"]}`), false},
		{"wants other headers", 400, rpc("null", `"code":-32020,"message":"mismatch"`), false},
		{"wants capabilities", 400, rpc(`"discover"`, `"code":-32021,"message":"missing"`), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &legacyServer{discover: func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, tt.status, tt.body) }}
			p := startBridge(t, shclient.Options{URL: serve(t, s)}, nil)
			p.send(modern("1", "x", ""), modern("2", "x", ""))
			p.wantResults("1", "2")
			if err := p.wait(); err != nil {
				t.Error(err)
			}
			if got := len(s.requests(byBody("initialize"))) > 0; got != tt.legacy {
				t.Errorf("initialized: %t, want %t", got, tt.legacy)
			}
			if got := len(s.requests(byBody("server/discover"))); got != 1 {
				t.Errorf("asked %d times", got)
			}
		})
	}
}

// A probe that does not tell fails its request, and the next one tries again.
func TestProbeThatFails(t *testing.T) {
	tests := []struct {
		name string
		fail func(w http.ResponseWriter, r *http.Request)
		want string
	}{
		{"server error", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, "500"},
		{"not authorized", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) }, "401"},
		{"no MCP", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") }, "not an MCP answer"},
		{"connection closed", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "closed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var asked atomic.Int32
			s := &legacyServer{discover: func(w http.ResponseWriter, r *http.Request) {
				if asked.Add(1) == 1 {
					tt.fail(w, r)
					return
				}
				w.WriteHeader(400)
			}}
			p := startBridge(t, shclient.Options{URL: serve(t, s)}, nil)
			p.send(modern("1", "x", ""))
			if text := p.wantError("1", -32000); !strings.Contains(text, tt.want) {
				t.Errorf("message %q, want %q in it", text, tt.want)
			}
			p.send(modern("2", "x", ""))
			p.wantResult("2")
			if asked.Load() != 2 {
				t.Errorf("asked %d times", asked.Load())
			}
			if err := p.wait(); err != nil {
				t.Error(err)
			}
		})
	}
}

// Requests that come together ask the server once, and share a failure: after
// a login that failed nobody wants to see the next.
func TestProbeIsShared(t *testing.T) {
	for _, status := range []int{400, 500} {
		asked, answer := make(chan struct{}, 10), make(chan struct{})
		s := &legacyServer{discover: func(w http.ResponseWriter, _ *http.Request) {
			asked <- struct{}{}
			<-answer
			w.WriteHeader(status)
		}}
		p := startBridge(t, shclient.Options{URL: serve(t, s)}, nil)
		began := time.Now()
		p.send(modern("1", "x", ""), modern("2", "x", ""), modernFrom(profile(1), "3", "x", ""), modernFrom(profile(2), "4", "x", ""))
		p.send(`no message`) // is refused once the others have set out
		p.wantError("null", -32700)
		if waited := time.Since(began); waited > 5*time.Second { // each could wait for the one before for 2
			t.Errorf("the requests held each other back for %s", waited)
		}
		<-asked
		close(answer)
		if status == 400 {
			p.wantResults("1", "2", "3", "4")
		} else {
			for range 4 {
				if line := p.next(); !strings.Contains(line, "500") {
					t.Errorf("got %s", line)
				}
			}
		}
		if err := p.wait(); err != nil {
			t.Error(err)
		}
		if len(asked) != 0 {
			t.Errorf("asked %d times more", len(asked))
		}
		if want := map[int]int{400: 3, 500: 0}[status]; s.opened != want || len(s.requests(byMethod(http.MethodDelete))) != want {
			t.Errorf("%d sessions opened, %d ended, want %d", s.opened, len(s.requests(byMethod(http.MethodDelete))), want)
		}
	}
}

// A request can be cancelled while nobody knows where it has to go.
func TestProbeAndCancellation(t *testing.T) {
	for _, legacy := range []bool{true, false} {
		asked, answer := make(chan struct{}), make(chan struct{})
		s := &legacyServer{discover: func(w http.ResponseWriter, _ *http.Request) {
			close(asked)
			<-answer
			if legacy {
				w.WriteHeader(400)
				return
			}
			writeJSON(w, 200, discovered(`"discover"`))
		}}
		p := startBridge(t, shclient.Options{URL: serve(t, s)}, nil)
		p.send(modern("1", "first", ""), modern("2", "second", ""), cancellation("1"), "no message")
		p.wantError("null", -32700)
		<-asked
		close(answer)
		p.wantResult("2")
		if err := p.wait(); err != nil {
			t.Error(err)
		}
		if got := s.requests(byBody("first")); len(got) != 0 {
			t.Errorf("the server got %s", got[0].body)
		}
		if got := s.requests(byBody("cancelled")); len(got) != 0 {
			t.Errorf("the server got %s", got[0].body)
		}
	}
}

// A server that keeps silent is taken to be legacy.
func TestProbeOfASilentServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		transport := roundTrip(func(r *http.Request) (*http.Response, error) {
			switch text := bodyOf(r); {
			case strings.Contains(text, "server/discover"):
				<-r.Context().Done()
				return nil, r.Context().Err()
			case strings.Contains(text, `"initialize"`):
				return response(r, 200, "application/json", strings.NewReader(strings.Replace(initializeReply, `"init"`, rawID(text), 1))), nil
			case rawID(text) != "":
				return response(r, 200, "application/json", strings.NewReader(resultFor(rawID(text)))), nil
			}
			return response(r, 405, "", http.NoBody), nil
		})
		began := time.Now()
		p := startBridge(t, shclient.Options{URL: "https://example.com/mcp", HTTPClient: &http.Client{Transport: transport}}, nil)
		p.send(modern("1", "x", ""))
		p.wantResult("1")
		if got := time.Since(began); got != 10*time.Second {
			t.Errorf("after %s, want 10s", got)
		}
		p.send(modern("2", "x", ""))
		p.wantResult("2")
		if got := time.Since(began); got != 10*time.Second {
			t.Errorf("the second request after %s", got)
		}
		if err := p.wait(); err != nil {
			t.Error(err)
		}
	})
}
