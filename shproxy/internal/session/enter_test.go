// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/testserver"
)

// A session that ends while its child is about to start is taken back once, or
// the caller could have one more than allowed.
func TestLeaveOnce(t *testing.T) {
	t.Parallel()
	var counted atomic.Int64
	cfg := testConfig(t, testserver.Env+"="+testserver.Silent)
	cfg.MaxStarts, cfg.Place = 1, "place"
	cfg.Enter = func(context.Context, string) bool { counted.Add(1); return true }
	cfg.Leave = func(string) { counted.Add(-1) }
	m := newTestManager(t, cfg)
	if _, err := m.Start(t.Context(), "alice", nil); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := m.Start(t.Context(), "bob", nil) // waits for the only place
		ended <- err
	}()
	eventually(t, "two sessions", func() bool { return m.Stats().Sessions == 2 })
	if n := counted.Load(); n != 2 {
		t.Errorf("%d are counted", n)
	}
	if err := m.Drain(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-ended; err == nil {
		t.Error("a session starts that has ended")
	}
	if n := counted.Load(); n != 0 {
		t.Errorf("%d are counted after the end", n)
	}
}

// A caller who has enough ends no session of another, and one who finds no place
// is not counted.
func TestEnterBeforeMakeRoom(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	counted := make(map[string]int) // guarded by mu
	cfg := testConfig(t, testserver.Env+"="+testserver.Good)
	cfg.MaxSessions = 2
	cfg.Enter = func(_ context.Context, who string) bool {
		mu.Lock()
		defer mu.Unlock()
		if counted[who] >= 1 {
			return false
		}
		counted[who]++
		return true
	}
	cfg.Leave = func(who string) {
		mu.Lock()
		defer mu.Unlock()
		counted[who]--
	}
	m := newTestManager(t, cfg)
	var sessions []*Session
	for _, who := range []string{"alice", "bob"} {
		s, err := m.Start(t.Context(), who, nil)
		if err != nil {
			t.Fatal(err)
		}
		sessions = append(sessions, s)
	}
	if _, err := m.Start(t.Context(), "carol", nil); err != ErrTooMany {
		t.Errorf("all places are taken: %v", err)
	}
	aged(sessions[1], 2*evictable)
	if _, err := m.Start(t.Context(), "alice", nil); err != ErrCallerTooMany {
		t.Errorf("alice has one: %v", err)
	}
	if err := sessions[1].Cause(); err != nil {
		t.Errorf("the session of bob has ended: %v", err)
	}
	if _, err := m.Start(t.Context(), "carol", nil); err != nil {
		t.Errorf("bob's session makes room: %v", err)
	}
	mu.Lock()
	defer mu.Unlock()
	if counted["alice"] != 1 || counted["bob"] != 0 || counted["carol"] != 1 {
		t.Errorf("counted: %v", counted)
	}
}
