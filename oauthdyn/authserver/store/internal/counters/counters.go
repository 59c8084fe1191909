// SPDX-License-Identifier: Apache-2.0

// Package counters counts in memory, for stores that one process has alone:
// what a limit of a minute or an hour has seen need not survive a restart.
package counters

import (
	"maps"
	"sync"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
)

// Counters implement store.Counts. The zero value is ready. They are safe for
// concurrent use.
type Counters struct {
	mu sync.Mutex
	// mu guards kinds.
	kinds map[store.Kind]map[store.Hash]counter
}

type counter struct {
	n    int
	ends time.Time
}

// Count counts one, with room for limit counters of each kind.
func (c *Counters) Count(kind store.Kind, id store.Hash, window time.Duration, now time.Time, limit int) (int, time.Time, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kinds == nil {
		c.kinds = map[store.Kind]map[store.Hash]counter{}
	}
	counts := c.kinds[kind]
	if counts == nil {
		counts = map[store.Hash]counter{}
		c.kinds[kind] = counts
	}
	found, ok := counts[id]
	if !ok && len(counts) >= limit {
		return 0, time.Time{}, store.ErrFull
	}
	if !now.Before(found.ends) {
		found = counter{ends: now.Add(window)}
	}
	found.n++
	counts[id] = found
	return found.n, found.ends, nil
}

// Collect forgets the counters that have ended and returns how many.
func (c *Counters) Collect(now time.Time) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, counts := range c.kinds {
		before := len(counts)
		maps.DeleteFunc(counts, func(_ store.Hash, found counter) bool { return !now.Before(found.ends) })
		n += before - len(counts)
	}
	return n
}
