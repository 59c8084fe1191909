// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
)

// startGrantOf puts in a grant of an owner.
func (f *fixture) startGrantOf(handle, clientID, subject string) {
	f.t.Helper()
	c, g := code(handle, f.now().Add(time.Minute)), grant(handle, f.now())
	c.ClientID, g.ClientID = clientID, clientID
	c.Subject, g.Subject = subject, subject
	f.must(f.PutCode(f.t.Context(), c))
	f.must(f.RedeemCode(f.t.Context(), c.Hash, g))
}

// alive lists which of the grants "1" to "9" an owner has.
func (f *fixture) alive(o store.Owner) (handles string) {
	f.t.Helper()
	grants, err := f.ListGrants(f.t.Context(), o)
	f.must(err)
	for i := range 9 {
		handle := fmt.Sprint(i + 1)
		if slices.ContainsFunc(grants, func(g store.Grant) bool { return g.ID == store.HashOf(handle) && o.Owns(&g) }) {
			handles += handle
		}
	}
	if len(handles) != len(grants) {
		f.t.Errorf("%+v has %d grants, of which we know %s", o, len(grants), handles)
	}
	return handles
}

// revoked lists the revocations after a position as handles of grants and ids
// of tokens.
func (f *fixture) revoked(after store.Position) (names []string, last store.Position) {
	f.t.Helper()
	for {
		list, next, err := f.ListRevocations(f.t.Context(), after)
		f.must(err)
		for _, r := range list {
			name := r.TokenID
			for i := range 9 {
				if handle := fmt.Sprint(i + 1); r.Grant == store.HashOf(handle) {
					name = handle
				}
			}
			names = append(names, name)
		}
		if len(list) == 0 {
			if next != after {
				f.t.Errorf("nothing came, and the position went from %q to %q", after, next)
			}
			return names, after
		}
		after = next
	}
}

func testOwners(t *testing.T, f *fixture) {
	ctx := t.Context()
	owner := func(clientID, subject string) store.Owner { return store.Owner{ClientID: clientID, Subject: subject} }
	f.startGrantOf("1", "a", "alice")
	f.startGrantOf("2", "a", "bob")
	f.startGrantOf("3", "b", "alice")
	f.startGrantOf("4", "b", "bob")
	f.startGrantOf("5", "a", "alice")
	check := func(what string, want map[store.Owner]string) {
		t.Helper()
		for o, handles := range want {
			if got := f.alive(o); got != handles {
				t.Errorf("%s: %+v has %q, want %q", what, o, got, handles)
			}
		}
	}
	check("at first", map[store.Owner]string{
		owner("a", ""): "125", owner("", "alice"): "135", owner("a", "alice"): "15", owner("c", ""): "", {}: "", owner("ali", "ce"): "",
	})
	for _, test := range []struct {
		owner store.Owner
		want  int
	}{{owner("b", "alice"), 1}, {owner("b", "alice"), 0}, {store.Owner{}, 0}, {owner("", "nobody"), 0}, {owner("", "bob"), 2}} {
		if n, err := f.RevokeGrants(ctx, test.owner); n != test.want || err != nil {
			t.Errorf("revoke the grants of %+v: %d, %v; want %d", test.owner, n, err, test.want)
		}
	}
	check("after revoking", map[store.Owner]string{owner("a", ""): "15", owner("b", ""): "", owner("", "alice"): "15", owner("", "bob"): ""})

	f.advance(10 * time.Hour) // the refresh tokens expire
	check("at the end", map[store.Owner]string{owner("a", ""): "", owner("", "alice"): ""})
	if _, err := f.Collect(ctx); err != nil {
		t.Fatal(err)
	}
	f.startGrantOf("6", "a", "alice")
	check("after collecting", map[store.Owner]string{owner("a", ""): "6", owner("", "alice"): "6"})
}

func testRevocations(t *testing.T, f *fixture) { // S88
	ctx := t.Context()
	names, start := f.revoked("")
	if len(names) != 0 || start != "" {
		t.Fatalf("empty store: %v, position %q", names, start)
	}
	f.must(f.CreateClient(ctx, store.Client{ID: "gone"}))
	f.startGrantOf("1", "client", "alice")
	f.startGrantOf("2", "client", "alice")
	f.startGrantOf("3", "gone", "alice")
	f.startGrantOf("4", "client", "bob")
	f.startGrantOf("5", "client", "carol")

	f.must(f.RevokeGrant(ctx, store.HashOf("1")))
	f.must(f.RevokeGrant(ctx, store.HashOf("1")))
	f.must(f.RevokeGrant(ctx, store.HashOf("unknown")))
	names, first := f.revoked(start)
	if !slices.Equal(names, []string{"1"}) {
		t.Errorf("revoked %v, want 1 once", names)
	}
	f.check("replay of a code", f.RedeemCode(ctx, store.HashOf("2"), grant("x", f.now())), store.ErrReplayed)
	f.check("another one", f.RedeemCode(ctx, store.HashOf("2"), grant("x", f.now())), store.ErrReplayed)
	f.must(f.DeleteClient(ctx, "gone"))
	_, _, err := f.RotateRefresh(ctx, store.Rotation{Grant: store.HashOf("4"), ClientID: "client", Old: store.HashOf("stolen")})
	f.check("replay of a refresh token", err, store.ErrReplayed)
	_, err = f.RevokeGrants(ctx, store.Owner{Subject: "carol"})
	f.must(err)
	names, second := f.revoked(first)
	if !slices.Equal(names, []string{"2", "3", "4", "5"}) {
		t.Errorf("revoked %v, want 2 to 5 once each", names)
	}
	if names, _ := f.revoked(second); len(names) != 0 {
		t.Errorf("read again: %v", names)
	}
	for i := range 5 {
		_, err := f.Grant(ctx, store.HashOf(fmt.Sprint(i+1)))
		f.check("revoked grant", err, store.ErrNotFound)
	}

	// They are listed for as long as access tokens may live.
	list, _, err := f.ListRevocations(ctx, start)
	f.must(err)
	for _, r := range list {
		if !r.Expires.Equal(f.now().Add(store.MaxAccessTokenTTL)) {
			t.Errorf("%+v, want a day", r)
		}
	}
	f.advance(store.MaxAccessTokenTTL - 1)
	if _, err := f.Collect(ctx); err != nil {
		t.Fatal(err)
	}
	if names, _ := f.revoked(start); len(names) != 5 {
		t.Errorf("just before their end: %v", names)
	}
	f.advance(1)
	if _, err := f.Collect(ctx); err != nil {
		t.Fatal(err)
	}
	if names, _ := f.revoked(start); len(names) != 0 {
		t.Errorf("at their end: %v", names)
	}
	// A position outlives what it stood behind.
	f.startGrantOf("6", "client", "alice")
	f.must(f.RevokeGrant(ctx, store.HashOf("6")))
	for _, after := range []store.Position{start, first, second} {
		if names, _ := f.revoked(after); !slices.Equal(names, []string{"6"}) {
			t.Errorf("after %q: %v, want 6", after, names)
		}
	}
	if _, _, err := f.ListRevocations(ctx, "no position"); err == nil {
		t.Error("a position of another store is accepted")
	}
}

func testRevokedTokens(t *testing.T, f *fixture) {
	ctx := t.Context()
	revoked := func(id string, want bool) {
		t.Helper()
		got, err := f.TokenRevoked(ctx, id)
		f.must(err)
		if got != want {
			t.Errorf("%s: revoked %v", id, got)
		}
	}
	revoked("a", false)
	for i, id := range []string{"a", "b", "c", "a"} {
		f.must(f.RevokeToken(ctx, id, f.now().Add(time.Duration(i+1)*time.Minute)))
	}
	f.check("the limit", f.RevokeToken(ctx, "d", f.now().Add(time.Minute)), store.ErrFull)
	revoked("a", true)
	revoked("c", true)
	revoked("d", false)
	if names, _ := f.revoked(""); !slices.Equal(names, []string{"a", "b", "c"}) {
		t.Errorf("listed %v, want each once", names)
	}
	f.advance(time.Minute) // the end of a: that it was revoked again is no reason to keep it
	revoked("a", false)
	revoked("b", true)
	if _, err := f.Collect(ctx); err != nil {
		t.Fatal(err)
	}
	f.must(f.RevokeToken(ctx, "d", f.now().Add(time.Minute)))
	if names, _ := f.revoked(""); !slices.Equal(names, []string{"b", "c", "d"}) {
		t.Errorf("listed %v after collecting", names)
	}
}

// testRevocationRace reads while others revoke: every revocation comes once.
func testRevocationRace(t *testing.T, f *fixture) {
	ctx := t.Context()
	handles := make(chan string, racers)
	for i := range racers {
		handle := fmt.Sprint("race ", i)
		f.startGrantOf(handle, "client", "alice")
		handles <- handle
	}
	close(handles)
	done := make(chan map[error]int, 1)
	go func() {
		done <- race(func() error {
			handle := <-handles
			return errors.Join(f.RevokeGrant(ctx, store.HashOf(handle)), f.RevokeGrant(ctx, store.HashOf(handle)))
		})
	}()
	seen := map[store.Hash]int{}
	position := store.Position("")
	read := func() {
		for {
			list, next, err := f.ListRevocations(ctx, position)
			f.must(err)
			if len(list) == 0 {
				return
			}
			position = next
			for _, r := range list {
				seen[r.Grant]++
			}
		}
	}
	for results := map[error]int(nil); results == nil; {
		select {
		case results = <-done:
			if results[nil] != racers {
				t.Errorf("results %v", results)
			}
		default:
		}
		read()
	}
	if len(seen) != racers {
		t.Errorf("%d grants are listed, want %d", len(seen), racers)
	}
	for _, n := range seen {
		if n != 1 {
			t.Errorf("a grant is listed %d times", n)
		}
	}
}
