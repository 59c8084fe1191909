// SPDX-License-Identifier: Apache-2.0

package session

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/testserver"
)

// sharedStage returns a manager whose sessions share a child, which is
// initialized, and the first session.
func sharedStage(t *testing.T) (*Manager, *testserver.Stage, *testserver.Actor, *Session) {
	t.Helper()
	m, stage := newStage(t, func(c *Config) { c.Shared = true })
	s := start(t, m)
	c := call(t, s, initFrame)
	defer c.leave()
	child := sharedChild(t, stage)
	c.want(initAnswer(`"init"`))
	return m, stage, child, s
}

// sharedChild plays the part of the next child until it is initialized.
func sharedChild(t *testing.T, stage *testserver.Stage) *testserver.Actor {
	t.Helper()
	child := stage.Next()
	child.Expect(strings.Replace(sharedHello, `"id":0`, `"id":1`, 1))
	child.Says(initAnswer("1"))
	child.Expect(initializedFrame)
	return child
}

// join adds a session, of which the child hears nothing.
func join(t *testing.T, m *Manager) *Session {
	t.Helper()
	s := start(t, m)
	c := call(t, s, strings.Replace(initFrame, `"init"`, "1.50", 1))
	defer c.leave()
	c.want(initAnswer("1.50"))
	post(t, s, initializedFrame)
	post(t, s, notification("notifications/roots/list_changed"))
	if s.Version() != "2025-11-25" {
		t.Errorf("version %q", s.Version())
	}
	return s
}

func aboutResource(id, method, uri string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"method":"resources/%s","params":{"uri":%q}}`, id, method, uri)
}

func updated(uri string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":%q}}`, uri)
}

// Sessions that share a child may use the same ids and tokens: each gets its
// own answers and its own progress.
func TestSharedCalls(t *testing.T) {
	t.Parallel()
	m, _, child, first := sharedStage(t)
	second := join(t, m)
	a, b := call(t, first, tokenFrame), call(t, second, tokenFrame)
	defer a.leave()
	child.Expect(strings.Replace(strings.Replace(tokenFrame, `"id":1`, `"id":2`, 1), `"t"`, `"shproxy-2"`, 1))
	child.Expect(strings.Replace(strings.Replace(tokenFrame, `"id":1`, `"id":3`, 1), `"t"`, `"shproxy-3"`, 1))
	child.Says(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"shproxy-3"}}`)
	b.want(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"t"}}`)
	child.Says(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"shproxy-2"}}`)
	a.want(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"t"}}`)
	// A cancellation reaches the call of the session that sends it.
	post(t, second, `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`)
	child.Expect(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":3}}`)
	b.want("(" + ErrCancelled.Error() + ")")
	b.leave()
	child.Says(result("2", "a"))
	a.want(result("1", "a"), "(<nil>)")
	if stats := m.Stats(); stats.Children != 1 || stats.Sessions != 2 || stats.Dropped != 0 {
		t.Errorf("%+v", stats)
	}
}

// Sessions that come while the child starts wait for the same answer.
func TestSharedStart(t *testing.T) {
	t.Parallel()
	m, stage := newStage(t, func(c *Config) { c.Shared = true })
	first, second := start(t, m), start(t, m)
	a := call(t, first, initFrame)
	defer a.leave()
	child := stage.Next()
	child.Hears()
	b := call(t, second, strings.Replace(initFrame, `"init"`, "7", 1))
	defer b.leave()
	child.Says(initAnswer("1"))
	a.want(initAnswer(`"init"`), "(<nil>)")
	b.want(initAnswer("7"), "(<nil>)")
	child.Expect(initializedFrame)
	c := call(t, second, request("8", "x"))
	defer c.leave()
	child.Expect(request("2", "x"))
}

// What the server says of its own accord goes to those whom it certainly
// concerns, and to nobody else.
func TestSharedNotifications(t *testing.T) {
	t.Parallel()
	m, _, child, first := sharedStage(t)
	one := listen(t, first)
	defer one.leave()
	// While there is one session, all is its.
	for _, frame := range []string{note(1), notification("vendor/news"), updated("file:///x")} {
		child.Says(frame)
		one.want(frame)
	}
	second := join(t, m)
	two := listen(t, second)
	defer two.leave()
	uninitialized := start(t, m)
	three := listen(t, uninitialized)
	defer three.leave()
	for _, method := range []string{"notifications/tools/list_changed", "notifications/resources/list_changed", "vendor/list_changed"} {
		child.Says(notification(method))
		one.want(notification(method))
		two.want(notification(method))
	}
	subscribe := call(t, second, aboutResource("1", "subscribe", "file:///x/"))
	defer subscribe.leave()
	child.Expect(aboutResource("2", "subscribe", "file:///x/"))
	child.Says(updated("file:///x/y"))
	two.want(updated("file:///x/y"))
	for _, frame := range []string{note(2), notification("vendor/news"), updated("file:///other"), notification("notifications/resources/updated")} {
		child.Says(frame)
	}
	child.Says(notification("notifications/tools/list_changed"))
	one.want(notification("notifications/tools/list_changed"))
	two.want(notification("notifications/tools/list_changed"))
	three.wantNow()
	subscribe.wantNow()
	if n := m.Stats().Dropped; n != 4 {
		t.Errorf("%d messages were dropped", n)
	}
}

// The child hears of the last subscriber only that nobody wants news any more,
// also when a session ends.
func TestSharedSubscriptions(t *testing.T) {
	t.Parallel()
	m, _, child, first := sharedStage(t)
	second := join(t, m)
	keys := 1
	asks := func(s *Session, method, uri string, passes bool) {
		t.Helper()
		c := call(t, s, aboutResource("1", method, uri))
		defer c.leave()
		if !passes {
			c.want(`{"jsonrpc":"2.0","id":1,"result":{}}`, "(<nil>)")
			return
		}
		keys++
		child.Expect(aboutResource(fmt.Sprint(keys), method, uri))
		child.Says(result(fmt.Sprint(keys), ""))
		c.want(result("1", ""))
	}
	asks(first, "subscribe", "file:///a", true)
	asks(first, "subscribe", "file:///b", true)
	asks(second, "subscribe", "file:///a", true)
	asks(first, "unsubscribe", "file:///a", false)
	asks(second, "unsubscribe", "file:///a", true)
	asks(second, "subscribe", "file:///b", true)
	asks(second, "subscribe", "file:///c", true)
	first.End(ErrDeleted) // of b there is another subscriber
	second.End(ErrDeleted)
	var got []string
	for range 2 {
		got = append(got, child.Hears())
	}
	slices.SortFunc(got, func(a, b string) int { return strings.Compare(a[len(a)-5:], b[len(b)-5:]) })
	for i, uri := range []string{"file:///b", "file:///c"} {
		if !strings.HasSuffix(got[i], `"method":"resources/unsubscribe","params":{"uri":"`+uri+`"}}`) {
			t.Errorf("the child was sent %s", got[i])
		}
	}
}

// The server is told that its client can do nothing, so nothing it asks
// reaches a client; ping is answered here.
func TestSharedRequests(t *testing.T) {
	t.Parallel()
	m, _, child, first := sharedStage(t)
	join(t, m)
	c := call(t, first, request("1", "x"))
	defer c.leave()
	child.Expect(request("2", "x"))
	for _, id := range []string{"5", `"a\u0062"`} {
		child.Says(request(id, "ping"))
		child.Expect(`{"jsonrpc":"2.0","id":` + id + `,"result":{}}`)
		child.Says(asks(id))
		child.Expect(`{"jsonrpc":"2.0","id":` + id + `,"error":{"code":-32601,"message":"several clients share this server, so none of them can be asked"}}`)
	}
	c.wantNow()
	post(t, first, result("5", "nobody asked"))
	if n := m.Stats().Dropped; n != 1 {
		t.Errorf("%d messages were dropped", n)
	}
}

// The log level is that of a session only while the session is alone.
func TestSharedLogLevel(t *testing.T) {
	t.Parallel()
	m, _, child, first := sharedStage(t)
	const frame = `{"jsonrpc":"2.0","id":1,"method":"logging/setLevel","params":{"level":"debug"}}`
	c := call(t, first, frame)
	child.Expect(strings.Replace(frame, `"id":1`, `"id":2`, 1))
	child.Says(result("2", "the child's own"))
	c.want(result("1", "the child's own"))
	c.leave()
	second := join(t, m)
	c = call(t, second, frame)
	c.want(`{"jsonrpc":"2.0","id":1,"result":{}}`, "(<nil>)")
	c.leave()
	fence := call(t, second, request("1", "fence"))
	defer fence.leave()
	child.Expect(request("3", "fence"))
}

// The end of a session is none of the others: its calls are cancelled, and the
// child stays.
func TestSharedSessionEnds(t *testing.T) {
	t.Parallel()
	m, _, child, first := sharedStage(t)
	second := join(t, m)
	a, b := call(t, first, request("1", "a")), call(t, second, request("1", "b"))
	defer a.leave()
	defer b.leave()
	child.Expect(request("2", "a"))
	child.Expect(request("3", "b"))
	first.End(ErrDeleted)
	a.want(`{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"the client ended the session"}}`, "(<nil>)")
	child.Expect(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":2,"reason":"the client ended the session"}}`)
	child.Says(result("2", "late"))
	child.Says(result("3", "x"))
	b.want(result("1", "x"))
	second.End(ErrDeleted)
	join(t, m) // finds the child still there
	if stats := m.Stats(); stats.Started != 1 || stats.Children != 1 || stats.Dropped != 1 || stats.Calls != 0 {
		t.Errorf("%+v", stats)
	}
}

// A shared child that nobody uses ends after a while, and not earlier.
func TestSharedIdle(t *testing.T) {
	t.Parallel()
	m, stage, child, first := sharedStage(t)
	w := first.w
	idle := func() {
		w.mu.Lock()
		w.used = w.used.Add(-2 * m.cfg.IdleTimeout)
		w.mu.Unlock()
		w.expire()
	}
	idle()
	if w.cause != nil {
		t.Fatal("it ended with a session")
	}
	first.End(ErrDeleted)
	w.expire()
	if w.cause != nil {
		t.Fatal("it ended at once")
	}
	idle()
	if got := child.Hears(); got != "EOF" {
		t.Errorf("the child was sent %s", got)
	}
	s := start(t, m)
	c := call(t, s, initFrame)
	defer c.leave()
	sharedChild(t, stage)
	c.want(initAnswer(`"init"`))
}

// When a shared child crashes, every session goes on with the next one: calls
// in flight fail, each on its own stream; subscriptions are there again.
func TestSharedCrash(t *testing.T) {
	t.Parallel()
	m, stage, child, first := sharedStage(t)
	second := join(t, m)
	key := 1
	for _, s := range []*Session{first, second} {
		key++
		c := call(t, s, aboutResource("1", "subscribe", "file:///a"))
		child.Hears()
		child.Says(result(fmt.Sprint(key), ""))
		c.want(result("1", ""))
		c.leave()
	}
	a, b := call(t, first, request("1", "a")), call(t, second, request("1", "b"))
	defer a.leave()
	defer b.leave()
	child.Expect(request("4", "a"))
	child.Expect(request("5", "b"))
	r := listen(t, second)
	defer r.leave()
	uninitialized := start(t, m)
	child.Exit(3)
	for _, c := range []testCall{a, b} {
		if e := c.crashError(); string(e.ID) != "1" || e.Error.Data.Status != "exit status 3" || !e.Error.Data.Written {
			t.Errorf("%+v", e)
		}
	}
	child = sharedChild(t, stage) // at once, since one listens
	for _, id := range []string{"2", "3"} {
		child.Expect(aboutResource(id, "subscribe", "file:///a"))
	}
	again := call(t, first, request("2", "c"))
	defer again.leave()
	child.Expect(request("4", "c"))
	child.Says(updated("file:///a"))
	r.want(updated("file:///a"))
	child.Says(result("4", "x"))
	again.want(result("2", "x"))
	join(t, m)
	if uninitialized.Cause() == nil {
		t.Error("a session that was never initialized went on")
	}
	if first.Cause() != nil || second.Cause() != nil {
		t.Errorf("sessions ended: %v, %v", first.Cause(), second.Cause())
	}
}

// With EndOnCrash they all end with it.
func TestSharedEndOnCrash(t *testing.T) {
	t.Parallel()
	m, stage := newStage(t, func(c *Config) { c.Shared, c.EndOnCrash = true, true })
	first := start(t, m)
	c := call(t, first, initFrame)
	child := sharedChild(t, stage)
	c.want(initAnswer(`"init"`))
	c.leave()
	second := join(t, m)
	child.Exit(1)
	for _, s := range []*Session{first, second} {
		eventually(t, "the session ends", func() bool { return s.Cause() != nil })
	}
	third := start(t, m)
	c = call(t, third, initFrame)
	defer c.leave()
	sharedChild(t, stage)
	c.want(initAnswer(`"init"`))
}

// Sessions with different environments share nothing.
func TestSharedEnvironments(t *testing.T) {
	t.Parallel()
	m, stage, _, first := sharedStage(t)
	other, err := m.Start(t.Context(), "", []string{"A=b"})
	if err != nil {
		t.Fatal(err)
	}
	c := call(t, other, initFrame)
	defer c.leave()
	sharedChild(t, stage)
	c.want(initAnswer(`"init"`))
	if other.w == first.w || m.Stats().Children != 2 {
		t.Error("they share a child")
	}
}

// A shared server that refuses everybody says so to everybody. It was asked in
// both eras.
func TestSharedRefusal(t *testing.T) {
	t.Parallel()
	m, stage := newStage(t, func(c *Config) { c.Shared = true })
	s := start(t, m)
	c := call(t, s, initFrame)
	defer c.leave()
	child := stage.Next()
	child.Hears()
	child.Says(`{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"go away"}}`)
	child.Hears()
	child.Says(`{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"server/discover?"}}`)
	c.want(`{"jsonrpc":"2.0","id":"init","error":{"code":-32602,"message":"go away"}}`, "(<nil>)")
	if got := child.Hears(); got != "EOF" {
		t.Errorf("the child was sent %s", got)
	}
}
