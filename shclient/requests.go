// SPDX-License-Identifier: Apache-2.0

package shclient

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// request is a request of the program, from its arrival until it is answered.
type request struct {
	message
	key    string             // of its id
	ctx    context.Context    // ends when the program cancels it while nobody has it
	cancel context.CancelFunc // ends ctx
	gone   chan struct{}      // closed when a cancellation may follow
	leave  func()             // closes gone
	done   chan struct{}      // closed when the program has the answer, or is to get none
	finish func()             // closes done

	// The table guards the rest.
	taken     bool  // by a lane or the direct way
	lane      *lane // that has it
	cancelled bool  // before anybody had it
}

// awaitGone waits until a cancellation may follow, but not for long.
func (q *request) awaitGone() {
	limit := time.NewTimer(orderTimeout)
	defer limit.Stop()
	select {
	case <-q.gone:
	case <-q.ctx.Done():
	case <-limit.C:
	}
}

// requestTable holds the program's requests by the key of their id, wherever
// they are. It is safe for concurrent use.
type requestTable struct {
	limit int

	mu   sync.Mutex
	open map[string]*request // mu guards it, and what the requests say
}

func (t *requestTable) add(ctx context.Context, m message) (*request, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := jsonrpc.Key(m.id())
	switch {
	case t.open[key] != nil:
		return nil, localError("another request with this id is in flight")
	case len(t.open) >= t.limit:
		return nil, localError(fmt.Sprintf("%d requests are in flight, which is the limit", t.limit))
	case t.open == nil:
		t.open = make(map[string]*request)
	}
	q := &request{message: m, key: key, gone: make(chan struct{}), done: make(chan struct{})}
	q.leave = sync.OnceFunc(func() { close(q.gone) })
	q.finish = sync.OnceFunc(func() { close(q.done) })
	q.ctx, q.cancel = context.WithCancel(ctx)
	t.open[key] = q
	return q, nil
}

// answer takes the right to answer the request with an id; only one caller gets
// it. The id is free again from then on.
func (t *requestTable) answer(id []byte) *request {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := jsonrpc.Key(id)
	q := t.open[key]
	delete(t.open, key)
	return q
}

// remove ends a request that may have no answer. It reports whether it had none.
func (t *requestTable) remove(q *request) bool {
	q.cancel()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open[q.key] != q {
		return false
	}
	delete(t.open, q.key)
	return true
}

// take notes who carries a request: a lane, or nobody else but the server if l
// is nil. It reports false if the program has cancelled it before.
func (t *requestTable) take(q *request, l *lane) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	q.taken, q.lane = true, l
	return !q.cancelled
}

// drop notes that nobody has a request any more, nor yet.
func (t *requestTable) drop(id []byte) *request {
	t.mu.Lock()
	defer t.mu.Unlock()
	q := t.open[jsonrpc.Key(id)]
	if q != nil {
		q.taken, q.lane = false, nil
	}
	return q
}

// cancel finds the request that a notifications/cancelled speaks of. If nobody
// has it, nobody will.
func (t *requestTable) cancel(m message) (q *request, taken bool, l *lane) {
	span, ok := jsonrpc.Lookup(m.frame, m.Params, "requestId")
	if !ok {
		return nil, false, nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	q = t.open[jsonrpc.Key(span.Of(m.frame))]
	if q == nil {
		return nil, false, nil
	}
	if !q.taken {
		q.cancelled = true
		q.cancel()
	}
	return q, q.taken, q.lane
}
