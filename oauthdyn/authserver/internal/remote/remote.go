// SPDX-License-Identifier: Apache-2.0

// Package remote reads documents whose addresses strangers name to an
// authorization server: from public addresses only, bounded in size, time and
// number, and remembered as long as HTTP allows within bounds.
package remote

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/documenturl"
)

const (
	minAge = 5 * time.Minute // that a document is used, whatever its server says
	maxAge = 24 * time.Hour

	maxDocuments  = 1000 // remembered
	maxFetches    = 300  // a minute
	maxPerHost    = 10   // a minute
	rateWindow    = time.Minute
	rejectedPause = 5 * time.Second // after a document that could not be had
	newerPause    = time.Minute     // between readings of what is still fresh
)

// Error tells why there is no document. Its text may be shown to people: it
// repeats nothing of the document.
type Error struct {
	Text string

	// Temporary: the next attempt may succeed.
	Temporary bool
}

func (e *Error) Error() string { return e.Text }

// Options configure a Reader.
type Options[T any] struct {
	// Hosts are those that the operator trusts, in lower case and with a port
	// unless it is 443; they may be at addresses that are not public. OnlyHosts
	// refuses all others, which are asked at port 443 only.
	Hosts     []string
	OnlyHosts bool

	// Accept refuses addresses, before anything is asked. Nil: documenturl.Check.
	// The error follows Address.
	Accept func(address string) error

	// Transport makes the requests, without a guard. Nil: one that reaches
	// public addresses, and those of Hosts, and that uses no proxy.
	Transport http.RoundTripper

	// About says what the documents tell about, as in "the app", and Address
	// what their addresses are.
	About, Address string

	// MaxBytes bounds a document.
	MaxBytes int64

	// Parse reads the document at an address. The error is shown to people.
	Parse func(address string, body []byte) (T, error)
}

// Reader reads documents and remembers them. It is safe for concurrent use.
type Reader[T any] struct {
	o    Options[T]
	http *http.Client

	ctx     context.Context // of the requests: others than their first caller may wait for them
	stop    context.CancelFunc
	reading sync.WaitGroup

	mu        sync.Mutex
	documents map[string]*document[T] // mu guards
	rate      rate                    // mu guards
	closed    bool                    // mu guards
}

// document is what is known of an address.
type document[T any] struct {
	reading chan struct{} // closed when it has been read; nil if nobody reads
	good    bool          // content was good when it was last read
	content T
	read    time.Time // when content was read
	fresh   time.Time // until when it need not be read again
	err     *Error    // of the last reading
	retry   time.Time // when it may be read again after err
	used    time.Time
}

// NewReader makes a Reader.
func NewReader[T any](o Options[T]) *Reader[T] {
	r := &Reader[T]{o: o, http: newHTTPClient(o.Transport, o.Hosts), documents: map[string]*document[T]{}}
	r.ctx, r.stop = context.WithCancel(context.Background())
	return r
}

// Close ends the requests that are under way and waits for them. What is
// remembered can still be read, and nothing else.
func (r *Reader[T]) Close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.stop()
	r.reading.Wait()
}

// Read returns the document at an address, read now or before; it must not be
// changed. Callers that want the same document share a request. A document that
// was good is used for a day after it could last be read; one that is gone, or
// not good any more, is not. The error is an *Error, or that of the context.
func (r *Reader[T]) Read(ctx context.Context, address string) (T, error) {
	return r.get(ctx, address, false)
}

// Newer is Read where what is known does not suffice: it is read again, but at
// most once a minute.
func (r *Reader[T]) Newer(ctx context.Context, address string) (T, error) {
	return r.get(ctx, address, true)
}

func (r *Reader[T]) get(ctx context.Context, address string, newer bool) (none T, err error) {
	if err := r.accepts(address); err != nil {
		return none, err
	}
	for {
		d, wait, err := r.look(address, newer)
		if wait == nil {
			return d, err
		}
		newer = false
		select {
		case <-wait:
		case <-ctx.Done():
			return none, ctx.Err()
		}
	}
}

// Check reports why a document would not be read, whatever is there, or nil. The
// error is an *Error.
func (r *Reader[T]) Check(address string) error { return r.accepts(address) }

// accepts applies the trust policy before anything is asked.
func (r *Reader[T]) accepts(address string) error {
	check := r.o.Accept
	if check == nil {
		check = documenturl.Check
	}
	if err := check(address); err != nil {
		return &Error{Text: r.o.Address + " " + err.Error()}
	}
	host := hostOf(address)
	switch {
	case slices.Contains(r.o.Hosts, host):
		return nil
	case r.o.OnlyHosts:
		return &Error{Text: "apps of " + host + " are not accepted here"}
	case r.o.Transport == nil && withoutPort(host) != strings.Trim(host, "[]"):
		return &Error{Text: r.o.Address + " names a port"}
	}
	return nil
}

// hostOf is the host of a URL that was accepted, with its port unless it
// is 443.
func hostOf(address string) string {
	_, rest, _ := strings.Cut(address, "://")
	host, _, _ := strings.Cut(rest, "/")
	return strings.TrimSuffix(strings.ToLower(host), ":443")
}

// look returns what is known, or a channel that is closed when more is.
func (r *Reader[T]) look(address string, newer bool) (none T, _ <-chan struct{}, _ error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	d := r.documents[address]
	switch {
	case d == nil:
		d = &document[T]{}
	case d.reading != nil:
		return none, d.reading, nil
	case d.good && now.Before(d.fresh) && !(newer && now.Sub(d.read) >= newerPause) || now.Before(d.retry):
		d.used = now
		return d.known()
	}
	if r.closed || !r.rate.allow(hostOf(address), now) {
		if d.good {
			return d.known()
		}
		return none, nil, &Error{Text: "too many apps are asked about right now; try again in a minute", Temporary: true}
	}
	r.makeRoom(now)
	r.documents[address] = d
	d.used, d.reading = now, make(chan struct{})
	r.reading.Go(func() { r.read(address, d) })
	return none, d.reading, nil
}

// Known returns a document that was good when it was last read, without asking
// for it.
func (r *Reader[T]) Known(address string) (content T, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if d := r.documents[address]; d != nil && d.good {
		return d.content, true
	}
	return content, false
}

// known returns the content, or the error. The Reader's mu is held.
func (d *document[T]) known() (none T, _ <-chan struct{}, _ error) {
	if !d.good {
		return none, nil, d.err
	}
	return d.content, nil, nil
}

// read fetches a document; it ends on its own within the time of a fetch.
func (r *Reader[T]) read(address string, d *document[T]) {
	content, age, err := r.fetch(address)
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if err == nil {
		d.good, d.content, d.read, d.fresh, d.err, d.retry = true, content, now, now.Add(age), nil, time.Time{}
	} else {
		d.err, d.retry = err, now.Add(rejectedPause)
		if !err.Temporary || now.Sub(d.fresh) > maxAge {
			var none T
			d.good, d.content = false, none
		}
	}
	close(d.reading)
	d.reading = nil
}

// makeRoom forgets the document that was not used for longest. r.mu is held.
func (r *Reader[T]) makeRoom(now time.Time) {
	if len(r.documents) < maxDocuments {
		return
	}
	oldest, at := "", now
	for address, d := range r.documents {
		if d.reading == nil && !d.used.After(at) {
			oldest, at = address, d.used
		}
	}
	delete(r.documents, oldest)
}

// rate bounds what strangers make us fetch. It forgets once a minute.
type rate struct {
	since time.Time
	all   int
	hosts map[string]int
}

func (r *rate) allow(host string, now time.Time) bool {
	if r.hosts == nil || now.Sub(r.since) >= rateWindow {
		*r = rate{since: now, hosts: map[string]int{}}
	}
	if r.all >= maxFetches || r.hosts[host] >= maxPerHost {
		return false
	}
	r.all++
	r.hosts[host]++
	return true
}

func temporary(format string, args ...any) *Error {
	return &Error{Text: fmt.Sprintf(format, args...), Temporary: true}
}

func invalid(format string, args ...any) *Error {
	return &Error{Text: fmt.Sprintf(format, args...)}
}

// AsError returns the Error in an error, or nil.
func AsError(err error) *Error {
	e, _ := errors.AsType[*Error](err)
	return e
}
