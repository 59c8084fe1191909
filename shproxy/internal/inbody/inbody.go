// SPDX-License-Identifier: Apache-2.0

// Package inbody reads the bodies of clients that are passed on.
package inbody

import (
	"io"
	"net/http"
	"sync"
	"time"
)

// Body is the body of a request that a handler passes on. A deadline that was
// set for reading it is lifted once it has ended: the reply may take longer.
//
// A transport may still read it when the handler has returned, since the answer
// can come before all of the request was sent. By then the response writer must
// not be used: that of HTTP/2 is not there any more.
type Body struct {
	rest io.ReadCloser
	w    http.ResponseWriter
	mu   sync.Mutex
	over bool // guarded by mu
}

// New returns the body of the request that w answers. The handler has to call
// Over before it returns.
func New(w http.ResponseWriter, rest io.ReadCloser) *Body {
	return &Body{rest: rest, w: w}
}

// Limit lets the client have that much time for the body.
func (b *Body) Limit(d time.Duration) { b.deadline(time.Now().Add(d)) }

func (b *Body) Read(p []byte) (int, error) {
	n, err := b.rest.Read(p)
	if err != nil {
		b.deadline(time.Time{})
	}
	return n, err
}

// Close closes the body.
func (b *Body) Close() error { return b.rest.Close() }

// Over tells that the handler returns. What is being read goes on.
func (b *Body) Over() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.over = true
}

// deadline sets a deadline while there is an answer to be given.
func (b *Body) deadline(t time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.over {
		_ = http.NewResponseController(b.w).SetReadDeadline(t)
	}
}
