// SPDX-License-Identifier: Apache-2.0

package replica

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"time"
)

// peer is another replica. Its fields are guarded by the member's lock; the
// record is not changed but exchanged.
type peer struct {
	record *record
	seen   time.Time // when there was another record than before
	stale  bool      // it renews its record no more, but may live
	gone   bool      // it is not at its address
}

// maxStrange bounds the records that are complained about once.
const maxStrange = 100

// forget is after how many silent intervals a replica is forgotten.
const forget = 60

// shareAll is how often the directory is told all counts.
const shareAll = time.Hour

// update takes what the directory lists. A replica that is not in it is not
// gone at once: the directory may have lost everything just now. One that is
// silent may only be slow: it gets no newcomers, and is gone when it is not found
// at its address either.
func (m *Member) update(records map[string][]byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	if m.away != nil { // nobody was heard of, which says nothing of them
		for _, p := range m.peers {
			p.seen = now
		}
	}
	for name, encoded := range records {
		if name == m.name {
			continue
		}
		r, err := m.keys.decode(name, encoded)
		if err != nil {
			m.complain(name, err)
			continue
		}
		p := m.peers[name]
		if p == nil {
			p = &peer{record: &r, seen: now, gone: r.State == stateEnded}
			if m.peers[name] = p; p.gone {
				continue
			}
			m.o.Logger.LogAttrs(m.ctx, slog.LevelInfo, "another replica", slog.String("replica", name), slog.String("address", r.Address))
			continue
		}
		if r.Count > p.record.Count {
			if r.Address == m.o.Address { // and it lives
				m.complain(name, errSameAddress)
			}
			if r.State == stateEnded {
				m.lost(p, "it has ended")
			}
			p.record, p.seen, p.stale, p.gone = &r, now, false, r.State == stateEnded
		}
	}
	if _, known := records[m.name]; !known || now.Sub(m.shared) > shareAll {
		m.shared = now
		for key := range m.counts {
			m.unshared[key] = true // the directory has forgotten us, or may forget counts that do not change
		}
	}
	for name, p := range m.peers {
		silent := now.Sub(p.seen)
		if !p.stale && silent > leases*m.o.Interval {
			p.stale = true
			m.lost(p, "it does not renew its record")
		}
		if _, listed := records[name]; !listed && silent > forget*m.o.Interval {
			delete(m.peers, name)
		}
	}
	for name := range m.strange {
		if _, listed := records[name]; !listed {
			delete(m.strange, name)
		}
	}
}

// errSameAddress is what two replicas with one --replica-advertise are told.
var errSameAddress = errors.New("it has the address of this replica")

// complain tells of a record that cannot be used, once. m.mu is held.
func (m *Member) complain(name string, err error) {
	if m.strange[name] || len(m.strange) >= maxStrange {
		return
	}
	m.strange[name] = true
	m.o.Logger.LogAttrs(m.ctx, slog.LevelWarn, "a record of the directory is not used",
		slog.String("record", name[:min(len(name), 2*nameLength)]), slog.String("reason", err.Error()))
}

// lost tells of a replica that is gone. m.mu is held.
func (m *Member) lost(p *peer, why string) {
	if p.gone {
		return
	}
	m.o.Logger.LogAttrs(m.ctx, slog.LevelInfo, "a replica is gone", slog.String("replica", p.record.Name), slog.String("reason", why))
}

// miss marks a replica as gone that is not where its record says, unless there
// is a newer one.
func (m *Member) miss(r *record, why error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if p := m.peers[r.Name]; p != nil && p.record == r {
		m.lost(p, why.Error())
		p.gone = true
	}
}

// ended reports whether the replica has told that it has ended.
func (m *Member) ended(ctx context.Context, name string) bool {
	m.look(ctx, false)
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.peers[name]
	return p != nil && p.record.State == stateEnded
}

// silent reports whether the replica has not renewed its record in time.
func (m *Member) silent(r *record) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.peers[r.Name]
	return p == nil || p.stale
}

// find returns the record of a replica that lives, as far as is known. One
// that was never heard of is looked for.
func (m *Member) find(ctx context.Context, name string) (*record, bool) {
	r, known := m.known(name)
	if !known {
		m.look(ctx, false)
		r, _ = m.known(name)
	}
	return r, r != nil
}

// known returns the record of a replica, nil if it is gone, and whether it was
// heard of at all.
func (m *Member) known(name string) (r *record, known bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.peers[name]
	if p == nil {
		return nil, false
	}
	if p.gone {
		return nil, true
	}
	return p.record, true
}

// hosts lists the replicas that take newcomers, best first: of two at random
// the one with fewer sessions, since what they tell of themselves is a little
// old.
func (m *Member) hosts() []*record {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []*record
	for p := range maps.Values(m.peers) {
		if !p.gone && !p.stale && p.record.State == StateServing {
			all = append(all, p.record)
		}
	}
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	if len(all) > 1 && all[1].Sessions < all[0].Sessions {
		all[0], all[1] = all[1], all[0]
	}
	return slices.Clip(all)
}
