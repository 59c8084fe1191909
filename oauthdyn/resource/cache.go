// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"crypto/sha256"
	"sync"
	"time"
)

// cacheShards spreads the locks of a cache; a power of two.
const cacheShards = 16

// A cache remembers verified tokens by the hash of the whole token. Only tokens
// with a valid signature get in, so that nobody can fill it with rubbish.
type cache struct {
	perShard int
	shards   [cacheShards]shard
}

type shard struct {
	mu sync.RWMutex
	// mu guards entries.
	entries map[[sha256.Size]byte]cacheEntry
}

type cacheEntry struct {
	principal *Principal
	until     time.Time
}

// defaultCacheSize is the number of remembered tokens.
const defaultCacheSize = 1 << 16

func newCache(size int) *cache {
	if size <= 0 {
		size = defaultCacheSize
	}
	c := &cache{perShard: max(1, size/cacheShards)}
	for i := range c.shards {
		c.shards[i].entries = map[[sha256.Size]byte]cacheEntry{}
	}
	return c
}

func (c *cache) get(key [sha256.Size]byte, now time.Time) *Principal {
	s := &c.shards[key[0]%cacheShards]
	s.mu.RLock()
	e, ok := s.entries[key]
	s.mu.RUnlock()
	if !ok || !now.Before(e.until) {
		return nil
	}
	return e.principal
}

func (c *cache) put(key [sha256.Size]byte, p *Principal, until, now time.Time) {
	s := &c.shards[key[0]%cacheShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.entries) >= c.perShard {
		s.makeRoom(now)
	}
	s.entries[key] = cacheEntry{p, until}
}

// makeRoom drops what has expired among a few entries, or else one of them. Map
// order makes the choice random enough, and the work stays bounded.
func (s *shard) makeRoom(now time.Time) {
	const look = 8
	looked, dropped := 0, 0
	for key, e := range s.entries {
		if looked++; looked > look {
			break
		}
		if !now.Before(e.until) || looked == look && dropped == 0 {
			delete(s.entries, key)
			dropped++
		}
	}
	if dropped == 0 {
		clear(s.entries) // a shard smaller than look
	}
}

// clear forgets all tokens.
func (c *cache) clear() {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		clear(s.entries)
		s.mu.Unlock()
	}
}

// len counts the tokens, expired ones included.
func (c *cache) len() (n int) {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.RLock()
		n += len(s.entries)
		s.mu.RUnlock()
	}
	return n
}
