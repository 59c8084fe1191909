// SPDX-License-Identifier: Apache-2.0

package session

import (
	"fmt"
	"strings"
	"testing"
)

func asks(id string) string { return request(id, "sampling/createMessage") }

func refused(id, why string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"error":{"code":-32603,"message":%q}}`, id, why)
}

const (
	notThere = "the client is not there to answer"
	tooMany  = "too many requests wait for the client"
)

// The answer to a request of the server comes back under the server's own id,
// in its own spelling, also when several requests have the same one.
func TestQuestions(t *testing.T) {
	t.Parallel()
	m, stage := newStage(t, nil)
	s, child := initialized(t, m, stage)
	r := listen(t, s)
	defer r.leave()
	for _, id := range []string{"1", `"1"`, "1.50", "12345678901234567890", `"a\u0062"`, `""`} {
		child.Says(asks(id))
		r.want(asks(id))
		post(t, s, result(id, "x"))
		child.Expect(result(id, "x"))
	}
	child.Says(asks("7"))
	child.Says(asks("7"))
	child.Says(asks("7.0"))
	r.want(asks("7"), asks(`"shproxy-1"`), asks(`"shproxy-2"`))
	child.Says(asks(`"shproxy-3"`)) // is nobody's but the server's
	child.Says(asks("7"))
	r.want(asks(`"shproxy-3"`), asks(`"shproxy-4"`))
	post(t, s, result(`"shproxy-3"`, "its own"))
	child.Expect(result(`"shproxy-3"`, "its own"))
	post(t, s, result(`"shproxy-2"`, "third"))
	child.Expect(result("7.0", "third"))
	post(t, s, result("7", "first"))
	child.Expect(result("7", "first"))
	post(t, s, result("7", "first again")) // and no further
	post(t, s, result(`"shproxy\u002d1"`, "second"))
	child.Expect(result("7", "second"))
	if dropped(s) != 1 {
		t.Errorf("%d messages were dropped", dropped(s))
	}
}

// A request of the server that cannot reach a client is answered here: the
// child would wait for ever.
func TestUndeliverableQuestionIsRefused(t *testing.T) {
	t.Parallel()
	m, stage := newStage(t, func(c *Config) { c.ReplayBytes = 0 })
	s, child := initialized(t, m, stage)
	c := call(t, s, request("1", "x"))
	child.Expect(request("2", "x"))
	child.Says(asks(`"unread"`))
	eventually(t, "the question waits", func() bool {
		s.w.mu.Lock()
		defer s.w.mu.Unlock()
		return c.waiting > 0
	})
	c.leave()
	child.Expect(refused(`"unread"`, notThere))
	post(t, s, result(`"unread"`, "late"))

	// The oldest questions go when too much waits for a stream.
	pad := strings.Repeat("x", maxBacklog*2/3)
	child.Says(asks("8"))
	child.Says(`{"jsonrpc":"2.0","id":9,"method":"roots/list","params":{"x":"` + pad + `"}}`)
	child.Says(`{"jsonrpc":"2.0","method":"n","params":{"x":"` + pad + `"}}`)
	child.Expect(refused("8", notThere))
	child.Expect(refused("9", notThere))

	// A reader of a call that is cut off takes its questions with it.
	slow := call(t, s, request("3", "x"))
	defer slow.leave()
	child.Expect(request("3", "x"))
	child.Says(asks("10"))
	child.Says(`{"jsonrpc":"2.0","method":"n","params":{"x":"` + pad + `"}}`)
	child.Says(`{"jsonrpc":"2.0","id":11,"method":"roots/list","params":{"x":"` + pad + `"}}`)
	child.Expect(refused("10", notThere))
	child.Expect(refused("11", notThere))
}

// A server that starts again may use its ids again: an answer to the server
// that is gone never reaches the new one.
func TestQuestionsOfARestartedServer(t *testing.T) {
	t.Parallel()
	m, stage := newStage(t, nil)
	s, child := initialized(t, m, stage)
	r := listen(t, s)
	defer r.leave()
	child.Says(asks("1"))
	child.Says(asks("2"))
	r.want(asks("1"), asks("2"))
	child.Exit(1)
	child = revived(t, stage)
	child.Says(asks("1"))
	r.want(asks(`"shproxy-1"`))
	post(t, s, result("1", "for the one that is gone"))
	post(t, s, result("2", "for the one that is gone"))
	if dropped(s) != 2 {
		t.Errorf("%d messages were dropped", dropped(s))
	}
	post(t, s, result(`"shproxy-1"`, "for the new one"))
	child.Expect(result("1", "for the new one"))
	child.Says(asks(`"shproxy-3"`)) // may be what it likes to call it
	child.Says(asks("2"))
	r.want(asks(`"shproxy-2"`), asks(`"shproxy-3"`))
	post(t, s, result(`"shproxy-3"`, "b"))
	child.Expect(result("2", "b"))
	post(t, s, result("2", "for the one that is gone, again"))
	post(t, s, result(`"shproxy-2"`, "a"))
	child.Expect(result(`"shproxy-3"`, "a"))
}

// A server may withdraw what it has asked; the client hears of it under the id
// that it was shown, and its late answer goes no further.
func TestWithdrawnQuestion(t *testing.T) {
	t.Parallel()
	m, stage := newStage(t, nil)
	s, child := initialized(t, m, stage)
	r := listen(t, s)
	defer r.leave()
	withdraw := func(id string) string {
		return `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":` + id + `,"reason":"x"}}`
	}
	child.Says(asks(`"q\"1"`))
	r.want(asks(`"q\"1"`))
	child.Says(withdraw(`"q\u00221"`))
	r.want(withdraw(`"q\u00221"`))
	child.Says(asks("5"))
	r.want(asks("5"))
	child.Says(asks("5"))
	r.want(asks(`"shproxy-1"`))
	post(t, s, result("5", "x"))
	child.Expect(result("5", "x"))
	child.Says(withdraw("5"))
	r.want(withdraw(`"shproxy-1"`))
	post(t, s, result(`"shproxy-1"`, "late"))
	post(t, s, result(`"q\"1"`, "late"))
	if len(s.asked.open) != 0 || dropped(s) != 2 {
		t.Errorf("%d questions are open, %d messages were dropped", len(s.asked.open), dropped(s))
	}
	child.Says(withdraw("99")) // of nothing: the client may know what it means
	r.want(withdraw("99"))
}

// What one client may be asked at a time is bounded.
func TestTooManyQuestions(t *testing.T) {
	t.Parallel()
	m, stage := newStage(t, nil)
	s, child := initialized(t, m, stage)
	r := listen(t, s)
	defer r.leave()
	for i := range maxQuestions {
		child.Says(asks(fmt.Sprint(i)))
		r.want(asks(fmt.Sprint(i)))
	}
	child.Says(asks(`"more"`))
	child.Expect(refused(`"more"`, tooMany))
	post(t, s, result("500", "x"))
	child.Expect(result("500", "x"))
	child.Says(asks(`"more"`))
	r.want(asks(`"more"`))
}

// Questions that only servers now gone have asked do not count.
func TestQuestionsOfServersThatAreGoneAreForgotten(t *testing.T) {
	t.Parallel()
	m, stage := newStage(t, nil)
	s, child := initialized(t, m, stage)
	r := listen(t, s)
	defer r.leave()
	for i := range maxQuestions {
		child.Says(asks(fmt.Sprint(i)))
		r.want(asks(fmt.Sprint(i)))
	}
	child.Exit(1)
	child = revived(t, stage)
	child.Says(asks("5"))
	r.want(asks(`"shproxy-1"`))
}
