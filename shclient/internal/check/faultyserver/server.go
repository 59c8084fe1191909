// SPDX-License-Identifier: Apache-2.0

// Package faultyserver is a small MCP server of both eras, over Streamable HTTP and stdio, written by hand so that each
// byte can be wrong on purpose. Without faults it keeps the specification; each fault breaks one sentence of it. Tests of
// the protocol checks run against it. It is for tests only.
package faultyserver

import (
	"crypto/rand"
	"fmt"
	"slices"
	"sync"
)

// The versions of the protocol that the server speaks.
const (
	v2024 = "2024-11-05"
	v0326 = "2025-03-26"
	v0618 = "2025-06-18"
	v1125 = "2025-11-25"
	v2026 = "2026-07-28"
)

// Versions are all versions of the protocol that the server can speak, oldest first.
var Versions = []string{v2024, v0326, v0618, v1125, v2026}

// Options of a [Server].
type Options struct {
	// Faults are the names of the faults that are on; see [Faults].
	Faults []string
	// Versions that it speaks; default: all.
	Versions []string
	// Tokens, when not empty, protects the HTTP endpoint: each token has the scopes that it was given. The endpoint
	// needs the scope "mcp".
	Tokens map[string]string
}

// Server is an MCP server with faults. It is an [http.Handler] with its endpoint at /mcp; [Server.ServeLines] speaks stdio.
// It is safe for concurrent use.
type Server struct {
	versions []string
	tokens   map[string]string
	faults   map[string]bool
	secret   []byte // signs requestState

	mu       sync.Mutex
	sessions map[string]*session
	started  int // sessions so far
	turns    int
}

// New returns a server with the faults that o names. A name that is not in [Faults] is an error.
func New(o Options) (*Server, error) {
	s := &Server{versions: o.Versions, tokens: o.Tokens, faults: map[string]bool{}, sessions: map[string]*session{}}
	if len(s.versions) == 0 {
		s.versions = Versions
	}
	for _, v := range s.versions {
		if !slices.Contains(Versions, v) {
			return nil, fmt.Errorf("faultyserver: unknown protocol version %q", v)
		}
	}
	for _, name := range o.Faults {
		if !known[name] {
			return nil, fmt.Errorf("faultyserver: unknown fault %q", name)
		}
		s.faults[name] = true
	}
	s.secret = []byte(rand.Text())
	return s, nil
}

// on reports whether a fault is on. A name that is not in Faults is a mistake of this package.
func (s *Server) on(fault string) bool {
	if !known[fault] {
		panic("faultyserver: no such fault: " + fault)
	}
	return s.faults[fault]
}

// speaks reports whether the server speaks a version.
func (s *Server) speaks(version string) bool { return slices.Contains(s.versions, version) }

// legacy are the versions with a handshake that the server speaks, oldest first.
func (s *Server) legacy() []string {
	return slices.DeleteFunc(slices.Clone(s.versions), modern)
}

func (s *Server) speaksModern() bool { return slices.ContainsFunc(s.versions, modern) }

// modern reports whether a version has no handshake. Versions are dates, so they sort as text.
func modern(version string) bool { return version >= v2026 }

// session is what one client of a legacy version has agreed on, and what it watches.
type session struct {
	id      string
	version string
	caps    obj // of the client
	level   string
	watched map[string]bool

	mu      sync.Mutex
	streams [][]event  // each stream's events, so that one that was cut can be taken up
	listen  []chan obj // open GET streams; a message goes to the last alone
	late    []obj      // to be sent when a GET stream opens
	done    chan struct{}
}

func newSession(id, version string, caps obj) *session {
	return &session{id: id, version: version, caps: caps, level: "info", watched: map[string]bool{}, done: make(chan struct{})}
}

// maxSessions bounds what a careless test can leave behind.
const maxSessions = 1000

func (s *Server) open(version string, caps obj) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.started++
	id := rand.Text()
	switch {
	case s.on("session-id-guessable"):
		id = fmt.Sprint(s.started)
	case s.on("session-id-with-blank"):
		id = "session " + id
	}
	if len(s.sessions) >= maxSessions {
		for _, old := range s.sessions {
			s.end(old)
			break
		}
	}
	se := newSession(id, version, caps)
	s.sessions[id] = se
	return se
}

func (s *Server) session(id string) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sessions[id]
}

// end forgets a session. s.mu is held.
func (s *Server) end(se *session) {
	if s.sessions[se.id] == se {
		delete(s.sessions, se.id)
		close(se.done)
	}
}

// push sends a message outside of any request: on the newest GET stream, or on the next one that opens.
func (se *session) push(m obj) {
	se.mu.Lock()
	defer se.mu.Unlock()
	if len(se.listen) > 0 {
		select {
		case se.listen[len(se.listen)-1] <- m:
			return
		default: // its reader is gone
		}
	}
	if len(se.late) < 100 {
		se.late = append(se.late, m)
	}
}
