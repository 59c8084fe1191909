// SPDX-License-Identifier: Apache-2.0

package session

import (
	"strconv"
	"sync"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// Call is a request of the client on its way. Its stream ends with the
// response.
type Call struct {
	Stream
	key        uint64 // the id that the child sees
	id         []byte // the client's own, raw
	initialize bool

	token    string // key in the session's table of progress tokens, or empty
	ownToken []byte // the client's token, raw, if the child sees another
}

var calls = sync.Pool{New: func() any {
	return &Call{Stream: Stream{wake: make(chan struct{}, 1)}}
}}

// Call sends a request to the child. streaming says whether the reader can
// take other messages before the response. The caller reads the call's stream
// and then closes it.
func (s *Session) Call(frame []byte, m jsonrpc.Message, streaming bool) (*Call, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return nil, s.cause
	}
	c := calls.Get().(*Call)
	s.lastKey++
	c.s, c.key, c.attended = s, s.lastKey, streaming
	c.id = append(c.id[:0], m.ID.Of(frame)...)
	c.initialize = jsonrpc.Is(frame, m.Method, "initialize")

	var digits [20]byte
	edits := [2]jsonrpc.Edit{{Span: m.ID, With: strconv.AppendUint(digits[:0], c.key, 10)}}
	n := 1
	if m.ProgressToken.Present() {
		if replaced := s.claimToken(c, m.ProgressToken.Of(frame)); replaced != nil {
			edits[1] = jsonrpc.Edit{Span: m.ProgressToken, With: replaced}
			if m.ProgressToken.Start < m.ID.Start {
				edits[0], edits[1] = edits[1], edits[0]
			}
			n = 2
		}
	}
	if err := s.child.Send(frame, edits[:n]...); err != nil {
		s.forget(c)
		c.recycle()
		return nil, err
	}
	s.pending[c.key] = c
	s.use(+1)
	return c, nil
}

// claimToken binds a progress token to the call. If another call in flight
// has the same token, it returns one to show to the child instead, since
// progress has to find its way back. null is no token. s.mu is held.
func (s *Session) claimToken(c *Call, raw []byte) (replaced []byte) {
	if raw[0] == 'n' {
		return nil
	}
	c.token = jsonrpc.Key(raw)
	for n := c.key; s.tokens[c.token] != nil; n++ {
		c.ownToken = append(c.ownToken[:0], raw...)
		replaced = jsonrpc.AppendString(nil, "shproxy-"+strconv.FormatUint(n, 10))
		c.token = jsonrpc.Key(replaced)
	}
	s.tokens[c.token] = c
	return replaced
}

// Close ends the reader's interest. A response that still comes is dropped;
// the child is not told, since a closed connection is not a cancellation
// (MCP 2025-11-25, transports, "Sending Messages to the Server").
func (c *Call) Close() {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(c)
	c.discard()
	s.use(-1)
	c.recycle()
}

// forget removes the call from the session's tables. s.mu is held.
func (s *Session) forget(c *Call) {
	delete(s.pending, c.key)
	if c.token != "" {
		delete(s.tokens, c.token)
		c.token = ""
	}
}

// finish queues the response and lets the reader leave. s.mu is held.
func (s *Session) finish(c *Call, response *Frame) {
	s.forget(c)
	c.push(response)
	c.end(nil)
}

func (c *Call) recycle() {
	select {
	case <-c.wake:
	default:
	}
	c.s, c.ownToken = nil, nil
	c.ended, c.cause = false, nil
	calls.Put(c)
}
