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

// Progress of a call that was given up does not reach the next call with its
// token, however the first one ended.
func TestTokenOfACallThatWasGivenUp(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"left", "cancelled"} {
		m, stage := newStage(t, nil)
		s, child := initialized(t, m, stage)
		frame := strings.Replace(tokenFrame, `"id":1`, `"id":7`, 1)
		c := call(t, s, frame)
		child.Expect(strings.Replace(frame, `"id":7`, `"id":2`, 1))
		if how == "cancelled" {
			post(t, s, `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}`)
			child.Hears()
		}
		c.leave()
		next := call(t, s, tokenFrame)
		child.Expect(strings.Replace(strings.Replace(tokenFrame, `"id":1`, `"id":3`, 1), `"t"`, `"shproxy-3"`, 1))
		progress := `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"t","progress":%d}}`
		child.Says(fmt.Sprintf(progress, 1)) // of the call that is over
		child.Says(strings.Replace(fmt.Sprintf(progress, 2), `"t"`, `"shproxy-3"`, 1))
		next.want(fmt.Sprintf(progress, 2))
		next.leave()
	}
}
