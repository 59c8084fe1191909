// SPDX-License-Identifier: Apache-2.0

package session

import (
	"slices"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// maxLeft bounds what is remembered of calls that clients have left.
const maxLeft = 64

// leftCalls are the last calls whose client closed the connection, which is no
// cancellation before MCP 2026-07-28. Some clients close it first and cancel
// then: the child still has to learn of that.
type leftCalls []leftCall

type leftCall struct {
	s   *Session
	id  string // the client's, as a key
	key uint64 // the child's
}

func (l *leftCalls) add(c *Call) {
	if len(*l) >= maxLeft {
		*l = slices.Delete(*l, 0, 1)
	}
	*l = append(*l, leftCall{c.s, jsonrpc.Key(c.id), c.key})
}

// take returns the child's id of the session's last call with an id of the
// client's.
func (l *leftCalls) take(s *Session, id string) (key uint64, ok bool) {
	for i, c := range slices.Backward(*l) {
		if c.s == s && c.id == id {
			*l = slices.Delete(*l, i, i+1)
			return c.key, true
		}
	}
	return 0, false
}

// answered forgets a call, and reports whether it was there.
func (l *leftCalls) answered(key uint64) bool {
	n := len(*l)
	*l = slices.DeleteFunc(*l, func(c leftCall) bool { return c.key == key })
	return len(*l) < n
}
