// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
)

// testLimitsRace fills the store, whose limits are three, from many sides.
func testLimitsRace(t *testing.T, f *fixture) {
	ctx := t.Context()
	end := f.now().Add(time.Hour)
	var made atomic.Int32
	next := func() string { return fmt.Sprint("id ", made.Add(1)) }
	fill := func(what string, want error, add func(id string) error) {
		t.Helper()
		if results := race(func() error { return add(next()) }); results[nil] != 3 || results[want] != racers-3 {
			t.Errorf("%s: %v, want three winners", what, results)
		}
	}
	create := func(id string) error { return f.CreateClient(ctx, store.Client{ID: id}) }
	fill("clients", store.ErrFull, create)
	fill("transactions", store.ErrFull, func(id string) error { return f.PutTransaction(ctx, kind, store.HashOf(id), nil, end) })
	fill("records made once", store.ErrFull, func(id string) error { return f.AddTransaction(ctx, "once", store.HashOf(id), nil, end) })
	fill("counters", store.ErrFull, func(id string) error {
		_, _, err := f.Count(ctx, kind, store.HashOf(id), time.Hour)
		return err
	})
	fill("revoked tokens", store.ErrFull, func(id string) error { return f.RevokeToken(ctx, id, end) })

	f.advance(time.Hour) // the clients have become old: each makes room for one
	fill("clients in the place of unused ones", store.ErrFull, create)
	clients, err := f.ListClients(ctx, "", racers)
	f.must(err)
	if len(clients) != 3 {
		t.Errorf("%d clients", len(clients))
	}
}
