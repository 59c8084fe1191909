// SPDX-License-Identifier: Apache-2.0

package shclient_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// legacyServer is a server of the legacy era whose doings the test writes by
// hand. It answers the handshake; other requests go to post, and what is none
// gets 202.
type legacyServer struct {
	recorder
	discover   func(w http.ResponseWriter, r *http.Request)             // nil: as the SDK's does
	initialize func(w http.ResponseWriter, r *http.Request) (done bool) // instead of the answer
	post       func(w http.ResponseWriter, r *http.Request, id, body string)
	get        func(w http.ResponseWriter, r *http.Request)
	forgets    map[string]bool // ids of sessions; mu guards it
	opened     int             // mu guards it
}

const legacyCapabilities = `{"logging":{},"tools":{"listChanged":true},"resources":{"subscribe":true,"listChanged":true}}`

func (s *legacyServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := s.note(r)
	id := rawID(body)
	switch {
	case r.Method == http.MethodGet && s.get != nil:
		s.get(w, r)
	case r.Method != http.MethodPost:
		w.WriteHeader(http.StatusMethodNotAllowed)
	case strings.Contains(body, `"server/discover"`) && s.discover != nil:
		s.discover(w, r)
	case strings.Contains(body, `"server/discover"`):
		http.Error(w, "Bad Request: unsupported protocol version", http.StatusBadRequest)
	case strings.Contains(body, `"method":"initialize"`):
		if s.initialize == nil || !s.initialize(w, r) {
			s.open(w, id)
		}
	case s.isForgotten(r.Header.Get("Mcp-Session-Id")):
		http.Error(w, "session not found", http.StatusNotFound)
	case id != "" && strings.Contains(body, `"method"`):
		if s.post != nil {
			s.post(w, r, id, body)
			return
		}
		writeJSON(w, 200, resultFor(id))
	default:
		w.WriteHeader(http.StatusAccepted)
	}
}

// open answers initialize.
func (s *legacyServer) open(w http.ResponseWriter, id string) {
	s.mu.Lock()
	s.opened++
	w.Header().Set("Mcp-Session-Id", fmt.Sprintf("session-%d", s.opened))
	s.mu.Unlock()
	writeJSON(w, 200, `{"jsonrpc":"2.0","id":`+id+`,"result":{"protocolVersion":"2025-11-25","capabilities":`+legacyCapabilities+`,"serverInfo":{"name":"old","version":"1"}}}`)
}

func (s *legacyServer) forget(session string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.forgets == nil {
		s.forgets = map[string]bool{}
	}
	s.forgets[session] = true
}

func (s *legacyServer) isForgotten(session string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.forgets[session]
}

// order are the parts of bodies, in the order in which requests with them came.
func (s *recorder) order(parts ...string) []string {
	var order []string
	for _, r := range s.requests(byMethod(http.MethodPost)) {
		for _, part := range parts {
			if strings.Contains(r.body, part) {
				order = append(order, part)
			}
		}
	}
	return order
}

// awaitCount waits until n requests came that keep chooses.
func (r *recorder) awaitCount(t testing.TB, n int, keep func(seen) bool) []seen {
	t.Helper()
	count := 0
	r.await(t, func(s seen) bool {
		if !keep(s) {
			return false
		}
		count++
		return count%n == 0
	})
	return r.requests(keep)
}

// modernServer is a server of the modern era. Requests other than
// server/discover go to post, initialize to refuse.
type modernServer struct {
	recorder
	refuse func(w http.ResponseWriter, id string) // nil: with UnsupportedProtocolVersion
	post   func(w http.ResponseWriter, r *http.Request, id, body string)
}

func (s *modernServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := s.note(r)
	id := rawID(body)
	switch {
	case r.Method != http.MethodPost:
		w.WriteHeader(http.StatusMethodNotAllowed)
	case strings.Contains(body, `"method":"initialize"`) && s.refuse != nil:
		s.refuse(w, id)
	case strings.Contains(body, `"method":"initialize"`):
		writeJSON(w, 400, `{"jsonrpc":"2.0","id":`+id+`,"error":{"code":-32022,"message":"unsupported","data":{"supported":["2026-07-28"],"requested":"2025-06-18"}}}`)
	case strings.Contains(body, `"server/discover"`):
		writeJSON(w, 200, discovered(id))
	case id != "" && strings.Contains(body, `"method"`):
		if s.post != nil {
			s.post(w, r, id, body)
			return
		}
		writeJSON(w, 200, resultFor(id))
	default:
		w.WriteHeader(http.StatusAccepted)
	}
}

func discovered(id string) string {
	return `{"jsonrpc":"2.0","id":` + id + `,"result":{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":` + legacyCapabilities + `,"ttlMs":0,"cacheScope":"private"}}`
}

func resultFor(id string) string {
	return `{"jsonrpc":"2.0","id":` + id + `,"result":{"content":[],"resultType":"complete"}}`
}

// rawID is the raw id of a message, or "".
func rawID(body string) string {
	var m struct{ ID json.RawMessage }
	_ = json.Unmarshal([]byte(body), &m) // what is no message has no id
	return string(m.ID)
}

// modern is a request of the modern era. params are members, each with a comma
// behind it.
func modern(id, method, params string) string { return modernFrom("{}", id, method, params) }

// modernFrom is modern with the capabilities of the client.
func modernFrom(capabilities, id, method, params string) string {
	return `{"jsonrpc":"2.0","id":` + id + `,"method":"` + method + `","params":{` + params + `"_meta":{` + metaOf(capabilities) + `}}}`
}

func metaOf(capabilities string) string {
	return `"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":` + capabilities
}

// profile is the n-th of capabilities that differ.
func profile(n int) string { return fmt.Sprintf(`{"experimental":{"n":{"n":%d}}}`, n) }

func cancellation(id string) string {
	return `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":` + id + `}}`
}

// wantResult expects a result for a request.
func (p *program) wantResult(id string) string {
	p.t.Helper()
	line := p.next()
	if rawID(line) != id || !strings.Contains(line, `"result"`) {
		p.t.Errorf("got %s, want a result for %s", line, id)
	}
	return line
}

// wantResults expects results for requests, in any order.
func (p *program) wantResults(ids ...string) {
	p.t.Helper()
	var got []string
	for range ids {
		line := p.next()
		if !strings.Contains(line, `"result"`) {
			p.t.Errorf("no result: %s", line)
		}
		got = append(got, rawID(line))
	}
	slices.Sort(got)
	if slices.Sort(ids); !slices.Equal(got, ids) {
		p.t.Errorf("results for %v, want %v", got, ids)
	}
}

// bodyOf reads the body of a request, which may have none.
func bodyOf(r *http.Request) string {
	if r.Body == nil {
		return ""
	}
	raw, _ := io.ReadAll(r.Body)
	return string(raw)
}
