// SPDX-License-Identifier: Apache-2.0

package session

import (
	"fmt"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/testserver"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// Messages that belong to nothing are dropped and counted, never guessed.
func TestUnattributable(t *testing.T) {
	t.Parallel()
	s := newTestSession(t, testserver.Silent)
	c := call(t, s, `{"jsonrpc":"2.0","id":"a","method":"x","params":{"_meta":{"progressToken":"t"}}}`)
	defer c.leave()
	for i, frame := range []string{
		`{"jsonrpc":"2.0","id":"a","result":{}}`, // the client's id, not ours
		`{"jsonrpc":"2.0","id":2,"result":{}}`,
		`{"jsonrpc":"2.0","id":"1","result":{}}`,
		`{"jsonrpc":"2.0","id":1.0,"result":{}}`,
		`{"jsonrpc":"2.0","id":-1,"result":{}}`,
		`{"jsonrpc":"2.0","id":18446744073709551617,"result":{}}`,
		`{"jsonrpc":"2.0","id":null,"error":{}}`,
		`{"jsonrpc":"2.0","error":{}}`,
		`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"u"}}`,
		`{"jsonrpc":"2.0","method":"notifications/progress"}`,
	} {
		say(t, s, "%s", frame)
		if n := dropped(s); n != i+1 {
			t.Errorf("%s: %d were dropped", frame, n)
		}
	}
	c.wantNow()
	before := dropped(s)
	say(t, s, `{"jsonrpc":"2.0","id":1,"result":{}}`)
	c.want(`{"jsonrpc":"2.0","id":"a","result":{}}`, "(<nil>)")
	say(t, s, `{"jsonrpc":"2.0","id":1,"result":{}}`)
	if dropped(s) != before+1 {
		t.Error("a second answer was not dropped")
	}
	for _, frame := range []string{`{"jsonrpc":"2.0","id":9,"result":{}}`, `{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":""}}`} {
		post(t, s, frame) // of the client, to nothing that was asked
	}
	if dropped(s) != before+3 {
		t.Errorf("%d were dropped", dropped(s)-before)
	}
}

// Unreadable answers fail the call that they were for, or all if that is not
// known.
func TestBroken(t *testing.T) {
	t.Parallel()
	s := newTestSession(t, testserver.Silent)
	var calls []testCall
	for i := range 3 {
		c := call(t, s, request(fmt.Sprintf(`"c%d"`, i), "x"))
		defer c.leave()
		calls = append(calls, c)
	}
	failure := func(i int) string {
		return fmt.Sprintf(`{"jsonrpc":"2.0","id":"c%d","error":{"code":-32603,"message":"server \"test\" sent an unusable answer: bad"}}`, i)
	}
	l := s.w.link
	l.Broken([]byte("2"), errTest)
	l.Broken([]byte("9"), errTest)
	l.Broken([]byte(`"c0"`), errTest)
	calls[0].wantNow()
	calls[1].want(failure(1), "(<nil>)")
	calls[2].wantNow()
	l.Broken(nil, errTest)
	calls[0].want(failure(0), "(<nil>)")
	calls[2].want(failure(2), "(<nil>)")
}

// What the server says at once belongs to the call all the same: a client is
// not there only when the proxy has got around to reading for it.
func TestMessagesBeforeTheReader(t *testing.T) {
	t.Parallel()
	s := newTestSession(t, testserver.Silent)
	standalone := listen(t, s)
	defer standalone.leave()
	const frame = `{"jsonrpc":"2.0","id":7,"method":"x","params":{"_meta":{"progressToken":"t"}}}`
	c, err := s.Call([]byte(frame), scan(t, frame), jsonrpc.Edit{}, true)
	if err != nil {
		t.Fatal(err)
	}
	const progress = `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"t","progress":1}}`
	const question = `{"jsonrpc":"2.0","id":5,"method":"roots/list"}`
	for _, frame := range []string{progress, note(1), question, result("1", "done")} {
		say(t, s, "%s", frame)
	}
	r := &testReader{t, c.Reader(true), EventID{}}
	defer r.leave()
	r.want(progress, note(1), question, result("7", "done"), "(<nil>)")
	standalone.wantNow()
}

// A client that takes a JSON response alone gets nothing else in its place:
// the rest goes to its standalone stream.
func TestMessagesForAJSONReader(t *testing.T) {
	t.Parallel()
	s := newTestSession(t, testserver.Silent)
	const frame = `{"jsonrpc":"2.0","id":7,"method":"x","params":{"_meta":{"progressToken":"t"}}}`
	c, err := s.Call([]byte(frame), scan(t, frame), jsonrpc.Edit{}, false)
	if err != nil {
		t.Fatal(err)
	}
	const progress = `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"t","progress":1}}`
	for _, frame := range []string{progress, note(1), request("5", "roots/list"), result("1", "done")} {
		say(t, s, "%s", frame)
	}
	r := &testReader{t, c.Reader(true), EventID{}}
	defer r.leave()
	r.want(result("7", "done"), "(<nil>)")
	if r.at != (EventID{}) {
		t.Errorf("the answer has the event id %v", r.at)
	}
	standalone := listen(t, s)
	defer standalone.leave()
	standalone.wantNow(progress, note(1), request("5", "roots/list"))
}

// What names no call goes to the newest call whose client is there, then to
// the standalone stream, then to the newest call whose client may come back.
// News about lists and resources prefer the standalone stream.
func TestTarget(t *testing.T) {
	t.Parallel()
	s := newTestSession(t, testserver.Silent)
	n := 0
	goes := func(where string, to *testReader) {
		t.Helper()
		n++
		say(t, s, "%s", note(n))
		if frames, _, _ := to.now(); len(frames) != 1 || frames[0] != note(n) {
			t.Fatalf("%s: got %.200q", where, frames)
		}
	}
	first := call(t, s, request("1", "x"))
	goes("one call", first.testReader)
	second := call(t, s, request("2", "x"))
	goes("the newer call", second.testReader)
	standalone := listen(t, s)
	goes("the newer call, with a standalone stream", second.testReader)
	for _, method := range []string{"notifications/tools/list_changed", "notifications/vendor/list_changed", "notifications/resources/updated"} {
		say(t, s, "%s", notification(method))
		standalone.wantNow(notification(method))
	}
	at := second.at
	second.leave()
	goes("the call whose client is there", first.testReader)
	first.leave()
	goes("the standalone stream", standalone)
	standalone.leave()
	say(t, s, "%s", notification("notifications/tools/list_changed"))
	back := resume(t, s, at)
	back.wantNow(notification("notifications/tools/list_changed"))
	say(t, s, "%s", result("2", "done"))
	back.want(result("2", "done"), "(<nil>)")
	back.leave()
	say(t, s, "%s", result("1", "done"))
	n++
	say(t, s, "%s", note(n))
	again := listen(t, s)
	defer again.leave()
	again.wantNow(note(n))
	if dropped(s) != 0 {
		t.Errorf("%d messages were dropped", dropped(s))
	}
}

const tokenFrame = `{"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta":{"progressToken":"t"}}}`

// Calls in flight may share a progress token: the child gets another one for
// the second, and both clients see their own.
func TestSharedProgressToken(t *testing.T) {
	t.Parallel()
	m, stage := newStage(t, nil)
	s, child := initialized(t, m, stage)
	first, second := call(t, s, tokenFrame), call(t, s, tokenFrame)
	defer first.leave()
	defer second.leave()
	child.Expect(`{"jsonrpc":"2.0","id":2,"method":"x","params":{"_meta":{"progressToken":"t"}}}`)
	child.Expect(`{"jsonrpc":"2.0","id":3,"method":"x","params":{"_meta":{"progressToken":"shproxy-3"}}}`)
	child.Says(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1,"progressToken":"\u0074"}}`)
	child.Says(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":2,"progressToken":"shproxy-3"}}`)
	first.want(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1,"progressToken":"\u0074"}}`)
	second.want(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":2,"progressToken":"t"}}`)
	// A token is free again with the answer.
	child.Says(result("2", "done"))
	first.want(result("1", "done"))
	third := call(t, s, tokenFrame)
	defer third.leave()
	child.Expect(`{"jsonrpc":"2.0","id":4,"method":"x","params":{"_meta":{"progressToken":"t"}}}`)
}

// The token that the child sees instead is nobody else's either.
func TestProgressTokenLikeOurs(t *testing.T) {
	t.Parallel()
	s := newTestSession(t, testserver.Silent)
	var calls []testCall
	for _, token := range []string{"shproxy-3", "t", "t"} {
		c := call(t, s, fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta":{"progressToken":%q}}}`, token))
		defer c.leave()
		calls = append(calls, c)
	}
	for i, token := range []string{"shproxy-3", "t", "shproxy-4"} {
		say(t, s, `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":%q}}`, token)
		if frames, _, _ := calls[i].now(); len(frames) != 1 {
			t.Errorf("call %d got %v", i, frames)
		}
	}
}

// A token of null asks for no progress, however often.
func TestNullProgressToken(t *testing.T) {
	t.Parallel()
	s := newTestSession(t, testserver.Silent)
	for range 2 {
		c := call(t, s, `{"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta":{"progressToken":null}}}`)
		defer c.leave()
		if c.token != "" {
			t.Errorf("the call has the token %s, and the child sees another: %v", c.token, c.ownToken != nil)
		}
	}
}

// A cancellation names the call by the id that the child knows, releases its
// reader, and the late answer is dropped.
func TestCancel(t *testing.T) {
	t.Parallel()
	m, stage := newStage(t, nil)
	s, child := initialized(t, m, stage)
	older, newer := call(t, s, request(`"a"`, "x")), call(t, s, request(`"\u0061"`, "x"))
	child.Expect(request("2", "x"))
	child.Expect(request("3", "x"))
	for _, late := range []string{`"b"`, "2", "3", "null", "{}"} { // no call of the client's
		post(t, s, `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":`+late+`}}`)
	}
	post(t, s, `{"jsonrpc":"2.0","method":"notifications/cancelled"}`)
	post(t, s, `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"reason":"r","requestId":"a"}}`)
	child.Expect(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"reason":"r","requestId":3}}`)
	newer.want("(" + ErrCancelled.Error() + ")")
	newer.leave()
	child.Says(result("3", "late"))
	child.Says(result("2", "fine"))
	older.want(result(`"a"`, "fine"), "(<nil>)")
	older.leave()
	if dropped(s) != 1 {
		t.Errorf("%d messages were dropped", dropped(s))
	}
	if n := m.Stats().Calls; n != 0 {
		t.Errorf("%d calls in flight", n)
	}
}
