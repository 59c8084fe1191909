// SPDX-License-Identifier: Apache-2.0

package fetchserver

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"time"
)

const (
	// maxRequestBytes bounds a JSON-RPC request. A URL and three numbers fit.
	maxRequestBytes = 256 << 10
	// bodyTimeout bounds how long a client may take to send it.
	bodyTimeout = 10 * time.Second
)

// limitRequests answers with 503 what exceeds limit open requests.
func limitRequests(next http.Handler, limit int) http.Handler {
	open := make(chan struct{}, limit)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case open <- struct{}{}:
			defer func() { <-open }()
			next.ServeHTTP(w, r)
		default:
			w.Header().Set("Retry-After", "1")
			http.Error(w, "too many open requests; try again in a second", http.StatusServiceUnavailable)
		}
	})
}

// bufferBody reads the body of a request, in bounded time, before next sees
// it. The time limit cannot be the ReadTimeout of the HTTP server, which would
// also end the event streams of slow fetches.
func bufferBody(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		_ = control.SetReadDeadline(time.Now().Add(bodyTimeout)) // not every ResponseWriter has one
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequestBytes))
		_ = control.SetReadDeadline(time.Time{})
		if err != nil {
			status, text := http.StatusBadRequest, "the request body could not be read"
			if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
				status, text = http.StatusRequestEntityTooLarge, "the request body is larger than 256 KiB"
			}
			http.Error(w, text, status)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(w, r)
	})
}
