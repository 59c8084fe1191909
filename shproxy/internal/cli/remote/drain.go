// SPDX-License-Identifier: Apache-2.0

package remote

import (
	"context"
	"io"
	"net/http"
	"sync"
)

// calls counts the messages whose replies have not ended. Its zero value is
// ready to use, and safe for concurrent use.
type calls struct {
	mu       sync.Mutex
	open     int           // guarded by mu
	draining bool          // guarded by mu
	none     chan struct{} // guarded by mu; closed when the last one ends
}

// begin reports whether another request is taken, and counts it if it is a call.
func (c *calls) begin(call bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.draining {
		return false
	}
	if call {
		c.open++
	}
	return true
}

func (c *calls) end(call bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !call {
		return
	}
	if c.open--; c.open == 0 && c.none != nil {
		close(c.none)
		c.none = nil
	}
}

// drain lets no more begin, and returns what is closed when none is open; nil
// if that is so already.
func (c *calls) drain() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.draining = true
	if c.open > 0 && c.none == nil {
		c.none = make(chan struct{})
	}
	return c.none
}

// isCall reports whether somebody waits for the end of the reply. Streams that
// are there to be kept open are ended by Close.
func isCall(r *http.Request) bool {
	return r.Method == http.MethodPost && r.Header.Get("Mcp-Method") != "subscriptions/listen"
}

// Drain refuses further requests and waits until the replies to messages have
// ended, or ctx has.
func (s *Server) Drain(ctx context.Context) {
	none := s.calls.drain()
	if none == nil {
		return
	}
	select {
	case <-none:
	case <-ctx.Done():
	}
}

// Close refuses further requests, ends those that are left, and lets go of the
// connections to the server.
func (s *Server) Close() {
	s.calls.drain()
	s.end()
	s.client.CloseIdleConnections()
}

// stream is an event stream of the server's, whose end by Close is no failure.
type stream struct {
	io.ReadCloser
	ended context.Context
}

func (s *stream) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p)
	if err != nil && s.ended.Err() != nil {
		err = io.EOF
	}
	return n, err
}
