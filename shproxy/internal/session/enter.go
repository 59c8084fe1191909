// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"crypto/rand"
)

// newID makes the id of a session.
func (m *Manager) newID() string {
	if m.cfg.Place == "" {
		return rand.Text()
	}
	return m.cfg.Place + "." + rand.Text()
}

// enter counts a session of the principal. If he has too many, the one of his
// that was idle longest makes room.
func (m *Manager) enter(ctx context.Context, principal string) error {
	if m.cfg.Enter == nil || principal == "" || m.cfg.Enter(ctx, principal) {
		return nil
	}
	m.mu.Lock()
	var his []*Session
	for _, s := range m.sessions {
		if s.Principal == principal {
			his = append(his, s)
		}
	}
	m.mu.Unlock()
	_, end := longestIdle(his)
	end()
	if m.cfg.Enter(ctx, principal) {
		return nil
	}
	return ErrCallerTooMany
}

// leave takes back what enter has counted.
func (m *Manager) leave(principal string) {
	if m.cfg.Leave != nil && principal != "" {
		m.cfg.Leave(principal)
	}
}

// counts has the session take back what was counted for it when it ends, which
// may have been already.
func (s *Session) counts() {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	if s.ended {
		s.w.m.leave(s.Principal)
	}
	s.counted = !s.ended
}
