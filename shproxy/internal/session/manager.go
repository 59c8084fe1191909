// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/child"
)

// Config of a [Manager]. All fields are required.
type Config struct {
	Child       child.Config
	MaxSessions int
	IdleTimeout time.Duration
}

// ErrTooMany is returned by Start when the limit of sessions is reached, or
// when twice as many children are there, counting those that are ending.
var ErrTooMany = errors.New("too many sessions")

// Manager owns the sessions of one server and their children. It is safe for
// concurrent use.
type Manager struct {
	cfg     Config
	spawner *child.Spawner

	started, failed, dropped atomic.Int64

	mu       sync.Mutex
	closed   bool                      // guarded by mu
	sessions map[string]*Session       // guarded by mu
	children map[*Session]*child.Child // guarded by mu; also those that are ending
}

// NewManager returns a manager without sessions. Shutdown releases it.
func NewManager(cfg Config) *Manager {
	return &Manager{
		cfg: cfg, spawner: child.NewSpawner(),
		sessions: make(map[string]*Session), children: make(map[*Session]*child.Child),
	}
}

// Start starts a session with a fresh child for the principal. The error is
// [ErrTooMany], [ErrShutdown], or says why the child could not be started.
func (m *Manager) Start(principal string) (*Session, error) {
	s := newSession(m, rand.Text(), principal)
	m.mu.Lock()
	switch {
	case m.closed:
		m.mu.Unlock()
		return nil, ErrShutdown
	case len(m.sessions) >= m.cfg.MaxSessions, len(m.children) >= 2*m.cfg.MaxSessions:
		m.mu.Unlock()
		return nil, ErrTooMany
	}
	m.sessions[s.ID] = s
	m.mu.Unlock()
	if err := s.start(); err != nil {
		m.remove(s)
		return nil, err
	}
	s.log(slog.LevelInfo, "session started")
	return s, nil
}

// Find returns the principal's session with that id. It does not tell a
// session of somebody else from none.
func (m *Manager) Find(id, principal string) (*Session, bool) {
	m.mu.Lock()
	s, ok := m.sessions[id]
	m.mu.Unlock()
	if !ok || s.Principal != principal {
		return nil, false
	}
	return s, true
}

func (m *Manager) startChild(s *Session) (*child.Child, error) {
	c, err := m.spawner.Start(m.cfg.Child, s)
	if err != nil {
		m.failed.Add(1)
		return nil, fmt.Errorf("server %q could not be started: %w", m.cfg.Child.Name, err)
	}
	m.started.Add(1)
	m.mu.Lock()
	m.children[s] = c
	m.mu.Unlock()
	return c, nil
}

// childEnded is called through the session's Exited, which waits for the
// session's start and so comes after startChild.
func (m *Manager) childEnded(s *Session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.children, s)
}

func (m *Manager) remove(s *Session) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.sessions, s.ID)
}

// Stats are numbers for people and monitors.
type Stats struct {
	Sessions int   // that a client can use
	Children int   // processes, including those that are ending
	Calls    int   // requests in flight
	Started  int64 // children since the beginning
	Failed   int64 // children that could not be started
	Dropped  int64 // messages that had nowhere to go
	Closed   bool
}

// Stats counts.
func (m *Manager) Stats() Stats {
	m.mu.Lock()
	stats := Stats{
		Sessions: len(m.sessions), Children: len(m.children), Closed: m.closed,
		Started: m.started.Load(), Failed: m.failed.Load(), Dropped: m.dropped.Load(),
	}
	all := m.all()
	m.mu.Unlock()
	for _, s := range all {
		s.mu.Lock()
		stats.Calls += len(s.pending)
		s.mu.Unlock()
	}
	return stats
}

// all lists the sessions. m.mu is held.
func (m *Manager) all() []*Session {
	all := make([]*Session, 0, len(m.sessions))
	for _, s := range m.sessions {
		all = append(all, s)
	}
	return all
}

// Shutdown ends every session and waits until no child is left. When ctx ends
// first, children are killed instead of asked, and the error is that of ctx.
func (m *Manager) Shutdown(ctx context.Context) error {
	m.mu.Lock()
	m.closed = true
	all := m.all()
	m.mu.Unlock()
	for _, s := range all {
		s.End(ErrShutdown)
	}
	m.mu.Lock()
	left := make([]*child.Child, 0, len(m.children))
	for _, c := range m.children {
		left = append(left, c)
	}
	m.mu.Unlock()
	var err error
	for _, c := range left {
		select {
		case <-c.Done():
		case <-ctx.Done():
			err = ctx.Err()
			c.Kill()
			<-c.Done()
		}
	}
	m.spawner.Close()
	return err
}
