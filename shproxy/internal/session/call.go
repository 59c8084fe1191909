// SPDX-License-Identifier: Apache-2.0

package session

import (
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// Call is a request of the client on its way.
type Call struct {
	Stream         // its own
	out    *Stream // where its messages go: its own stream, or that of a batch or session

	w   *Worker
	l   *link  // once it was sent, until it is answered or given up
	key uint64 // the id that the child sees
	id  []byte // the client's own, raw
	end int64  // position in the child's input after the request

	counted    bool // among the session's calls
	ours       bool // a request of the proxy's own
	initialize bool
	listen     bool // subscriptions/listen of MCP 2026-07-28
	tool       bool // tools/call
	placed     bool // among the worker's calls, in MCP 2026-07-28
	logs       bool // asks for log messages
	asks       bool // its client may be asked something by a legacy child

	clock *time.Timer // that expires the call, until it is answered or given up
	late  bool        // the clock may still look at the call, which is not used again

	token    string // key in the link's table of progress tokens, or empty
	ownToken []byte // the client's token, raw, if the child sees another
}

var calls = sync.Pool{New: func() any {
	return &Call{Stream: Stream{wake: make(chan struct{}, 1)}}
}}

// newCall makes a call with a stream of its own, or one that answers on
// another. Nobody is told more than the answer, unless attended is set. w.mu
// is held.
func (w *Worker) newCall(s *Session, out *Stream, frame []byte, m jsonrpc.Message) *Call {
	c := calls.Get().(*Call)
	c.w, c.Stream.w, c.s = w, w, s
	c.call, c.answers, c.out = c, 1, &c.Stream
	if out != nil {
		c.out = out
	}
	c.id = append(c.id[:0], m.ID.Of(frame)...)
	c.tool = jsonrpc.Is(frame, m.Method, "tools/call")
	if s != nil {
		s.calls++
		c.counted = true
	}
	return c
}

// Reader opens the call's stream. json says that a lone response can be
// written as JSON.
func (c *Call) Reader(json bool) Reader {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	return c.attend(json)
}

// finish queues the response and forgets the call. w.mu is held.
func (c *Call) finish(response *Frame) {
	out := c.out
	c.forget()
	c.w.deliver(out, response)
	out.answered()
}

// fail answers the call with an error of the proxy's own. w.mu is held.
func (c *Call) fail(reason error, data []byte) {
	c.finish(errorFrame(c.id, reason, data))
}

// TimeoutError tells that a server did not answer in time.
type TimeoutError struct {
	Server string
	Limit  time.Duration
}

// Error says it in one line.
func (e *TimeoutError) Error() string {
	return fmt.Sprintf("server %q did not answer within %v", e.Server, e.Limit)
}

// limit bounds the time until the answer. w.mu is held.
func (c *Call) limit() {
	if limit := c.w.m.cfg.RequestTimeout; limit > 0 {
		c.clock = time.AfterFunc(limit, c.expire)
	}
}

// expire gives the call up, and tells the child, because the answer took too
// long. The client gets an error.
func (c *Call) expire() {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	if c.clock == nil {
		return
	}
	if c.l != nil {
		c.l.cancel(c.key, "request timeout")
		c.l.givenUp = true
	}
	c.fail(&TimeoutError{c.w.m.cfg.Child.Name, c.w.m.cfg.RequestTimeout}, nil)
}

// forget removes the call from the tables: an answer to it is dropped. w.mu is
// held.
func (c *Call) forget() {
	if c.l != nil {
		delete(c.l.pending, c.key)
		if c.token != "" {
			delete(c.l.tokens, c.token)
			c.token = ""
		}
		c.l = nil
	} else {
		c.w.unqueue(c)
	}
	if c.clock != nil {
		c.late = !c.clock.Stop()
		c.clock = nil
	}
	c.unplace()
	if c.counted {
		c.counted = false
		c.s.calls--
	}
	c.w.touch()
}

// abandon gives the call up because nobody waits for it. Only since MCP
// 2026-07-28 is that a cancellation; before, a closed connection is none
// (2025-11-25, transports, "Sending Messages to the Server"). w.mu is held.
func (c *Call) abandon() {
	switch {
	case c.l == nil:
	case c.w.kind == modern:
		c.l.cancel(c.key, "the client closed the stream")
	case c.s != nil:
		c.l.left.add(c)
		c.l.givenUp = true
	}
	c.forget()
}

// recycle gives a call back that is in no table and has no reader. w.mu is
// held.
func (c *Call) recycle() {
	if c.late {
		return
	}
	select {
	case <-c.wake:
	default:
	}
	*c = Call{
		Stream: Stream{wake: c.wake, queue: c.queue[:0]},
		id:     c.id[:0],
	}
	calls.Put(c)
}

// claimToken binds a progress token to the call. It returns one to show to the
// child instead if another call in flight has the same, since progress has to
// find its way back; and always where several clients use the child, or once
// calls were given up, since progress of a call that is over must not reach
// another with the same token. null is no token. w.mu is held.
func (l *link) claimToken(c *Call, raw []byte) (replaced []byte) {
	if raw[0] == 'n' {
		return nil
	}
	c.token = jsonrpc.Key(raw)
	for n := c.key; l.tokens[c.token] != nil || (l.w.kind != own || l.givenUp) && replaced == nil; n++ {
		c.ownToken = append(c.ownToken[:0], raw...)
		replaced = jsonrpc.AppendString(nil, "shproxy-"+strconv.FormatUint(n, 10))
		c.token = jsonrpc.Key(replaced)
	}
	l.tokens[c.token] = c
	return replaced
}
