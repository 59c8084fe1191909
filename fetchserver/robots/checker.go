// SPDX-License-Identifier: Apache-2.0

package robots

import (
	"context"
	"errors"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A FetchFunc gets a robots.txt file: its status after redirects and its body,
// of which at least [MaxSize] bytes should be read if there are as many.
type FetchFunc func(ctx context.Context, robotsURL string) (status int, body []byte, err error)

// Options configure a [Checker]. The zero value is the default.
type Options struct {
	// TTL is how long a file is kept. Default 1 hour, at most 24 (RFC 9309
	// section 2.4).
	TTL time.Duration
	// FailureTTL is how long the failure to get a file is kept. Default 1 minute.
	FailureTTL time.Duration
	// Timeout bounds one fetch of a file. Default 5 s.
	Timeout time.Duration
	// MaxOrigins bounds the number of files kept. Default 1000; the least
	// recently added are forgotten first, also when all files together have
	// more than 16 MiB.
	MaxOrigins int
}

// maxKept bounds the bytes of the files kept. Their rules may take ten times
// as much.
const maxKept = 16 << 20

// Checker answers whether URLs may be fetched. Each origin's file is fetched
// once and kept; callers that need the same file wait for the same fetch. A
// file that is not there (any 4xx but 429) allows everything; one that cannot
// be had (429, 5xx, an error of the FetchFunc) forbids everything (RFC 9309
// section 2.3.1). It is safe for concurrent use.
type Checker struct {
	fetch  FetchFunc
	agents []string
	opts   Options

	mu      sync.Mutex
	entries map[string]*entry // by origin
	order   []string          // origins in the order they were added
	size    int               // of their files in bytes
}

// entry is one origin's file. done is closed when the other fields are final.
type entry struct {
	size    int // of the file in bytes; Checker.mu guards it
	done    chan struct{}
	rules   *Rules // nil: everything is disallowed because of cause
	cause   error
	expires time.Time
	dropped bool // the fetch was given up by its caller: ask again
}

// NewChecker returns a checker for a crawler that goes by the product tokens
// agents. A nil o means the defaults.
func NewChecker(fetch FetchFunc, agents []string, o *Options) *Checker {
	c := &Checker{fetch: fetch, agents: agents, entries: make(map[string]*entry)}
	if o != nil {
		c.opts = *o
	}
	if c.opts.TTL <= 0 {
		c.opts.TTL = time.Hour
	}
	c.opts.TTL = min(c.opts.TTL, 24*time.Hour)
	if c.opts.FailureTTL <= 0 {
		c.opts.FailureTTL = time.Minute
	}
	if c.opts.Timeout <= 0 {
		c.opts.Timeout = 5 * time.Second
	}
	if c.opts.MaxOrigins <= 0 {
		c.opts.MaxOrigins = 1000
	}
	return c
}

// DisallowedError says that a URL may not be fetched.
type DisallowedError struct {
	RobotsURL string // the file that decided
	// Err is why the file could not be read, which counts as "no"
	// (RFC 9309 section 2.3.1.4); nil when a rule decided.
	Err error
}

// Error returns "robots: " and what decided.
func (e *DisallowedError) Error() string {
	if e.Err != nil {
		return "robots: " + e.RobotsURL + " cannot be read, which forbids fetching"
	}
	return "robots: " + e.RobotsURL + " forbids fetching this URL"
}

// Unwrap returns Err.
func (e *DisallowedError) Unwrap() error { return e.Err }

// Check returns nil if u may be fetched, a *[DisallowedError] if not, or the
// error of ctx. The robots.txt file itself may always be fetched.
func (c *Checker) Check(ctx context.Context, u *url.URL) error {
	if u.Path == "/robots.txt" {
		return nil
	}
	origin := strings.ToLower(u.Scheme + "://" + u.Host)
	e, err := c.entry(ctx, origin)
	if err != nil {
		return err
	}
	if e.rules == nil {
		return &DisallowedError{RobotsURL: origin + "/robots.txt", Err: e.cause}
	}
	if !e.rules.AllowedURL(u, c.agents...) {
		return &DisallowedError{RobotsURL: origin + "/robots.txt"}
	}
	return nil
}

// CrawlDelay returns the time that the file of u's origin asks for between two
// requests, if the file has been fetched for [Checker.Check]; 0 if not, or if
// it does not ask. See [Rules.CrawlDelay].
func (c *Checker) CrawlDelay(u *url.URL) time.Duration {
	c.mu.Lock()
	e := c.entries[strings.ToLower(u.Scheme+"://"+u.Host)]
	c.mu.Unlock()
	if e == nil {
		return 0
	}
	select {
	case <-e.done:
	default:
		return 0
	}
	if e.rules == nil {
		return 0
	}
	return e.rules.CrawlDelay(c.agents...)
}

// entry returns the finished entry of an origin. The first caller fetches, in
// its own goroutine; when it gives up, one of those that wait takes over.
func (c *Checker) entry(ctx context.Context, origin string) (*entry, error) {
	for {
		c.mu.Lock()
		e := c.entries[origin]
		if e == nil || e.expired() {
			e = &entry{done: make(chan struct{})}
			c.put(origin, e)
			c.mu.Unlock()
			c.fill(ctx, origin, e)
			if e.dropped {
				return nil, ctx.Err()
			}
			return e, nil
		}
		c.mu.Unlock()
		select {
		case <-e.done:
			if !e.dropped {
				return e, nil
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (e *entry) expired() bool {
	select {
	case <-e.done:
		return e.dropped || time.Now().After(e.expires)
	default:
		return false
	}
}

// put adds an entry. c.mu is held.
func (c *Checker) put(origin string, e *entry) {
	if old, known := c.entries[origin]; known {
		c.size -= old.size
	} else {
		c.order = append(c.order, origin)
	}
	c.entries[origin] = e
	c.evict()
}

// weigh counts the file of an entry, unless the entry is forgotten already.
func (c *Checker) weigh(origin string, e *entry, size int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entries[origin] == e {
		e.size = size
		c.size += size
		c.evict()
	}
}

// evict forgets the oldest entries beyond the bounds. c.mu is held.
func (c *Checker) evict() {
	for len(c.order) > c.opts.MaxOrigins || c.size > maxKept {
		c.size -= c.entries[c.order[0]].size
		delete(c.entries, c.order[0])
		c.order = c.order[1:]
	}
}

// fill fetches the file of an entry and finishes it, even if fetch panics.
func (c *Checker) fill(ctx context.Context, origin string, e *entry) {
	e.dropped = true
	defer close(e.done)
	fetchCtx, cancel := context.WithTimeout(ctx, c.opts.Timeout)
	defer cancel()
	status, body, err := c.fetch(fetchCtx, origin+"/robots.txt")
	if err != nil && ctx.Err() != nil {
		return // the caller is gone; that says nothing about the file
	}
	e.dropped = false
	e.rules, e.cause = judge(status, body, err)
	c.weigh(origin, e, min(len(body), MaxSize))
	e.expires = time.Now().Add(c.opts.TTL)
	if e.rules == nil {
		e.expires = time.Now().Add(c.opts.FailureTTL)
	}
}

// judge applies RFC 9309 section 2.3.1: an absent file allows everything, one
// that cannot be reached forbids everything.
func judge(status int, body []byte, err error) (*Rules, error) {
	switch {
	case err != nil:
		return nil, err
	case status >= 200 && status < 300:
		return Parse(body), nil
	case status == 429 || status >= 500:
		return nil, errors.New("the server answered with status " + strconv.Itoa(status))
	default:
		return &Rules{}, nil
	}
}
