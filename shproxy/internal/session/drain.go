// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"errors"
	"time"
)

// ErrMoved is the cause of the end of sessions whose clients can start another
// one elsewhere at once.
var ErrMoved = errors.New("this replica is shutting down; initialize again")

const drainInterval = 10 * time.Millisecond

// Retire refuses new sessions and waits until there are none, and neither calls
// nor such that wait for their client, or ctx ends. Subscriptions are not waited
// for.
func (m *Manager) Retire(ctx context.Context) error {
	m.retiring.Store(true)
	return poll(ctx, func() bool {
		stats := m.Stats()
		return stats.Sessions == 0 && stats.Answers == 0 && stats.Parked == 0
	})
}

// Retiring reports whether Retire was called.
func (m *Manager) Retiring() bool { return m.retiring.Load() }

// Full reports whether another session would need the place of one that is
// there.
func (m *Manager) Full() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.places() >= m.cfg.MaxSessions
}

// Drain refuses new sessions and calls, and waits until those in flight are
// answered, or ctx ends. Streams without an answer to come, and subscriptions,
// are not waited for. If there are other replicas, sessions end once they have
// no call.
func (m *Manager) Drain(ctx context.Context) error {
	m.draining.Store(true)
	return poll(ctx, func() bool {
		if m.cfg.Place != "" {
			m.endQuiet()
		}
		return m.Stats().Answers == 0
	})
}

// endQuiet ends the sessions that have no call in flight.
func (m *Manager) endQuiet() {
	m.mu.Lock()
	sessions := m.allSessions()
	m.mu.Unlock()
	for _, s := range sessions {
		s.w.mu.Lock()
		if s.calls == 0 {
			s.end(ErrMoved)
		}
		s.w.mu.Unlock()
	}
}

// refusal is the error of calls in sessions while Drain runs.
func (m *Manager) refusal() error {
	if m.cfg.Place != "" {
		return ErrMoved
	}
	return ErrShutdown
}

// poll waits until done reports true, or ctx ends; then the error is that of
// ctx.
func poll(ctx context.Context, done func() bool) error {
	tick := time.NewTicker(drainInterval)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
