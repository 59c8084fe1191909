// SPDX-License-Identifier: Apache-2.0

package shclient_test

import (
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/shclient"
)

// turning is a server that becomes one of the other era.
type turning struct {
	legacy   legacyServer
	modern   modernServer
	isModern atomic.Bool
	refuse   func(w http.ResponseWriter) // what knows no era yet that names itself; nil: as modernServer does
}

func (s *turning) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case !s.isModern.Load():
		s.legacy.ServeHTTP(w, r)
	case r.Header.Get("Mcp-Method") == "" && s.refuse != nil && r.Header.Get("Mcp-Session-Id") != "":
		s.refuse(w)
	default:
		s.modern.ServeHTTP(w, r)
	}
}

// A legacy program goes on unseen when its server has become a modern one, and
// after an error when that has become a legacy one.
func TestLegacyProgramFollowsTheServer(t *testing.T) {
	const list = `{"jsonrpc":"2.0","id":ID,"method":"tools/list"}`
	for name, refuse := range map[string]func(w http.ResponseWriter){
		"a bare status":      func(w http.ResponseWriter) { http.Error(w, "unsupported protocol version", 400) },
		"an unknown session": func(w http.ResponseWriter) { http.Error(w, "session not found", 404) },
		"an error of modern servers": func(w http.ResponseWriter) {
			writeJSON(w, 400, `{"jsonrpc":"2.0","id":null,"error":{"code":-32020,"message":"no"}}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := &turning{refuse: refuse}
			s.legacy.post = func(w http.ResponseWriter, r *http.Request, id, _ string) {
				if r.Header.Get("Mcp-Session-Id") == "" {
					writeJSON(w, 400, `{"jsonrpc":"2.0","id":`+id+`,"error":{"code":-32022,"message":"no","data":{"supported":["2025-11-25"]}}}`)
					return
				}
				writeJSON(w, 200, resultFor(id))
			}
			s.legacy.discover = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(400) }
			p := startBridge(t, shclient.Options{URL: serve(t, s)}, nil)
			ask := func(id string) { p.send(strings.Replace(list, "ID", id, 1)) }
			p.send(initializeLine, initializedLine, `{"jsonrpc":"2.0","id":1,"method":"logging/setLevel","params":{"level":"info"}}`)
			p.wantResult(`"init"`)
			p.wantResult("1")
			ask("2")
			p.wantResult("2")

			s.isModern.Store(true)
			ids := []string{"3", "4", "5"} // at the same time
			for _, id := range ids {
				ask(id)
			}
			p.wantResults(ids...)
			lists := s.modern.requests(func(r seen) bool { return r.header.Get("Mcp-Method") == "tools/list" })
			if len(lists) != len(ids) || !strings.Contains(lists[0].body, `"io.modelcontextprotocol/logLevel":"info"`) {
				t.Errorf("%d lists, want %d with the level: %+v", len(lists), len(ids), lists)
			}

			s.isModern.Store(false)
			ask("6")
			if line := p.next(); rawID(line) != "6" || !strings.Contains(line, `"error"`) {
				t.Errorf("got %s, want an error", line)
			}
			ask("7")
			p.wantResult("7")
			if err := p.wait(); err != nil {
				t.Error(err)
			}
			var sessions []string
			for _, r := range s.legacy.requests(byBody("tools/list")) {
				sessions = append(sessions, r.header.Get("Mcp-Session-Id"))
			}
			if want := []string{"session-1", "", "session-2"}; !slices.Equal(sessions, want) {
				t.Errorf("lists in sessions %q, want %q", sessions, want)
			}
			ended := s.legacy.requests(func(r seen) bool {
				return r.method == http.MethodDelete && r.header.Get("Mcp-Session-Id") == "session-2"
			})
			if len(ended) != 1 {
				t.Errorf("the last session was ended %d times", len(ended))
			}
		})
	}
}

// A request that may have been executed is not made again.
func TestLegacyProgramFollowsNoServerThatHasRead(t *testing.T) {
	for name, refuse := range map[string]func(w http.ResponseWriter){
		"an error with the request's id": func(w http.ResponseWriter) {
			writeJSON(w, 400, `{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"no"}}`)
		},
		"a failure": func(w http.ResponseWriter) { w.WriteHeader(500) },
	} {
		t.Run(name, func(t *testing.T) {
			s := &turning{refuse: refuse}
			p := startBridge(t, shclient.Options{URL: serve(t, s)}, nil)
			p.send(initializeLine, initializedLine)
			p.wantResult(`"init"`)
			s.legacy.await(t, byBody("notifications/initialized"))
			s.isModern.Store(true)
			p.send(callLine)
			if line := p.next(); rawID(line) != "1" || !strings.Contains(line, `"error"`) {
				t.Errorf("got %s, want an error", line)
			}
			if got := s.modern.requests(byBody("tools/call")); len(got) != 0 {
				t.Errorf("made again: %+v", got)
			}
			if err := p.wait(); err != nil {
				t.Error(err)
			}
		})
	}
}
