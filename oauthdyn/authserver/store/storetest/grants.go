// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
)

func code(secret string, expires time.Time) store.Code {
	return store.Code{
		Hash:        store.HashOf(secret),
		ClientID:    "client",
		RedirectURI: "https://client.example/cb",
		Challenge:   "challenge",
		Subject:     "local:alice",
		Username:    "alice",
		Scopes:      []string{"a", "b"},
		Resources:   []string{"https://mcp.example/mcp"},
		Expires:     expires,

		KeyThumbprint: "thumbprint",
	}
}

// grant makes a grant whose first refresh token is its handle and "1".
func grant(handle string, now time.Time) store.Grant {
	return store.Grant{
		ID:        store.HashOf(handle),
		ClientID:  "client",
		Subject:   "local:alice",
		Username:  "alice",
		Scopes:    []string{"a", "b"},
		Resources: []string{"https://mcp.example/mcp"},
		Created:   now,
		Expires:   now.Add(100 * time.Hour),

		KeyThumbprint: "thumbprint",
		Refresh:       store.Refresh{Current: store.HashOf(handle + "1"), Expires: now.Add(10 * time.Hour)},
	}
}

func testCodes(t *testing.T, f *fixture) {
	ctx := t.Context()
	_, err := f.Code(ctx, store.HashOf("c"))
	f.check("unknown code", err, store.ErrNotFound)
	f.check("redeem unknown code", f.RedeemCode(ctx, store.HashOf("c"), grant("g", f.now())), store.ErrNotFound)

	in := code("c", f.now().Add(time.Minute))
	f.must(f.PutCode(ctx, in))
	out, err := f.Code(ctx, in.Hash)
	f.must(err)
	if !reflect.DeepEqual(*out, in) {
		t.Errorf("code came back as %+v, want %+v", *out, in)
	}
	g := grant("g", f.now())
	f.must(f.RedeemCode(ctx, in.Hash, g))
	kept, err := f.Grant(ctx, g.ID)
	f.must(err)
	if !reflect.DeepEqual(*kept, g) {
		t.Errorf("grant came back as %+v, want %+v", *kept, g)
	}
	f.advance(time.Hour) // the code has expired, but must still be recognised
	out, err = f.Code(ctx, in.Hash)
	f.must(err)
	if !out.Redeemed() {
		t.Error("code is not marked as redeemed")
	}
	f.check("second use", f.RedeemCode(ctx, in.Hash, grant("g2", f.now())), store.ErrReplayed)
	_, err = f.Grant(ctx, g.ID)
	f.check("grant of the code after that", err, store.ErrNotFound)
	_, err = f.Grant(ctx, store.HashOf("g2"))
	f.check("grant of the second use", err, store.ErrNotFound)
	f.check("third use", f.RedeemCode(ctx, in.Hash, grant("g3", f.now())), store.ErrReplayed)

	f.must(f.PutCode(ctx, code("d", f.now().Add(time.Minute))))
	f.must(f.RedeemCode(ctx, store.HashOf("d"), grant("h", f.now())))
	f.must(f.RevokeGrant(ctx, store.HashOf("h")))
	f.must(f.RevokeGrant(ctx, store.HashOf("h")))
	_, err = f.Grant(ctx, store.HashOf("h"))
	f.check("revoked grant", err, store.ErrNotFound)
}

// testCreateGrant makes a grant that nobody had a code for.
func testCreateGrant(t *testing.T, f *fixture) {
	ctx := t.Context()
	g := grant("g", f.now())
	f.must(f.CreateGrant(ctx, g))
	kept, err := f.Grant(ctx, g.ID)
	f.must(err)
	if !reflect.DeepEqual(*kept, g) {
		t.Errorf("grant came back as %+v, want %+v", *kept, g)
	}
	for _, o := range []store.Owner{{ClientID: g.ClientID}, {Subject: g.Subject}} {
		if grants, err := f.ListGrants(ctx, o); len(grants) != 1 || err != nil {
			t.Errorf("%+v has %d grants, %v", o, len(grants), err)
		}
	}
	if all, err := f.AllGrants(ctx, store.Hash{}, 2); len(all) != 1 || err != nil {
		t.Errorf("there are %d grants, %v", len(all), err)
	}
	if n, err := f.RevokeGrants(ctx, store.Owner{ClientID: g.ClientID}); n != 1 || err != nil {
		t.Errorf("%d grants were revoked, %v", n, err)
	}
	_, err = f.Grant(ctx, g.ID)
	f.check("a revoked grant", err, store.ErrNotFound)
}

func testCodeFailures(t *testing.T, f *fixture) {
	ctx := t.Context()
	f.must(f.FailCode(ctx, store.HashOf("unknown")))
	f.must(f.PutCode(ctx, code("c", f.now().Add(time.Minute))))
	for range store.MaxCodeFailures - 1 {
		f.must(f.FailCode(ctx, store.HashOf("c")))
	}
	_, err := f.Code(ctx, store.HashOf("c"))
	f.check("code after four failures", err, nil)
	f.must(f.FailCode(ctx, store.HashOf("c")))
	_, err = f.Code(ctx, store.HashOf("c"))
	f.check("code after five failures", err, store.ErrNotFound)
	f.check("redeem after five failures", f.RedeemCode(ctx, store.HashOf("c"), grant("g", f.now())), store.ErrNotFound)
}

func testCodeExpiry(t *testing.T, f *fixture) {
	ctx := t.Context()
	f.must(f.PutCode(ctx, code("in time", f.now().Add(time.Minute))))
	f.must(f.PutCode(ctx, code("late", f.now().Add(time.Minute))))
	f.advance(time.Minute - 1)
	f.check("just before its end", f.RedeemCode(ctx, store.HashOf("in time"), grant("g", f.now())), nil)
	f.advance(1)
	_, err := f.Code(ctx, store.HashOf("late"))
	f.check("read at its end", err, store.ErrNotFound)
	f.check("redeem at its end", f.RedeemCode(ctx, store.HashOf("late"), grant("h", f.now())), store.ErrNotFound)
}

func testCodeRace(t *testing.T, f *fixture) {
	ctx := t.Context()
	f.must(f.PutCode(ctx, code("c", f.now().Add(time.Minute))))
	results := race(func() error { return f.RedeemCode(ctx, store.HashOf("c"), grant("g", f.now())) })
	if results[nil] != 1 || results[store.ErrReplayed] != racers-1 {
		t.Errorf("results %v, want one winner", results)
	}
	_, err := f.Grant(ctx, store.HashOf("g"))
	f.check("grant after replays", err, store.ErrNotFound)
}

// rotation exchanges refresh tokens of grant g; they are named by a number.
func (f *fixture) rotation(old, next string) store.Rotation {
	return store.Rotation{
		Grant:    store.HashOf("g"),
		ClientID: "client",
		Old:      store.HashOf("g" + old),
		New:      store.HashOf("g" + next),
		Sealed:   []byte("sealed " + next),
		Expires:  f.now().Add(10 * time.Hour),
		Grace:    time.Minute,
	}
}

// startGrant puts in grant g, whose first refresh token is "1".
func (f *fixture) startGrant() {
	f.t.Helper()
	f.must(f.PutCode(f.t.Context(), code("c", f.now().Add(time.Minute))))
	f.must(f.RedeemCode(f.t.Context(), store.HashOf("c"), grant("g", f.now())))
}

// rotate checks what a rotation gives.
func (f *fixture) rotate(r store.Rotation, want store.Outcome, wantErr error) *store.Grant {
	f.t.Helper()
	g, outcome, err := f.RotateRefresh(f.t.Context(), r)
	f.check("rotate", err, wantErr)
	if outcome != want {
		f.t.Errorf("outcome %d, want %d", outcome, want)
	}
	return g
}

func testRefresh(t *testing.T, f *fixture) {
	ctx := t.Context()
	f.rotate(f.rotation("1", "2"), 0, store.ErrNotFound)
	f.startGrant()

	foreign := f.rotation("1", "2")
	foreign.ClientID = "another client"
	f.rotate(foreign, 0, store.ErrNotFound)

	g := f.rotate(f.rotation("1", "2"), store.Rotated, nil)
	if g == nil || g.Subject != "local:alice" || g.Refresh.Current != store.HashOf("g2") {
		t.Errorf("grant after rotation: %+v", g)
	}
	f.rotate(f.rotation("2", "3"), store.Rotated, nil)
	f.rotate(f.rotation("1", "4"), 0, store.ErrReplayed) // its successor was used
	_, err := f.Grant(ctx, store.HashOf("g"))
	f.check("grant after a replay", err, store.ErrNotFound)
	f.rotate(f.rotation("3", "5"), 0, store.ErrNotFound)
}

func testRefreshGrace(t *testing.T, f *fixture) {
	f.startGrant()
	f.rotate(f.rotation("1", "2"), store.Rotated, nil)
	f.advance(time.Minute - 1)
	again := f.rotate(f.rotation("1", "another 2"), store.Repeated, nil)
	if again == nil || string(again.Refresh.Successor) != "sealed 2" {
		t.Errorf("repeated: %+v, want the first successor", again)
	}
	f.rotate(f.rotation("2", "3"), store.Rotated, nil) // the first successor is alive
	f.rotate(f.rotation("2", "x"), store.Repeated, nil)
	f.advance(time.Minute)
	f.rotate(f.rotation("2", "x"), 0, store.ErrReplayed) // the grace is over
	f.rotate(f.rotation("3", "4"), 0, store.ErrNotFound)
}

func testRefreshExpiry(t *testing.T, f *fixture) {
	f.startGrant()
	for range 10 { // 99 hours: each rotation comes just in time
		f.advance(9*time.Hour + 54*time.Minute)
		g := f.rotate(f.rotation("1", "1"), store.Rotated, nil)
		if g == nil {
			t.FailNow()
		}
		if g.Refresh.Expires.After(g.Expires) {
			t.Errorf("refresh token lives until %v, the grant until %v", g.Refresh.Expires, g.Expires)
		}
	}
	f.advance(time.Hour)
	f.rotate(f.rotation("1", "1"), 0, store.ErrNotFound) // the absolute end

	f.must(f.PutCode(t.Context(), code("d", f.now().Add(time.Minute))))
	f.must(f.RedeemCode(t.Context(), store.HashOf("d"), grant("g", f.now())))
	f.advance(10 * time.Hour)
	f.rotate(f.rotation("1", "2"), 0, store.ErrNotFound) // idle for too long
}

func testRefreshRace(t *testing.T, f *fixture) {
	f.startGrant()
	r := f.rotation("1", "2")
	var rotated, repeated atomic.Int32
	results := race(func() error {
		_, outcome, err := f.RotateRefresh(t.Context(), r)
		switch outcome {
		case store.Rotated:
			rotated.Add(1)
		case store.Repeated:
			repeated.Add(1)
		}
		return err
	})
	if results[nil] != racers || rotated.Load() != 1 || repeated.Load() != racers-1 {
		t.Errorf("within grace: %d rotated, %d repeated, errors %v", rotated.Load(), repeated.Load(), results)
	}

	strict := f.rotation("2", "3")
	strict.Grace = 0
	results = race(func() error {
		_, _, err := f.RotateRefresh(t.Context(), strict)
		return err
	})
	// One wins, the next one is a replay that ends the grant, the others find nothing.
	if results[nil] != 1 || results[store.ErrReplayed] != 1 || results[store.ErrNotFound] != racers-2 {
		t.Errorf("without grace: %v, want one winner", results)
	}
}
