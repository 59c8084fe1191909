// SPDX-License-Identifier: Apache-2.0

package shclient_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/atrawog/mcp-oauth-gateway/shclient"
)

// oldServer is a server of HTTP+SSE whose faults the test writes by hand. It
// answers the handshake, and "ping" with the number of its session; all other
// messages go to post.
type oldServer struct {
	recorder
	post     func(w http.ResponseWriter, s *oldSession, body string)
	sessions []*oldSession // mu guards it
	lenient  bool          // take messages for sessions that are gone
	refusals int           // how many initialize are refused; mu guards it
}

const refusal = `{"jsonrpc":"2.0","id":"init","error":{"code":-32602,"message":"not now"}}`

// oldSession is one stream.
type oldSession struct {
	number int
	events chan string   // text to write
	cut    chan struct{} // closed to cut the stream off
	gone   chan struct{} // closed when the stream has ended
}

func (s *oldSession) say(message string) { s.events <- "event: message\ndata: " + message + "\n\n" }

func newOldServer(t *testing.T) (*oldServer, string) {
	o := &oldServer{}
	return o, serve(t, o)
}

func (o *oldServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := o.note(r)
	switch {
	case r.Method == http.MethodGet:
		o.stream(w, r)
	case r.URL.Path != "/post":
		http.Error(w, "not here", http.StatusNotFound)
	default:
		o.take(w, r, body)
	}
}

func (o *oldServer) stream(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	s := &oldSession{number: len(o.sessions) + 1, events: make(chan string, 16), cut: make(chan struct{}), gone: make(chan struct{})}
	defer close(s.gone)
	o.sessions = append(o.sessions, s)
	o.mu.Unlock()
	writeEvents(w, "event: endpoint\ndata: "+fmt.Sprintf("/post?session=%d\n\n", s.number))
	for {
		select {
		case text := <-s.events:
			writeEvents(w, text)
		case <-s.cut:
			return
		case <-r.Context().Done():
			return
		}
	}
}

func (o *oldServer) take(w http.ResponseWriter, r *http.Request, body string) {
	var number int
	_, _ = fmt.Sscan(r.URL.Query().Get("session"), &number)
	s := o.session(number)
	if s.hasGone() && !o.lenient {
		http.Error(w, "session not found", http.StatusNotFound)
		return
	}
	switch {
	case strings.Contains(body, `"initialize"`):
		s.say(o.welcome())
	case strings.Contains(body, `"ping"`):
		s.say(fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"result":{"session":%d}}`, number))
	case o.post != nil:
		o.post(w, s, body)
		return
	}
	w.WriteHeader(http.StatusAccepted)
}

func (o *oldServer) welcome() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.refusals > 0 {
		o.refusals--
		return refusal
	}
	return initializeReply
}

func (o *oldServer) session(number int) *oldSession {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.sessions[number-1]
}

func (s *oldSession) hasGone() bool {
	select {
	case <-s.gone:
		return true
	default:
		return false
	}
}

// awaitGone waits until the stream of a session has ended.
func (o *oldServer) awaitGone(t *testing.T, session int) {
	t.Helper()
	select {
	case <-o.session(session).gone:
	case <-time.After(patience):
		t.Fatalf("stream %d is still open", session)
	}
}

const pingLine = `{"jsonrpc":"2.0","id":1,"method":"ping"}`

// The SDK's server of the old transport does what the transport allows.
func TestBridgeToOldSDKServer(t *testing.T) {
	for _, version := range []string{"2024-11-05", "2025-11-25", ""} {
		t.Run("version "+version, func(t *testing.T) {
			cancelled := make(chan struct{})
			server := toolServer(cancelled)
			handler := mcp.NewSSEHandler(func(*http.Request) *mcp.Server { return server }, nil)
			checkEverything(t, connectHost(t, serve(t, handler), version), cancelled)
		})
	}
}

// Every byte passes over the old transport, too, and every request carries
// what it has to.
func TestBridgeForwardsBytesOverHTTPSSE(t *testing.T) {
	const (
		request = `{ "jsonrpc" : "2.0","id":12345678901234567890, "method":"vendor/odd","params":{"n":1.0,"u":"\u00e9\/<&>"}, "extra":[null] }`
		answer  = `{"id":12345678901234567890, "result":{"n":1.50,"s":"naïve"},"jsonrpc":"2.0","x":1}`
		event   = `{"jsonrpc":"2.0","method":"notifications/vendor","params":{"big":9007199254740993}}`
	)
	o, url := newOldServer(t)
	o.post = func(w http.ResponseWriter, s *oldSession, body string) {
		if strings.Contains(body, "vendor/odd") {
			s.events <- ": still there\n\nevent: other\ndata: {}\n\ndata: banner\n\n"
			s.say(event)
			s.say(answer)
		}
		w.WriteHeader(http.StatusOK) // as some servers do instead of 202
		fmt.Fprint(w, "Accepted")
	}
	p := startBridge(t, shclient.Options{URL: url, Header: http.Header{"X-Key": {"k"}}}, nil)
	p.initialize()
	p.send(request)
	p.want(event)
	p.want(answer)
	if got := o.await(t, byBody("vendor/odd")).body; got != request {
		t.Errorf("server got  %s\nprogram sent %s", got, request)
	}
	if err := p.wait(); err != nil {
		t.Error(err)
	}
	for _, r := range o.requests(func(seen) bool { return true }) {
		if r.header.Get("X-Key") != "k" {
			t.Errorf("%s %s: custom header missing", r.method, r.body)
		}
		if accept := r.header.Get("Accept"); r.method == "GET" && accept != "text/event-stream" {
			t.Errorf("Accept %q", accept)
		}
	}
	if n := len(o.requests(byMethod(http.MethodGet))); n != 1 {
		t.Errorf("%d streams, want 1", n)
	}
}

// What is tried and does not work is said.
func TestBridgeFindsNoTransport(t *testing.T) {
	rpc := func(status int, id string, code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			writeJSON(w, status, fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"error":{"code":%d,"message":"no"}}`, id, code))
		}
	}
	text := func(status int, text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { http.Error(w, text, status) }
	}
	events := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { writeEvents(w, strings.Replace(text, "HOST", r.Host, 1)) }
	}
	tests := []struct {
		name      string
		post, get http.HandlerFunc
		code      int
		want      []string // of the message
		gets      int
	}{
		{"neither", text(404, "no such page"), text(404, "nor this"), -32000, []string{"answered 404 Not Found: no such page", "HTTP+SSE of 2024-11-05 was tried, too", "nor this"}, 1},
		{"GET is a web page", text(405, ""), func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html><body>") }, -32000, []string{"405", "text/html"}, 1},
		{"stream without events", text(400, ""), events(": hello\n\n"), -32000, []string{"400", "ended before an endpoint event"}, 1},
		{"stream with another event first", text(404, ""), events("data: {}\n\nevent: endpoint\ndata: /post\n\n"), -32000, []string{"404", "does not begin with an endpoint event"}, 1},
		{"endpoint of another server", text(404, ""), events("event: endpoint\ndata: https://evil.example:8/x?key=secret\n\n"), -32000, []string{"https://evil.example:8", "refused"}, 1},
		{"endpoint of another scheme", text(404, ""), events("event: endpoint\ndata: file:///etc/passwd\n\n"), -32000, []string{"another server", "refused"}, 1},
		{"endpoint of another server without a scheme", text(404, ""), events("event: endpoint\ndata: //evil.example/secret\n\n"), -32000, []string{"evil.example", "refused"}, 1},
		{"endpoint with a password", text(404, ""), events("event: endpoint\ndata: http://secret:secret@HOST/x\n\n"), -32000, []string{"user name", "refused"}, 1},
		{"endpoint is no URL", text(404, ""), events("event: endpoint\ndata: http://[secret\n\n"), -32000, []string{"no usable URL"}, 1},
		{"endpoint is too long", text(404, ""), events("event: endpoint\ndata: /" + strings.Repeat("x", 10_000) + "\n\n"), -32000, []string{"no usable URL"}, 1},
		{"other failures say nothing about the transport", text(500, "down"), nil, -32000, []string{"500", "down"}, 0},
		{"JSON-RPC error for this request", rpc(400, `"init"`, -32602), nil, -32602, []string{"no"}, 0},
		{"JSON-RPC error of a modern server", rpc(400, `null`, -32022), nil, -32022, []string{"no"}, 0},
		{"JSON-RPC error of a modern server, 404", rpc(404, `null`, -32601), nil, -32601, []string{"no"}, 0},
		{"JSON-RPC error without an id", rpc(400, `null`, -32000), text(405, ""), -32000, []string{"no"}, 1},
		{"JSON-RPC error with 405", rpc(405, `"init"`, -32601), text(405, ""), -32601, []string{"no"}, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var gets, posts atomic.Int32
			url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodGet {
					gets.Add(1)
					tt.get(w, r)
					return
				}
				posts.Add(1)
				tt.post(w, r)
			}))
			p := startBridge(t, shclient.Options{URL: url}, &shclient.BridgeOptions{ServerEra: shclient.EraLegacy})
			p.send(initializeLine)
			got := p.wantError(`"init"`, tt.code)
			for _, want := range tt.want {
				if !strings.Contains(got, want) {
					t.Errorf("message %q, want %q", got, want)
				}
			}
			if strings.Contains(got, "secret") {
				t.Errorf("message %q tells a secret", got)
			}
			if gets.Load() != int32(tt.gets) || posts.Load() != 1 {
				t.Errorf("%d GET and %d POST, want %d and 1", gets.Load(), posts.Load(), tt.gets)
			}
			if err := p.wait(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A modern program uses a server of the old transport, translated: what it says
// of itself opens the session.
func TestBridgeTranslatesForHTTPSSE(t *testing.T) {
	server := mcp.NewServer(&mcp.Implementation{Name: "old", Version: "1"}, nil)
	mcp.AddTool(server, &mcp.Tool{Name: "hello"}, func(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: "hello"}}}, nil, nil
	})
	url := serve(t, mcp.NewSSEHandler(func(*http.Request) *mcp.Server { return server }, nil))
	p := startBridge(t, shclient.Options{URL: url}, nil)
	for range 2 {
		p.send(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"hello","arguments":{},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`)
		if got := p.next(); !strings.Contains(got, `"id":1,"result":{"resultType":"complete"`) || !strings.Contains(got, `"text":"hello"`) {
			t.Errorf("got %s", got)
		}
	}
	if err := p.wait(); err != nil {
		t.Error(err)
	}
}

// With its stream the session is gone: calls fail, and another one is opened.
func TestBridgeReopensTheStream(t *testing.T) {
	const event = `{"jsonrpc":"2.0","method":"notifications/vendor"}`
	o, url := newOldServer(t)
	o.post = func(w http.ResponseWriter, s *oldSession, body string) {
		w.WriteHeader(http.StatusAccepted)
		if strings.Contains(body, "tools/call") {
			close(s.cut)
		}
		if strings.Contains(body, "initialized") && s.number > 1 {
			s.say(event)
		}
	}
	p := startBridge(t, shclient.Options{URL: url}, nil)
	p.initialize()
	p.send(callLine)
	if got := p.wantError("1", -32000); !strings.Contains(got, "the stream of the session ended before the answer came") {
		t.Errorf("message %q", got)
	}
	p.want(event) // without a message of the program
	p.send(pingLine)
	p.want(`{"jsonrpc":"2.0","id":1,"result":{"session":2}}`)
	if err := p.wait(); err != nil {
		t.Error(err)
	}
	if n := len(o.requests(byBody("tools/call"))); n != 1 {
		t.Errorf("the call was posted %d times", n)
	}
	want := []string{initializeLine, initializedLine, callLine, initializeLine, initializedLine, pingLine}
	var got []string
	for _, r := range o.requests(byMethod(http.MethodPost))[1:] { // the first found out the transport
		got = append(got, r.body)
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("server got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// A channel that is known to have ended is not written to any more.
func TestBridgeLeavesTheBrokenStream(t *testing.T) {
	o, url := newOldServer(t)
	o.lenient = true
	o.post = func(w http.ResponseWriter, s *oldSession, body string) {
		w.WriteHeader(http.StatusAccepted)
		if strings.Contains(body, "tools/call") {
			close(s.cut)
		}
	}
	p := startBridge(t, shclient.Options{URL: url}, nil)
	p.initialize()
	p.send(callLine)
	p.wantError("1", -32000)
	p.send(pingLine)
	p.want(`{"jsonrpc":"2.0","id":1,"result":{"session":2}}`)
}

// The id of initialize may be used again.
func TestBridgeTakesAnIDAgainOverHTTPSSE(t *testing.T) {
	const answer = `{"jsonrpc":"2.0","id":"init","result":{}}`
	o, url := newOldServer(t)
	o.post = func(w http.ResponseWriter, s *oldSession, body string) {
		w.WriteHeader(http.StatusAccepted)
		if strings.Contains(body, "again") {
			s.say(answer)
		}
	}
	p := startBridge(t, shclient.Options{URL: url}, nil)
	p.initialize()
	p.send(`{"jsonrpc":"2.0","id":"init","method":"again"}`)
	p.want(answer)
	if err := p.wait(); err != nil {
		t.Error(err)
	}
}

// A message does not wait for the pause before the stream is opened again.
func TestBridgeReopensTheStreamForAMessage(t *testing.T) {
	o, url := newOldServer(t)
	p := startBridge(t, shclient.Options{URL: url}, nil)
	p.initialize()
	for session := 1; session <= 5; session++ {
		p.send(pingLine)
		p.want(fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"result":{"session":%d}}`, session))
		close(o.session(session).cut)
		o.awaitGone(t, session)
	}
	if err := p.wait(); err != nil {
		t.Error(err)
	}
}

// A server that has forgotten the session says so at its address, and is asked
// again in another.
func TestBridgeRenewsAForgottenSessionOverHTTPSSE(t *testing.T) {
	for name, refuse := range map[string]func(http.ResponseWriter){
		"404":          func(w http.ResponseWriter) { http.Error(w, "no", 404) },
		"400 in words": func(w http.ResponseWriter) { http.Error(w, "No transport found for sessionId", 400) },
	} {
		t.Run(name, func(t *testing.T) {
			o, url := newOldServer(t)
			o.post = func(w http.ResponseWriter, s *oldSession, body string) {
				switch {
				case !strings.Contains(body, "tools/call"):
				case s.number == 1:
					refuse(w)
					return
				default:
					s.say(callReply)
				}
				w.WriteHeader(http.StatusAccepted)
			}
			p := startBridge(t, shclient.Options{URL: url}, nil)
			p.initialize()
			p.send(callLine)
			p.want(callReply)
			if err := p.wait(); err != nil {
				t.Error(err)
			}
			if n := len(o.requests(byMethod(http.MethodGet))); n != 2 {
				t.Errorf("%d streams, want 2", n)
			}
		})
	}
}

// An answer to a question of a session that is gone does not reach the next
// one, where it could answer another question.
func TestBridgeDropsAnswersToAGoneSession(t *testing.T) {
	o, url := newOldServer(t)
	o.post = func(w http.ResponseWriter, s *oldSession, body string) {
		if strings.Contains(body, `"result"`) {
			http.Error(w, "gone", 404)
			return
		}
		w.WriteHeader(http.StatusAccepted)
	}
	p := startBridge(t, shclient.Options{URL: url}, nil)
	p.initialize()
	p.send(`{"jsonrpc":"2.0","id":7,"result":{}}`, pingLine)
	p.want(`{"jsonrpc":"2.0","id":1,"result":{"session":1}}`)
	if err := p.wait(); err != nil {
		t.Error(err)
	}
	if n := len(o.requests(byBody(`"id":7`))); n != 1 {
		t.Errorf("the answer was posted %d times", n)
	}
}

// The errors of the server at its address and on its stream.
func TestBridgeFailsOverHTTPSSE(t *testing.T) {
	tests := []struct {
		name string
		post func(w http.ResponseWriter, s *oldSession)
		want string
	}{
		{"status", func(w http.ResponseWriter, _ *oldSession) { http.Error(w, "full", http.StatusServiceUnavailable) }, "answered 503 Service Unavailable: full"},
		{"JSON-RPC error", func(w http.ResponseWriter, _ *oldSession) {
			writeJSON(w, 400, `{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"eh?"}}`)
		}, "eh?"},
		{"too large", func(w http.ResponseWriter, s *oldSession) {
			w.WriteHeader(202)
			s.say(strings.Repeat(" ", 1<<16) + callReply)
		}, "too large"},
		{"redirected to another server", func(w http.ResponseWriter, _ *oldSession) {
			w.Header().Set("Location", "http://127.0.0.1:9/")
			w.WriteHeader(307)
		}, "redirected"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o, url := newOldServer(t)
			o.post = func(w http.ResponseWriter, s *oldSession, body string) {
				if strings.Contains(body, "tools/call") {
					tt.post(w, s)
					return
				}
				w.WriteHeader(202)
			}
			p := startBridge(t, shclient.Options{URL: url}, &shclient.BridgeOptions{MaxMessageBytes: 1 << 16})
			p.initialize()
			p.send(callLine)
			if got := p.wantError("1", -32000); !strings.Contains(got, tt.want) || strings.Contains(got, "session=") {
				t.Errorf("message %q, want %q and no address", got, tt.want)
			}
			if err := p.wait(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A server that refuses initialize on its stream is heard, and asked again.
func TestBridgeIsRefusedOverHTTPSSE(t *testing.T) {
	o, url := newOldServer(t)
	o.refusals = 1
	p := startBridge(t, shclient.Options{URL: url}, nil)
	p.send(initializeLine)
	p.want(refusal)
	o.awaitGone(t, 1)
	p.initialize()
	p.send(pingLine)
	p.want(`{"jsonrpc":"2.0","id":1,"result":{"session":2}}`)
	if err := p.wait(); err != nil {
		t.Error(err)
	}
}

// The address is relative to where the stream was found.
func TestBridgeFollowsRedirectsToTheStream(t *testing.T) {
	o := &oldServer{}
	url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodGet && r.URL.Path == "/mcp":
			http.Redirect(w, r, "/old/sse", http.StatusTemporaryRedirect)
		case r.Method == http.MethodGet:
			writeEvents(w, "event: endpoint\ndata: messages?x=1\n\n")
			<-r.Context().Done()
		default:
			o.note(r)
			http.Error(w, r.URL.String(), http.StatusNotFound)
		}
	}))
	p := startBridge(t, shclient.Options{URL: url}, nil)
	p.send(initializeLine)
	if got := p.wantError(`"init"`, -32000); !strings.Contains(got, "/old/messages?x=1") {
		t.Errorf("message %q", got)
	}
}

// A program may initialize twice.
func TestBridgeInitializesTwiceOverHTTPSSE(t *testing.T) {
	o, url := newOldServer(t)
	p := startBridge(t, shclient.Options{URL: url}, nil)
	p.initialize()
	p.initialize()
	p.send(pingLine)
	p.want(`{"jsonrpc":"2.0","id":1,"result":{"session":2}}`)
	o.awaitGone(t, 1)
	if err := p.wait(); err != nil {
		t.Error(err)
	}
	o.awaitGone(t, 2)
	if n := len(o.requests(byMethod(http.MethodGet))); n != 2 {
		t.Errorf("%d streams, want 2", n)
	}
}

// A server that opens a stream and is silent on it does not hold the program up
// for ever.
func TestBridgeWaitsForTheEndpointEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		transport := roundTrip(func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodPost {
				return response(r, 404, "text/plain", strings.NewReader("not here")), nil
			}
			stream, server := io.Pipe()
			context.AfterFunc(r.Context(), func() { server.CloseWithError(r.Context().Err()) })
			return response(r, 200, "text/event-stream", stream), nil
		})
		p := startBridge(t, shclient.Options{URL: "https://example.com/mcp", HTTPClient: &http.Client{Transport: transport}}, nil)
		p.send(initializeLine)
		if got := p.wantError(`"init"`, -32000); !strings.Contains(got, "not here") || !strings.Contains(got, "no endpoint event within 10s") {
			t.Errorf("message %q", got)
		}
		if got := time.Since(began); got != 10*time.Second {
			t.Errorf("after %s", got)
		}
		if err := p.wait(); err != nil {
			t.Error(err)
		}
	})
}

// Once it is open, a stream may be silent.
func TestBridgeKeepsASilentStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stream, server := io.Pipe()
		say := func(text string) { go io.WriteString(server, text) }
		transport := roundTrip(func(r *http.Request) (*http.Response, error) {
			var message []byte
			if r.Body != nil {
				message, _ = io.ReadAll(r.Body)
			}
			switch {
			case r.Method == http.MethodGet:
				context.AfterFunc(r.Context(), func() { server.CloseWithError(r.Context().Err()) })
				say("event: endpoint\ndata: ?x\n\n")
				return response(r, 200, "text/event-stream", stream), nil
			case r.URL.RawQuery == "":
				return response(r, 405, "text/plain", http.NoBody), nil
			case strings.Contains(string(message), `"initialize"`):
				say("data: " + initializeReply + "\n\n")
			case strings.Contains(string(message), `"tools/call"`):
				say("data: " + callReply + "\n\n")
			}
			return response(r, 202, "", http.NoBody), nil
		})
		p := startBridge(t, shclient.Options{URL: "https://example.com/mcp", HTTPClient: &http.Client{Transport: transport}}, nil)
		p.initialize()
		time.Sleep(time.Hour)
		p.send(callLine)
		p.want(callReply)
		if err := p.wait(); err != nil {
			t.Error(err)
		}
	})
}

func response(r *http.Request, status int, kind string, body io.Reader) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {kind}}, Body: io.NopCloser(body), Request: r}
}
