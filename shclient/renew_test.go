// SPDX-License-Identifier: Apache-2.0

package shclient_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
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
	var log syncBuffer
	p := startBridge(t, shclient.Options{URL: url, Logger: slog.New(slog.NewTextHandler(&log, nil))}, nil)
	p.initialize()
	p.send(`{"jsonrpc":"2.0","id":2,"method":"resources/subscribe","params":{"uri":"a:b"}}`)
	p.wantResult("2")
	p.send(`{"jsonrpc":"2.0","id":3,"method":"logging/setLevel","params":{"level":"info"}}`)
	p.wantResult("3")
	close(o.session(1).cut)
	o.awaitGone(t, 1)
	p.send(pingLine)
	p.want(`{"jsonrpc":"2.0","id":1,"result":{"session":2}}`)
	if strings.Contains(log.String(), "not taken over") {
		t.Errorf("the answers were not heard: %s", log.String())
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
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var sessions int
		var forgotten, listening bool
		transport := roundTrip(func(r *http.Request) (*http.Response, error) {
			body := bodyOf(r)
			second := r.Header.Get("Mcp-Session-Id") == "2"
			if r.Method == http.MethodGet && second {
				time.Sleep(20 * time.Millisecond) // time to overtake
			}
			mu.Lock()
			defer mu.Unlock()
			switch id := rawID(body); {
			case strings.Contains(body, "discover"):
				return response(r, 400, "text/plain", http.NoBody), nil
			case strings.Contains(body, `"initialize"`):
				sessions++
				resp := response(r, 200, "application/json", strings.NewReader(strings.Replace(initializeReply, `"init"`, id, 1)))
				resp.Header.Set("Mcp-Session-Id", strconv.Itoa(sessions))
				return resp, nil
			case r.Method == http.MethodGet:
				listening = listening || second
				stream, server := io.Pipe()
				context.AfterFunc(r.Context(), func() { server.CloseWithError(r.Context().Err()) })
				return response(r, 200, "text/event-stream", stream), nil
			case id != "" && forgotten && !second:
				return response(r, 404, "text/plain", http.NoBody), nil
			case id != "":
				if second && !listening {
					t.Error("the call came before the stream")
				}
				return response(r, 200, "application/json", strings.NewReader(resultFor(id))), nil
			}
			return response(r, 202, "", http.NoBody), nil
		})
		p := startBridge(t, shclient.Options{URL: "https://example.com/mcp", HTTPClient: &http.Client{Transport: transport}}, nil)
		p.send(modern("1", "x", ""))
		p.wantResult("1")
		mu.Lock()
		forgotten = true
		mu.Unlock()
		p.send(modern("2", "x", ""))
		p.wantResult("2")
		if err := p.wait(); err != nil {
			t.Error(err)
		}
		if sessions != 2 || !listening {
			t.Errorf("%d sessions, listening %t", sessions, listening)
		}
	})
}
