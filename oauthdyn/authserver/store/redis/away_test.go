// SPDX-License-Identifier: Apache-2.0

package redis_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/redistest"
)

// TestAway: whoever asks while the server is dead is told that it may
// pass, and need do nothing when it has.
func TestAway(t *testing.T) {
	server := redistest.Start(t, redistest.Redis(t), "--appendonly", "yes")
	s := open(t, server.URL(), nil)
	now := time.Now()
	startGrant(t, s, "g", "client", now)
	server.Kill()
	if _, err := s.Grant(t.Context(), store.HashOf("g")); !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "cannot be reached") {
		t.Errorf("killed, reading: %v", err)
	}
	if err := s.PutTransaction(t.Context(), "kind", store.HashOf("a"), []byte("value"), now.Add(time.Hour)); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("killed, writing: %v", err)
	}
	server.Restart()
	if _, err := s.Grant(t.Context(), store.HashOf("g")); err != nil {
		t.Errorf("back: %v", err)
	}
	if _, err := s.Grant(t.Context(), store.HashOf("other")); !errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrUnavailable) {
		t.Errorf("back, of a grant that is not there: %v", err)
	}
}
