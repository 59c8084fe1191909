// SPDX-License-Identifier: Apache-2.0

package shclient

import (
	"context"
	"sync"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// order says which messages to a legacy server wait for which. Each travels in
// a request of its own and may overtake others, so those that depend on each
// other have to wait; but none for long, and an answer for nothing.
type order struct {
	mu         sync.Mutex            // guards the rest
	agreed     *departure            // the last that changes how the server takes what follows
	subscribed *departure            // the last that changes a subscription
	calls      map[string]*departure // requests under way, by key of the id
}

// departure is a message that sets out.
type departure struct {
	after []*departure
	gone  chan struct{} // closed when those that depend on it may follow
	leave func()        // closes gone
	// slow is set if that is not before it is answered.
	slow bool
}

// next gives a message its place. over must be called when it is.
func (o *order) next(m message) (d *departure, over func()) {
	d = &departure{gone: make(chan struct{})}
	d.leave = sync.OnceFunc(func() { close(d.gone) })
	over = d.leave
	o.mu.Lock()
	defer o.mu.Unlock()
	switch method := m.method(); {
	case m.Kind == jsonrpc.Response:
		return d, over
	case method == methodCancelled:
		span, _ := jsonrpc.Lookup(m.frame, m.Params, "requestId")
		d.follow(o.calls[jsonrpc.Key(span.Of(m.frame))])
		return d, over
	case m.Kind == jsonrpc.Notification, method == methodSetLevel:
		d.follow(o.agreed)
		d.slow, o.agreed = true, d
	case method == methodSubscribe, method == methodUnsubscribe:
		d.follow(o.agreed)
		d.follow(o.subscribed)
		d.slow, o.subscribed = true, d
	default:
		d.follow(o.agreed)
	}
	if m.Kind != jsonrpc.Request {
		return d, over
	}
	key := jsonrpc.Key(m.id())
	if o.calls == nil {
		o.calls = make(map[string]*departure)
	}
	o.calls[key] = d
	return d, func() {
		d.leave()
		o.mu.Lock()
		defer o.mu.Unlock()
		delete(o.calls, key)
	}
}

func (d *departure) follow(other *departure) {
	if other != nil {
		d.after = append(d.after, other)
	}
}

// wait waits for those that have to be gone before, but no longer than
// orderTimeout. It reports false if ctx ended.
func (d *departure) wait(ctx context.Context) bool {
	limit := time.NewTimer(orderTimeout)
	defer limit.Stop()
	for _, other := range d.after {
		select {
		case <-other.gone:
		case <-limit.C:
			d.after = nil
			return true
		case <-ctx.Done():
			return false
		}
	}
	d.after = nil // or a chain of them would never be freed
	return ctx.Err() == nil
}
