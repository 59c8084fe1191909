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

// call is a request, from its arrival until its stream ends.
type call struct {
	request message
	key     string // of its id
	modern  bool
	opening bool // an initialize
	hidden  bool // made by the bridge itself; the client knows nothing of it
	cancel  context.CancelFunc
	settle  func() // the client has nothing more to wait for

	sent      atomic.Bool // all of it
	answered  atomic.Bool
	cancelled atomic.Bool   // by the client, which now wants no answer
	done      chan struct{} // closed when the server's answer is delivered

	sessionID string   // opening: what the response's header said
	channel   *channel // opening: what it went through, if it did
	result    message  // hidden: the answer
}

func newCall(m message, cancel context.CancelFunc) *call {
	c := &call{request: m, key: jsonrpc.Key(m.id()), modern: m.modern(), cancel: cancel, done: make(chan struct{})}
	c.opening = m.method() == methodInitialize && !c.modern
	return c
}

// newHiddenCall is a request of the bridge's own.
func newHiddenCall(m message, cancel context.CancelFunc) *call {
	c := newCall(m, cancel)
	c.hidden, c.settle = true, func() {}
	return c
}

// about is the raw id of the request, or nil if there is none.
func (c *call) about() []byte {
	if c == nil {
		return nil
	}
	return c.request.id()
}

// finish is called once, by who delivered the server's answer.
func (c *call) finish() {
	c.settle()
	close(c.done)
}

// failure is the error with which the server answered a hidden call, or nil.
func (c *call) failure() error {
	if !c.result.Error.Present() {
		return nil
	}
	return &rpcAnswer{c.result}
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

// cancelled notes that the client has cancelled a call of the legacy era. The
// server is told by a message and need not answer, so the stream is not kept
// for ever. A call that is still on its way to the server is not kept at all.
func (t *callTable) cancelled(m message) {
	c := t.named(m)
	if c == nil {
		return
	}
	c.cancelled.Store(true)
	c.settle()
	if c.sent.Load() {
		time.AfterFunc(cancelTimeout, c.cancel)
	} else {
		c.cancel()
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
