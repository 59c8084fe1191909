// SPDX-License-Identifier: Apache-2.0

package httpcache

import (
	"container/list"
	"context"
	"errors"
	"net/http"
	"sync"
	"time"
)

// Defaults of [Options].
const (
	DefaultMaxBytes     = 64 << 20
	DefaultMaxEntries   = 4096
	DefaultMaxHeuristic = 24 * time.Hour
	DefaultHold         = 5 * time.Minute
)

// maxReading bounds how long a response is held for one reading.
const maxReading = time.Hour

// Options configure a [Cache]. The zero value is the default.
type Options struct {
	// MaxBytes bounds what all responses together take, by their Size and
	// header fields, and 1 KiB for each. The least recently used are forgotten
	// first. A response that would take more than a quarter is not kept.
	// Default 64 MiB.
	MaxBytes int64
	// MaxEntries bounds the number of responses. Default 4096. Of those that
	// differ by Vary alone, at most 16 are kept.
	MaxEntries int
	// MaxHeuristic bounds guessed freshness. Default 24 h; negative: none is
	// guessed.
	MaxHeuristic time.Duration
	// Hold is how long after each part a response is kept for the next one,
	// see [Request].Continue. Default 5 min; negative: not at all.
	Hold time.Duration
}

// Request says what is wanted, and for whom.
type Request struct {
	// Method is the method; empty is GET, the only one whose responses are
	// kept. One that is not safe invalidates what is kept for its URL.
	Method string
	// URL is the target. A fragment is ignored.
	URL string
	// Header are the request fields by which responses may vary, and the
	// Cache-Control directives of the caller. Names are canonical.
	Header http.Header
	// Partition separates responses that must not be shared, such as those
	// for different people.
	Partition string
	// Variant separates values that were made differently of one resource.
	Variant string
	// Continue says that the caller has read a part of the response and wants
	// another one of the same: it may have gone stale in between.
	Continue bool
}

// Response is what is kept. It is shared by all who get it: do not change it.
type Response[V any] struct {
	Status int
	Header http.Header
	Value  V
	// Size is what Value takes in memory, in bytes.
	Size int64
	// Requested and Received are when the request was sent and the response
	// came. Zero values mean when the [FetchFunc] was called and returned.
	Requested, Received time.Time
	// FreshUntil, if set, ends the freshness earlier than the fields say.
	FreshUntil time.Time
	// Composed says that Value was made of other responses too, for which the
	// validators of this one do not vouch: it is fetched anew when it is stale.
	Composed bool
	// OneReading says that the response may only serve the rest of one reading
	// (see [Request].Continue), whatever its fields say. For a response that
	// another URL gave, after a redirect.
	OneReading bool
}

// A FetchFunc sends a request to the origin and makes a value of the response.
// The fields of conditional, if any, are to be added to the request; a 304
// response to them needs no Value. The context may outlive that of the caller
// of Do, when it validates in the background.
type FetchFunc[V any] func(ctx context.Context, conditional http.Header) (*Response[V], error)

// A Status says what a cache did for a call.
type Status string

// What a cache does.
const (
	Hit         Status = "hit"         // answered with what is kept, or with what another call got
	Miss        Status = "miss"        // the origin answered
	Revalidated Status = "revalidated" // the origin said that what is kept is still current
	Bypass      Status = "bypass"      // the request cannot be served from a cache
)

// Info tells about an answer.
type Info struct {
	Status Status
	// FreshFor is how long the response stays fresh; 0: it is stale or must be
	// validated each time.
	FreshFor time.Duration
	// Age is the time since the origin made or validated the response.
	Age time.Duration
	// Public reports whether a shared cache might keep the response too.
	Public bool
	// Stale reports that a stale response was used, as its origin permits.
	Stale bool
	// Held reports that the response was used for the rest of a reading.
	Held bool
	// NotModified reports that the condition of the request, If-None-Match or
	// If-Modified-Since, holds for a response that was kept: the caller has it
	// already.
	NotModified bool
	// ETag is the entity tag of the response; may be empty.
	ETag string
}

// ErrNotCached answers a request with the directive only-if-cached that needs
// the origin.
var ErrNotCached = errors.New("httpcache: nothing usable is kept, and the request is not to be forwarded")

// Cache is a private cache. It is safe for concurrent use.
type Cache[V any] struct {
	opts       Options
	background context.Context // of validations after the answer
	cancel     context.CancelFunc
	running    sync.WaitGroup

	mu        sync.Mutex
	entries   map[key][]*entry[V] // responses for the same key vary; the newest is last
	recent    *list.List          // of *entry[V], the most recently used in front
	size      int64
	flights   map[flightKey]*flight[V]
	validates int // running validations in the background
	closed    bool
}

// key says which responses are alternatives to each other.
type key struct{ url, partition, variant string }

// New returns an empty cache. A nil o means the defaults.
func New[V any](o *Options) *Cache[V] {
	c := &Cache[V]{entries: make(map[key][]*entry[V]), recent: list.New(), flights: make(map[flightKey]*flight[V])}
	if o != nil {
		c.opts = *o
	}
	if c.opts.MaxBytes <= 0 {
		c.opts.MaxBytes = DefaultMaxBytes
	}
	if c.opts.MaxEntries <= 0 {
		c.opts.MaxEntries = DefaultMaxEntries
	}
	if c.opts.MaxHeuristic == 0 {
		c.opts.MaxHeuristic = DefaultMaxHeuristic
	}
	if c.opts.Hold == 0 {
		c.opts.Hold = DefaultHold
	}
	c.background, c.cancel = context.WithCancel(context.Background())
	return c
}

// Close forgets everything, ends validations in the background and waits for
// them. Calls of Do are answered by their fetch from then on.
func (c *Cache[V]) Close() {
	c.mu.Lock()
	c.closed = true
	for c.recent.Len() > 0 {
		c.remove(c.recent.Front().Value.(*entry[V]))
	}
	c.mu.Unlock()
	c.cancel()
	c.running.Wait()
}

// Stats returns how many responses are kept and what they take in bytes.
func (c *Cache[V]) Stats() (entries int, bytes int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.recent.Len(), c.size
}

// Do answers a request: with what is kept, or with what fetch gets. The error
// is that of fetch, that of ctx, or [ErrNotCached]. When the caller whose
// request is under way gives up, one of those who wait for it sends it again.
func (c *Cache[V]) Do(ctx context.Context, r *Request, fetch FetchFunc[V]) (*Response[V], Info, error) {
	q := parseRequest(r)
	if q.bypass {
		return c.pass(ctx, r, q, fetch)
	}
	for {
		c.mu.Lock()
		now := time.Now()
		e := c.find(q.key, r)
		if info, ok := c.use(e, q, now); ok {
			if info.Stale {
				c.validate(e, r, q, fetch)
			}
			c.mu.Unlock()
			info.NotModified = notModified(r, e.resp.Header)
			return e.resp, info, nil
		}
		if q.cc.has("only-if-cached") {
			c.mu.Unlock()
			return nil, Info{}, ErrNotCached
		}
		f, leads := c.join(q.flight)
		c.mu.Unlock()
		if leads {
			c.lead(ctx, f, r, q, e, fetch)
			return f.resp, f.info, f.err
		}
		select {
		case <-f.done:
		case <-ctx.Done():
			return nil, Info{}, ctx.Err()
		}
		switch {
		case f.dropped:
		case f.err != nil:
			return nil, Info{}, f.err
		case f.shared:
			info := f.info
			info.Status = Hit
			return f.resp, info, nil
		default: // it must not answer another call
			return c.ask(ctx, r, q, e, fetch, nil)
		}
	}
}

// Get answers a request with what is kept and fresh, or held for its reading,
// without asking anyone. Info.NotModified is not set.
func (c *Cache[V]) Get(r *Request) (*Response[V], Info, bool) {
	q := parseRequest(r)
	if q.bypass {
		return nil, Info{}, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.find(q.key, r)
	info, ok := c.use(e, q, time.Now())
	if !ok || info.Stale { // which permits an answer while it is being validated
		return nil, Info{}, false
	}
	return e.resp, info, true
}

// Put keeps a response that came by another way than Do, as far as it may be
// kept. It needs Requested and Received: without them it counts as very old.
func (c *Cache[V]) Put(r *Request, resp *Response[V]) {
	if q := parseRequest(r); !q.bypass {
		c.keep(r, q, resp, nil, false)
	}
}

// Release ends a reading: the last part was handed out. What is kept only for
// it is forgotten.
func (c *Cache[V]) Release(r *Request) {
	q := parseRequest(r)
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.find(q.key, r); e != nil && !e.storable {
		c.remove(e)
	}
}

// pass forwards a request that no cache can answer, and invalidates what it
// changes.
func (c *Cache[V]) pass(ctx context.Context, r *Request, q *query, fetch FetchFunc[V]) (*Response[V], Info, error) {
	resp, err := c.fetch(ctx, fetch, nil)
	if err != nil {
		return nil, Info{}, err
	}
	if !q.safe && resp.Status >= 200 && resp.Status < 400 {
		c.invalidate(q.key.url, resp.Header)
	}
	t := c.opts.termsOf(r, resp.Status, resp.Header, resp.Requested, resp.Received)
	return resp, Info{Status: Bypass, Age: t.currentAge(time.Now()), ETag: resp.Header.Get("ETag")}, nil
}

// fetch calls f and notes the times.
func (c *Cache[V]) fetch(ctx context.Context, f FetchFunc[V], conditional http.Header) (*Response[V], error) {
	start := time.Now()
	resp, err := f(ctx, conditional)
	if err != nil {
		return nil, err
	}
	if resp.Requested.IsZero() || resp.Received.IsZero() {
		timed := *resp
		if timed.Requested.IsZero() {
			timed.Requested = start
		}
		if timed.Received.IsZero() {
			timed.Received = time.Now()
		}
		resp = &timed
	}
	return resp, nil
}
