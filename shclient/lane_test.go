// SPDX-License-Identifier: Apache-2.0

package shclient_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shclient"
)

const asksNothing, asksForms = `{}`, `{"elicitation":{"form":{}}}`

// holding is a server that answers, those whose body has the word not before
// hold is closed.
func holding(word string, hold <-chan struct{}) *legacyServer {
	return &legacyServer{post: func(w http.ResponseWriter, _ *http.Request, id, body string) {
		if strings.Contains(body, word) {
			<-hold
		}
		writeJSON(w, 200, resultFor(id))
	}}
}

// question is a request of a legacy server.
const question = `{"jsonrpc":"2.0","id":"q","method":"elicitation/create","params":{"message":"who?","requestedSchema":{"type":"object","properties":{}}}}`

// What the server has to know goes before what depends on it, over however many
// connections.
func TestLaneKeepsOrder(t *testing.T) {
	t.Run("the level before the call", func(t *testing.T) {
		hold := make(chan struct{})
		s := holding("setLevel", hold)
		p := startBridge(t, shclient.Options{URL: serve(t, s)}, nil)
		p.send(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","_meta":{"io.modelcontextprotocol/logLevel":"info",` + metaOf("{}") + `}}}`)
		s.await(t, byBody("setLevel"))
		time.AfterFunc(20*time.Millisecond, func() { close(hold) }) // time to overtake
		p.wantResult("1")
		if got := s.order(`"initialize"`, "initialized", "setLevel", "tools/call"); !slices.Equal(got, []string{`"initialize"`, "initialized", "setLevel", "tools/call"}) {
			t.Errorf("order %q", got)
		}
	})
	t.Run("a cancellation names the call as the server knows it", func(t *testing.T) {
		s := &legacyServer{}
		s.post = func(w http.ResponseWriter, r *http.Request, id, body string) {
			if strings.Contains(body, "tools/call") {
				<-r.Context().Done()
			}
			writeJSON(w, 200, resultFor(id))
		}
		p := startBridge(t, shclient.Options{URL: serve(t, s)}, nil)
		p.send(modern("1", "tools/list", ""))
		p.wantResult("1")
		p.send(modern(`"a"`, "tools/call", `"name":"x",`), cancellation(`"a"`))
		cancelled := s.await(t, byBody("notifications/cancelled"))
		call := s.await(t, byBody("tools/call"))
		if want := `"requestId":` + rawID(call.body); !strings.Contains(cancelled.body, want) {
			t.Errorf("the server got %s, want %s in it", cancelled.body, want)
		}
		if err := p.wait(); err != nil {
			t.Error(err)
		}
	})
	t.Run("a subscription before its end", func(t *testing.T) {
		hold := make(chan struct{})
		s := holding("resources/subscribe", hold)
		p := startBridge(t, shclient.Options{URL: serve(t, s)}, nil)
		p.send(modern("1", "subscriptions/listen", `"notifications":{"resourceSubscriptions":["a:b"]},`))
		s.await(t, byBody("resources/subscribe"))
		p.send(cancellation("1"), modern("2", "tools/list", ""))
		p.wantResult("2") // a call does not wait for subscriptions
		if got := s.requests(byBody("resources/unsubscribe")); len(got) != 0 {
			t.Error("the end overtook the subscription")
		}
		close(hold)
		s.await(t, byBody("resources/unsubscribe"))
		if err := p.wait(); err != nil {
			t.Error(err)
		}
	})
}

// A server that lets a request wait before it takes it holds back nothing that
// does not depend on it.
func TestLaneHoldsNothingBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var stream *io.PipeWriter
		var call string // the id that the server sees
		answered, aborted := make(chan string, 1), make(chan struct{}, 5)
		transport := roundTrip(func(r *http.Request) (*http.Response, error) {
			body := bodyOf(r)
			switch id := rawID(body); {
			case strings.Contains(body, "discover"):
				return response(r, 400, "text/plain", http.NoBody), nil
			case strings.Contains(body, `"initialize"`):
				return response(r, 200, "application/json", strings.NewReader(strings.Replace(initializeReply, `"init"`, id, 1))), nil
			case strings.Contains(body, "asks"):
				var reader io.Reader
				reader, stream = io.Pipe()
				call = id
				context.AfterFunc(r.Context(), func() { stream.CloseWithError(r.Context().Err()) })
				go io.WriteString(stream, "data: "+question+"\n\n")
				return response(r, 200, "text/event-stream", reader), nil
			case strings.Contains(body, "stuck"): // and never sent
				<-r.Context().Done()
				aborted <- struct{}{}
				return nil, r.Context().Err()
			case strings.Contains(body, `"q"`):
				answered <- body
				go io.WriteString(stream, "data: "+resultFor(call)+"\n\n")
				return response(r, 202, "", http.NoBody), nil
			case id != "":
				return response(r, 200, "application/json", strings.NewReader(resultFor(id))), nil
			}
			return response(r, 405, "", http.NoBody), nil
		})
		began := time.Now()
		p := startBridge(t, shclient.Options{URL: "https://example.com/mcp", HTTPClient: &http.Client{Transport: transport}}, nil)
		p.send(modernFrom(asksForms, "1", "tools/call", `"name":"asks",`))
		asked := p.next()
		_, state, _ := strings.Cut(asked, `"requestState":"`)
		state, _, _ = strings.Cut(state, `"`)
		for i := range 5 {
			p.send(modernFrom(asksForms, fmt.Sprint(10+i), "prompts/list", `"name":"stuck",`))
		}
		p.send(modernFrom(asksForms, "2", "tools/call", `"name":"asks","requestState":"`+state+`","inputResponses":{"q":{"action":"accept","content":{}}},`))
		<-answered
		p.wantResult("2")
		p.send(modernFrom(asksForms, "3", "tools/list", ""))
		p.wantResult("3")
		if got := time.Since(began); got > time.Second {
			t.Errorf("it took %s", got)
		}
		for i := range 5 { // nor do calls hold back the end of others
			p.send(cancellation(fmt.Sprint(10 + i)))
		}
		for range 5 { // which never were at the server
			<-aborted
		}
		if got := time.Since(began); got > 3*time.Second {
			t.Errorf("the cancellations took %s", got)
		}
		if err := p.wait(); err != nil {
			t.Error(err)
		}
		if got := time.Since(began); got > 4*time.Second {
			t.Errorf("it took %s", got)
		}
	})
}

// While the program does not read, its own messages get through.
func TestLaneOfAProgramThatDoesNotRead(t *testing.T) {
	more := make(chan struct{})
	s := &legacyServer{}
	s.post = func(w http.ResponseWriter, r *http.Request, id, body string) {
		if strings.Contains(body, "chatty") {
			for range 10 {
				writeEvents(w, `data: {"jsonrpc":"2.0","method":"notifications/vendor"}`+"\n\n")
			}
			<-more
			writeEvents(w, "data: "+resultFor(id)+"\n\n")
			return
		}
		writeJSON(w, 200, resultFor(id))
	}
	p := startBridge(t, shclient.Options{URL: serve(t, s)}, nil)
	p.send(modern("1", "tools/call", `"name":"chatty",`))
	s.await(t, byBody("chatty"))
	began := time.Now()
	for id := 2; id < 20; id++ {
		p.send(modern(fmt.Sprint(id), "tools/list", ""))
	}
	s.awaitCount(t, 18, byBody("tools/list"))
	if waited := time.Since(began); waited > 18*time.Second { // or half as long as if each had waited for the one before
		t.Errorf("it took %s", waited)
	}
	close(more)
	for range 10 + 19 {
		p.next()
	}
	if err := p.wait(); err != nil {
		t.Error(err)
	}
}

// An id belongs to one request, whatever the lanes.
func TestLaneDuplicateIDs(t *testing.T) {
	hold := make(chan struct{})
	s := holding("first", hold)
	p := startBridge(t, shclient.Options{URL: serve(t, s)}, nil)
	p.send(modern("1", "tools/call", `"name":"first",`))
	s.await(t, byBody("first"))
	for _, capabilities := range []string{"{}", profile(1)} {
		p.send(modernFrom(capabilities, "1", "tools/call", `"name":"second",`))
		if text := p.wantError("1", -32000); !strings.Contains(text, "another request with this id") {
			t.Errorf("message %q", text)
		}
	}
	p.stdin.Close() // the first is still awaited
	time.AfterFunc(20*time.Millisecond, func() { close(hold) })
	p.wantResult("1")
	if err := p.wait(); err != nil {
		t.Error(err)
	}
	if got := s.requests(byBody("second")); len(got) != 0 {
		t.Errorf("the server got %s", got[0].body)
	}
}

func TestLanesLimitRequestsInFlight(t *testing.T) {
	hold := make(chan struct{})
	s := holding("", hold)
	p := startBridge(t, shclient.Options{URL: serve(t, s)}, &shclient.BridgeOptions{MaxInFlight: 2})
	p.send(modern("1", "x", ""), modernFrom(profile(1), "2", "x", ""), modern("3", "x", ""))
	if text := p.wantError("3", -32000); !strings.Contains(text, "limit") {
		t.Errorf("message %q", text)
	}
	close(hold)
	p.wantResults("1", "2")
	p.send(modern("1", "x", ""))
	p.wantResult("1")
	if err := p.wait(); err != nil {
		t.Error(err)
	}
}

// Clients that differ have a session each: the one that was not used for the
// longest time goes when there are too many, but none with a call.
func TestLanesAreBounded(t *testing.T) {
	hold := make(chan struct{})
	s := holding("hold", hold)
	p := startBridge(t, shclient.Options{URL: serve(t, s)}, nil)
	for i := range 33 {
		p.send(modernFrom(profile(i), "1", "x", ""))
		p.wantResult("1")
	}
	if first := s.await(t, byMethod(http.MethodDelete)); first.header.Get("Mcp-Session-Id") != "session-1" {
		t.Errorf("ended %s, want the oldest", first.header.Get("Mcp-Session-Id"))
	}
	p.send(modernFrom(profile(1), "1", "x", "")) // is still there
	p.wantResult("1")
	if s.opened != 33 {
		t.Errorf("%d sessions, want 33", s.opened)
	}
	var held []string
	for i := range 32 {
		held = append(held, fmt.Sprint(100+i))
		p.send(modernFrom(profile(1+i), held[i], "hold", ""))
	}
	s.awaitCount(t, 32, byBody(`"hold"`))
	p.send(modernFrom(profile(0), "2", "x", ""))
	if text := p.wantError("2", -32000); !strings.Contains(text, "32 clients") {
		t.Errorf("message %q", text)
	}
	close(hold)
	p.wantResults(held...)
	p.send(modernFrom(profile(0), "3", "x", ""))
	p.wantResult("3")
	if err := p.wait(); err != nil {
		t.Error(err)
	}
	if ended := len(s.requests(byMethod(http.MethodDelete))); ended != s.opened {
		t.Errorf("%d sessions opened, %d ended", s.opened, ended)
	}
}

// A client that is asked something may come back, and finds its session.
func TestLanesWithParkedCallsStay(t *testing.T) {
	s := &legacyServer{}
	s.post = func(w http.ResponseWriter, r *http.Request, id, body string) {
		writeEvents(w, "data: "+question+"\n\n")
		<-r.Context().Done()
	}
	p := startBridge(t, shclient.Options{URL: serve(t, s)}, &shclient.BridgeOptions{DrainTimeout: time.Hour})
	forms := func(n int) string { return fmt.Sprintf(`{"elicitation":{"form":{}},"experimental":{"n":{"n":%d}}}`, n) }
	for i := range 32 {
		p.send(modernFrom(forms(i), "1", "tools/call", `"name":"x",`))
		if line := p.wantResult("1"); !strings.Contains(line, "input_required") {
			t.Fatalf("got %s", line)
		}
	}
	p.send(modern("2", "tools/list", ""))
	if text := p.wantError("2", -32000); !strings.Contains(text, "32 clients") {
		t.Errorf("message %q", text)
	}
	if err := p.wait(); err != nil { // nobody comes back any more, nor is waited for
		t.Error(err)
	}
	if ended := len(s.requests(byMethod(http.MethodDelete))); ended != 32 {
		t.Errorf("%d sessions ended", ended)
	}
}

// A server that refuses a session fails the requests that waited for it, and
// is asked anew for the next one: what it speaks, too.
func TestLaneThatFails(t *testing.T) {
	refuse := true
	s := &legacyServer{}
	s.initialize = func(w http.ResponseWriter, _ *http.Request) bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		if refuse {
			refuse = false
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		}
		return false
	}
	p := startBridge(t, shclient.Options{URL: serve(t, s)}, nil)
	p.send(modern("1", "x", ""))
	if text := p.wantError("1", -32000); !strings.Contains(text, "503") {
		t.Errorf("message %q", text)
	}
	p.send(modern("2", "x", ""))
	p.wantResult("2")
	if err := p.wait(); err != nil {
		t.Error(err)
	}
	if got := len(s.requests(byBody("server/discover"))); got != 2 {
		t.Errorf("asked %d times, want 2", got)
	}
}

// A server that forgets its sessions because it has become a modern one is
// found out with the next request.
func TestLaneOfAServerThatBecomesModern(t *testing.T) {
	var modernNow atomic.Bool
	hold := make(chan struct{})
	s := holding("hold", hold)
	s.initialize = func(w http.ResponseWriter, _ *http.Request) bool {
		if modernNow.Load() {
			w.WriteHeader(404)
		}
		return modernNow.Load()
	}
	s.discover = func(w http.ResponseWriter, _ *http.Request) {
		if modernNow.Load() {
			writeJSON(w, 200, discovered(`"discover"`))
			return
		}
		w.WriteHeader(400)
	}
	p := startBridge(t, shclient.Options{URL: serve(t, s)}, nil)
	p.send(modern("1", "x", ""), modern(`"held"`, "hold", ""))
	p.wantResult("1")
	s.await(t, byBody("hold"))
	modernNow.Store(true)
	s.forget("session-1")
	p.send(modern("2", "x", ""))
	if text := p.wantError("2", -32000); !strings.Contains(text, "forgot the session") {
		t.Errorf("message %q", text)
	}
	p.send(modern(`"three"`, "x", ""))
	p.wantResult(`"three"`)
	if got := s.requests(byBody(`"three"`)); len(got) != 1 {
		t.Error("the bytes did not pass")
	}
	close(hold) // what is in flight keeps its lane
	p.wantResult(`"held"`)
	if err := p.wait(); err != nil {
		t.Error(err)
	}
	if got := s.requests(byMethod(http.MethodDelete)); len(got) != 1 {
		t.Errorf("%d sessions ended, want 1", len(got))
	}
}

// One that has become modern and refuses the requests of a session, whatever it
// says to that, is found out with the next request as well.
func TestLaneOfAServerThatRefusesSessions(t *testing.T) {
	for name, refuse := range map[string]func(w http.ResponseWriter){
		"a bare status": func(w http.ResponseWriter) { http.Error(w, "unsupported protocol version", 400) },
		"an error of modern servers": func(w http.ResponseWriter) {
			writeJSON(w, 400, `{"jsonrpc":"2.0","id":null,"error":{"code":-32020,"message":"no"}}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			var modernNow atomic.Bool
			s := &legacyServer{}
			s.discover = func(w http.ResponseWriter, _ *http.Request) {
				if modernNow.Load() {
					writeJSON(w, 200, discovered(`"discover"`))
					return
				}
				w.WriteHeader(400)
			}
			s.post = func(w http.ResponseWriter, r *http.Request, id, body string) {
				if modernNow.Load() && r.Header.Get("Mcp-Method") == "" {
					refuse(w)
					return
				}
				writeJSON(w, 200, resultFor(id))
			}
			p := startBridge(t, shclient.Options{URL: serve(t, s)}, nil)
			p.send(modern("1", "x", ""))
			p.wantResult("1")
			modernNow.Store(true)
			p.send(modern("2", "x", ""))
			if line := p.next(); rawID(line) != "2" || !strings.Contains(line, `"error"`) {
				t.Errorf("got %s, want an error", line)
			}
			for _, id := range []string{`"three"`, `"four"`} {
				p.send(modern(id, "x", ""))
				p.wantResult(id)
				if got := s.requests(byBody(id)); len(got) != 1 {
					t.Error("the bytes did not pass")
				}
			}
			if got := len(s.requests(byBody("server/discover"))); got != 2 {
				t.Errorf("asked %d times, want 2", got)
			}
			if err := p.wait(); err != nil {
				t.Error(err)
			}
			if got := s.requests(byMethod(http.MethodDelete)); len(got) != 1 {
				t.Errorf("%d sessions ended, want 1", len(got))
			}
		})
	}
}

// Notifications of a modern program go to the session of the client that they
// name, or to the only one there is.
func TestLaneTakesNotifications(t *testing.T) {
	vendor := func(n int, meta string) string {
		return fmt.Sprintf(`{"jsonrpc":"2.0","method":"notifications/vendor%d","params":{"_meta":{%s}}}`, n, meta)
	}
	s := &legacyServer{}
	p := startBridge(t, shclient.Options{URL: serve(t, s)}, nil)
	p.send(modern("1", "x", ""), vendor(1, ""), vendor(2, metaOf("{}")), vendor(3, metaOf(profile(1))), `{"jsonrpc":"2.0","method":"notifications/initialized"}`)
	p.wantResult("1")
	p.send(vendor(4, ""), modernFrom(profile(1), "2", "x", ""))
	p.wantResult("2")
	p.send(vendor(5, ""), vendor(6, metaOf(profile(1))), cancellation("77"))
	if err := p.wait(); err != nil {
		t.Error(err)
	}
	want := map[string]string{"vendor4": "session-1", "vendor6": "session-2"}
	for _, r := range s.requests(byBody("notifications/vendor")) {
		name := r.body[strings.Index(r.body, "vendor"):][:7]
		if session := r.header.Get("Mcp-Session-Id"); session == "" || want[name] != "" && want[name] != session {
			t.Errorf("%s came in session %q", name, session)
		}
		if name == "vendor3" || name == "vendor5" {
			t.Errorf("%s is for nobody", name)
		}
		if strings.Contains(r.body, "clientCapabilities") {
			t.Errorf("the server got %s", r.body)
		}
		delete(want, name)
	}
	for name := range want {
		t.Errorf("%s did not come", name)
	}
	if got := len(s.requests(byBody("notifications/initialized"))); got != 2 {
		t.Errorf("%d times initialized, want once for each session", got)
	}
	if got := s.requests(byBody("notifications/cancelled")); len(got) != 0 {
		t.Errorf("the server got %s", got[0].body)
	}
}

// What the program said last is on its way when the run ends, and every session
// is ended, even by servers that do not answer that.
func TestLanesEnd(t *testing.T) {
	t.Run("nothing in flight", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			sessions, ended := 0, map[string]bool{}
			transport := roundTrip(func(r *http.Request) (*http.Response, error) {
				body := bodyOf(r)
				mu.Lock()
				defer mu.Unlock()
				switch id := rawID(body); {
				case r.Method == http.MethodDelete:
					ended[r.Header.Get("Mcp-Session-Id")] = true
					mu.Unlock()
					<-r.Context().Done()
					mu.Lock()
					return nil, r.Context().Err()
				case strings.Contains(body, "discover"):
					return response(r, 400, "text/plain", http.NoBody), nil
				case strings.Contains(body, `"initialize"`):
					sessions++
					resp := response(r, 200, "application/json", strings.NewReader(strings.Replace(initializeReply, `"init"`, id, 1)))
					resp.Header.Set("Mcp-Session-Id", fmt.Sprint(sessions))
					return resp, nil
				case id != "":
					return response(r, 200, "application/json", strings.NewReader(resultFor(id))), nil
				}
				return response(r, 405, "", http.NoBody), nil
			})
			p := startBridge(t, shclient.Options{URL: "https://example.com/mcp", HTTPClient: &http.Client{Transport: transport}}, nil)
			p.initialize()
			for i := range 10 {
				p.send(modernFrom(profile(i), "1", "x", ""))
				p.wantResult("1")
			}
			began := time.Now()
			if err := p.wait(); err != nil {
				t.Error(err)
			}
			if got := time.Since(began); got > 2*time.Second {
				t.Errorf("the end took %s", got)
			}
			if len(ended) != 11 {
				t.Errorf("%d sessions ended, want 11", len(ended))
			}
		})
	})
	t.Run("a cancellation", func(t *testing.T) {
		s := &legacyServer{}
		s.post = func(_ http.ResponseWriter, r *http.Request, _, _ string) { <-r.Context().Done() }
		p := startBridge(t, shclient.Options{URL: serve(t, s)}, nil)
		p.send(modern("1", "tools/call", `"name":"x",`))
		s.await(t, byBody("tools/call"))
		p.send(cancellation("1"))
		if err := p.wait(); err != nil {
			t.Error(err)
		}
		if got := s.requests(byBody("notifications/cancelled")); len(got) != 1 {
			t.Errorf("the server heard of the cancellation %d times", len(got))
		}
	})
	t.Run("a call", func(t *testing.T) {
		s := &legacyServer{}
		s.post = func(_ http.ResponseWriter, r *http.Request, _, _ string) { <-r.Context().Done() }
		p := startBridge(t, shclient.Options{URL: serve(t, s)}, &shclient.BridgeOptions{DrainTimeout: time.Millisecond})
		p.send(modern("1", "tools/call", `"name":"x",`))
		s.await(t, byBody("tools/call"))
		p.stdin.Close()
		if text := p.wantError("1", -32000); !strings.Contains(text, "the bridge ended") {
			t.Errorf("message %q", text)
		}
		if err := p.wait(); err != nil {
			t.Error(err)
		}
		s.await(t, byMethod(http.MethodDelete))
	})
	t.Run("nobody reads", func(t *testing.T) {
		s := &legacyServer{}
		p := startBridge(t, shclient.Options{URL: serve(t, s)}, nil)
		p.send(modern("1", "x", ""), modern("2", "x", ""))
		s.awaitCount(t, 2, byBody(`"x"`))
		p.end()
		select {
		case <-p.ended:
		case <-time.After(patience):
			t.Fatal("still runs")
		}
	})
}
