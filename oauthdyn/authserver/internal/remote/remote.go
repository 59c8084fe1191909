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

	maxDocuments = 1000 // remembered
	maxFailures  = 200  // remembered, apart from documents

	rateWindow    = time.Minute
	rejectedPause = 5 * time.Second // after a document that could not be had
	newerPause    = time.Minute     // between readings of what is still fresh
)

// What is fetched in a minute: of addresses that strangers name, and of documents
// that are known to be good, whose readers must not suffer from the former.
var (
	strangerLimits = limits{all: 300, perHost: 10}
	renewalLimits  = limits{all: 1000, perHost: 100}
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
	pending   map[string]*fetching[T] // mu guards
	documents map[string]*document[T] // good when they were last read; mu guards
	failures  map[string]*document[T] // without content; mu guards
	strangers rate                    // mu guards
	renewals  rate                    // mu guards
	closed    bool                    // mu guards
}

// fetching is a request under way. done is closed when the rest is set.
type fetching[T any] struct {
	done    chan struct{}
	content T
	err     error
}

// document is what is known of an address.
type document[T any] struct {
	content T
	read    time.Time // when content was read
	fresh   time.Time // until when it need not be read again
	err     *Error    // of the last reading
	retry   time.Time // when it may be read again after err
	used    time.Time
}

// NewReader makes a Reader.
func NewReader[T any](o Options[T]) *Reader[T] {
	r := &Reader[T]{
		o: o, http: newHTTPClient(o.Transport, o.Hosts),
		pending: map[string]*fetching[T]{}, documents: map[string]*document[T]{}, failures: map[string]*document[T]{},
		strangers: rate{limits: strangerLimits}, renewals: rate{limits: renewalLimits},
	}
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
	f := r.look(address, newer)
	select {
	case <-f.done:
		return f.content, f.err
	case <-ctx.Done():
		return none, ctx.Err()
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

// look returns what is known, or what will be when it has been read.
func (r *Reader[T]) look(address string, newer bool) *fetching[T] {
	r.mu.Lock()
	defer r.mu.Unlock()
	if f := r.pending[address]; f != nil {
		return f
	}
	now := time.Now()
	d, rate := r.documents[address], &r.renewals
	if d != nil {
		d.used = now
		if now.Before(d.fresh) && !(newer && now.Sub(d.read) >= newerPause) || now.Before(d.retry) {
			return known(d.content, nil)
		}
	} else {
		rate = &r.strangers
		if failed := r.failures[address]; failed != nil && now.Before(failed.retry) {
			return known(failed.content, failed.err)
		}
	}
	if r.closed || !rate.allow(hostOf(address), now) {
		if d != nil && !d.outdated(now) {
			return known(d.content, nil)
		}
		var none T
		return known(none, temporary("too many apps are asked about right now; try again in a minute"))
	}
	f := &fetching[T]{done: make(chan struct{})}
	r.pending[address] = f
	r.reading.Go(func() { r.read(address, f) })
	return f
}

var closed = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

func known[T any](content T, err *Error) *fetching[T] {
	f := &fetching[T]{done: closed, content: content}
	if err != nil {
		f.err = err
	}
	return f
}

// outdated reports whether a document was fresh so long ago that it counts no
// more, though nothing newer can be had.
func (d *document[T]) outdated(now time.Time) bool { return now.Sub(d.fresh) > maxAge }

// read fetches a document; it ends on its own within the time of a fetch.
func (r *Reader[T]) read(address string, f *fetching[T]) {
	content, age, err := r.fetch(address)
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	d := r.documents[address]
	switch {
	case err == nil:
		delete(r.failures, address)
		remember(r.documents, maxDocuments, address, &document[T]{content: content, read: now, fresh: now.Add(age), used: now})
		f.content = content
	case d != nil && err.Temporary && !d.outdated(now):
		d.retry = now.Add(rejectedPause)
		f.content = d.content
	default:
		delete(r.documents, address)
		remember(r.failures, maxFailures, address, &document[T]{err: err, retry: now.Add(rejectedPause), used: now})
		f.err = err
	}
	delete(r.pending, address)
	close(f.done)
}

// remember keeps a document, and forgets the one that was not used for longest
// if there are too many.
func remember[T any](documents map[string]*document[T], most int, address string, d *document[T]) {
	if documents[address] == nil && len(documents) >= most {
		oldest := ""
		for address, other := range documents {
			if oldest == "" || other.used.Before(documents[oldest].used) {
				oldest = address
			}
		}
		delete(documents, oldest)
	}
	documents[address] = d
}

// Known returns a document that was good when it was last read, without asking
// for it.
func (r *Reader[T]) Known(address string) (content T, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if d := r.documents[address]; d != nil {
		return d.content, true
	}
	return content, false
}

// limits bound what is fetched in a minute.
type limits struct{ all, perHost int }

// rate counts that. It forgets once a minute.
type rate struct {
	limits
	since time.Time
	n     int
	hosts map[string]int
}

func (r *rate) allow(host string, now time.Time) bool {
	if r.hosts == nil || now.Sub(r.since) >= rateWindow {
		r.since, r.n, r.hosts = now, 0, map[string]int{}
	}
	if r.n >= r.all || r.hosts[host] >= r.perHost {
		return false
	}
	r.n++
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
