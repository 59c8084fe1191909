// SPDX-License-Identifier: Apache-2.0

package redis_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store/redis"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/redistest"
)

// startGrant redeems a code for a grant whose first refresh token is its handle
// and "1".
func startGrant(t *testing.T, s store.Store, handle, clientID string, now time.Time) {
	t.Helper()
	code := store.Code{Hash: store.HashOf("code of " + handle), ClientID: clientID, Expires: now.Add(time.Hour)}
	g := store.Grant{
		ID: store.HashOf(handle), ClientID: clientID, Subject: "local:alice", Created: now, Expires: now.Add(time.Hour),
		Refresh: store.Refresh{Current: store.HashOf(handle + "1"), Expires: now.Add(time.Hour)},
	}
	if err := errors.Join(s.PutCode(t.Context(), code), s.RedeemCode(t.Context(), code.Hash, g)); err != nil {
		t.Fatal(err)
	}
}

// TestKill kills Redis while several write. What was confirmed is there when it
// is back, and the same Store goes on.
func TestKill(t *testing.T) {
	server := redistest.Start(t, redistest.Redis(t), "--appendonly", "yes", "--appendfsync", "always")
	s := open(t, server.URL(), nil)
	startGrant(t, s, "g", "client", time.Now())
	if err := s.RevokeToken(t.Context(), "before", time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	_, position, err := s.ListRevocations(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	for round := range 3 {
		confirmed := killedWriters(t, s, server, round)
		if _, err := s.Client(t.Context(), confirmed[0]); err == nil {
			t.Error("a server that is dead answers")
		}
		server.Restart()
		waitForStore(t, s)
		for _, id := range confirmed {
			if _, err := s.Client(t.Context(), id); err != nil {
				t.Fatalf("round %d: %s: %v", round, id, err)
			}
		}
	}
	if _, outcome, err := s.RotateRefresh(t.Context(), store.Rotation{
		Grant: store.HashOf("g"), ClientID: "client", Old: store.HashOf("g1"), New: store.HashOf("g2"), Expires: time.Now().Add(time.Hour),
	}); outcome != store.Rotated || err != nil {
		t.Errorf("rotate: %v %v", outcome, err)
	}
	// The list of revocations goes on where it was.
	if err := s.RevokeGrant(t.Context(), store.HashOf("g")); err != nil {
		t.Fatal(err)
	}
	list, _, err := s.ListRevocations(t.Context(), position)
	if err != nil || len(list) != 1 || list[0].Grant != store.HashOf("g") {
		t.Errorf("revocations %+v, %v", list, err)
	}
}

// waitForStore waits until the store answers: after many failures its client
// looks only once a second whether the server is back.
func waitForStore(t *testing.T, s *redis.Store) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) { // between two questions
		_, _, err := s.LoadKeys(t.Context())
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// killedWriters kills Redis while it is written to and returns what was
// confirmed.
func killedWriters(t *testing.T, s *redis.Store, server *redistest.Server, round int) []string {
	t.Helper()
	var (
		ids     = make(chan string)
		writers sync.WaitGroup
	)
	for w := range 8 {
		writers.Go(func() {
			for i := 0; ; i++ {
				id := fmt.Sprintf("client %d of writer %d in round %d", i, w, round)
				if s.CreateClient(context.Background(), store.Client{ID: id}) != nil {
					return
				}
				ids <- id
			}
		})
	}
	go func() {
		writers.Wait()
		close(ids)
	}()
	var confirmed []string
	for id := range ids {
		if confirmed = append(confirmed, id); len(confirmed) == 200 {
			server.Kill()
		}
	}
	if len(confirmed) < 200 {
		t.Fatalf("%d writes were confirmed before Redis was killed", len(confirmed))
	}
	return confirmed
}

// TestLostPosition: a server that has lost its data must not hand out positions
// that readers have passed.
func TestLostPosition(t *testing.T) {
	server := redistest.Start(t, redistest.Redis(t))
	s := open(t, server.URL(), nil)
	ends := time.Now().Add(time.Hour)
	for i := range 20 {
		if err := s.RevokeToken(t.Context(), fmt.Sprint(i), ends); err != nil {
			t.Fatal(err)
		}
	}
	list, position, err := s.ListRevocations(t.Context(), "")
	if err != nil || len(list) != 20 {
		t.Fatalf("%d revocations, %v", len(list), err)
	}
	server.Kill()
	server.Restart() // empty: nothing was kept on disk
	if err := s.RevokeToken(t.Context(), "after", ends); err != nil {
		t.Fatal(err)
	}
	list, _, err = s.ListRevocations(t.Context(), position)
	if err != nil || len(list) != 1 || list[0].TokenID != "after" {
		t.Errorf("revocations after the loss: %+v, %v", list, err)
	}
}

// TestHangs: a server that does not answer holds nobody for ever.
func TestHangs(t *testing.T) {
	server := redistest.Start(t, redistest.Redis(t))
	var s *redis.Store
	for s == nil { // a busy machine may need several attempts with this timeout
		s, _ = redis.Open(t.Context(), server.URL(), &redis.Options{Timeout: time.Second})
	}
	defer s.Close()
	server.Stop()
	defer server.Continue()
	ctx := context.Background()
	var all sync.WaitGroup
	for name, call := range map[string]func() error{
		"read":   func() error { _, err := s.Client(ctx, "a"); return err },
		"write":  func() error { return s.CreateClient(ctx, store.Client{ID: "a"}) },
		"list":   func() error { _, _, err := s.ListRevocations(ctx, ""); return err },
		"grants": func() error { _, err := s.ListGrants(ctx, store.Owner{Subject: "a"}); return err },
		"export": func() error { return s.Export(ctx, func(store.Record) error { return nil }) },
		"count":  func() error { _, _, err := s.Count(ctx, "kind", store.Hash{}, time.Minute); return err },
		"open": func() error {
			_, err := redis.Open(ctx, server.URL(), &redis.Options{Timeout: time.Second})
			return err
		},
	} {
		all.Go(func() {
			if err := call(); err == nil || !strings.Contains(err.Error(), "did not answer in time") {
				t.Errorf("%s: error %v", name, err)
			}
		})
	}
	all.Wait()
}

// grantsFail is a connection that breaks when grants are read.
type grantsFail struct{ broken bool }

func (h *grantsFail) DialHook(next goredis.DialHook) goredis.DialHook { return next }

func (h *grantsFail) ProcessHook(next goredis.ProcessHook) goredis.ProcessHook {
	return func(ctx context.Context, cmd goredis.Cmder) error {
		if args := cmd.Args(); h.broken && len(args) > 1 && args[1] == "{oauthdyn}:grants" {
			cmd.SetErr(io.ErrUnexpectedEOF)
			return io.ErrUnexpectedEOF
		}
		return next(ctx, cmd)
	}
}

func (h *grantsFail) ProcessPipelineHook(next goredis.ProcessPipelineHook) goredis.ProcessPipelineHook {
	return next
}

// TestReplayThatFails: as long as a grant cannot be revoked, nobody is told that
// it was.
func TestReplayThatFails(t *testing.T) {
	client := redistest.Start(t, redistest.Redis(t)).Client()
	hook := &grantsFail{}
	client.AddHook(hook)
	s, err := redis.New(t.Context(), client, &redis.Options{Timeout: patience})
	if err != nil {
		t.Fatal(err)
	}
	startGrant(t, s, "g", "client", time.Now())
	replay := func() error { return s.RedeemCode(t.Context(), store.HashOf("code of g"), store.Grant{}) }
	hook.broken = true
	if err := replay(); err == nil || errors.Is(err, store.ErrReplayed) {
		t.Errorf("replay that cannot be acted on: %v", err)
	}
	hook.broken = false
	if _, err := s.Grant(t.Context(), store.HashOf("g")); err != nil {
		t.Error(err)
	}
	if err := replay(); !errors.Is(err, store.ErrReplayed) {
		t.Errorf("replay: %v", err)
	}
	if _, err := s.Grant(t.Context(), store.HashOf("g")); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("grant after a replay: %v", err)
	}
}
