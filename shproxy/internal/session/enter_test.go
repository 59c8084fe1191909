// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
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
