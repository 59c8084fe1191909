// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net/http"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// sessions is what the stateful form remembers. The SDK keeps the sessions
// themselves, and ends those that are idle.
type sessions struct {
	mu sync.Mutex
	// mu guards the map, and what is in it.
	known map[*mcp.ServerSession]*session
}

type session struct {
	created, used time.Time
	echoed        *string // the last message, if there was one
}

// session is what is remembered of a client's session: nil if it has none, that
// is in the stateless form, and of 2026-07-28. The header is that of a request.
func (s *server) session(of *mcp.ServerSession, header http.Header) *session {
	if !s.o.stateful || header != nil && of.ID() == "" {
		return nil
	}
	if p := of.InitializeParams(); p == nil || p.ProtocolVersion >= modernVersion {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.known[of]
	if known == nil {
		s.forget()
		known = &session{created: time.Now()}
		s.known[of] = known
	}
	known.used = time.Now()
	return known
}

// forget drops what is remembered of sessions that have ended. mu is held.
func (s *server) forget() {
	live := make(map[*mcp.ServerSession]*session)
	for session := range s.mcp.Sessions() {
		if known := s.known[session]; known != nil {
			live[session] = known
		}
	}
	s.known = live
}

// count is how many sessions there are.
func (s *server) count() (n int) {
	for session := range s.mcp.Sessions() {
		if session.ID() != "" {
			n++
		}
	}
	return n
}

func (s *server) endSessions() {
	for session := range s.mcp.Sessions() {
		_ = session.Close()
	}
}

// session is that of the call.
func (c call) session() *session { return c.server.session(c.Session, c.header()) }

// sessionName is what is shown of the session's id, which is as good as a key.
func (c call) sessionName() string {
	id := c.Session.ID()
	if id == "" {
		return "of this process" // on stdio
	}
	return id[:min(8, len(id))] + "..."
}
