// SPDX-License-Identifier: Apache-2.0

package session

import (
	"fmt"
	"strings"
	"testing"
)

// A client may close the connection of a call first and cancel the call then.
func TestCancelAfterLeaving(t *testing.T) {
	t.Parallel()
	m, stage := newStage(t, nil)
	s, child := initialized(t, m, stage)
	c := call(t, s, request("7", "x"))
	child.Expect(request("2", "x"))
	c.leave()
	const cancelled = `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}`
	post(t, s, cancelled)
	child.Expect(strings.Replace(cancelled, "7", "2", 1))
	post(t, s, cancelled) // there is nothing left to cancel
	before := dropped(s)

	// Once it is answered, there is nothing to cancel either.
	c = call(t, s, request("8", "x"))
	child.Expect(request("3", "x"))
	c.leave()
	child.Says(result("3", "late"))
	last := call(t, s, request("9", "x"))
	defer last.leave()
	child.Expect(request("4", "x"))
	child.Says(result("4", "y"))
	last.want(result("9", "y"))
	post(t, s, strings.Replace(cancelled, "7", "8", 1))
	if n := dropped(s) - before; n != 0 {
		t.Errorf("%d answers to calls that clients had left are counted as lost", n)
	}
	post(t, s, notification("notifications/roots/list_changed"))
	child.Expect(notification("notifications/roots/list_changed")) // and not the cancellation
}

// What is remembered of them is bounded.
func TestLeftCallsAreBounded(t *testing.T) {
	t.Parallel()
	var left leftCalls
	for i := range 3 * maxLeft {
		left.add(&Call{id: fmt.Append(nil, i), key: uint64(i)})
	}
	if len(left) != maxLeft || cap(left) > 2*maxLeft {
		t.Errorf("%d are remembered, with room for %d", len(left), cap(left))
	}
}
