// SPDX-License-Identifier: Apache-2.0

package pace

import (
	"slices"
	"time"
)

// host returns what is known of a host. p.mu is held, as in all of this file.
func (p *Pacer) host(name string) *host {
	h := p.hosts[name]
	if h == nil {
		h = &host{name: name}
		p.hosts[name] = h
		p.idle++
	}
	return h
}

func (h *host) isIdle() bool { return h.running == 0 && len(h.queue) == 0 }

func (p *Pacer) enqueue(w *waiter) {
	h := w.host
	if h.isIdle() {
		p.idle--
	}
	if len(h.queue) == 0 {
		p.ready = append(p.ready, h)
	}
	h.queue = append(h.queue, w)
	p.waiting++
}

// dequeue takes out a caller that waits no longer.
func (p *Pacer) dequeue(w *waiter) {
	h := w.host
	i := slices.Index(h.queue, w)
	if i < 0 {
		return
	}
	h.queue = slices.Delete(h.queue, i, i+1)
	p.waiting--
	if len(h.queue) == 0 {
		p.ready = slices.DeleteFunc(p.ready, func(other *host) bool { return other == h })
	}
	if h.isIdle() {
		p.idle++
		p.tidy(h)
	}
}

// dispatch gives turns to those who wait, as long as there are any. A host that
// got one goes to the end of the rotation.
func (p *Pacer) dispatch(now time.Time) {
	var wake time.Time // when the first host may go on
	for i := 0; i < len(p.ready) && p.running < p.opts.Concurrent; {
		h := p.ready[i]
		if h.running >= p.opts.PerHost {
			i++
			continue
		}
		if now.Before(h.next) {
			if wake.IsZero() || h.next.Before(wake) {
				wake = h.next
			}
			i++
			continue
		}
		w := h.queue[0]
		h.queue = slices.Delete(h.queue, 0, 1)
		p.waiting--
		p.ready = slices.Delete(p.ready, i, i+1)
		if len(h.queue) > 0 {
			p.ready = append(p.ready, h)
		}
		p.running++
		h.running++
		h.next = now.Add(max(h.gap, p.opts.Interval))
		close(w.given)
	}
	if wake.IsZero() {
		return
	}
	if p.alarm == nil {
		p.alarm = time.AfterFunc(wake.Sub(now), p.ring)
		return
	}
	p.alarm.Reset(wake.Sub(now))
}

func (p *Pacer) ring() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dispatch(time.Now())
}

func (p *Pacer) done(h *host) {
	p.running--
	h.running--
	if h.isIdle() {
		p.idle++
		p.tidy(h)
	}
	p.dispatch(time.Now())
}

// tidy forgets h if it is idle and there is nothing to know of it, and
// whatever is idle beyond the bound.
func (p *Pacer) tidy(h *host) {
	now := time.Now()
	if h.isIdle() && !h.known(now) {
		p.forget(h)
	}
	if p.idle <= p.opts.Hosts {
		return
	}
	for _, other := range p.hosts {
		if other.isIdle() && !other.known(now) {
			p.forget(other)
		}
	}
	for _, other := range p.hosts {
		if p.idle <= p.opts.Hosts {
			return
		}
		if other.isIdle() {
			p.forget(other)
		}
	}
}

// known reports whether it would matter that the host is forgotten.
func (h *host) known(now time.Time) bool {
	return h.gap > 0 || now.Before(h.next) || now.Before(h.paused)
}

func (p *Pacer) forget(h *host) {
	delete(p.hosts, h.name)
	p.idle--
}

// tooLate reports whether the turn of the last caller in the queue of a host
// that has to be asked slowly is bound to come after the deadline.
func (p *Pacer) tooLate(h *host, deadline time.Time) bool {
	gap := max(h.gap, p.opts.Interval)
	return gap > 0 && h.next.Add(time.Duration(len(h.queue)-1)*gap).After(deadline)
}
