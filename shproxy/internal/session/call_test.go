// SPDX-License-Identifier: Apache-2.0

package session

import (
	"strings"
	"testing"
	"time"
)

// A call that takes too long is answered with an error, and the child is told
// that it is cancelled; its late answer is dropped.
func TestExpire(t *testing.T) {
	t.Parallel()
	m, stage := newStage(t, func(c *Config) { c.RequestTimeout = time.Hour })
	s, child := initialized(t, m, stage)
	c := call(t, s, request(`"a"`, "x"))
	child.Expect(request("2", "x"))
	child.Says(plainNote(1))
	c.want(plainNote(1))
	c.expire()
	c.expire()
	child.Expect(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":2,"reason":"request timeout"}}`)
	f, _, rest, _ := c.r.Next()
	if f == nil || rest != Nothing {
		t.Fatal("there is no answer")
	}
	if got := string(f.Data); got != `{"jsonrpc":"2.0","id":"a","error":{"code":-32603,"message":"server \"test\" did not answer within 1h0m0s"}}` {
		t.Errorf("got %s", got)
	}
	if e, ok := f.Cause.(*TimeoutError); !ok || e.Limit != time.Hour {
		t.Errorf("the cause is %v", f.Cause)
	}
	f.Release()
	child.Says(result("2", "late"))
	eventually(t, "the late answer is dropped", func() bool { return dropped(s) == 1 })
	c.leave()

	answered := call(t, s, request("1", "x"))
	child.Expect(request("3", "x"))
	child.Says(result("3", "x"))
	answered.want(result("1", "x"))
	answered.expire()
	answered.want("(<nil>)")
	answered.leave()
	fence := call(t, s, request("2", "fence"))
	defer fence.leave()
	child.Expect(request("4", "fence"))
	if n := m.Stats().Calls; n != 1 {
		t.Errorf("%d calls in flight", n)
	}
}

// Every request of a client that has an answer has a limit: on whatever stream
// the answer comes, and also when nobody is there to hear it.
func TestTimeouts(t *testing.T) {
	t.Parallel()
	m, stage := newStage(t, func(c *Config) { c.RequestTimeout = 50 * time.Millisecond })
	s, child := initialized(t, m, stage)
	late := func(id string) string {
		return `{"jsonrpc":"2.0","id":` + id + `,"error":{"code":-32603,"message":"server \"test\" did not answer within 50ms"}}`
	}
	c := call(t, s, request("1", "x"))
	c.want(late("1"), "(<nil>)")
	c.leave()
	batch := batchOf(t, s, request("2", "x"), request("3", "x"))
	got := batch.next() + batch.next()
	if got != late("2")+late("3") && got != late("3")+late("2") {
		t.Errorf("got %s", got)
	}
	batch.want("(<nil>)")
	batch.leave()

	away := call(t, s, request("4", "x"))
	at := away.r.Stream()
	away.leave()
	eventually(t, "nothing is in flight", func() bool { return m.Stats().Calls == 0 })
	back := resume(t, s, at)
	back.want(late("4"), "(<nil>)")
	back.leave()
	for child.Hears() != `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":5,"reason":"request timeout"}}` {
	}

	plain := start(t, m)
	plain.Plain()
	child = stage.Next()
	r := listen(t, plain)
	defer r.leave()
	if err := plain.CallPlain([]byte(initFrame), scan(t, initFrame), noEdit); err != nil {
		t.Fatal(err)
	}
	if err := plain.CallPlain([]byte(request("1", "x")), scan(t, request("1", "x")), noEdit); err != nil {
		t.Fatal(err)
	}
	r.want(late("1")) // initialize has another limit
	child.Says(initAnswer("1"))
	r.want(initAnswer(`"init"`))

	subscription := modernCall(t, m, "", "8", "subscriptions/listen")
	defer subscription.leave()
	child = modernChild(t, stage)
	child.Hears()
	modern := modernCall(t, m, "", "9", "x")
	defer modern.leave()
	modern.want(late("9"), "(<nil>)")
	child.Says(completed("2", "2"))
	subscription.want(completed("8", "8"), "(<nil>)")
}

// Calls that are given back and used again keep nothing of what they were.
func TestCallsAreReused(t *testing.T) {
	t.Parallel()
	m, stage := newStage(t, func(c *Config) { c.ReplayBytes = 0 })
	s, child := initialized(t, m, stage)
	for i := range 200 {
		frame := request("7", "x")
		if i%2 == 0 {
			frame = strings.Replace(tokenFrame, `"id":1`, `"id":7`, 1)
		}
		c := call(t, s, frame)
		seen := child.Hears()
		id := scan(t, seen).ID.Of([]byte(seen))
		switch i % 4 {
		case 0: // left in the middle
			token := "t"
			if strings.Contains(seen, "shproxy-") { // once a call was left, tokens are ours
				token = "shproxy-" + string(id)
			}
			child.Says(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"` + token + `"}}`)
			c.want(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"t"}}`)
		case 1: // left before anything
		case 2: // left unread
			child.Says(result(string(id), "unread"))
		case 3:
			child.Says(result(string(id), "read"))
			c.want(result("7", "read"), "(<nil>)")
		}
		c.leave()
	}
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	if len(s.w.link.pending) != 0 || len(s.w.link.tokens) != 0 || s.calls != 0 || s.users != 0 {
		t.Errorf("left: %d calls, %d tokens, %d counted, %d readers", len(s.w.link.pending), len(s.w.link.tokens), s.calls, s.users)
	}
}
