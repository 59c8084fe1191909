// SPDX-License-Identifier: Apache-2.0

// Package clientdoc reads client ID metadata documents
// (draft-ietf-oauth-client-id-metadata-document) for an authorization server:
// from public addresses only, bounded in size, time and number, and remembered
// as long as HTTP allows within bounds.
package clientdoc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
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
type Options struct {
	// Hosts are those whose documents are read, in lower case and with a port
	// unless it is 443; they may be at addresses that are not public. Empty:
	// all public hosts, at port 443.
	Hosts []string

	// Transport makes the requests, without a guard. Nil: one that reaches
	// public addresses, and those of Hosts, and that uses no proxy.
	Transport http.RoundTripper

	// Check refuses documents that make no client, and fills in defaults.
	Check func(*oauthdyn.ClientMetadata) error
}

// Reader reads documents and remembers them. It is safe for concurrent use.
type Reader struct {
	o    Options
	http *http.Client

	ctx     context.Context // of the requests: others than their first caller may wait for them
	stop    context.CancelFunc
	reading sync.WaitGroup

	mu        sync.Mutex
	documents map[string]*document // mu guards
	rate      rate                 // mu guards
	closed    bool                 // mu guards
}

// document is what is known of a URL.
type document struct {
	reading  chan struct{}            // closed when it has been read; nil if nobody reads
	metadata *oauthdyn.ClientMetadata // nil: none that was good
	fresh    time.Time                // until when metadata need not be read again
	err      *Error                   // of the last reading
	retry    time.Time                // when it may be read again after err
	used     time.Time
}

// NewReader makes a Reader.
func NewReader(o Options) *Reader {
	r := &Reader{o: o, http: newHTTPClient(o), documents: map[string]*document{}}
	r.ctx, r.stop = context.WithCancel(context.Background())
	return r
}

// Close ends the requests that are under way and waits for them. What is
// remembered can still be read, and nothing else.
func (r *Reader) Close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.stop()
	r.reading.Wait()
}

// IsDocument reports whether a client id can only be the URL of a document.
func IsDocument(id string) bool { return strings.HasPrefix(id, "https://") }

// Read returns the metadata of a client, read now or before. Callers that want
// the same document share a request. A document that was good is used for a
// day after it could last be read; one that is gone, or not good any more, is
// not. The error is an *Error, or that of the context.
func (r *Reader) Read(ctx context.Context, id string) (*oauthdyn.ClientMetadata, error) {
	if err := r.accepts(id); err != nil {
		return nil, err
	}
	for {
		d, wait, err := r.look(id)
		if wait == nil {
			return d, err
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// accepts applies the trust policy before anything is asked.
func (r *Reader) accepts(id string) error {
	if err := documenturl.Check(id); err != nil {
		return &Error{Text: "the app's address (client_id) " + err.Error()}
	}
	switch host := hostOf(id); {
	case len(r.o.Hosts) > 0 && !slices.Contains(r.o.Hosts, host):
		return &Error{Text: "apps of " + host + " are not accepted here"}
	case len(r.o.Hosts) == 0 && r.o.Transport == nil && withoutPort(host) != strings.Trim(host, "[]"):
		return &Error{Text: "the app's address (client_id) names a port"}
	}
	return nil
}

// hostOf is the host of a URL that Check has accepted, with its port unless it
// is 443.
func hostOf(id string) string {
	host, _, _ := strings.Cut(strings.TrimPrefix(id, "https://"), "/")
	return strings.TrimSuffix(strings.ToLower(host), ":443")
}

// look returns what is known, or a channel that is closed when more is.
func (r *Reader) look(id string) (*oauthdyn.ClientMetadata, <-chan struct{}, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	d := r.documents[id]
	switch {
	case d == nil:
		d = &document{}
	case d.reading != nil:
		return nil, d.reading, nil
	case d.metadata != nil && now.Before(d.fresh) || now.Before(d.retry):
		d.used = now
		return d.known()
	}
	if r.closed || !r.rate.allow(hostOf(id), now) {
		if d.metadata != nil {
			return d.known()
		}
		return nil, nil, &Error{Text: "too many apps are asked about right now; try again in a minute", Temporary: true}
	}
	r.makeRoom(now)
	r.documents[id] = d
	d.used, d.reading = now, make(chan struct{})
	r.reading.Go(func() { r.read(id, d) })
	return nil, d.reading, nil
}

// known returns a copy of the metadata, or the error. r.mu is held.
func (d *document) known() (*oauthdyn.ClientMetadata, <-chan struct{}, error) {
	if d.metadata == nil {
		return nil, nil, d.err
	}
	m := *d.metadata
	m.RedirectURIs = slices.Clone(m.RedirectURIs)
	m.GrantTypes = slices.Clone(m.GrantTypes)
	return &m, nil, nil
}

// read fetches a document; it ends on its own within the time of a fetch.
func (r *Reader) read(id string, d *document) {
	m, age, err := r.fetch(id)
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if err == nil {
		d.metadata, d.fresh, d.err, d.retry = m, now.Add(age), nil, time.Time{}
	} else {
		d.err, d.retry = err, now.Add(rejectedPause)
		if !err.Temporary || now.Sub(d.fresh) > maxAge {
			d.metadata = nil
		}
	}
	close(d.reading)
	d.reading = nil
}

// makeRoom forgets the document that was not used for longest. r.mu is held.
func (r *Reader) makeRoom(now time.Time) {
	if len(r.documents) < maxDocuments {
		return
	}
	oldest, at := "", now
	for id, d := range r.documents {
		if d.reading == nil && !d.used.After(at) {
			oldest, at = id, d.used
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
