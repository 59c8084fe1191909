// SPDX-License-Identifier: Apache-2.0

package replica

import (
	"cmp"
	"slices"
)

// Status is what a [Member] tells of the replicas at one moment. It holds no
// session id. Counters count since New.
type Status struct {
	Name      string `json:"name"`    // of this replica
	Address   string `json:"address"` // where the others reach it
	State     State  `json:"state"`
	Others    []Peer `json:"others"`              // that live, as far as is known, by name
	Directory string `json:"directory,omitempty"` // why it does not answer; empty: it does

	// Forwarded counts the requests that were passed on: "ok" (the other
	// replica answered), "gone" (there is no such replica any more),
	// "unreachable" (it may live) and "failed" (it ended before it answered).
	Forwarded       map[string]int64 `json:"forwarded"`
	Received        int64            `json:"received"` // requests that others have passed on to this replica
	DirectoryErrors int64            `json:"directory_errors"`
	// Unusable counts the records of others that cannot be used now: they were
	// made with another key, or tell the address of this replica. At most 100
	// are counted.
	Unusable int `json:"unusable_records"`
}

// Peer is another replica.
type Peer struct {
	Name     string `json:"name"`
	Address  string `json:"address"`
	State    State  `json:"state"`
	Sessions int    `json:"sessions"` // when it told last, about a second ago
}

// Status tells what is known. It asks nobody.
func (m *Member) Status() Status {
	s := Status{
		Name: m.name, Address: m.o.Address, Others: []Peer{}, Forwarded: make(map[string]int64),
		Received: m.received.Load(), DirectoryErrors: m.failures.Load(),
	}
	for o := range outcomes {
		s.Forwarded[o.String()] = m.forwarded[o].Load()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	s.State, s.Unusable = m.state, len(m.strange)
	if m.away != nil {
		s.Directory = m.away.Error()
	}
	for _, p := range m.peers {
		if !p.gone && !p.stale {
			s.Others = append(s.Others, Peer{p.record.Name, p.record.Address, p.record.State, p.record.Sessions})
		}
	}
	slices.SortFunc(s.Others, func(a, b Peer) int { return cmp.Compare(a.Name, b.Name) })
	return s
}
