// SPDX-License-Identifier: Apache-2.0

package shclient

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"
)

// deadline bounds how long the server may take over the requests of a context
// together, but not the login, which may take a person minutes: the clock starts
// when a request goes out behind the login, and stops when the answer may lead
// to one.
type deadline struct {
	timer *time.Timer

	mu      sync.Mutex // guards the rest
	left    time.Duration
	started time.Time // zero while the clock stands
}

var errTooSlow = errors.New("the server took too long")

type deadlineKey struct{}

// withDeadline returns a context that ends, with errTooSlow for a cause, when
// the server has taken longer than limit. It is released with its parent.
func withDeadline(parent context.Context, limit time.Duration) (context.Context, *deadline) {
	ctx, cancel := context.WithCancelCause(parent)
	d := &deadline{left: limit, timer: time.AfterFunc(limit, func() { cancel(errTooSlow) })}
	d.timer.Stop()
	return context.WithValue(ctx, deadlineKey{}, d), d
}

func (d *deadline) start() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.started.IsZero() {
		d.started = time.Now()
		d.timer.Reset(d.left)
	}
}

func (d *deadline) stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.started.IsZero() {
		d.timer.Stop()
		d.left -= time.Since(d.started)
		d.started = time.Time{}
	}
}

// deadlineTransport runs the deadlines of requests. It belongs behind the login.
type deadlineTransport struct{ base http.RoundTripper }

func (t *deadlineTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	d, ok := req.Context().Value(deadlineKey{}).(*deadline)
	if !ok {
		return t.base.RoundTrip(req)
	}
	d.start()
	resp, err := t.base.RoundTrip(req)
	if err != nil || resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden {
		d.stop()
	}
	return resp, err
}
