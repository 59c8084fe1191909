// SPDX-License-Identifier: Apache-2.0

package session

import (
	"strings"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/testserver"
)

// warmChild waits for the next warm child and lets it start.
func warmChild(t *testing.T, stage *testserver.Stage) *testserver.Actor {
	t.Helper()
	child := stage.Next()
	child.Expect(strings.Replace(pingFrame, `"id":0`, `"id":1`, 1))
	return child
}

const pong = `{"jsonrpc":"2.0","id":1,"result":{}}`

func warmed(m *Manager) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.warm)
}

// begin initializes a session on a child that is warm, whose ids go on.
func begin(t *testing.T, s *Session, child *testserver.Actor, id string) {
	t.Helper()
	c := call(t, s, initFrame)
	defer c.leave()
	child.Expect(strings.Replace(initFrame, `"init"`, id, 1))
	child.Says(initAnswer(id))
	c.want(initAnswer(`"init"`))
}

// A session takes a child that is there already, and another one is started in
// its place.
func TestWarm(t *testing.T) {
	t.Parallel()
	m, stage := newStage(t, func(c *Config) { c.Warm = 2 })
	first, second := warmChild(t, stage), warmChild(t, stage)
	if n := warmed(m); n != 0 {
		t.Errorf("%d children are warm before they have answered", n)
	}
	first.Says(pong)
	eventually(t, "one is warm", func() bool { return warmed(m) == 1 })
	s := start(t, m)
	begin(t, s, first, "2")
	third := warmChild(t, stage)
	second.Says(strings.Replace(pong, `"result":{}`, `"error":{"code":-32601,"message":"what?"}`, 1)) // is an answer as well
	eventually(t, "another is warm", func() bool { return warmed(m) == 1 })
	third.Says(pong)
	eventually(t, "two are warm", func() bool { return warmed(m) == 2 })
	if stats := m.Stats(); stats.Children != 3 || stats.Started != 3 || stats.Sessions != 1 {
		t.Errorf("%+v", stats)
	}
	// Those with an environment of their own start from nothing.
	if _, err := m.Start(t.Context(), "", []string{"A=b"}); err != nil {
		t.Fatal(err)
	}
	fresh := stage.Next()
	fresh.Says(plainNote(1))
	if warmed(m) != 2 {
		t.Error("a warm child was taken for it")
	}
	s.End(ErrDeleted) // and its child is not warm again
	if got := first.Hears(); got != "EOF" {
		t.Errorf("the child of the session was sent %s", got)
	}
}

// A warm child that ends while it waits is replaced; so is one that ends while
// it starts.
func TestWarmChildEnds(t *testing.T) {
	t.Parallel()
	m, stage := newStage(t, func(c *Config) { c.Warm = 1 })
	child := warmChild(t, stage)
	child.Says(pong)
	eventually(t, "it is warm", func() bool { return warmed(m) == 1 })
	child.Exit(1)
	child = warmChild(t, stage)
	if n := warmed(m); n != 0 {
		t.Errorf("%d are warm", n)
	}
	child.Exit(1)
	child = warmChild(t, stage) // after a pause
	child.Says(pong)
	eventually(t, "it is warm", func() bool { return warmed(m) == 1 })
	begin(t, start(t, m), child, "2")
}

// A warm child has nobody yet: it gets an answer to what it asks, and what it
// says is no message for the client to come.
func TestWarmChildSpeaks(t *testing.T) {
	t.Parallel()
	m, stage := newStage(t, func(c *Config) { c.Warm = 1 })
	child := warmChild(t, stage)
	child.Says(plainNote(1))
	child.Says(asks("1"))
	child.Expect(refused("1", "no client is there yet"))
	child.Says(pong)
	eventually(t, "it is warm", func() bool { return warmed(m) == 1 })
	child.Says(plainNote(2))
	child.Says(request("2", "ping"))
	child.Hears()
	s := start(t, m)
	begin(t, s, child, "2")
	r := listen(t, s)
	defer r.leave()
	child.Says(plainNote(3))
	r.want(plainNote(3))
}

// Warm children take no places from sessions, however few there are.
func TestWarmAndFewSessions(t *testing.T) {
	t.Parallel()
	m, stage := newStage(t, func(c *Config) { c.Warm, c.MaxSessions = 2, 1 })
	for range 2 {
		child := warmChild(t, stage)
		child.Says(pong)
		defer child.Close()
	}
	eventually(t, "two are warm", func() bool { return warmed(m) == 2 })
	s, err := m.Start(t.Context(), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	warmChild(t, stage).Says(pong)
	if _, err := m.Start(t.Context(), "", nil); err != ErrTooMany {
		t.Errorf("err = %v", err)
	}
	s.End(ErrDeleted)
	start(t, m)
}

// A warm child serves whatever comes: sessions that share one, and modern
// requests.
func TestWarmForOthers(t *testing.T) {
	t.Parallel()
	t.Run("shared", func(t *testing.T) {
		t.Parallel()
		m, stage := newStage(t, func(c *Config) { c.Warm, c.Shared = 1, true })
		child := warmChild(t, stage)
		child.Says(pong)
		eventually(t, "it is warm", func() bool { return warmed(m) == 1 })
		c := call(t, start(t, m), initFrame)
		defer c.leave()
		child.Expect(strings.Replace(sharedHello, `"id":0`, `"id":2`, 1))
		child.Says(initAnswer("2"))
		c.want(initAnswer(`"init"`))
	})
	t.Run("modern", func(t *testing.T) {
		t.Parallel()
		m, stage := newStage(t, func(c *Config) { c.Warm = 1 })
		child := warmChild(t, stage)
		child.Says(pong)
		eventually(t, "it is warm", func() bool { return warmed(m) == 1 })
		c := modernCall(t, m, "", `"a"`, "x")
		defer c.leave()
		child.Expect(request("2", "x"))
		child.Says(result("2", "y"))
		c.want(result(`"a"`, "y"))
	})
}

// A server that cannot be started is tried again for as long as it takes, and
// not all the time.
func TestWarmServerThatDoesNotStart(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t, testserver.Env+"="+testserver.Exit)
	cfg.Warm = 3
	m := newTestManager(t, cfg)
	eventually(t, "all were tried", func() bool { return m.Stats().Crashed >= 3 })
	if stats := m.Stats(); stats.Failures == 0 || stats.Last == nil {
		t.Errorf("%+v", stats)
	}
}
