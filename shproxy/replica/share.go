// SPDX-License-Identifier: Apache-2.0

package replica

import (
	"context"
	"maps"
	"slices"
	"time"
)

// Enter counts one more of something, such as the sessions of a caller, unless
// all replicas together have limit of them: then it reports false. While the
// directory is away, what this replica has counts alone. [Member.Leave] takes
// it back.
func (m *Member) Enter(ctx context.Context, what string, limit int) bool {
	key := m.keys.hide(what)
	m.counting.Lock()
	defer m.counting.Unlock()
	m.mu.Lock()
	n := m.counts[key] + 1
	ask := m.started && m.away == nil
	m.mu.Unlock()
	ok, shared := n <= limit, false
	if ok && ask {
		bounded, cancel := m.bounded(ctx)
		defer cancel()
		if fits, err := m.o.Directory.Share(bounded, m.name, key, n, limit); err == nil {
			ok, shared = fits, true
		} else {
			m.directory(err)
		}
	}
	if ok {
		m.mu.Lock()
		m.counts[key]++
		if !shared || m.counts[key] != n { // something has left meanwhile
			m.unshared[key] = true
		}
		m.mu.Unlock()
	}
	return ok
}

// Leave takes back what [Member.Enter] has counted. The directory learns of it
// soon.
func (m *Member) Leave(what string) {
	key := m.keys.hide(what)
	m.mu.Lock()
	if m.counts[key]--; m.counts[key] <= 0 {
		delete(m.counts, key)
	}
	m.unshared[key] = true
	m.mu.Unlock()
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// shareRest tells the directory what it does not know, as far as there is time.
func (m *Member) shareRest(ctx context.Context) error {
	m.mu.Lock()
	keys := slices.Collect(maps.Keys(m.unshared))
	m.mu.Unlock()
	deadline, bounded := ctx.Deadline()
	for i, key := range keys {
		if err := m.shareOne(ctx, key); err != nil {
			if i > 0 && bounded && !time.Now().Before(deadline) {
				return nil // it answers; the others are for the next time
			}
			return err
		}
	}
	return nil
}

func (m *Member) shareOne(ctx context.Context, key string) error {
	m.counting.Lock()
	defer m.counting.Unlock()
	m.mu.Lock()
	n := m.counts[key]
	delete(m.unshared, key)
	m.mu.Unlock()
	_, err := m.o.Directory.Share(ctx, m.name, key, n, -1)
	if err != nil {
		m.mu.Lock()
		m.unshared[key] = true
		m.mu.Unlock()
	}
	return err
}

// Take takes n of what all replicas together may take, such as the calls of a
// caller, and returns 0, or takes nothing and returns how long to wait. One is
// earned in the time every, until there are burst of them; more than those are
// taken when all of them are there, and are owed then. While the directory is
// away, this replica counts for itself.
func (m *Member) Take(ctx context.Context, what string, n int, every time.Duration, burst int) (wait time.Duration) {
	key := m.keys.hide(what)
	m.mu.Lock()
	ask := m.started && m.away == nil
	m.mu.Unlock()
	if ask {
		bounded, cancel := m.bounded(ctx)
		defer cancel()
		wait, err := m.o.Directory.Take(bounded, key, n, every, burst)
		if err == nil {
			return wait
		}
		m.directory(err)
	}
	return m.rates.Take(key, n, every, burst)
}

// bounded is for one question to the directory, which is asked for callers who
// have left as well: they would be counted by this replica alone.
func (m *Member) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), m.o.Interval)
}
