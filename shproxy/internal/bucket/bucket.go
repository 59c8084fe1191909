// SPDX-License-Identifier: Apache-2.0

// Package bucket limits rates by the generic cell rate algorithm: one time for
// each key says when all that was taken will have been earned.
package bucket

import (
	"sync"
	"time"
)

// sweepAt is at how many keys those that owe nothing are forgotten.
const sweepAt = 1000

// Buckets are the rates of many keys. The zero value is ready to use, and safe
// for concurrent use.
type Buckets struct {
	mu     sync.Mutex
	earned map[string]time.Time // guarded by mu; when what was taken will have been earned
	sweep  int                  // guarded by mu; at how many keys to look for old ones
}

// Take takes n of a key and returns 0, or takes nothing and returns how long it
// has to wait. One is earned in the time every, until there are burst of them;
// more than those are taken when all of them are there, and are owed then.
func (b *Buckets) Take(key string, n int, every time.Duration, burst int) (wait time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	earned := b.earned[key]
	if earned.Before(now) {
		earned = now
	}
	if wait = earned.Sub(now) + time.Duration(min(n, burst)-burst)*every; wait > 0 {
		return wait
	}
	if b.earned == nil {
		b.earned = make(map[string]time.Time)
	}
	b.earned[key] = earned.Add(time.Duration(n) * every)
	if len(b.earned) >= max(b.sweep, sweepAt) {
		for key, earned := range b.earned {
			if earned.Before(now) {
				delete(b.earned, key)
			}
		}
		b.sweep = 2 * len(b.earned)
	}
	return 0
}
