// SPDX-License-Identifier: Apache-2.0

//go:build unix

package deploy_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
)

// A backend stands between the proxy and shproxy, and remembers what reaches it.
// Below /mcp are two streams and places that answer 200.
type backend struct {
	addr  string
	proxy http.Handler  // to shproxy
	more  chan struct{} // lets a stream go on

	closed chan struct{} // ends streams that nobody lets go on

	mu sync.Mutex
	// mu guards the field below.
	seen []*http.Request
}

func newBackend(t *testing.T, shproxy string) *backend {
	t.Helper()
	b := &backend{more: make(chan struct{}), closed: make(chan struct{})}
	b.proxy = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: shproxy})
			r.Out.Host = r.In.Host
		},
		FlushInterval: -1,
	}
	addr, end := serve(t, b)
	b.addr = addr
	t.Cleanup(func() {
		close(b.closed)
		end()
	})
	return b
}

func (b *backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	b.seen = append(b.seen, r.Clone(context.WithoutCancel(r.Context())))
	b.mu.Unlock()
	switch r.URL.Path {
	case "/mcp":
		// Whole, or an answer that begins at once is cut off now and then
		// (golang/go#40747).
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		r.Body, r.ContentLength, r.TransferEncoding = io.NopCloser(bytes.NewReader(body)), int64(len(body)), nil
		b.proxy.ServeHTTP(w, r)
	case "/mcp/stream":
		b.stream(w, r)
	case "/mcp/plain-stream":
		b.plainStream(w)
	}
}

// stream sends an event, and another one when it is told to. Unlike shproxy it
// does not ask proxies not to buffer.
func (b *backend) stream(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	fmt.Fprint(w, "data: 1\n\n")
	w.(http.Flusher).Flush()
	select {
	case <-b.more:
		fmt.Fprint(w, "data: 2\n\n")
	case <-r.Context().Done():
	}
}

// plainStream does the same without chunks, as simple servers do: the body ends
// with the connection (RFC 9112 section 6.3). nginx then cannot tell the end of
// an event from that of a buffer.
func (b *backend) plainStream(w http.ResponseWriter) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer conn.Close()
	fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\ndata: 1\n\n")
	select {
	case <-b.more:
		fmt.Fprint(conn, "data: 2\n\n")
	case <-b.closed:
	}
}

// take returns what reached the backend since the last time.
func (b *backend) take() []*http.Request {
	b.mu.Lock()
	defer b.mu.Unlock()
	seen := b.seen
	b.seen = nil
	return seen
}
