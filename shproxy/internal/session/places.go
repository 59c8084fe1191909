// SPDX-License-Identifier: Apache-2.0

package session

import (
	"slices"
	"sync"
)

// places bounds the children that are starting at one time. What one principal
// starts may hang in what he sent, so nobody gets all places, unless there is
// but one; and who has the fewest is next. The principal "" is the proxy itself,
// or everybody where callers cannot be told apart: it may have all.
type places struct {
	mu      sync.Mutex
	free    int            // guarded by mu, as is all that follows
	most    int            // of one principal
	held    map[string]int // by principal
	last    string         // who got the last one
	waiting []*applicant   // in the order in which they came
}

// applicant waits for a place.
type applicant struct {
	principal string
	granted   chan struct{} // closed with the place
}

func newPlaces(n int) *places {
	return &places{free: n, most: max(n-1, 1), held: make(map[string]int)}
}

// apply asks for a place. Who does not wait for it any more has to leave.
func (p *places) apply(principal string) *applicant {
	p.mu.Lock()
	defer p.mu.Unlock()
	a := &applicant{principal, make(chan struct{})}
	p.waiting = append(p.waiting, a)
	p.grant()
	return a
}

// leave gives up the application, or the place if it was granted just now.
func (p *places) leave(a *applicant) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.waiting, a); i >= 0 {
		p.waiting = slices.Delete(p.waiting, i, i+1)
		return
	}
	p.takeBack(a.principal)
}

// give gives a place back.
func (p *places) give(principal string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.takeBack(principal)
}

// takeBack frees a place. p.mu is held.
func (p *places) takeBack(principal string) {
	if p.held[principal]--; p.held[principal] == 0 {
		delete(p.held, principal)
	}
	p.free++
	p.grant()
}

// grant hands out the free places. p.mu is held.
func (p *places) grant() {
	for p.free > 0 {
		i := p.next()
		if i < 0 {
			return
		}
		a := p.waiting[i]
		p.waiting = slices.Delete(p.waiting, i, i+1)
		p.free--
		p.held[a.principal]++
		p.last = a.principal
		close(a.granted)
	}
}

// next finds who gets the next place, and returns -1 if nobody may. p.mu is
// held.
func (p *places) next() int {
	best := -1
	for i, a := range p.waiting {
		switch {
		case a.principal != "" && p.held[a.principal] >= p.most:
		case best < 0 || p.before(a.principal, p.waiting[best].principal):
			best = i
		}
	}
	return best
}

// before reports whether a principal comes before another who came earlier.
// p.mu is held.
func (p *places) before(later, earlier string) bool {
	if p.held[later] != p.held[earlier] {
		return p.held[later] < p.held[earlier]
	}
	return earlier == p.last && later != p.last
}
