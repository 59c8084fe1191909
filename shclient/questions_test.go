// SPDX-License-Identifier: Apache-2.0

package shclient_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/shclient"
)

// asker is a server that asks on the stream of the session, and counts its
// questions anew in each. What comes through the channel it says in the second.
func asker(ask func(session string) string) (*fake, chan string) {
	more := make(chan string)
	f := &fake{
		get: func(w http.ResponseWriter, r *http.Request) {
			session := r.Header.Get("Mcp-Session-Id")
			writeEvents(w, ask(session))
			further := more
			if session == "session-1" {
				further = nil // its stream may outlive it for a moment
			}
			for {
				select {
				case text := <-further:
					writeEvents(w, text)
				case <-r.Context().Done():
					return
				}
			}
		},
	}
	f.post = func(w http.ResponseWriter, r *http.Request, body string) {
		switch {
		case strings.Contains(body, `"result"`):
			w.WriteHeader(http.StatusAccepted)
		case r.Header.Get("Mcp-Session-Id") == "session-1":
			w.WriteHeader(http.StatusNotFound)
		default:
			writeJSON(w, 200, callReply)
		}
	}
	return f, more
}

// event is a message on a stream.
func event(message string) string { return "data: " + message + "\n\n" }

func rootsQuestion(id string) string {
	return `{"jsonrpc":"2.0","id":` + id + `,"method":"roots/list"}`
}

// What a session asked that is gone is withdrawn, an answer to it reaches no
// other, and the next session's questions are told apart though they have the
// same ids.
func TestBridgeTellsQuestionsOfSessionsApart(t *testing.T) {
	f, more := asker(func(string) string { return event(rootsQuestion("1")) })
	p := startBridge(t, shclient.Options{URL: serve(t, f)}, nil)
	p.initialize()
	p.want(rootsQuestion("1"))
	p.send(callLine) // finds the session gone
	p.want(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1,"reason":"the server has forgotten the session in which it asked"}}`)
	got := map[string]bool{p.next(): true, p.next(): true}
	if renamed := rootsQuestion(`"shclient-question-1"`); !got[renamed] || !got[callReply] {
		t.Fatalf("got %v, want the reply and %s", got, renamed)
	}
	answer := func(id string, n int) string {
		return fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":{"roots":[],"n":%d}}`, id, n)
	}
	p.send(answer("1", 1), answer(`"shclient-question-1"`, 2))
	if first := f.await(t, byBody(`"roots"`)); first.body != answer("1", 2) || first.header.Get("Mcp-Session-Id") != "session-2" {
		t.Errorf("%s got %s, want the second answer", first.header.Get("Mcp-Session-Id"), first.body)
	}
	// An id that was answered is free again, and what is known of it is forgotten.
	more <- event(rootsQuestion("1"))
	p.want(rootsQuestion("1"))
	p.send(answer("1", 3))
	f.await(t, byBody(`"n":3`))
	if err := p.wait(); err != nil {
		t.Error(err)
	}
	if n := len(f.requests(byBody(`"roots"`))); n != 2 {
		t.Errorf("%d answers reached the server, want 2", n)
	}
}

// A server cancels a question under the id that the program knows.
func TestBridgeCancelsARenamedQuestion(t *testing.T) {
	const cancelled = `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"reason":"late","requestId":%s}}`
	f, more := asker(func(string) string { return event(rootsQuestion(`"q"`)) })
	p := startBridge(t, shclient.Options{URL: serve(t, f)}, nil)
	p.initialize()
	p.want(rootsQuestion(`"q"`))
	p.send(callLine)
	p.next() // the bridge withdraws the first
	p.next()
	p.next() // the reply and the second question
	more <- event(fmt.Sprintf(cancelled, `"q"`))
	p.want(fmt.Sprintf(cancelled, `"shclient-question-1"`))
	if err := p.wait(); err != nil {
		t.Error(err)
	}
}
