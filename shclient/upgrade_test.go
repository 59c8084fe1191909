// SPDX-License-Identifier: Apache-2.0

package shclient_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shclient"
)

// A legacy program is served by a server that knows no initialize, whatever it
// says to that.
func TestUpgrade(t *testing.T) {
	tests := []struct {
		name   string
		status int
		body   func(id string) string
		probes int // besides that of the translator
	}{
		{"lists modern versions", 400, func(id string) string {
			return `{"jsonrpc":"2.0","id":` + id + `,"error":{"code":-32022,"message":"no","data":{"supported":["2026-07-28"]}}}`
		}, 0},
		{"wants headers", 400, func(string) string { return `{"jsonrpc":"2.0","id":null,"error":{"code":-32020,"message":"no"}}` }, 0},
		{"does not know the method", 404, func(id string) string {
			return `{"jsonrpc":"2.0","id":` + id + `,"error":{"code":-32601,"message":"no"}}`
		}, 1},
		{"an error with success", 200, func(id string) string {
			return `{"jsonrpc":"2.0","id":` + id + `,"error":{"code":-32601,"message":"no"}}`
		}, 1},
		{"a bare status", 400, func(string) string { return "no" }, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &modernServer{refuse: func(w http.ResponseWriter, id string) { writeJSON(w, tt.status, tt.body(id)) }}
			p := startBridge(t, shclient.Options{URL: serve(t, s)}, nil)
			p.send(initializeLine, initializedLine, `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`)
			if line := p.wantResult(`"init"`); !strings.Contains(line, `"protocolVersion":"2025-06-18"`) {
				t.Errorf("got %s", line)
			}
			p.wantResult("1")
			if list := s.await(t, byBody("tools/list")); list.header.Get("Mcp-Method") != "tools/list" || list.header.Get("Mcp-Session-Id") != "" {
				t.Errorf("headers %v", list.header)
			}
			if got := len(s.requests(byBody("server/discover"))); got != tt.probes+1 {
				t.Errorf("asked %d times, want %d", got, tt.probes+1)
			}
			p.stdin.Close()
			if err := p.wait(); err != nil {
				t.Error(err)
			}
			if got := s.requests(byBody("notifications/initialized")); len(got) != 0 {
				t.Error("the server got a message of the legacy era")
			}
		})
	}
}

// A server that refuses initialize and is not modern either is quoted.
func TestInitializeFails(t *testing.T) {
	const fault = `{"jsonrpc":"2.0","id":"init","error":{"code":-32602,"message":"not you"}}`
	tests := []struct {
		name       string
		initialize func(w http.ResponseWriter)
		discover   func(w http.ResponseWriter)
		want       string
		code       int
	}{
		{"an error", func(w http.ResponseWriter) { writeJSON(w, 200, fault) }, func(w http.ResponseWriter) { w.WriteHeader(400) }, "not you", -32602},
		{"an error with a status", func(w http.ResponseWriter) { writeJSON(w, 400, fault) }, func(w http.ResponseWriter) { w.WriteHeader(400) }, "not you", -32602},
		{"and then it breaks", func(w http.ResponseWriter) { writeJSON(w, 200, fault) }, func(http.ResponseWriter) { panic(http.ErrAbortHandler) }, "not you", -32602},
		{"it is not there", func(w http.ResponseWriter) { w.WriteHeader(503) }, nil, "503", -32000},
		{"not authorized", func(w http.ResponseWriter) { w.WriteHeader(401) }, nil, "401", -32000},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var asked atomic.Int32
			s := &legacyServer{}
			first := true
			s.initialize = func(w http.ResponseWriter, _ *http.Request) bool {
				s.mu.Lock()
				defer s.mu.Unlock()
				if !first {
					return false
				}
				first = false
				tt.initialize(w)
				return true
			}
			s.discover = func(w http.ResponseWriter, _ *http.Request) {
				asked.Add(1)
				tt.discover(w)
			}
			p := startBridge(t, shclient.Options{URL: serve(t, s)}, nil)
			p.send(initializeLine)
			if text := p.wantError(`"init"`, tt.code); !strings.Contains(text, tt.want) {
				t.Errorf("message %q", text)
			}
			if got := asked.Load() > 0; got != (tt.discover != nil) {
				t.Errorf("asked: %t", got)
			}
			p.send(initializeLine) // may work the next time
			p.wantResult(`"init"`)
			if err := p.wait(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A program may initialize again, and its server may have changed.
func TestInitializeTwice(t *testing.T) {
	var legacy atomic.Bool
	s := &modernServer{}
	s.refuse = func(w http.ResponseWriter, id string) {
		if legacy.Load() {
			writeJSON(w, 200, strings.Replace(initializeReply, `"init"`, id, 1))
			return
		}
		w.WriteHeader(404)
	}
	p := startBridge(t, shclient.Options{URL: serve(t, s)}, nil)
	list := func(id string, translated bool) {
		t.Helper()
		p.send(`{"jsonrpc":"2.0","id":` + id + `,"method":"tools/list"}`)
		p.wantResult(id)
		lists := s.requests(byBody("tools/list"))
		if got := lists[len(lists)-1].header.Get("Mcp-Method") != ""; got != translated {
			t.Errorf("list %s translated: %t", id, got)
		}
	}
	p.send(initializeLine, initializedLine)
	p.wantResult(`"init"`)
	list("1", true)
	p.send(strings.Replace(initializeLine, `"init"`, `"again"`, 1), initializedLine)
	p.wantResult(`"again"`)
	list("2", true)
	legacy.Store(true)
	p.send(initializeLine, initializedLine)
	p.wantResult(`"init"`)
	list("3", false)
	legacy.Store(false)
	p.send(initializeLine, initializedLine)
	p.wantResult(`"init"`)
	list("4", true)
	if err := p.wait(); err != nil {
		t.Error(err)
	}
}

// needsName asks for a name before it answers a call.
func needsName(id, body string) string {
	if strings.Contains(body, `"inputResponses"`) {
		return resultFor(id)
	}
	return `{"jsonrpc":"2.0","id":` + id + `,"result":{"resultType":"input_required","inputRequests":{"q":{"method":"elicitation/create","params":{"message":"who?","requestedSchema":{"type":"object","properties":{}}}}},"requestState":"s"}}`
}

const formsLine = `{"jsonrpc":"2.0","id":"init","method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{"elicitation":{}},"clientInfo":{"name":"test","version":"1"}}}`

// The answer of a program to a question goes on while other calls are stuck on
// their way, and so does their end.
func TestUpgradeHoldsNothingBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		aborted := make(chan struct{}, 10)
		transport := roundTrip(func(r *http.Request) (*http.Response, error) {
			body := bodyOf(r)
			id := rawID(body)
			switch {
			case strings.Contains(body, "server/discover"):
				return response(r, 200, "application/json", strings.NewReader(discovered(id))), nil
			case strings.Contains(body, "stuck"):
				<-r.Context().Done()
				aborted <- struct{}{}
				return nil, r.Context().Err()
			case strings.Contains(body, "tools/call"):
				return response(r, 200, "application/json", strings.NewReader(needsName(id, body))), nil
			case id != "":
				return response(r, 200, "application/json", strings.NewReader(resultFor(id))), nil
			}
			return response(r, 405, "", http.NoBody), nil
		})
		p := startBridge(t, shclient.Options{URL: "https://example.com/mcp", HTTPClient: &http.Client{Transport: transport}},
			&shclient.BridgeOptions{ServerEra: shclient.EraModern})
		p.send(formsLine, initializedLine)
		p.wantResult(`"init"`)
		began := time.Now()
		p.send(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x"}}`)
		asked := p.next()
		for _, id := range []string{"11", "12", "13"} {
			p.send(`{"jsonrpc":"2.0","id":` + id + `,"method":"prompts/get","params":{"name":"stuck"}}`)
		}
		p.send(`{"jsonrpc":"2.0","id":` + rawID(asked) + `,"result":{"action":"accept","content":{}}}`)
		p.wantResult("1")
		if got := time.Since(began); got > time.Second {
			t.Errorf("the answer took %s", got)
		}
		for _, id := range []string{"11", "12", "13"} {
			p.send(cancellation(id))
		}
		for range 3 {
			<-aborted
		}
		if got := time.Since(began); got > 3*time.Second {
			t.Errorf("the cancellations took %s", got)
		}
		if err := p.wait(); err != nil {
			t.Error(err)
		}
	})
}

// A bridge that was told which era to serve refuses the other in words that
// programs of that other one understand.
func TestForcedEras(t *testing.T) {
	type fault struct {
		Code    int
		Message string
		Data    struct {
			Supported []string
			Requested string
		}
	}
	ask := func(t *testing.T, url string, o shclient.BridgeOptions, line string) (reply string, f fault) {
		t.Helper()
		p := startBridge(t, shclient.Options{URL: url}, &o)
		p.send(`{"jsonrpc":"2.0","method":"notifications/vendor"}`, line)
		reply = p.next()
		var m struct{ Error fault }
		if err := json.Unmarshal([]byte(reply), &m); err != nil {
			t.Fatal(err)
		}
		if err := p.wait(); err != nil {
			t.Error(err)
		}
		return reply, m.Error
	}
	legacyVersions := []string{"2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"}
	refusals := []struct {
		name      string
		client    shclient.Era
		line      string
		code      int
		supported []string
		requested string
		words     string
	}{
		{"modern program", shclient.EraLegacy, modern("1", "server/discover", ""), -32022, legacyVersions, "2026-07-28", "2025-11-25, 2025-06-18"},
		{"legacy program", shclient.EraModern, initializeLine, -32022, []string{"2026-07-28"}, "2025-06-18", "2026-07-28"},
		{"legacy program without initialize", shclient.EraModern, `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`, -32602, nil, "", "io.modelcontextprotocol/protocolVersion"},
	}
	for _, tt := range refusals {
		t.Run(tt.name, func(t *testing.T) {
			s := &legacyServer{}
			_, got := ask(t, serve(t, s), shclient.BridgeOptions{ClientEra: tt.client}, tt.line)
			if got.Code != tt.code || !slices.Equal(got.Data.Supported, tt.supported) || got.Data.Requested != tt.requested || !strings.Contains(got.Message, tt.words) {
				t.Errorf("got %+v", got)
			}
			if asked := s.requests(func(r seen) bool { return rawID(r.body) != "" }); len(asked) != 0 {
				t.Errorf("the server got %s", asked[0].body)
			}
		})
	}
	served := []struct {
		name   string
		server shclient.Era
		line   string
		there  http.Handler
		want   string
	}{
		{"modern, legacy server", shclient.EraLegacy, modern("1", "tools/list", ""), &legacyServer{discover: func(w http.ResponseWriter, _ *http.Request) { panic("asked") }}, `"ttlMs":0`},
		{"modern, modern server", shclient.EraModern, modern("1", "tools/list", ""), &modernServer{}, `"result"`},
		{"legacy, legacy server", shclient.EraLegacy, initializeLine, &legacyServer{discover: func(w http.ResponseWriter, _ *http.Request) { panic("asked") }}, `"2025-11-25"`},
		{"legacy, modern server", shclient.EraModern, initializeLine, &modernServer{refuse: func(http.ResponseWriter, string) { panic("asked") }}, `"2025-06-18"`},
		{"legacy, too early", shclient.EraModern, `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`, &modernServer{}, `initialize first`},
		{"legacy, but the server is modern", shclient.EraLegacy, initializeLine, &modernServer{}, `2026-07-28`},
		{"modern, but the server is legacy", shclient.EraModern, modern("1", "tools/list", ""), http.NotFoundHandler(), `404`},
	}
	for _, tt := range served {
		t.Run(tt.name, func(t *testing.T) {
			reply, _ := ask(t, serve(t, tt.there), shclient.BridgeOptions{ServerEra: tt.server}, tt.line)
			if !strings.Contains(reply, tt.want) {
				t.Errorf("got %s, want %s in it", reply, tt.want)
			}
		})
	}
}

// A program of both eras asks first, and goes on as it likes.
func TestProgramOfBothEras(t *testing.T) {
	s := &legacyServer{}
	p := startBridge(t, shclient.Options{URL: serve(t, s)}, nil)
	p.send(modern("1", "server/discover", ""))
	if line := p.wantResult("1"); !strings.Contains(line, `"supportedVersions":["2026-07-28"]`) {
		t.Errorf("got %s", line)
	}
	p.send(modern("2", "tools/list", ""))
	p.wantResult("2")
	p.send(initializeLine, initializedLine, `{"jsonrpc":"2.0","id":3,"method":"tools/list"}`)
	p.wantResult(`"init"`)
	p.wantResult("3")
	p.send(modern("4", "tools/list", ""), cancellation("99"))
	p.wantResult("4")
	if err := p.wait(); err != nil {
		t.Error(err)
	}
	if s.opened != 2 || len(s.requests(byMethod(http.MethodDelete))) != 2 {
		t.Errorf("%d sessions opened, %d ended", s.opened, len(s.requests(byMethod(http.MethodDelete))))
	}
	sessions := map[string]int{}
	for _, r := range s.requests(byBody("tools/list")) {
		sessions[r.header.Get("Mcp-Session-Id")]++
	}
	if sessions["session-1"] != 2 || sessions["session-2"] != 1 {
		t.Errorf("lists by session: %v", sessions)
	}
}

// A server that becomes legacy is found out, but nothing is sent twice that may
// have been executed, and a server that stays modern is not asked for ever.
func TestReconsider(t *testing.T) {
	rpc := func(id, fault string) string { return `{"jsonrpc":"2.0","id":` + id + `,"error":{` + fault + `}}` }
	tests := []struct {
		name   string
		status int
		body   func(id string) string
		legacy bool // the server has become
		again  bool // the request is sent again
		probes int
	}{
		{"a bare status", 400, func(string) string { return "unsupported version" }, true, true, 1},
		{"TypeScript SDK", 400, func(string) string { return rpc("null", `"code":-32000,"message":"no session"`) }, true, true, 1},
		{"Python SDK", 400, func(string) string { return rpc(`"server-error"`, `"code":-32600,"message":"no session"`) }, true, true, 1},
		{"Go SDK", 400, func(id string) string {
			return rpc(id, `"code":-32022,"message":"not supported","data":{"supported":["2025-11-25"],"requested":"2026-07-28"}`)
		}, true, true, 1},
		{"still modern", 404, func(string) string { return "gone" }, false, false, 1},
		{"the request's own error", 400, func(id string) string { return rpc(id, `"code":-32602,"message":"bad"`) }, true, false, 0},
		{"an error of modern servers", 400, func(string) string { return rpc("null", `"code":-32020,"message":"bad"`) }, true, false, 0},
		{"server error", 500, func(string) string { return "oops" }, true, false, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var changed, probes atomic.Int32
			s := &legacyServer{}
			s.discover = func(w http.ResponseWriter, _ *http.Request) {
				probes.Add(1)
				if changed.Load() == 1 && tt.legacy {
					w.WriteHeader(400)
					return
				}
				writeJSON(w, 200, discovered(`"discover"`))
			}
			s.post = func(w http.ResponseWriter, r *http.Request, id, body string) {
				if changed.Load() == 1 && r.Header.Get("Mcp-Session-Id") == "" {
					writeJSON(w, tt.status, tt.body(id))
					return
				}
				writeJSON(w, 200, resultFor(id))
			}
			p := startBridge(t, shclient.Options{URL: serve(t, s)}, nil)
			p.send(modern("1", "x", ""))
			p.wantResult("1")
			changed.Store(1)
			probes.Store(0)
			p.send(modern("2", "y", ""))
			if tt.again {
				p.wantResult("2")
			} else if line := p.next(); rawID(line) != "2" || !strings.Contains(line, `"error"`) {
				t.Errorf("got %s, want an error", line)
			}
			if got := int(probes.Load()); got != tt.probes {
				t.Errorf("asked %d times, want %d", got, tt.probes)
			}
			want := 1
			if tt.again {
				want = 2
			}
			if got := len(s.requests(byBody(`"y"`))); got != want {
				t.Errorf("sent %d times, want %d", got, want)
			}
			if err := p.wait(); err != nil {
				t.Error(err)
			}
		})
	}
}
