// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/testserver"
)

// aged makes a session look as if it had not been used for a time.
func aged(s *Session, idle time.Duration) {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	s.lastUsed = time.Now().Add(-idle)
}

// Idle time does not pass while somebody waits for an answer or listens.
func TestIdle(t *testing.T) {
	t.Parallel()
	s := newTestSession(t, testserver.Silent)
	expire := func() bool {
		aged(s, 2*s.w.m.cfg.IdleTimeout)
		s.expire()
		return s.Cause() != nil
	}
	c := call(t, s, request("1", "x"))
	if expire() {
		t.Fatal("ended with a call in flight")
	}
	r := listen(t, s)
	c.leave()
	if expire() {
		t.Fatal("ended with an open stream")
	}
	r.leave()
	s.expire()
	if s.Cause() != nil {
		t.Fatal("ended at once")
	}
	if !expire() || s.Cause() != ErrIdle {
		t.Errorf("cause %v", s.Cause())
	}
	if _, found := s.w.m.Find(s.ID, "", nil); found {
		t.Error("the session is still there")
	}
	eventually(t, "the child ends", func() bool { return s.w.m.Stats().Children == 0 })
}

// When all places are taken, whatever was idle longest makes room, if that was
// for a minute; nothing that is in use does.
func TestMakeRoom(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t, testserver.Env+"="+testserver.Good)
	cfg.MaxSessions = 3
	m := newTestManager(t, cfg)
	full := func() {
		t.Helper()
		if _, err := m.Start(t.Context(), "", nil); err != ErrTooMany {
			t.Fatalf("err = %v", err)
		}
	}
	busy, older, newer := start(t, m), start(t, m), start(t, m)
	full()
	aged(older, evictable-time.Second)
	full()
	aged(older, 3*evictable)
	aged(newer, 2*evictable)
	aged(busy, 4*evictable)
	r := listen(t, busy)
	defer r.leave()
	next := start(t, m)
	if older.Cause() != ErrIdle || newer.Cause() != nil || busy.Cause() != nil || next.Cause() != nil {
		t.Errorf("ended: %v, %v, %v, %v", older.Cause(), newer.Cause(), busy.Cause(), next.Cause())
	}
	full2 := start(t, m)
	if newer.Cause() != ErrIdle {
		t.Error("the next one did not make room")
	}
	full()
	full2.End(ErrDeleted)
	if n := m.Stats().Sessions; n != 2 {
		t.Errorf("%d sessions", n)
	}
}

// Workers of modern requests take places as well, and make room when they have
// nothing to do.
func TestMakeRoomOfModernWorkers(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t, testserver.Env+"="+testserver.Good)
	cfg.MaxSessions = 2
	m := newTestManager(t, cfg)
	waits := modernFrame(t, m, "waits", nil, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"wait"}}`)
	defer waits.leave()
	rests := modernCall(t, m, "rests", "1", "ping")
	rests.want(`{"jsonrpc":"2.0","id":1,"result":{}}`)
	rests.leave()
	if _, err := m.Start(t.Context(), "", nil); err != ErrTooMany {
		t.Fatalf("err = %v", err)
	}
	m.mu.Lock()
	var workers []*Worker
	for _, all := range m.modern {
		workers = append(workers, all...)
	}
	m.mu.Unlock()
	for _, w := range workers {
		w.mu.Lock()
		w.used = time.Now().Add(-2 * evictable)
		w.mu.Unlock()
	}
	start(t, m)
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.modern) != 1 || m.modern[poolKey(false, "waits", nil)] == nil {
		t.Errorf("left: %v", m.modern)
	}
}

// A session belongs to the principal who started it.
func TestFind(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t, testserver.Env+"="+testserver.Good)
	cfg.Shared = true
	m := newTestManager(t, cfg)
	s, err := m.Start(t.Context(), "alice", nil)
	if err != nil {
		t.Fatal(err)
	}
	if found, ok := m.Find(s.ID, "alice", nil); !ok || found != s {
		t.Error("alice does not find her session")
	}
	for _, other := range []string{"", "bob", "alice "} {
		if _, ok := m.Find(s.ID, other, nil); ok {
			t.Errorf("%q finds it", other)
		}
	}
	if _, ok := m.Find("", "alice", nil); ok {
		t.Error("no id is enough")
	}
}

// Children that are starting at one time are bounded; a start that waits for
// its turn can be given up.
func TestMaxStarts(t *testing.T) {
	t.Parallel()
	m, stage := newStage(t, func(c *Config) { c.MaxStarts = 1 })
	first := start(t, m)
	child := stage.Next()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := m.Start(ctx, "", nil)
		done <- err
	}()
	eventually(t, "the second waits", func() bool { return m.Stats().Sessions == 2 })
	cancel()
	if err := <-done; err != context.Canceled {
		t.Errorf("err = %v", err)
	}
	if n := m.Stats().Sessions; n != 1 {
		t.Errorf("%d sessions", n)
	}
	go func() {
		_, err := m.Start(t.Context(), "", nil)
		done <- err
	}()
	child.Says(plainNote(1)) // it works
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	stage.Next()
	go func() {
		_, err := m.Start(t.Context(), "", nil)
		done <- err
	}()
	eventually(t, "the third waits", func() bool { return m.Stats().Sessions == 3 })
	first.End(ErrDeleted) // which had its turn long ago
	if err := m.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-done; err != ErrShutdown {
		t.Errorf("err = %v", err)
	}
}

// A child that says nothing because it is asked nothing gives its place up
// after a while.
func TestSilentChildHoldsUpNobody(t *testing.T) {
	t.Parallel()
	m, stage := newStage(t, func(c *Config) { c.MaxStarts = 1 })
	s := start(t, m)
	stage.Next()
	s.w.link.hush()
	s.w.link.hush()
	start(t, m)
	stage.Next().Says(plainNote(1))
	eventually(t, "no place is taken", func() bool { return m.starts.taken() == 0 })
	start(t, m)
}

// A child whose first request takes long does not hold up the start of
// others: it was given that request because it had started.
func TestSlowFirstRequestHoldsUpNobody(t *testing.T) {
	t.Parallel()
	m, stage := newStage(t, func(c *Config) { c.MaxStarts = 1 })
	slow := modernCall(t, m, "alice", "1", "slow")
	defer slow.leave()
	modernChild(t, stage).Expect(request("2", "slow"))
	other := modernCall(t, m, "bob", "1", "quick")
	defer other.leave()
	second := modernChild(t, stage)
	second.Expect(request("2", "quick"))
	second.Says(result("2", "x"))
	other.want(result("1", "x"))
}

// Drain refuses whatever is new and waits for the answers, not for what may
// never end.
func TestDrain(t *testing.T) {
	t.Parallel()
	m, stage := newStage(t, nil)
	s, child := initialized(t, m, stage)
	r := listen(t, s)
	defer r.leave()
	c := call(t, s, request("1", "x"))
	defer c.leave()
	child.Expect(request("2", "x"))
	subscription := modernCall(t, m, "", "1", "subscriptions/listen")
	defer subscription.leave()
	modernChild(t, stage).Expect(request("2", "subscriptions/listen"))

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := m.Drain(ctx); err != context.Canceled {
		t.Errorf("err = %v", err)
	}
	done := make(chan error)
	go func() { done <- m.Drain(t.Context()) }()
	frame := request("2", "x")
	raw, messages := batchFrames(t, frame)
	refusals := map[string]func() error{
		"session": func() error { _, err := m.Start(t.Context(), "", nil); return err },
		"call":    func() error { _, err := s.Call([]byte(frame), scan(t, frame), noEdit, true); return err },
		"plain":   func() error { return s.CallPlain([]byte(frame), scan(t, frame), noEdit) },
		"batch":   func() error { _, err := s.Batch(raw, messages); return err },
		"modern": func() error {
			_, err := m.Call(Caller{}, []byte(frame), scan(t, frame), noEdit, true)
			return err
		},
		"ping": func() error { return m.Ping(t.Context()) },
	}
	for name, try := range refusals {
		if err := try(); err != ErrShutdown {
			t.Errorf("%s: %v", name, err)
		}
	}
	child.Says(asks("5"))
	c.want(asks("5"))
	post(t, s, result("5", "x")) // what a call needs passes
	child.Expect(result("5", "x"))
	child.Says(result("2", "x"))
	c.want(result("1", "x"))
	if err := <-done; err != nil {
		t.Error(err)
	}
	if stats := m.Stats(); !stats.Closed || stats.Calls != 1 || stats.Answers != 0 {
		t.Errorf("%+v", stats)
	}
}

// Shutdown answers what waits, ends subscriptions as the protocol wants it,
// and leaves nothing: no child, no goroutine.
func TestShutdown(t *testing.T) {
	before := runtime.NumGoroutine()
	stage := testserver.NewStage(t)
	cfg := testConfig(t, stage.Env()...)
	m := NewManager(cfg)
	s, _ := initialized(t, m, stage)
	r := listen(t, s)
	c := call(t, s, request("1", "x"))
	plain := modernCall(t, m, "", "2", "x")
	modernChild(t, stage).Expect(request("2", "x"))
	subscription := modernCall(t, m, "", `"s\u0031"`, "subscriptions/listen")
	restarting, child := initialized(t, m, stage)
	child.Exit(0)
	eventually(t, "the crash is seen", func() bool { return m.Stats().Crashed == 1 })
	waiting := call(t, restarting, request("3", "x"))
	if err := m.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	ended := func(id string) string {
		return `{"jsonrpc":"2.0","id":` + id + `,"error":{"code":-32603,"message":"the proxy is shutting down"}}`
	}
	c.want(ended("1"), "(<nil>)")
	plain.want(ended("2"), "(<nil>)")
	waiting.want(ended("3"), "(<nil>)")
	subscription.want(`{"jsonrpc":"2.0","id":"s\u0031","result":{"resultType":"complete","_meta":{"io.modelcontextprotocol/subscriptionId":"s\u0031"}}}`, "(<nil>)")
	r.want("(the proxy is shutting down)")
	for _, reader := range []*testReader{r, c.testReader, plain.testReader, waiting.testReader, subscription.testReader} {
		reader.leave()
	}
	if _, err := m.Start(t.Context(), "", nil); err != ErrShutdown {
		t.Errorf("Start: %v", err)
	}
	if _, err := m.Modern(t.Context(), nil); !errors.Is(err, ErrShutdown) {
		t.Errorf("Modern: %v", err)
	}
	if err := m.Shutdown(t.Context()); err != nil {
		t.Errorf("once more: %v", err)
	}
	m.mu.Lock()
	if len(m.children)+len(m.sessions) != 0 {
		t.Errorf("%d children, %d sessions", len(m.children), len(m.sessions))
	}
	m.mu.Unlock()
	eventually(t, "the goroutines end", func() bool { return runtime.NumGoroutine() <= before })
	if t.Failed() {
		stack := make([]byte, 1<<20)
		t.Logf("%s", stack[:runtime.Stack(stack, true)])
	}
}

// Whatever was under way when Shutdown came, it ends and leaves no child.
func TestShutdownAtAnyMoment(t *testing.T) {
	t.Parallel()
	for _, change := range []func(*Config){
		func(*Config) {},
		func(c *Config) { c.Shared = true },
		func(c *Config) { c.Warm = 2 },
		func(c *Config) { c.Warm, c.Shared, c.MaxStarts = 1, true, 1 },
	} {
		cfg := testConfig(t, testserver.Env+"="+testserver.Good)
		change(&cfg)
		for i := range 6 {
			m := NewManager(cfg)
			done := make(chan struct{}, 4)
			for n := range cap(done) {
				go func() {
					defer func() { done <- struct{}{} }()
					if n%2 == 0 {
						if _, err := m.Modern(t.Context(), nil); err == nil {
							frame := request("1", "ping")
							if c, err := m.Call(Caller{}, []byte(frame), scan(t, frame), noEdit, true); err == nil {
								r := c.Reader(true)
								r.Leave()
							}
						}
						return
					}
					if s, err := m.Start(t.Context(), "", nil); err == nil {
						if c, err := s.Call([]byte(initFrame), scan(t, initFrame), noEdit, true); err == nil {
							r := c.Reader(true)
							<-r.Wake()
							r.Leave()
						}
					}
				}()
			}
			time.Sleep(time.Duration(i) * time.Millisecond) // a moment among many, and not waited for
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			if err := m.Shutdown(ctx); err != nil {
				t.Errorf("Shutdown: %v", err)
			}
			cancel()
			for range cap(done) {
				<-done
			}
			if stats := m.Stats(); stats.Children != 0 || stats.Sessions != 0 {
				t.Errorf("%+v", stats)
			}
		}
	}
}

// When the time to end is short, children are killed.
func TestShutdownInAHurry(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t, testserver.Env+"="+testserver.Stubborn)
	cfg.Child.Grace = time.Hour
	m := NewManager(cfg)
	s := start(t, m)
	c := call(t, s, initFrame)
	c.next()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := m.Shutdown(ctx); err != context.Canceled {
		t.Errorf("err = %v", err)
	}
	if n := m.Stats().Children; n != 0 {
		t.Errorf("%d children", n)
	}
}

// Ping asks a child that has answered before; every answer is a sign of life.
func TestPing(t *testing.T) {
	t.Parallel()
	m, stage := newStage(t, nil)
	if err := m.Ping(t.Context()); err != ErrNoChild {
		t.Errorf("without a child: %v", err)
	}
	s, child := initialized(t, m, stage)
	ping := func(answer string) error {
		done := make(chan error)
		go func() { done <- m.Ping(t.Context()) }()
		seen := child.Hears()
		id := string(scan(t, seen).ID.Of([]byte(seen)))
		if seen != strings.Replace(pingFrame, `"id":0`, `"id":`+id, 1) {
			t.Errorf("the child was sent %s", seen)
		}
		if answer == "" {
			child.Exit(1)
		} else {
			child.Says(strings.Replace(answer, "ID", id, 1))
		}
		return <-done
	}
	for _, answer := range []string{`{"jsonrpc":"2.0","id":ID,"result":{}}`, `{"jsonrpc":"2.0","id":ID,"error":{"code":-32601,"message":"what?"}}`} {
		if err := ping(answer); err != nil {
			t.Errorf("%s: %v", answer, err)
		}
	}
	if err := ping(""); err == nil || !strings.Contains(err.Error(), `server "test" does not answer`) {
		t.Errorf("err = %v", err)
	}
	if s.Cause() != nil {
		t.Errorf("the session ended: %v", s.Cause())
	}
}

// The versions that a server has agreed to are known, and not without bound.
func TestVersions(t *testing.T) {
	t.Parallel()
	for _, isShared := range []bool{false, true} {
		m, stage := newStage(t, func(c *Config) { c.Shared = isShared })
		s := start(t, m)
		c := call(t, s, initFrame)
		child := stage.Next()
		child.Hears()
		child.Says(initAnswer("1"))
		c.want(initAnswer(`"init"`))
		if got := m.Stats().Versions; !slices.Equal(got, []string{"2025-11-25"}) {
			t.Errorf("shared %v: %v", isShared, got)
		}
		for i := range 100 {
			m.speaks(strings.Repeat("x", i))
		}
		if n := len(m.Stats().Versions); n != maxVersions {
			t.Errorf("%d versions", n)
		}
	}
}
