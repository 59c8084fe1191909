// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"
)

// requestID names an HTTP request in the log: by the X-Request-Id header or the
// trace id of traceparent (W3C Trace Context), or else at random.
type requestID struct {
	given, trace string // the headers
	once         sync.Once
	id           string
}

type requestKey struct{}

const maxRequestID = 128

// traceID returns the trace id of a traceparent header, or "".
func traceID(parent string) string {
	parts := strings.Split(parent, "-")
	if len(parts) < 4 || len(parts[1]) != 32 || !consistsOf(parts[1], lowerHex) {
		return ""
	}
	return parts[1]
}

func (id *requestID) String() string {
	id.once.Do(func() {
		if len(id.given) <= maxRequestID && consistsOf(id.given, letters+digits+"._:/+=-") {
			id.id = id.given
		} else if id.id = traceID(id.trace); id.id == "" {
			id.id = strings.ToLower(rand.Text()[:16])
		}
	})
	return id.id
}

// identifyRequests gives each request an id, and a line in the log when it has
// ended, at level debug. Neither queries, which may hold secrets, nor bodies
// are logged.
func identifyRequests(next http.Handler, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := &requestID{given: r.Header.Get("X-Request-Id"), trace: r.Header.Get("Traceparent")}
		r = r.WithContext(context.WithValue(r.Context(), requestKey{}, id))
		if !log.Enabled(r.Context(), slog.LevelDebug) {
			next.ServeHTTP(w, r)
			return
		}
		counted := &countedWriter{ResponseWriter: w}
		start := time.Now()
		defer func() {
			log.LogAttrs(r.Context(), slog.LevelDebug, "request",
				slog.String("method", r.Method), slog.String("path", r.URL.Path),
				slog.Int("status", counted.status), slog.Int64("bytes", counted.bytes),
				slog.Duration("duration", time.Since(start)))
		}()
		next.ServeHTTP(counted, r)
	})
}

// countedWriter remembers what is answered. http.ResponseController finds the
// writer inside by Unwrap.
type countedWriter struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (w *countedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *countedWriter) WriteHeader(status int) {
	if w.status == 0 || w.status < 200 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *countedWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}
