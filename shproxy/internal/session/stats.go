// SPDX-License-Identifier: Apache-2.0

package session

import (
	"maps"
	"slices"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/child"
)

// Stats are numbers for people and monitors.
type Stats struct {
	Sessions  int   // that a client can use
	Children  int   // processes, including those that are ending
	Calls     int   // requests of clients in flight
	Answers   int   // those of them that are not subscriptions
	Parked    int   // processes that wait for a client to come back
	Reviving  int   // workers whose child crashed and whose next one is on its way
	Queued    int   // bytes that wait for a child to read them
	Started   int64 // children since the beginning
	Failed    int64 // children that could not be started
	Crashed   int64 // children that ended by themselves
	Restarted int64 // children that took the place of a crashed one
	Dropped   int64 // messages that had nowhere to go
	Noise     int64 // lines on stdout that were no messages
	Closed    bool

	Failures int   // starts that failed in a row
	Last     error // the last of them
	Resting  error // a *FailedError while the server is not started
	Stderr   string
	Versions []string // of the protocol, that the server has agreed to or announced
	Strays   int64    // processes that outlived their child and were killed
}

// Stats counts.
func (m *Manager) Stats() Stats {
	m.mu.Lock()
	stats := Stats{
		Sessions: len(m.sessions), Children: len(m.children), Closed: m.closed || m.draining.Load() || m.retiring.Load(),
		Started: m.started.Load(), Failed: m.failed.Load(), Crashed: m.crashed.Load(),
		Restarted: m.restarted.Load(), Dropped: m.dropped.Load(), Noise: m.noise.Load(),
		Stderr: m.tail, Versions: slices.Sorted(maps.Keys(m.versions)), Strays: child.Strays(),
	}
	workers := m.allWorkers()
	for _, s := range m.sessions {
		if s.w.kind == own {
			workers = append(workers, s.w)
		}
	}
	m.mu.Unlock()
	for _, w := range workers {
		w.count(&stats)
	}
	stats.Failures, stats.Last = m.breaker.state()
	stats.Resting = m.breaker.check("")
	return stats
}

// add counts a call in flight.
func (s *Stats) add(c *Call) {
	if c.ours {
		return
	}
	s.Calls++
	if !c.listen {
		s.Answers++
	}
}

func (w *Worker) count(stats *Stats) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range w.waiting {
		if f.call != nil {
			stats.add(f.call)
		}
	}
	stats.Queued += w.queued
	if w.phase == starting && w.crashes > 0 {
		stats.Reviving++
	}
	l := w.link
	if l == nil {
		return
	}
	stats.Noise += l.child.Noise()
	stats.Queued += l.child.Queued()
	for _, c := range l.pending {
		stats.add(c)
	}
	if w.kind == modern && w.parked() {
		stats.Parked++
	}
	if tail := l.child.Tail(); tail != "" {
		stats.Stderr = tail
	}
}
