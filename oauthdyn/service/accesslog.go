// SPDX-License-Identifier: Apache-2.0

package service

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
// trace id of traceparent (W3C Trace Context), or else at random. It is made
// when it is needed first, which for most requests is never.
type requestID struct {
	given, trace string // the headers
	once         sync.Once
	id           string
	label        string // what the handler says
}

type requestKey struct{}

const (
	maxRequestID = 128
	lowerHex     = "0123456789abcdef"
	idChars      = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:/+=-"
)

// consistsOf reports whether s has at least one character and no others than
// the given ones.
func consistsOf(s, characters string) bool { return s != "" && strings.Trim(s, characters) == "" }

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
		if len(id.given) <= maxRequestID && consistsOf(id.given, idChars) {
			id.id = id.given
		} else if id.id = traceID(id.trace); id.id == "" {
			id.id = strings.ToLower(rand.Text()[:16])
		}
	})
	return id.id
}

// AccessLog gives each request an id, which the loggers of [NewLogger] tell, and
// a line in the log when it has ended, at level debug. The id is the request's
// X-Request-Id if that is plain and has 128 bytes at most, else the trace id of its
// traceparent, else a random one; so a client can choose it. Neither queries, which
// may hold secrets, nor bodies are logged. label, unless it is empty, names one more
// attribute of that line, for what the handler gives to [SetLabel].
func AccessLog(next http.Handler, log *slog.Logger, label string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := &requestID{given: r.Header.Get("X-Request-Id"), trace: r.Header.Get("Traceparent")}
		outer := r
		r = r.WithContext(context.WithValue(r.Context(), requestKey{}, id))
		defer func() { outer.Pattern = r.Pattern }() // for who counts requests by it
		if !log.Enabled(r.Context(), slog.LevelDebug) {
			next.ServeHTTP(w, r)
			return
		}
		counted := &CountedWriter{ResponseWriter: w}
		start := time.Now()
		defer func() {
			attrs := append(make([]slog.Attr, 0, 6), slog.String("method", r.Method), slog.String("path", r.URL.Path))
			if label != "" {
				attrs = append(attrs, slog.String(label, id.label))
			}
			attrs = append(attrs, slog.Int("status", counted.Status), slog.Int64("bytes", counted.Bytes),
				slog.Duration("duration", time.Since(start)))
			log.LogAttrs(r.Context(), slog.LevelDebug, "request", attrs...)
		}()
		next.ServeHTTP(counted, r)
	})
}

// SetLabel tells the log what the label of a request is. It is for the goroutine
// that serves the request; elsewhere than below [AccessLog] it does nothing.
func SetLabel(ctx context.Context, value string) {
	if id, ok := ctx.Value(requestKey{}).(*requestID); ok {
		id.label = value
	}
}

// A CountedWriter remembers what is answered. [http.ResponseController] finds the
// writer inside by Unwrap.
type CountedWriter struct {
	http.ResponseWriter
	Status int   // 0: nothing was answered yet, which becomes 200
	Bytes  int64 // of the body
}

// Unwrap is for [http.ResponseController].
func (w *CountedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader remembers the status; those below 200 give way to the final one.
func (w *CountedWriter) WriteHeader(status int) {
	if w.Status == 0 || w.Status < 200 {
		w.Status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write counts the bytes.
func (w *CountedWriter) Write(p []byte) (int, error) {
	if w.Status == 0 {
		w.Status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(p)
	w.Bytes += int64(n)
	return n, err
}
