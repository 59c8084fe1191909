// SPDX-License-Identifier: Apache-2.0

package local

import (
	"net/netip"
	"sync"
	"time"
)

const (
	freeByUser    = 5   // attempts on one user from one address before waiting begins
	freeByAddress = 100 // failures on any users from one address
	firstWait     = 2 * time.Second
	longestWait   = 5 * time.Minute
	forgetAfter   = 15 * time.Minute
	maxThrottled  = 10_000 // keys that are remembered
)

// A throttle makes guessing slow. It counts attempts when they begin, so that
// parallel ones do not get around it.
type throttle struct {
	mu sync.Mutex
	// mu guards attempts.
	attempts map[throttleKey]attempts
}

// A throttleKey counts attempts from an address, on one user or on any.
type throttleKey struct{ user, address string }

type attempts struct {
	count int
	last  time.Time
	until time.Time // no attempt before
}

func newThrottle() *throttle { return &throttle{attempts: map[throttleKey]attempts{}} }

// throttleKeys returns what an attempt counts for.
func throttleKeys(user, remoteAddr string) []throttleKey {
	address := remoteAddr
	if ap, err := netip.ParseAddrPort(remoteAddr); err == nil {
		address = network(ap.Addr()).String()
	}
	return []throttleKey{{user, address}, {"", address}}
}

// network returns what one person usually has: an IPv4 address or an IPv6 /64.
func network(addr netip.Addr) netip.Prefix {
	bits := 32
	if addr = addr.Unmap().WithZone(""); addr.Is6() {
		bits = 64
	}
	p, err := addr.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

// begin counts an attempt, or returns how long to wait before the next.
func (t *throttle) begin(keys []throttleKey, now time.Time) (wait time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, key := range keys {
		wait = max(wait, t.attempts[key].until.Sub(now))
	}
	if wait > 0 {
		return wait
	}
	for _, key := range keys {
		a := t.attempts[key]
		if now.Sub(a.last) > forgetAfter {
			a = attempts{}
		}
		a.count++
		a.last = now
		a.until = now.Add(pause(key, a.count))
		t.makeRoom(key, now)
		t.attempts[key] = a
	}
	return 0
}

// pause returns how long to wait after the count-th attempt.
func pause(key throttleKey, count int) time.Duration {
	free := freeByUser
	if key.user == "" {
		free = freeByAddress
	}
	if count < free {
		return 0
	}
	return min(firstWait<<min(count-free, 10), longestWait)
}

// succeeded forgets the attempts on a user who has signed in, and this one of
// the address. Its failures still count: the next guess may be on somebody else.
func (t *throttle) succeeded(keys []throttleKey) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, key := range keys {
		a := t.attempts[key]
		if a.count--; key.user != "" || a.count <= 0 {
			delete(t.attempts, key)
			continue
		}
		a.until = time.Time{}
		t.attempts[key] = a
	}
}

// makeRoom keeps the number of keys bounded. It looks at a few, in map order:
// what is old goes, and if nothing is, the last one seen. The caller holds t.mu.
func (t *throttle) makeRoom(key throttleKey, now time.Time) {
	if _, known := t.attempts[key]; known || len(t.attempts) < maxThrottled {
		return
	}
	const look = 16
	looked := 0
	for k, a := range t.attempts {
		looked++
		if now.Sub(a.last) > forgetAfter || looked == look && len(t.attempts) >= maxThrottled {
			delete(t.attempts, k)
		}
		if looked == look {
			return
		}
	}
}
