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

// maxCulprits bounds the principals whose failures are told apart.
const maxCulprits = 1000

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

// breaker keeps a server that cannot work from being started over and over. A
// failure may be the doing of the principal whose words the child got first:
// then it keeps him from starting more. What others fail as well, beyond the
// worst of them, or the proxy itself, for which the principal "" stands, is the
// server's fault, and keeps everybody.
type breaker struct {
	server string

	mu   sync.Mutex
	all  failures             // guarded by mu; that are nobody's doing
	each map[string]*failures // guarded by mu; by principal
}

// failures are some in a row.
type failures struct {
	times int
	last  error
	until time.Time // then there may be another try
}

func (f *failures) add(err error) {
	f.times++
	f.last = err
	if f.times >= loop {
		f.until = time.Now().Add(min(firstRest<<min(f.times-loop, 16), longestRest))
	}
}

// check returns a [*FailedError] while the principal is not to start the
// server.
func (b *breaker) check(principal string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	f := b.all
	if own := b.each[principal]; own != nil && own.until.After(f.until) {
		f = *own
	}
	if rest := time.Until(f.until); rest > 0 {
		return &FailedError{b.server, f.times, rest, f.last}
	}
	return nil
}

func (b *breaker) failed(principal string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	own := b.each[principal]
	if principal == "" || own == nil && len(b.each) >= maxCulprits {
		b.all.add(err)
		return
	}
	if own == nil {
		own = new(failures)
		if b.each == nil {
			b.each = make(map[string]*failures)
		}
		b.each[principal] = own
	}
	own.add(err)
	for _, other := range b.each {
		if other != own && other.times >= own.times {
			b.all.add(err)
			return
		}
	}
}

func (b *breaker) worked() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all, b.each = failures{}, nil
}

// state returns the failures in a row, of everybody or the worst principal,
// and the last of them.
func (b *breaker) state() (times int, last error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	worst := &b.all
	for _, f := range b.each {
		if f.times > worst.times {
			worst = f
		}
	}
	return worst.times, worst.last
}
