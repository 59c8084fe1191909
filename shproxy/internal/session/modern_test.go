// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/testserver"
)

// modernCall sends a request of MCP 2026-07-28.
func modernCall(t *testing.T, m *Manager, principal, id, method string) testCall {
	t.Helper()
	return modernFrame(t, m, principal, nil, request(id, method))
}

func modernFrame(t *testing.T, m *Manager, principal string, env []string, frame string) testCall {
	t.Helper()
	c, err := m.Call(Caller{Principal: principal, Env: env}, []byte(frame), scan(t, frame), noEdit, true)
	if err != nil {
		t.Fatal(err)
	}
	return testCall{c, &testReader{t, c.Reader(true), EventID{}}}
}

// modernChild waits for the next child and lets it start.
func modernChild(t *testing.T, stage *testserver.Stage) *testserver.Actor {
	t.Helper()
	child := stage.Next()
	child.Expect(strings.Replace(discoverFrame, `"id":0`, `"id":1`, 1))
	child.Says(discovered("1"))
	return child
}

func discovered(id string) string {
	return `{"jsonrpc":"2.0","id":` + id + `,"result":{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{}}}`
}

func subscribed(method, id string) string {
	return `{"jsonrpc":"2.0","method":"notifications/` + method + `","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":` + id + `}}}`
}

func completed(id, subscription string) string {
	return `{"jsonrpc":"2.0","id":` + id + `,"result":{"_meta":{"io.modelcontextprotocol/subscriptionId":` + subscription + `},"resultType":"complete"}}`
}

// What a server answers to server/discover tells its era, once for all.
func TestEra(t *testing.T) {
	t.Parallel()
	reply := func(frame string) func(*testserver.Actor) {
		return func(a *testserver.Actor) { a.Says(frame) }
	}
	failure := func(code int) func(*testserver.Actor) {
		return reply(fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"error":{"code":%d,"message":"no"}}`, code))
	}
	for _, test := range []struct {
		name    string
		play    func(*testserver.Actor)
		modern  bool
		forEver bool
	}{
		{"discovered", reply(discovered("1")), true, true},
		{"unsupported version", failure(-32022), true, true},
		{"missing capability", failure(-32021), true, true},
		{"header mismatch", failure(-32020), true, true},
		{"unknown method", failure(-32601), false, true},
		{"not initialized", failure(-32602), false, true},
		{"any answer", reply(`{"jsonrpc":"2.0","id":1,"result":{}}`), false, true},
		{"another answer", reply(`{"jsonrpc":"2.0","id":1,"result":{"supportedVersions":"2026-07-28"}}`), false, true},
		{"the end", func(a *testserver.Actor) { a.Exit(1) }, false, false},
		{"silence", nil, false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			m, stage := newStage(t, nil)
			speak := func() {}
			if test.play == nil {
				speak = silent(&m.cfg)
			}
			var all sync.WaitGroup
			for range 5 {
				all.Go(func() {
					if is, err := m.Modern(t.Context(), nil); err != nil || is != test.modern {
						t.Errorf("Modern = %v, %v", is, err)
					}
				})
			}
			if test.play != nil {
				child := stage.Next()
				child.Expect(strings.Replace(discoverFrame, `"id":0`, `"id":1`, 1))
				test.play(child)
			}
			all.Wait()
			speak()
			if n := m.Stats().Started; n != 1 {
				t.Errorf("%d children were asked", n)
			}
			if n := m.Stats().Crashed + int64(m.Stats().Failures); n != 0 {
				t.Errorf("a question that the server did not like counts as %d failures", n)
			}
			m.mu.Lock()
			if test.forEver != m.knows.expires.IsZero() || time.Until(m.knows.expires) > silence {
				t.Errorf("known until %v", m.knows.expires)
			}
			if !test.forEver {
				m.knows.expires = time.Now()
			}
			m.mu.Unlock()
			if answered := !slices.Contains([]string{"the end", "silence"}, test.name); !answered {
				eventually(t, "the child ends", func() bool { return m.Stats().Children == 0 })
			}
			if !test.forEver { // then it is asked again
				done := make(chan bool)
				go func() {
					is, _ := m.Modern(t.Context(), nil)
					done <- is
				}()
				child := stage.Next()
				child.Hears()
				child.Says(discovered("1"))
				if !<-done {
					t.Error("it was not asked again")
				}
			}
		})
	}
}

// The child that was asked for its versions serves the first caller.
func TestEraChildIsUsed(t *testing.T) {
	t.Parallel()
	m, stage := newStage(t, nil)
	go func() {
		child := stage.Next()
		child.Hears()
		child.Says(discovered("1"))
		child.Expect(request("2", "x"))
		child.Says(result("2", "y"))
	}()
	if is, err := m.Modern(t.Context(), nil); err != nil || !is {
		t.Fatalf("Modern = %v, %v", is, err)
	}
	c := modernCall(t, m, "alice", "1", "x")
	defer c.leave()
	c.want(result("1", "y"))
	if stats := m.Stats(); stats.Started != 1 || !slices.Equal(stats.Versions, []string{"2026-07-28"}) {
		t.Errorf("%+v", stats)
	}
}

// A caller who gives up waits no longer; one whose environment the server does
// not like says nothing about the server.
func TestEraOfOneCaller(t *testing.T) {
	t.Parallel()
	m, stage := newStage(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := m.Modern(ctx, nil)
		done <- err
	}()
	child := stage.Next()
	child.Hears()
	go func() {
		_, err := m.Modern(ctx, nil)
		done <- err
	}()
	cancel()
	for range 2 {
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("err = %v", err)
		}
	}
	go func() {
		_, err := m.Modern(t.Context(), []string{"TOKEN=wrong"})
		done <- err
	}()
	child = stage.Next()
	child.Hears()
	child.Exit(1)
	<-done
	if known, _ := m.KnownEra(); known {
		t.Error("the era is taken for known")
	}
}

// The requests of one principal with one environment go to one child; nobody
// else's do, unless children are shared.
func TestPools(t *testing.T) {
	t.Parallel()
	for _, isShared := range []bool{false, true} {
		m, stage := newStage(t, func(c *Config) { c.Shared = isShared })
		callers := []struct {
			principal string
			env       []string
			like      int // the caller with whom the child is shared, in each mode
			likeToo   int
		}{
			{"alice", nil, 0, 0},
			{"alice", nil, 0, 0},
			{"bob", nil, 2, 0},
			{"alice", []string{"A=b"}, 3, 3},
			{"alice", []string{"A=b"}, 3, 3},
			{"alice", []string{"A=b", "C=d"}, 5, 5},
			{"alice", []string{`A=b"",C=d`}, 6, 6},
			{"alice\"A=b", nil, 7, 0},
			{"bob", []string{"A=b"}, 8, 3},
		}
		children := make([]*testserver.Actor, len(callers))
		counts := make([]int, len(callers))
		for i, caller := range callers {
			like := caller.like
			if isShared {
				like = caller.likeToo
			}
			c := modernFrame(t, m, caller.principal, caller.env, request("1", fmt.Sprint("m", i)))
			if like == i {
				children[i] = modernChild(t, stage)
				counts[i] = 1
			}
			counts[like]++
			children[like].Expect(request(fmt.Sprint(counts[like]), fmt.Sprint("m", i)))
			if err := m.Post(Caller{Principal: caller.principal, Env: caller.env}, []byte(notification("n")), scan(t, notification("n"))); err != nil {
				t.Error(err)
			}
			children[like].Expect(notification("n"))
			children[like].Says(result(fmt.Sprint(counts[like]), "x"))
			c.want(result("1", "x"))
			c.leave()
		}
	}
}

// Each client finds the id of its own subscription in all that belongs to it,
// however many have chosen the same.
func TestSubscriptions(t *testing.T) {
	t.Parallel()
	m, stage := newStage(t, nil)
	first := modernCall(t, m, "", `"a\u0062"`, "subscriptions/listen")
	child := modernChild(t, stage)
	second := modernCall(t, m, "", `"a\u0062"`, "subscriptions/listen")
	child.Expect(request("2", "subscriptions/listen"))
	child.Expect(request("3", "subscriptions/listen"))
	for _, method := range []string{"subscriptions/acknowledged", "tools/list_changed", "resources/updated"} {
		child.Says(subscribed(method, "3"))
		second.want(subscribed(method, `"a\u0062"`))
	}
	child.Says(subscribed("tools/list_changed", "2"))
	first.want(subscribed("tools/list_changed", `"a\u0062"`))
	// One that another request has, and none at all.
	plain := modernCall(t, m, "", "7", "x")
	defer plain.leave()
	child.Expect(request("4", "x"))
	for _, id := range []string{"4", "9", `"2"`, "null"} {
		child.Says(subscribed("tools/list_changed", id))
	}
	child.Says(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":4}}`)
	child.Says(`{"jsonrpc":"2.0","method":"notifications/cancelled"}`)
	child.Says(result("4", "fence"))
	plain.want(result("7", "fence"))
	if n := m.Stats().Dropped; n != 6 {
		t.Errorf("%d messages were dropped", n)
	}
	// The two ways in which a server ends a subscription.
	child.Says(completed("2", "2"))
	first.want(completed(`"a\u0062"`, `"a\u0062"`), "(<nil>)")
	first.leave()
	child.Says(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"reason":"over","requestId":3}}`)
	second.want(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"reason":"over","requestId":"a\u0062"}}`, "(<nil>)")
	second.leave()
	if n := m.Stats().Calls; n != 0 {
		t.Errorf("%d calls in flight", n)
	}
	// The answer with the id last, and an error.
	third, fourth := modernCall(t, m, "", "5", "subscriptions/listen"), modernCall(t, m, "", "6", "subscriptions/listen")
	defer third.leave()
	defer fourth.leave()
	child.Says(`{"result":{"_meta":{"io.modelcontextprotocol/subscriptionId":5}},"id":5,"jsonrpc":"2.0"}`)
	third.want(`{"result":{"_meta":{"io.modelcontextprotocol/subscriptionId":5}},"id":5,"jsonrpc":"2.0"}`)
	child.Says(`{"jsonrpc":"2.0","id":6,"error":{"code":-32601,"message":"no"}}`)
	fourth.want(`{"jsonrpc":"2.0","id":6,"error":{"code":-32601,"message":"no"}}`)
}

// To leave is to cancel: the child is told, and what it still says is dropped.
func TestLeavingCancels(t *testing.T) {
	t.Parallel()
	m, stage := newStage(t, nil)
	c := modernFrame(t, m, "", nil, tokenFrame)
	child := modernChild(t, stage)
	child.Expect(strings.Replace(strings.Replace(tokenFrame, `"id":1`, `"id":2`, 1), `"t"`, `"shproxy-2"`, 1))
	c.leave()
	const cancelled = `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":2,"reason":"the client closed the stream"}}`
	child.Expect(cancelled)
	child.Says(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"shproxy-2"}}`)
	child.Says(result("2", "late"))
	subscription := modernCall(t, m, "", "1", "subscriptions/listen")
	child.Expect(request("3", "subscriptions/listen"))
	subscription.leave()
	child.Expect(strings.Replace(cancelled, "2,", "3,", 1))
	answered := modernCall(t, m, "", "1", "x")
	child.Expect(request("4", "x"))
	child.Says(result("4", "x"))
	answered.want(result("1", "x"))
	answered.leave()
	// A client does not cancel by a notification: its id would be another's.
	busy := modernCall(t, m, "", "1", "x")
	child.Expect(request("5", "x"))
	frame := `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":5}}`
	if err := m.Post(Caller{}, []byte(frame), scan(t, frame)); err != nil {
		t.Error(err)
	}
	busy.leave()
	child.Expect(strings.Replace(cancelled, "2,", "5,", 1))
	if n := m.Stats().Dropped; n != 2 {
		t.Errorf("%d messages were dropped", n)
	}
}

const loggedFrame = `{"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta":{"io.modelcontextprotocol/logLevel":"info"}}}`

func logged(id string) string { return strings.Replace(loggedFrame, `"id":1`, `"id":`+id, 1) }

// Log messages have no address, so a child has one call at a time that asks
// for them; there are further children for further such calls, up to a bound,
// beyond which the messages are dropped.
func TestLogMessages(t *testing.T) {
	t.Parallel()
	m, stage := newStage(t, nil)
	quiet := modernCall(t, m, "", "1", "x")
	defer quiet.leave()
	child := modernChild(t, stage)
	child.Expect(request("2", "x"))
	child.Says(note(0))
	eventually(t, "the message is dropped", func() bool { return m.Stats().Dropped == 1 })
	first := modernFrame(t, m, "", nil, logged("1"))
	child.Expect(logged("3"))
	child.Says(note(1))
	first.want(note(1))
	var others []testCall
	for range maxModern - 1 {
		c := modernFrame(t, m, "", nil, logged("1"))
		other := modernChild(t, stage)
		other.Expect(logged("2"))
		other.Says(note(2))
		c.want(note(2))
		others = append(others, c)
	}
	more := modernFrame(t, m, "", nil, logged("4"))
	child.Expect(logged("4"))
	child.Says(note(3))
	child.Says(result("4", "x"))
	more.want(result("4", "x")) // and not the message
	more.leave()
	child.Says(note(4))
	first.want(note(4))
	others[1].leave()
	again := modernFrame(t, m, "", nil, logged("5"))
	defer again.leave()
	if n := m.Stats().Children; n != maxModern {
		t.Errorf("%d children", n)
	}
	first.leave()
	others[0].leave()
	others[2].leave()
	quiet.wantNow()
	if n := m.Stats().Dropped; n != 2 {
		t.Errorf("%d messages were dropped", n)
	}
}

// Calls that come at the same time do not get in each other's way.
func TestLogMessagesOfCallsAtTheSameTime(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t, testserver.Env+"="+testserver.Good)
	m := newTestManager(t, cfg)
	for range 5 {
		var all sync.WaitGroup
		hold := make(chan struct{})
		var held []testCall
		var mu sync.Mutex
		for i := range maxModern {
			all.Go(func() {
				<-hold
				frame := fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"log","arguments":{"text":"%d"},"_meta":{"io.modelcontextprotocol/logLevel":"info"}}}`, i, i)
				c := modernFrame(t, m, "", nil, frame)
				message := fmt.Sprintf(`{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"%d"}}`, i)
				if got := c.next(); got != message {
					t.Errorf("call %d got %s", i, got)
				}
				mu.Lock()
				defer mu.Unlock()
				held = append(held, c)
			})
		}
		close(hold)
		all.Wait()
		for _, c := range held {
			c.leave()
		}
	}
}

// Any other notification without an address goes to the only call in flight,
// if there is just one; progress to the call with its token.
func TestModernNotifications(t *testing.T) {
	t.Parallel()
	m, stage := newStage(t, nil)
	first := modernFrame(t, m, "", nil, tokenFrame)
	defer first.leave()
	child := modernChild(t, stage)
	child.Hears()
	subscription := modernCall(t, m, "", "9", "subscriptions/listen")
	defer subscription.leave()
	child.Hears()
	child.Says(notification("vendor/news"))
	first.want(notification("vendor/news"))
	second := modernFrame(t, m, "", nil, tokenFrame)
	defer second.leave()
	child.Expect(strings.Replace(strings.Replace(tokenFrame, `"id":1`, `"id":4`, 1), `"t"`, `"shproxy-4"`, 1))
	child.Says(notification("vendor/news"))
	child.Says(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"shproxy-4"}}`)
	second.want(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"t"}}`)
	child.Says(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"shproxy-2"}}`)
	first.want(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"t"}}`)
	child.Says(asks(`"q"`))
	child.Expect(`{"jsonrpc":"2.0","id":"q","error":{"code":-32601,"message":"a server must not send requests; see input_required"}}`)
	if n := m.Stats().Dropped; n != 1 {
		t.Errorf("%d messages were dropped", n)
	}
}

// A client that takes a JSON response alone gets nothing in its place.
func TestModernJSONReader(t *testing.T) {
	t.Parallel()
	m, stage := newStage(t, nil)
	frame := strings.Replace(tokenFrame, `"progressToken"`, `"io.modelcontextprotocol/logLevel":"info","progressToken"`, 1)
	call, err := m.Call(Caller{}, []byte(frame), scan(t, frame), noEdit, false)
	if err != nil {
		t.Fatal(err)
	}
	c := &testReader{t, call.Reader(true), EventID{}}
	defer c.leave()
	child := modernChild(t, stage)
	child.Hears()
	child.Says(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"shproxy-2"}}`)
	child.Says(note(1))
	child.Says(notification("vendor/news"))
	child.Says(result("2", "x"))
	f, _, _, _ := next(c)
	if string(f.Data) != result("1", "x") {
		t.Errorf("got %s", f.Data)
	}
	if n := m.Stats().Dropped; n != 3 {
		t.Errorf("%d messages were dropped", n)
	}
}

// next waits for a frame.
func next(r *testReader) (*Frame, EventID, Rest, error) {
	for {
		f, id, rest, cause := r.r.Next()
		if f != nil || rest == Nothing {
			return f, id, rest, cause
		}
		<-r.r.Wake()
	}
}

// A crash fails the calls with what the client has to know, and ends the
// subscriptions without an answer, so that the client opens others. The next
// request finds a fresh child.
func TestModernCrash(t *testing.T) {
	t.Parallel()
	m, stage := newStage(t, nil)
	c := modernCall(t, m, "", "1", "x")
	defer c.leave()
	child := modernChild(t, stage)
	child.Expect(request("2", "x"))
	subscription := modernCall(t, m, "", "9", "subscriptions/listen")
	defer subscription.leave()
	child.Expect(request("3", "subscriptions/listen"))
	child.Stderr("error: boom")
	child.Exit(5)
	if e := c.crashError(); e.Error.Data.Status != "exit status 5" || !e.Error.Data.Written || e.Error.Data.Retryable || !slices.Equal(e.Error.Data.Stderr, []string{"error: boom"}) {
		t.Errorf("%+v", e)
	}
	if got := subscription.next(); !strings.HasPrefix(got, `(server "test" ended (exit status 5)`) {
		t.Errorf("the subscription got %s", got)
	}
	again := modernCall(t, m, "", "1", "x")
	defer again.leave()
	child = stage.Next()
	child.Hears()
	note := notification("while it starts")
	if err := m.Post(Caller{}, []byte(note), scan(t, note)); err != nil {
		t.Error(err)
	}
	child.Says(discovered("1"))
	child.Expect(request("2", "x"))
	child.Expect(note)
	child.Says(result("2", "x"))
	again.want(result("1", "x"))
	if stats := m.Stats(); stats.Restarted != 1 || stats.Crashed != 1 {
		t.Errorf("%+v", stats)
	}
}

// A worker that nobody uses ends after the idle timeout; calls and
// subscriptions are use.
func TestModernIdle(t *testing.T) {
	t.Parallel()
	m, stage := newStage(t, nil)
	subscription := modernCall(t, m, "", "1", "subscriptions/listen")
	child := modernChild(t, stage)
	child.Expect(request("2", "subscriptions/listen"))
	m.mu.Lock()
	w := m.modern[poolKey(false, "", nil)][0]
	m.mu.Unlock()
	expire := func() bool {
		w.mu.Lock()
		w.used = time.Now().Add(-2 * m.cfg.IdleTimeout)
		w.mu.Unlock()
		w.expire()
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.phase == closed
	}
	if expire() {
		t.Fatal("ended with a subscription")
	}
	subscription.leave()
	child.Hears()
	w.expire()
	if w.phase == closed {
		t.Fatal("ended at once")
	}
	if !expire() {
		t.Fatal("did not end")
	}
	if got := child.Hears(); got != "EOF" {
		t.Errorf("the child was sent %s", got)
	}
	c := modernCall(t, m, "", "1", "x")
	defer c.leave()
	modernChild(t, stage).Expect(request("2", "x"))
}
