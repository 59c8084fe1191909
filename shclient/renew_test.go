// SPDX-License-Identifier: Apache-2.0

package shclient_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shclient"
)

// The session that the server has forgotten is opened again with all that was
// agreed on in it.
func TestLaneRenewsTheSession(t *testing.T) {
	s := &legacyServer{}
	p := startBridge(t, shclient.Options{URL: serve(t, s)}, &shclient.BridgeOptions{DrainTimeout: time.Hour})
	p.send(modern(`"m"`, "subscriptions/listen", `"notifications":{"resourceSubscriptions":["g:h"]},`))
	p.next()
	p.send(cancellation(`"m"`))
	s.await(t, byBody("resources/unsubscribe"))
	// The next subscription waits for the answer to that.
	p.send(modern(`"l"`, "subscriptions/listen", `"notifications":{"resourceSubscriptions":["a:b","c:d","e:f"]},`))
	if line := p.next(); !strings.Contains(line, "acknowledged") {
		t.Errorf("got %s", line)
	}
	levelled := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","_meta":{"io.modelcontextprotocol/logLevel":"info",` + metaOf("{}") + `}}}`
	p.send(levelled)
	p.wantResult("1")
	s.forget("session-1")
	p.send(levelled)
	p.wantResult("1")
	inSecond := func(part string) func(seen) bool {
		return func(r seen) bool {
			return r.header.Get("Mcp-Session-Id") == "session-2" && strings.Contains(r.body, part)
		}
	}
	for _, part := range []string{"initialized", `"a:b"`, `"c:d"`, `"e:f"`, `setLevel","params":{"level":"info"}`, "tools/call"} {
		if got := len(s.requests(inSecond(part))); got != 1 {
			t.Errorf("%d times %s in the second session", got, part)
		}
	}
	if got := s.requests(inSecond(`"g:h"`)); len(got) != 0 {
		t.Error("a subscription came back that had ended")
	}
	p.stdin.Close() // nobody waits for the end of a subscription
	p.wantError(`"l"`, -32000)
	if err := p.wait(); err != nil {
		t.Error(err)
	}
}

// What was agreed on in a session is agreed on again in the next.
func TestBridgeTakesOldSubscriptionsOver(t *testing.T) {
	o, url := newOldServer(t)
	o.post = func(w http.ResponseWriter, s *oldSession, body string) {
		if id := rawID(body); id != "" {
			s.say(`{"jsonrpc":"2.0","id":` + id + `,"result":{}}`)
		}
		w.WriteHeader(http.StatusAccepted)
	}
	p := startBridge(t, shclient.Options{URL: url}, nil)
	p.initialize()
	p.send(`{"jsonrpc":"2.0","id":2,"method":"resources/subscribe","params":{"uri":"a:b"}}`)
	p.wantResult("2")
	p.send(`{"jsonrpc":"2.0","id":3,"method":"logging/setLevel","params":{"level":"info"}}`)
	p.wantResult("3")
	close(o.session(1).cut)
	o.awaitGone(t, 1)
	began := time.Now()
	p.send(pingLine)
	p.want(`{"jsonrpc":"2.0","id":1,"result":{"session":2}}`)
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("it took %s", took)
	}
	for _, part := range []string{"resources/subscribe", "setLevel"} {
		if got := len(o.requests(byBody(part))); got != 2 {
			t.Errorf("%d times %s, want twice", got, part)
		}
	}
	if err := p.wait(); err != nil {
		t.Error(err)
	}
}

// In the next session, too, the server can ask before it gets a call.
func TestLaneListensAgain(t *testing.T) {
	var listening atomic.Bool
	s := &legacyServer{}
	s.get = func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Mcp-Session-Id") == "session-2" {
			time.Sleep(20 * time.Millisecond) // time to overtake
			listening.Store(true)
		}
		writeEvents(w, ": hello\n\n")
		<-r.Context().Done()
	}
	s.post = func(w http.ResponseWriter, r *http.Request, id, _ string) {
		if r.Header.Get("Mcp-Session-Id") == "session-2" && !listening.Load() {
			t.Error("the call came before the stream")
		}
		writeJSON(w, 200, resultFor(id))
	}
	p := startBridge(t, shclient.Options{URL: serve(t, s)}, nil)
	p.send(modern("1", "x", ""))
	p.wantResult("1")
	s.forget("session-1")
	p.send(modern("2", "x", ""))
	p.wantResult("2")
	if err := p.wait(); err != nil {
		t.Error(err)
	}
}
