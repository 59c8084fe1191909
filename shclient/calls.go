// SPDX-License-Identifier: Apache-2.0

package shclient

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// cancelTimeout is how long a cancelled request may still be answered.
const cancelTimeout = 10 * time.Second

// call is a request of the program, from its arrival until its stream ends.
type call struct {
	key     string
	modern  bool
	opening bool // an initialize
	hidden  bool // made by the bridge itself; the program knows nothing of it
	cancel  context.CancelFunc
	settle  func() // the program has nothing more to wait for

	answered  atomic.Bool
	cancelled atomic.Bool // by the program, which now wants no answer

	sessionID string  // opening: what the response's header said
	result    message // hidden: the answer
}

// callTable holds the calls by the key of their id. It is safe for concurrent
// use.
type callTable struct {
	limit int

	mu   sync.Mutex
	open map[string]*call // mu guards it
}

func (t *callTable) add(c *call) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.open[c.key] != nil:
		return localError("another request with this id is in flight")
	case len(t.open) >= t.limit:
		return localError(fmt.Sprintf("%d requests are in flight, which is the limit", t.limit))
	case t.open == nil:
		t.open = map[string]*call{}
	}
	t.open[c.key] = c
	return nil
}

// get finds the call that an answer on another stream than its own is for. It
// finds no initialize, since the session is named in that answer's header.
func (t *callTable) get(key string) *call {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c := t.open[key]; c != nil && !c.opening {
		return c
	}
	return nil
}

// named finds the call that a notifications/cancelled speaks of.
func (t *callTable) named(m message) *call {
	span, ok := jsonrpc.Lookup(m.frame, m.Params, "requestId")
	if !ok {
		return nil
	}
	return t.get(jsonrpc.Key(span.Of(m.frame)))
}

// cancelled notes that the program has cancelled a call of the legacy era. The
// server is told by a message and need not answer, so the stream is not kept
// for ever.
func (t *callTable) cancelled(m message) {
	if c := t.named(m); c != nil {
		c.cancelled.Store(true)
		c.settle()
		time.AfterFunc(cancelTimeout, c.cancel)
	}
}

// answer takes the right to answer c; only one caller gets it. The id is free
// again from then on.
func (t *callTable) answer(c *call) bool {
	if c.answered.Swap(true) {
		return false
	}
	t.remove(c)
	return true
}

func (t *callTable) remove(c *call) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open[c.key] == c {
		delete(t.open, c.key)
	}
}
