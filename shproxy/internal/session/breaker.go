// SPDX-License-Identifier: Apache-2.0

package session

import (
	"fmt"
	"sync"
	"time"
)

const (
	// loop is how many children in a row that end before they say anything
	// make the server count as failed.
	loop = 5
	// firstRest and longestRest bound how long a failed server is not started.
	firstRest   = time.Second
	longestRest = 30 * time.Second
)

// FailedError tells that a server is not started because it kept failing.
type FailedError struct {
	Server string
	Times  int           // that it failed in a row
	Retry  time.Duration // until it is tried again
	Last   error
}

// Error says it in one line.
func (e *FailedError) Error() string {
	return fmt.Sprintf("server %q failed to start %d times in a row and is tried again in %v; the last time: %v",
		e.Server, e.Times, e.Retry.Round(time.Second/10), e.Last)
}

// Unwrap returns why it failed the last time.
func (e *FailedError) Unwrap() error { return e.Last }

// breaker keeps a server that cannot work from being started over and over.
type breaker struct {
	server string

	mu    sync.Mutex
	times int       // guarded by mu; failures in a row
	last  error     // guarded by mu
	until time.Time // guarded by mu
}

// check returns a [*FailedError] while the server is to rest.
func (b *breaker) check() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if rest := time.Until(b.until); b.times >= loop && rest > 0 {
		return &FailedError{b.server, b.times, rest, b.last}
	}
	return nil
}

func (b *breaker) failed(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.times++
	b.last = err
	if b.times >= loop {
		b.until = time.Now().Add(min(firstRest<<min(b.times-loop, 16), longestRest))
	}
}

func (b *breaker) worked() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.times, b.last = 0, nil
}

// state returns the failures in a row and the last of them.
func (b *breaker) state() (times int, last error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.times, b.last
}
