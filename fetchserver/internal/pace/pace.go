// SPDX-License-Identifier: Apache-2.0

package pace

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Options configure a [Pacer]. The zero value is the default.
type Options struct {
	// Concurrent bounds the turns at the same time. Default 32.
	Concurrent int
	// PerHost bounds the turns at one host at the same time. Default 4.
	PerHost int
	// Interval is the least time between the starts of two turns at one host.
	// Default 0.
	Interval time.Duration
	// Queue bounds the callers that wait, those for one host to a quarter of
	// it. Default 256.
	Queue int
	// Hosts bounds the hosts of which something is remembered while nobody
	// works at them or waits. Default 4096.
	Hosts int
	// MaxPause bounds how long a host can be left alone. Default 1 h.
	MaxPause time.Duration
}

// ErrFull says that too many callers wait already, in all or for a host that
// has to be asked slowly.
var ErrFull = errors.New("pace: too many callers wait for their turn")

// PausedError says that a host wants to be left alone.
type PausedError struct {
	Host string
	// Until is when the host may be asked again.
	Until time.Time
}

// Error returns "pace: " and the host.
func (e *PausedError) Error() string {
	return "pace: " + e.Host + " wants to be left alone for a while"
}

// Pacer gives turns. It is safe for concurrent use, and has no goroutine of its
// own.
type Pacer struct {
	opts Options

	mu      sync.Mutex
	hosts   map[string]*host
	ready   []*host // hosts with callers that wait, in the order of their turns
	idle    int     // hosts that are remembered only
	running int
	waiting int
	alarm   *time.Timer // for the earliest host that must pause
}

// host is what is known of a host. Pacer.mu guards it.
type host struct {
	name    string
	running int
	queue   []*waiter
	gap     time.Duration // beyond Options.Interval
	next    time.Time     // the earliest start of the next turn
	paused  time.Time     // until when it is to be left alone
}

type waiter struct {
	given chan struct{} // closed when it is its turn, or refused
	host  *host
	err   error // set before given is closed
}

// New returns a pacer. A nil o means the defaults.
func New(o *Options) *Pacer {
	p := &Pacer{hosts: make(map[string]*host)}
	if o != nil {
		p.opts = *o
	}
	setDefault(&p.opts.Concurrent, 32)
	setDefault(&p.opts.PerHost, 4)
	setDefault(&p.opts.Queue, 256)
	setDefault(&p.opts.Hosts, 4096)
	setDefault(&p.opts.MaxPause, time.Hour)
	return p
}

func setDefault[T int | time.Duration](field *T, value T) {
	if *field <= 0 {
		*field = value
	}
}

// Load returns how many turns are taken, and how many callers wait for one.
func (p *Pacer) Load() (running, waiting int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.running, p.waiting
}

// Turn is the right to work at a host. It is for one goroutine.
type Turn struct {
	pacer *Pacer
	host  *host // nil: given back
}

// Wait waits for a turn at a host. The error is [ErrFull], a *[PausedError], or
// that of ctx.
func (p *Pacer) Wait(ctx context.Context, name string) (*Turn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	p.mu.Lock()
	now := time.Now()
	h := p.host(name)
	if now.Before(h.paused) {
		p.mu.Unlock()
		return nil, &PausedError{Host: name, Until: h.paused}
	}
	w := &waiter{given: make(chan struct{}), host: h}
	p.enqueue(w)
	p.dispatch(now)
	select {
	case <-w.given:
		p.mu.Unlock()
		return &Turn{p, h}, nil
	default:
	}
	deadline, limited := ctx.Deadline()
	if p.waiting > p.opts.Queue || len(h.queue) > max(p.opts.Queue/4, 1) || limited && p.tooLate(h, deadline) {
		p.dequeue(w)
		p.mu.Unlock()
		return nil, ErrFull
	}
	p.mu.Unlock()

	select {
	case <-w.given:
	case <-ctx.Done():
		p.mu.Lock()
		defer p.mu.Unlock()
		select {
		case <-w.given: // at the same moment: hand it on
			if w.err == nil {
				p.done(h)
			}
		default:
			p.dequeue(w)
		}
		return nil, ctx.Err()
	}
	if w.err != nil {
		return nil, w.err
	}
	return &Turn{p, h}, nil
}

// At reports whether the turn is one at a host.
func (t *Turn) At(name string) bool { return t.host != nil && t.host.name == name }

// Done gives the turn back. Further calls do nothing.
func (t *Turn) Done() {
	if t.host == nil {
		return
	}
	t.pacer.mu.Lock()
	defer t.pacer.mu.Unlock()
	t.pacer.done(t.host)
	t.host = nil
}

// Pause leaves a host alone for some time, at most Options.MaxPause: callers
// get a *[PausedError] meanwhile, those that wait already too.
func (p *Pacer) Pause(name string, d time.Duration) {
	if d <= 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	h := p.host(name)
	if until := time.Now().Add(min(d, p.opts.MaxPause)); until.After(h.paused) {
		h.paused = until
	}
	for len(h.queue) > 0 {
		w := h.queue[0]
		p.dequeue(w)
		w.err = &PausedError{Host: name, Until: h.paused}
		close(w.given)
	}
	p.tidy(h)
}

// Slow sets the least time between the starts of two turns at a host, where it
// is longer than Options.Interval.
func (p *Pacer) Slow(name string, gap time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	h := p.host(name)
	h.gap = gap
	p.tidy(h)
}
