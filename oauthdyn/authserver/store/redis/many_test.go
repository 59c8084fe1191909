// SPDX-License-Identifier: Apache-2.0

package redis_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store/redis"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/redistest"
)

// TestMany has more of everything than is read or removed at once.
func TestMany(t *testing.T) {
	ctx := t.Context()
	var clock atomic.Int64
	start := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	now := func() time.Time { return start.Add(time.Duration(clock.Load())) }
	server := redistest.Start(t, redistest.Redis(t))
	s := open(t, server.URL(), &redis.Options{Now: now})
	const n = 1201
	var records []store.Record
	for i := range n {
		grant := func(kind, client, subject string) {
			records = append(records, store.Record{Grant: &store.Grant{
				ID: store.HashOf(fmt.Sprint(kind, i)), ClientID: client, Subject: subject, Expires: start.Add(time.Hour),
			}})
		}
		grant("a", "one", "alice")
		grant("b", fmt.Sprint(i), "bob")
		records = append(records,
			store.Record{Client: &store.Client{ID: fmt.Sprintf("client %04d", i), Created: start}},
			store.Record{Transaction: &store.Transaction{Kind: "kind", ID: store.HashOf(fmt.Sprint(i)), Expires: start.Add(time.Minute)}})
	}
	records = append(records, store.Record{Client: &store.Client{ID: "one", Created: start, Used: start}})
	must(t, s.Import(ctx, records))
	copied := open(t, server.URL(), &redis.Options{Now: now, Prefix: "copy"})
	must(t, s.Export(ctx, func(r store.Record) error { return copied.Import(ctx, []store.Record{r}) }))

	for _, s := range []*redis.Store{s, copied} {
		clock.Store(0)
		clients, err := s.ListClients(ctx, "", 10*n)
		must(t, err)
		if len(clients) != n+1 || clients[n].ID != "one" {
			t.Errorf("%d clients", len(clients))
		}
		grants, err := s.AllGrants(ctx, store.Hash{}, 10*n)
		must(t, err)
		if len(grants) != 2*n {
			t.Errorf("%d grants", len(grants))
		}
		must(t, s.DeleteClient(ctx, "one"))
		grants, err = s.ListGrants(ctx, store.Owner{Subject: "alice"})
		must(t, err)
		if len(grants) != 0 {
			t.Errorf("%d grants of a deleted client", len(grants))
		}
		if _, err := s.Client(ctx, "one"); err == nil {
			t.Error("the client is not deleted")
		}
		revoked, err := s.RevokeGrants(ctx, store.Owner{Subject: "bob"})
		must(t, err)
		if revoked != n {
			t.Errorf("%d grants revoked", revoked)
		}
		seen := map[store.Hash]bool{}
		for position := store.Position(""); ; {
			list, last, err := s.ListRevocations(ctx, position)
			must(t, err)
			if len(list) == 0 {
				break
			}
			for _, r := range list {
				seen[r.Grant] = true
			}
			position = last
		}
		if len(seen) != 2*n {
			t.Errorf("%d revocations", len(seen))
		}
		clock.Store(int64(time.Minute))
		if collected, err := s.Collect(ctx); collected != n || err != nil {
			t.Errorf("collected %d transactions, %v", collected, err)
		}
		clock.Store(int64(25 * time.Hour))
		if collected, err := s.Collect(ctx); collected != 3*n || err != nil {
			t.Errorf("collected %d revocations and clients, %v", collected, err)
		}
	}
	// Nothing of a store stays but its format, its last position, and the kinds
	// of its transactions.
	if keys := server.Client().DBSize(ctx).Val(); keys != 6 {
		t.Errorf("%d keys are left: %v", keys, server.Client().Keys(ctx, "*").Val())
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestTwoStores: of two processes one wins.
func TestTwoStores(t *testing.T) {
	server := redistest.Start(t, redistest.Redis(t))
	stores := []*redis.Store{open(t, server.URL(), nil), open(t, server.URL(), nil)}
	now := time.Now()
	for round := range 50 {
		handle := fmt.Sprint(round)
		startGrant(t, stores[round%2], handle, "client", now)
		var (
			rotated, repeated atomic.Int32
			all               sync.WaitGroup
		)
		for i := range 16 {
			all.Go(func() {
				_, outcome, err := stores[i%2].RotateRefresh(t.Context(), store.Rotation{
					Grant: store.HashOf(handle), ClientID: "client", Old: store.HashOf(handle + "1"), New: store.HashOf(fmt.Sprint(handle, "2 ", i)),
					Sealed: []byte("sealed"), Expires: now.Add(time.Hour), Grace: time.Hour,
				})
				switch {
				case err != nil:
					t.Error(err)
				case outcome == store.Rotated:
					rotated.Add(1)
				case outcome == store.Repeated:
					repeated.Add(1)
				}
			})
		}
		all.Wait()
		if rotated.Load() != 1 || repeated.Load() != 15 {
			t.Errorf("%d rotated, %d repeated", rotated.Load(), repeated.Load())
		}
	}
}
