// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/child"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/testserver"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// revived plays the part of the child that takes the place of one that ended.
func revived(t *testing.T, stage *testserver.Stage) *testserver.Actor {
	t.Helper()
	child := stage.Next()
	child.Expect(strings.Replace(initFrame, `"init"`, "1", 1))
	child.Says(initAnswer("1"))
	child.Expect(initializedFrame)
	return child
}

// crashError is the answer to a call whose child ended.
type crashError struct {
	ID    json.RawMessage
	Error struct {
		Code    int
		Message string
		Data    struct {
			Status    string
			Written   bool
			Retryable bool
			Stderr    []string
		}
	}
}

func (r *testReader) crashError() (e crashError) {
	r.t.Helper()
	frame := r.next()
	d := json.NewDecoder(strings.NewReader(frame))
	d.DisallowUnknownFields()
	var all struct {
		JSONRPC string
		crashError
	}
	if err := d.Decode(&all); err != nil || all.Error.Code != jsonrpc.InternalError {
		r.t.Fatalf("%s is not the error of a crash: %v", frame, err)
	}
	return all.crashError
}

// A crash fails each call in flight, and says what the client has to know to
// try again: whether the server may have seen the request.
func TestCrash(t *testing.T) {
	t.Parallel()
	m, stage := newStage(t, nil)
	s, child := initialized(t, m, stage)
	seen := call(t, s, request(`"seen"`, "x"))
	defer seen.leave()
	child.Expect(request("2", "x"))
	// The puppet reads no more than its connection takes; the rest stays here.
	post(t, s, `{"jsonrpc":"2.0","method":"n","params":["`+strings.Repeat("x", 4<<20)+`"]}`)
	unseen := call(t, s, request(`"unseen"`, "x"))
	defer unseen.leave()
	for i := range 8 {
		child.Stderr(fmt.Sprint("line ", i))
	}
	child.Exit(3)
	for id, c := range map[string]testCall{`"seen"`: seen, `"unseen"`: unseen} {
		e := c.crashError()
		wrote := id == `"seen"`
		if string(e.ID) != id || e.Error.Data.Status != "exit status 3" || e.Error.Data.Written != wrote || e.Error.Data.Retryable == wrote ||
			!slices.Equal(e.Error.Data.Stderr, []string{"line 3", "line 4", "line 5", "line 6", "line 7"}) ||
			!strings.Contains(e.Error.Message, `server "test" ended (exit status 3)`) || !strings.Contains(e.Error.Message, "line 7") {
			t.Errorf("%s: %+v", id, e)
		}
		c.want("(<nil>)")
	}
	if stats := m.Stats(); stats.Crashed != 1 || stats.Sessions != 1 || stats.Children != 0 {
		t.Errorf("%+v", stats)
	}
}

// A server that closes its output can answer nothing any more. Its calls in
// flight do not wait for its end, which may take long, and neither does the
// session, which goes on with another.
func TestServerClosesItsOutput(t *testing.T) {
	t.Parallel()
	m, stage := newStage(t, func(c *Config) { c.Child.Grace = time.Hour })
	s, child := initialized(t, m, stage)
	c := call(t, s, request(`"a"`, "x"))
	defer c.leave()
	child.Expect(request("2", "x"))
	child.Stderr("so long")
	eventually(t, "its words are heard", func() bool { return s.w.link.child.Tail() != "" })
	child.CloseOutput()
	if e := c.crashError(); e.Error.Data.Status != "it had closed its output" || !e.Error.Data.Written || !slices.Equal(e.Error.Data.Stderr, []string{"so long"}) {
		t.Errorf("%+v", e)
	}
	c.want("(<nil>)")
	child.Expect("EOF")
	if stats := m.Stats(); stats.Crashed != 1 || stats.Children != 1 || stats.Sessions != 1 {
		t.Errorf("%+v", stats)
	}
	next := call(t, s, request(`"b"`, "x"))
	defer next.leave()
	fresh := revived(t, stage)
	fresh.Expect(request("2", "x"))
	fresh.Says(result("2", "x"))
	next.want(result(`"b"`, "x"), "(<nil>)")
	child.Exit(3) // which is told to nobody
	eventually(t, "it has ended", func() bool { return m.Stats().Children == 1 })
	if stats := m.Stats(); stats.Crashed != 1 || stats.Restarted != 1 || stats.Dropped != 0 {
		t.Errorf("%+v", stats)
	}
	post(t, s, notification("still there"))
	fresh.Expect(notification("still there"))
	s.End(ErrDeleted)
	fresh.Exit(0) // before its hour is over
}

// What comes while a server is ending is not for that one: it waits for the
// next, or for the session's end.
func TestRequestsToAnEndingServer(t *testing.T) {
	t.Parallel()
	for _, endOnCrash := range []bool{false, true} {
		m, stage := newStage(t, func(c *Config) { c.EndOnCrash, c.Child.Grace = endOnCrash, time.Hour })
		s, child := initialized(t, m, stage)
		s.w.link.child.Stop() // as when it had closed its output just now
		child.Expect("EOF")
		c := call(t, s, request(`"a"`, "x"))
		defer c.leave()
		left := call(t, s, request(`"b"`, "left"))
		left.leave()
		child.Exit(3)
		if endOnCrash {
			c.want(`{"jsonrpc":"2.0","id":"a","error":{"code":-32603,"message":"server \"test\" ended (exit status 3)"}}`, "(<nil>)")
			continue
		}
		child = revived(t, stage)
		child.Expect(request("2", "x"))
		child.Says(result("2", "x"))
		c.want(result(`"a"`, "x"), "(<nil>)")
	}
}

// The session goes on with a fresh child as soon as it needs one: initialized
// as the client had done it, with its log level and subscriptions.
func TestRevive(t *testing.T) {
	t.Parallel()
	m, stage := newStage(t, nil)
	s, child := initialized(t, m, stage)
	ask := func(frame, seen string) {
		t.Helper()
		c := call(t, s, frame)
		child.Expect(seen)
		id := scan(t, seen).ID.Of([]byte(seen))
		child.Says(result(string(id), ""))
		c.want(result("9", ""))
		c.leave()
	}
	resource := func(id, method, uri string) string {
		return fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"method":"resources/%s","params":{"uri":"%s"}}`, id, method, uri)
	}
	level := func(id, level string) string {
		return fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"method":"logging/setLevel","params":{"level":%q}}`, id, level)
	}
	ask(resource("9", "subscribe", "file:///a"), resource("2", "subscribe", "file:///a"))
	ask(resource("9", "subscribe", "file:///b"), resource("3", "subscribe", "file:///b"))
	ask(level("9", "debug"), level("4", "debug"))
	ask(level("9", "error"), level("5", "error"))
	ask(resource("9", "unsubscribe", `file:///\u0061`), resource("6", "unsubscribe", `file:///\u0061`))

	child.Exit(0)
	eventually(t, "the crash is seen", func() bool { return m.Stats().Crashed == 1 })
	post(t, s, notification("notifications/roots/list_changed")) // there is nobody whom it concerns
	if n := m.Stats().Started; n != 1 {
		t.Fatalf("%d children were started", n)
	}
	c := call(t, s, request("10", "x"))
	defer c.leave()
	child = revived(t, stage)
	child.Expect(level("2", "error"))
	child.Expect(resource("3", "subscribe", "file:///b"))
	child.Expect(request("4", "x"))
	for _, id := range []string{"2", "3", "4"} {
		child.Says(result(id, "x"))
	}
	c.want(result("10", "x"), "(<nil>)")
	stats := m.Stats()
	if stats.Restarted != 1 || stats.Calls != 0 || stats.Dropped != 0 {
		t.Errorf("%+v", stats)
	}
}

// A client that listens needs the server at once: it may have news.
func TestReviveForAListener(t *testing.T) {
	t.Parallel()
	m, stage := newStage(t, nil)
	s, child := initialized(t, m, stage)
	r := listen(t, s)
	child.Exit(0)
	child = revived(t, stage)
	child.Says(plainNote(1))
	r.want(plainNote(1))
	r.leave()
	child.Exit(0)
	eventually(t, "the crash is seen", func() bool { return m.Stats().Crashed == 2 && m.Stats().Children == 0 })
	r = listen(t, s)
	child = revived(t, stage)
	child.Says(plainNote(2))
	r.want(plainNote(2))
	r.leave()
	s.w.mu.Lock()
	s.w.crashes = 0 // so that there is no pause
	s.w.mu.Unlock()
	child.Exit(0)
	eventually(t, "the crash is seen", func() bool { return m.Stats().Crashed == 3 && m.Stats().Children == 0 })
	r = resume(t, s, r.at)
	defer r.leave()
	revived(t, stage).Says(plainNote(3))
	r.want(plainNote(3))
}

// What comes while a child is on its way waits for it, in order; what nobody
// waits for any more is not sent.
func TestWaitingForAChild(t *testing.T) {
	t.Parallel()
	m, stage := newStage(t, func(c *Config) { c.RequestTimeout = time.Hour })
	s, child := initialized(t, m, stage)
	child.Exit(0)
	eventually(t, "the crash is seen", func() bool { return m.Stats().Crashed == 1 })
	first := call(t, s, request(`"a"`, "first"))
	defer first.leave()
	child = stage.Next()
	child.Hears()
	left := call(t, s, request(`"b"`, "left"))
	post(t, s, notification("note"))
	post(t, s, initializedFrame) // the fresh child hears it from us
	cancelled := call(t, s, request(`"c"`, "cancelled"))
	defer cancelled.leave()
	expired := call(t, s, request(`"d"`, "expired"))
	defer expired.leave()
	last := call(t, s, request(`"e"`, "last"))
	defer last.leave()
	if n := m.Stats().Calls; n != 5 {
		t.Errorf("%d calls in flight", n)
	}
	left.leave()
	post(t, s, `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"c"}}`)
	cancelled.want("(" + ErrCancelled.Error() + ")")
	expired.expire()
	expired.want(`{"jsonrpc":"2.0","id":"d","error":{"code":-32603,"message":"server \"test\" did not answer within 1h0m0s"}}`, "(<nil>)")
	child.Says(initAnswer("1"))
	child.Expect(initializedFrame)
	child.Expect(request("2", "first"))
	child.Expect(notification("note"))
	child.Expect(request("3", "last"))
	child.Says(result("3", "x"))
	last.want(result(`"e"`, "x"))
	child.Says(result("2", "x"))
	first.want(result(`"a"`, "x"))
}

// What waits for a child is bounded as what waits in front of one.
func TestWaitingIsBounded(t *testing.T) {
	t.Parallel()
	m, stage := newStage(t, func(c *Config) { c.Child.MaxQueue = 3000 })
	s, child := initialized(t, m, stage)
	child.Exit(0)
	eventually(t, "the crash is seen", func() bool { return m.Stats().Crashed == 1 })
	var calls []testCall
	for len(calls) <= 3 {
		frame := []byte(note(1))
		frame = append([]byte(`{"id":1,`), frame[1:]...)
		c, err := s.Call(frame, scan(t, string(frame)), jsonrpc.Edit{}, true)
		if errors.Is(err, busy) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		calls = append(calls, testCall{c, &testReader{t, c.Reader(true), EventID{}}})
	}
	if len(calls) != 2 {
		t.Errorf("%d calls may wait", len(calls))
	}
	if n := m.Stats().Queued; n < 2000 || n > 3000 {
		t.Errorf("%d bytes are queued", n)
	}
	calls[0].leave() // makes room
	frame := strings.Replace(note(2), `{`, `{"id":2,`, 1)
	c := call(t, s, frame)
	defer c.leave()
	calls[1].leave()
	child = revived(t, stage)
	child.Expect(frame)
	eventually(t, "nothing is queued", func() bool { return m.Stats().Queued == 0 }) // the write may not have returned
}

var busy = child.ErrBusy

// When the fresh child does not work, the calls that wait for it learn why;
// the next one tries again.
func TestReviveFails(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		play func(*testserver.Actor)
		want string // code and message
	}{
		{"crash", func(a *testserver.Actor) { a.Stderr("error: no luck"); a.Exit(4) },
			`-32603,"message":"server \"test\" ended (exit status 4); its last words: error: no luck","data":{"status":"exit status 4","written":false,"retryable":true,"stderr":["error: no luck"]}`},
		{"refusal", func(a *testserver.Actor) {
			a.Says(`{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"go away"}}`)
			a.Hears() // whether it speaks the other era
			a.Says(`{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"what?"}}`)
		}, `-32602,"message":"go away"`},
		{"another version", func(a *testserver.Actor) { a.Says(strings.Replace(initAnswer("1"), "2025-11-25", "2025-06-18", 1)) },
			`-32603,"message":"server \"test\" speaks another protocol version since it was restarted: \"2025-06-18\""`},
		{"silence", nil, `-32603,"message":"server \"test\" did not answer initialize within 100ms"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			m, stage := newStage(t, nil)
			s := start(t, m)
			child := stage.Next()
			init := call(t, s, initFrame)
			child.Hears()
			child.Says(initAnswer("1"))
			init.want(initAnswer(`"init"`))
			child.Exit(0)
			eventually(t, "the crash is seen", func() bool { return m.Stats().Crashed == 1 })
			speak := func() {}
			if test.play == nil {
				speak = silent(&m.cfg)
			}
			c := call(t, s, request("1", "x"))
			defer c.leave()
			if test.play != nil {
				child = stage.Next()
				child.Hears()
				test.play(child)
			}
			c.want(`{"jsonrpc":"2.0","id":1,"error":{"code":`+test.want+`}}`, "(<nil>)")
			speak()
			if s.Cause() != nil {
				t.Fatalf("the session ended: %v", s.Cause())
			}
			s.w.mu.Lock()
			s.w.crashes = 0 // so that there is no pause
			s.w.mu.Unlock()
			again := call(t, s, request("2", "x"))
			defer again.leave()
			child = stage.Next()
			child.Hears()
			child.Says(initAnswer("1"))
			child.Expect(initializedFrame)
			child.Expect(request("2", "x"))
		})
	}
}

// A session ends with its child when nobody could tell a fresh one what the
// client has said, and when that is wanted.
func TestSessionsThatEndWithTheirChild(t *testing.T) {
	t.Parallel()
	long := strings.Replace(initFrame, `"c"`, `"`+strings.Repeat("c", maxHello)+`"`, 1)
	for _, test := range []struct {
		name       string
		hello      string
		answer     bool
		endOnCrash bool
	}{
		{"no initialize", "", false, false},
		{"no answer", initFrame, false, false},
		{"long initialize", long, true, false},
		{"by choice", initFrame, true, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			m, stage := newStage(t, func(c *Config) { c.EndOnCrash = test.endOnCrash })
			s := start(t, m)
			child := stage.Next()
			r := listen(t, s)
			defer r.leave()
			if test.hello != "" {
				c := call(t, s, test.hello)
				defer c.leave()
				child.Hears()
				if test.answer {
					child.Says(initAnswer("1"))
					c.want(initAnswer(`"init"`))
				}
			}
			c := call(t, s, request("1", "x"))
			defer c.leave()
			child.Hears()
			child.Exit(2)
			if e := c.crashError(); e.Error.Data.Status != "exit status 2" {
				t.Errorf("%+v", e)
			}
			if got := r.next(); !strings.Contains(got, `(server "test" ended (exit status 2)`) {
				t.Errorf("the standalone stream got %s", got)
			}
			if _, found := m.Find(s.ID, "", nil); found {
				t.Error("the session is still there")
			}
			if _, err := s.Call([]byte(request("2", "x")), scan(t, request("2", "x")), jsonrpc.Edit{}, true); err == nil || err != s.Cause() {
				t.Errorf("err = %v, cause %v", err, s.Cause())
			}
		})
	}
}

// The error of a crash waits for a client that has lost its connection.
func TestCrashWhileTheClientIsAway(t *testing.T) {
	t.Parallel()
	m, stage := newStage(t, nil)
	s, child := initialized(t, m, stage)
	c := call(t, s, request("1", "x"))
	child.Expect(request("2", "x"))
	child.Says(plainNote(1))
	c.want(plainNote(1))
	c.leave()
	child.Exit(9)
	eventually(t, "the crash is seen", func() bool { return m.Stats().Crashed == 1 })
	r := resume(t, s, c.at)
	defer r.leave()
	if e := r.crashError(); e.Error.Data.Status != "exit status 9" || string(e.ID) != "1" {
		t.Errorf("%+v", e)
	}
	r.want("(<nil>)")
}

// After the second crash in quick succession there is a pause, which doubles
// up to a bound, and which the end of the worker cuts short.
func TestPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := bare(Config{})
		w := s.w
		for crashes, want := range []time.Duration{0, 0, 500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 30 * time.Second, 30 * time.Second} {
			w.crashes = crashes
			begin := time.Now()
			if err := w.pause(); err != nil || time.Since(begin) != want {
				t.Errorf("after %d crashes: %v, %v", crashes, time.Since(begin), err)
			}
		}
		w.crashes = 1_000_000
		begin := time.Now()
		stop := context.AfterFunc(w.ctx, func() {})
		defer stop()
		time.AfterFunc(time.Second, w.cancel)
		if err := w.pause(); err == nil || time.Since(begin) != time.Second {
			t.Errorf("when the worker ended: %v, %v", time.Since(begin), err)
		}
	})
}

// A child that has worked for a while is no reason to wait.
func TestCrashesAreCountedInQuickSuccessionOnly(t *testing.T) {
	t.Parallel()
	m, stage := newStage(t, nil)
	s, child := initialized(t, m, stage)
	for i, want := range []int{1, 1, 2} {
		s.w.mu.Lock()
		if i < 2 {
			s.w.link.born = time.Now().Add(-shortLife)
		}
		s.w.mu.Unlock()
		child.Exit(1)
		eventually(t, "the crash is seen", func() bool { return m.Stats().Crashed == int64(i+1) })
		s.w.mu.Lock()
		if s.w.crashes != want {
			t.Errorf("%d crashes, want %d", s.w.crashes, want)
		}
		s.w.mu.Unlock()
		if i == 2 {
			break
		}
		c := call(t, s, request("1", "x"))
		child = revived(t, stage)
		child.Expect(request("2", "x"))
		c.leave()
	}
}
