// SPDX-License-Identifier: Apache-2.0

package httpcache

import (
	"container/list"
	"net/http"
	"net/url"
	"slices"
	"time"
)

const (
	// maxVariants bounds the responses of one key that differ by Vary.
	maxVariants = 16
	// overhead is about what an entry takes without its value, in bytes.
	overhead = 1024
)

// entry is a kept response. Cache.mu guards what changes.
type entry[V any] struct {
	terms
	key    key
	resp   *Response[V]
	vary   []string
	header http.Header // of the request, where the response varies
	size   int64
	place  *list.Element // nil: forgotten

	read       time.Time   // the last use
	forget     *time.Timer // of what must not be stored
	validating bool        // in the background
}

// find returns the kept response that a request selects, or nil. c.mu is held.
func (c *Cache[V]) find(k key, r *Request) *entry[V] {
	for _, e := range slices.Backward(c.entries[k]) {
		if selected(e.vary, e.header, r.Header) {
			return e
		}
	}
	return nil
}

// use decides whether a kept response answers a request. c.mu is held.
func (c *Cache[V]) use(e *entry[V], q *query, now time.Time) (Info, bool) {
	if e == nil {
		return Info{}, false
	}
	info := e.info(Hit, now)
	switch stale := e.staleBy(now); {
	case e.storable && q.satisfied(&e.terms, now):
		info.Stale = stale >= 0
	case c.holds(e, q, now):
		info.Held = true
		if e.forget != nil {
			e.forget.Reset(min(c.opts.Hold, e.received.Add(maxReading).Sub(now)))
		}
	default:
		return Info{}, false
	}
	e.read = now
	c.recent.MoveToFront(e.place)
	return info, true
}

// satisfied reports whether the terms of a response and the directives of a
// request allow reuse without asking the origin (RFC 9111 section 4).
func (q *query) satisfied(t *terms, now time.Time) bool {
	stale := t.staleBy(now)
	if q.cc.has("no-cache") || t.cc.has("no-cache") {
		return false
	}
	fresh := stale < 0
	if limit, present, _ := q.cc.seconds("max-age"); present && t.currentAge(now) > limit && !(fresh && t.cc.has("immutable")) {
		return false // RFC 8246: a reload within the freshness asks for nothing
	}
	if least, present, _ := q.cc.seconds("min-fresh"); present && -stale < least {
		return false
	}
	switch {
	case fresh:
		return true
	case !t.mayBeStale():
		return false
	case t.cc.within("stale-while-revalidate", stale):
		return true
	}
	arg, accepts := q.cc["max-stale"]
	return accepts && (arg == argument{} || q.cc.within("max-stale", stale))
}

// holds reports whether a response may be read on. c.mu is held.
func (c *Cache[V]) holds(e *entry[V], q *query, now time.Time) bool {
	return q.reading && now.Before(e.read.Add(c.opts.Hold)) && now.Before(e.received.Add(maxReading)) &&
		!q.cc.has("no-cache") && !q.cc.has("max-age") && !q.cc.has("min-fresh")
}

func (e *entry[V]) info(status Status, now time.Time) Info {
	return infoOf(&e.terms, e.resp, status, now)
}

func infoOf[V any](t *terms, resp *Response[V], status Status, now time.Time) Info {
	i := Info{Status: status, Age: t.currentAge(now), Public: t.public, ETag: resp.Header.Get("ETag")}
	if t.storable {
		i.FreshFor = max(-t.staleBy(now), 0)
	}
	return i
}

// keep judges a response and stores it, in place of old or of what the same
// request selected before. It returns the terms. With stale, because the URL
// was invalidated while the response was under way, it is not stored.
func (c *Cache[V]) keep(r *Request, q *query, resp *Response[V], old *entry[V], stale bool) terms {
	t := c.opts.termsOf(r, resp.Status, resp.Header, resp.Requested, resp.Received)
	t.storable = t.storable && !resp.OneReading
	if !resp.FreshUntil.IsZero() {
		t.lifetime = max(min(t.lifetime, resp.FreshUntil.Sub(t.received)+t.age), 0)
	}
	kept := *resp
	kept.Header = withoutConnection(resp.Header)
	e := &entry[V]{terms: t, key: q.key, resp: &kept, read: time.Now()}
	e.vary = varyOn(resp.Header)
	if slices.Contains(e.vary, "*") {
		e.vary = nil // not storable, but to be read on
	}
	e.header = make(http.Header, len(e.vary))
	for _, name := range e.vary {
		if value, ok := r.Header[name]; ok {
			e.header[name] = value
		}
	}
	e.size = resp.Size + overhead + int64(len(q.key.url)+len(q.key.partition)+len(q.key.variant)) + headerSize(resp.Header)

	c.mu.Lock()
	defer c.mu.Unlock()
	if old == nil {
		old = c.find(q.key, r)
	}
	if old != nil && (e.storable || resp.Status < 500 && resp.Status != http.StatusNotModified) {
		c.remove(old)
	}
	reading := c.opts.Hold > 0 && resp.Status >= 200 && resp.Status < 300
	if c.closed || stale || e.size > c.opts.MaxBytes/4 || !e.storable && !reading {
		return t
	}
	if !e.storable {
		e.forget = time.AfterFunc(c.opts.Hold, func() { c.drop(e) })
	}
	if same := c.entries[q.key]; len(same) >= maxVariants {
		c.remove(same[0])
	}
	e.place = c.recent.PushFront(e)
	c.entries[q.key] = append(c.entries[q.key], e)
	c.size += e.size
	for c.recent.Len() > c.opts.MaxEntries || c.size > c.opts.MaxBytes {
		c.remove(c.recent.Back().Value.(*entry[V]))
	}
	return t
}

func headerSize(h http.Header) (n int64) {
	for name, values := range h {
		for _, value := range values {
			n += int64(len(name) + len(value))
		}
	}
	return n
}

func (c *Cache[V]) drop(e *entry[V]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remove(e)
}

// remove forgets an entry. c.mu is held.
func (c *Cache[V]) remove(e *entry[V]) {
	if e.place == nil {
		return
	}
	if e.forget != nil {
		e.forget.Stop()
	}
	c.recent.Remove(e.place)
	e.place = nil
	c.size -= e.size
	left := slices.DeleteFunc(c.entries[e.key], func(other *entry[V]) bool { return other == e })
	if len(left) == 0 {
		delete(c.entries, e.key)
	} else {
		c.entries[e.key] = left
	}
}

// invalidate forgets what a request with an unsafe method may have changed:
// its target, and the URLs of the same origin that the response names (RFC
// 9111 section 4.4). Requests for them that are under way are not stored.
func (c *Cache[V]) invalidate(target string, h http.Header) {
	changed := []string{target}
	if base, err := url.Parse(target); err == nil {
		for _, name := range []string{"Location", "Content-Location"} {
			if u, err := base.Parse(h.Get(name)); err == nil && u.Scheme == base.Scheme && u.Host == base.Host {
				changed = append(changed, normalize(u.String()))
			}
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for k, same := range c.entries {
		if slices.Contains(changed, k.url) {
			for _, e := range slices.Clone(same) {
				c.remove(e)
			}
		}
	}
	for k, f := range c.flights {
		if slices.Contains(changed, k.url) {
			f.invalid = true
		}
	}
}
