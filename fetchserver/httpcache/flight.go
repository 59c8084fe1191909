// SPDX-License-Identifier: Apache-2.0

package httpcache

import (
	"context"
	"maps"
	"net/http"
	"strings"
	"time"
)

// maxValidates bounds the validations in the background.
const maxValidates = 16

// flightKey says which requests one response can answer.
type flightKey struct {
	key
	header string
}

// flight is a request to the origin that several callers may wait for. done is
// closed when the other fields are final.
type flight[V any] struct {
	done    chan struct{}
	resp    *Response[V]
	info    Info
	err     error
	shared  bool // resp may answer those who waited
	dropped bool // given up by its caller: ask again
	invalid bool // the URL was invalidated meanwhile; Cache.mu guards it
}

// join returns the flight of a key and whether it is the caller's to lead. c.mu
// is held.
func (c *Cache[V]) join(k flightKey) (f *flight[V], leads bool) {
	if f := c.flights[k]; f != nil {
		return f, false
	}
	f = &flight[V]{done: make(chan struct{})}
	c.flights[k] = f
	return f, true
}

// lead asks the origin in the caller's goroutine and finishes the flight, even
// if fetch panics. When the caller gives up, one of those that wait takes over.
func (c *Cache[V]) lead(ctx context.Context, f *flight[V], r *Request, q *query, old *entry[V], fetch FetchFunc[V]) {
	f.dropped = true
	defer func() {
		c.mu.Lock()
		delete(c.flights, q.flight)
		c.mu.Unlock()
		close(f.done)
	}()
	f.resp, f.info, f.err = c.ask(ctx, r, q, old, fetch, f)
	if f.err != nil && ctx.Err() != nil {
		return // that says nothing about the origin
	}
	f.dropped = false
	if f.err == nil {
		t := c.opts.termsOf(r, f.resp.Status, f.resp.Header, f.resp.Requested, f.resp.Received)
		f.shared = !t.cc.has("no-store") || t.storable
	}
}

// ask sends a request, with the validators of old if there are any, and keeps
// what comes back.
func (c *Cache[V]) ask(ctx context.Context, r *Request, q *query, old *entry[V], fetch FetchFunc[V], f *flight[V]) (*Response[V], Info, error) {
	var conditional http.Header
	if old != nil && old.storable && !old.resp.Composed {
		conditional = validators(old.resp.Header)
	}
	resp, err := c.fetch(ctx, fetch, conditional)
	if err == nil && resp.Status == http.StatusNotModified && conditional != nil {
		if updated := freshen(old.resp, resp); updated != nil {
			t := c.keep(r, q, updated, old, c.invalidated(f))
			info := infoOf(&t, updated, Revalidated, time.Now())
			info.NotModified = notModified(r, updated.Header)
			return updated, info, nil
		}
		resp, err = c.fetch(ctx, fetch, nil) // it is about a response that is not here
	}
	if failed := err != nil && ctx.Err() == nil || err == nil && serverFailed(resp.Status); failed && old != nil && old.storable {
		if now := time.Now(); old.mayBeStale() && (old.cc.within("stale-if-error", old.staleBy(now)) || q.cc.within("stale-if-error", old.staleBy(now))) {
			info := old.info(Hit, now)
			info.Stale = true
			return old.resp, info, nil
		}
	}
	if err != nil {
		return nil, Info{}, err
	}
	t := c.keep(r, q, resp, old, c.invalidated(f))
	return resp, infoOf(&t, resp, Miss, time.Now()), nil
}

func (c *Cache[V]) invalidated(f *flight[V]) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return f != nil && f.invalid
}

// serverFailed lists the statuses that RFC 5861 section 4 takes for errors.
func serverFailed(status int) bool {
	return status == 500 || status == 502 || status == 503 || status == 504
}

// validators returns the fields that ask whether a response is current (RFC
// 9111 section 4.3.1), or nil.
func validators(h http.Header) http.Header {
	v := make(http.Header)
	if tag := h.Get("ETag"); tag != "" {
		v.Set("If-None-Match", tag)
	}
	if modified := h.Get("Last-Modified"); modified != "" {
		v.Set("If-Modified-Since", modified)
	}
	if len(v) == 0 {
		return nil
	}
	return v
}

// describesBody are fields that a 304 response does not change: the value was
// made of the body that they describe (RFC 9111 section 3.2).
var describesBody = map[string]bool{
	"Content-Encoding": true, "Content-Length": true, "Content-Range": true, "Content-Type": true,
}

// ofConnection are fields about a connection that is gone (RFC 9111 section 3.1).
var ofConnection = []string{
	"Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authentication-Info", "Proxy-Connection",
	"Te", "Transfer-Encoding", "Upgrade",
}

// withoutConnection returns the fields that may be kept.
func withoutConnection(h http.Header) http.Header {
	names := ofConnection
	for _, line := range h["Connection"] {
		for name := range strings.SplitSeq(line, ",") {
			names = append(names[:len(names):len(names)], http.CanonicalHeaderKey(strings.Trim(name, " \t")))
		}
	}
	kept := h
	for _, name := range names {
		if _, present := kept[name]; present {
			if len(kept) == len(h) {
				kept = maps.Clone(h)
			}
			delete(kept, name)
		}
	}
	return kept
}

// freshen returns old with the fields of a 304 response (RFC 9111 section
// 4.3.4), or nil if that is about another response.
func freshen[V any](old, now *Response[V]) *Response[V] {
	if tag := now.Header.Get("ETag"); tag != "" && tag[0] == '"' && tag != old.Header.Get("ETag") {
		return nil
	}
	updated := *old
	updated.Header = old.Header.Clone()
	updated.Header.Del("Age") // that was the old one's
	for name, values := range withoutConnection(now.Header) {
		if !describesBody[name] {
			updated.Header[name] = values
		}
	}
	updated.Requested, updated.Received = now.Requested, now.Received
	return &updated
}

// validate asks the origin in the background about a response that may be used
// while that goes on (RFC 5861 section 3). c.mu is held.
func (c *Cache[V]) validate(e *entry[V], r *Request, q *query, fetch FetchFunc[V]) {
	if e.validating || c.closed || c.validates >= maxValidates || !e.cc.within("stale-while-revalidate", e.staleBy(time.Now())) {
		return
	}
	f, leads := c.join(q.flight)
	if !leads {
		return
	}
	e.validating = true
	c.validates++
	own := *r
	own.Header = r.Header.Clone()
	c.running.Go(func() {
		defer func() {
			_ = recover() // of fetch: nobody waits here; the next call meets it in its own goroutine
			c.mu.Lock()
			defer c.mu.Unlock()
			e.validating = false
			c.validates--
		}()
		c.lead(c.background, f, &own, q, e, fetch)
	})
}
