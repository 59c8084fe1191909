// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"bytes"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
)

func testClients(t *testing.T, f *fixture) {
	ctx := t.Context()
	_, err := f.Client(ctx, "a")
	f.check("unknown client", err, store.ErrNotFound)
	f.check("touch unknown client", f.TouchClient(ctx, "a"), store.ErrNotFound)

	in := store.Client{
		ID:       "a",
		Secret:   store.HashOf("s"),
		Metadata: oauthdyn.ClientMetadata{ClientName: "Ä “name”", RedirectURIs: []string{"https://a.example/cb"}},
	}
	f.must(f.CreateClient(ctx, in))
	in.Metadata.RedirectURIs[0] = "changed by the caller"
	f.check("same id again", f.CreateClient(ctx, in), store.ErrConflict)
	out, err := f.Client(ctx, "a")
	f.must(err)
	if out.Metadata.ClientName != "Ä “name”" || out.Metadata.RedirectURIs[0] != "https://a.example/cb" ||
		out.Secret != store.HashOf("s") || !out.Created.Equal(f.now()) || !out.Used.IsZero() {
		t.Errorf("client came back as %+v", out)
	}
	out.Metadata.RedirectURIs[0] = "changed by the reader"

	f.advance(time.Minute)
	f.must(f.TouchClient(ctx, "a"))
	used := f.now()
	f.advance(time.Minute)
	f.must(f.TouchClient(ctx, "a"))
	out, err = f.Client(ctx, "a")
	f.must(err)
	if !out.Used.Equal(used) || out.Metadata.RedirectURIs[0] != "https://a.example/cb" {
		t.Errorf("after two touches: %+v, want used at %v, written once an hour", out, used)
	}

	f.must(f.DeleteClient(ctx, "a"))
	f.must(f.DeleteClient(ctx, "a"))
	_, err = f.Client(ctx, "a")
	f.check("deleted client", err, store.ErrNotFound)
}

func testClientUpdate(t *testing.T, f *fixture) {
	ctx := t.Context()
	first, second := store.HashOf("first"), store.HashOf("second")
	f.check("update unknown client", f.UpdateClient(ctx, store.Client{ID: "a"}, store.Hash{}), store.ErrNotFound)
	f.must(f.CreateClient(ctx, store.Client{ID: "a", Registration: first, Metadata: oauthdyn.ClientMetadata{ClientName: "old", Scope: "x"}}))
	created := f.now()
	f.advance(time.Minute)
	f.must(f.TouchClient(ctx, "a"))
	used := f.now()
	f.advance(time.Minute)

	next := store.Client{ID: "a", Secret: store.HashOf("s"), Registration: second, Former: first, Metadata: oauthdyn.ClientMetadata{ClientName: "new"}}
	f.check("update with another token", f.UpdateClient(ctx, next, second), store.ErrConflict)
	f.must(f.UpdateClient(ctx, next, first))
	f.check("update again", f.UpdateClient(ctx, next, first), store.ErrConflict)
	out, err := f.Client(ctx, "a")
	f.must(err)
	if out.Metadata.ClientName != "new" || out.Metadata.Scope != "" || out.Secret != next.Secret || out.Registration != second || out.Former != first ||
		!out.Created.Equal(created) || !out.Used.Equal(used) {
		t.Errorf("after the update: %+v", out)
	}
	f.must(f.DeleteClient(ctx, "a"))
	f.check("update of a deleted client", f.UpdateClient(ctx, next, second), store.ErrNotFound)
}

func testClientUpdateRace(t *testing.T, f *fixture) {
	ctx := t.Context()
	f.must(f.CreateClient(ctx, store.Client{ID: "a", Registration: store.HashOf("first")}))
	results := race(func() error {
		return f.UpdateClient(ctx, store.Client{ID: "a", Registration: store.HashOf("second")}, store.HashOf("first"))
	})
	if results[nil] != 1 || results[store.ErrConflict] != racers-1 {
		t.Errorf("results %v, want one winner", results)
	}
}

// testClientCap fills the store, whose limit is three clients.
func testClientCap(t *testing.T, f *fixture) {
	ctx := t.Context()
	create := func(id string) error { return f.CreateClient(ctx, store.Client{ID: id}) }
	for _, id := range []string{"used", "old", "young"} {
		f.must(create(id))
		f.advance(time.Minute)
	}
	f.must(f.TouchClient(ctx, "used"))
	f.check("all clients are young", create("x"), store.ErrFull)

	f.advance(8 * time.Minute) // "old" is ten minutes old, "young" nine
	f.must(create("new"))
	for id, want := range map[string]error{"used": nil, "old": store.ErrNotFound, "young": nil, "new": nil} {
		_, err := f.Client(ctx, id)
		f.check(id, err, want)
	}
	f.must(f.DeleteClient(ctx, "new"))
	f.must(create("newer"))
}

const kind store.Kind = "test"

// testTransactions fills the store, whose limit is three records of a kind.
func testTransactions(t *testing.T, f *fixture) {
	ctx := t.Context()
	id := store.HashOf("a")
	_, err := f.Transaction(ctx, kind, id)
	f.check("unknown", err, store.ErrNotFound)
	_, err = f.TakeTransaction(ctx, kind, id)
	f.check("take unknown", err, store.ErrNotFound)

	value := []byte("one")
	f.must(f.PutTransaction(ctx, kind, id, value, f.now().Add(time.Minute)))
	value[0] = 'X'
	f.must(f.PutTransaction(ctx, "other", id, []byte("other"), f.now().Add(time.Minute)))
	got, err := f.Transaction(ctx, kind, id)
	f.must(err)
	if string(got) != "one" {
		t.Errorf("got %q", got)
	}
	f.must(f.PutTransaction(ctx, kind, id, []byte("two"), f.now().Add(time.Minute)))
	got, err = f.TakeTransaction(ctx, kind, id)
	f.must(err)
	if string(got) != "two" {
		t.Errorf("took %q", got)
	}
	_, err = f.TakeTransaction(ctx, kind, id)
	f.check("take twice", err, store.ErrNotFound)

	for i := range 3 {
		f.must(f.PutTransaction(ctx, kind, store.HashOf(fmt.Sprint(i)), nil, f.now().Add(time.Minute)))
	}
	f.check("fourth", f.PutTransaction(ctx, kind, id, nil, f.now().Add(time.Minute)), store.ErrFull)
	f.must(f.PutTransaction(ctx, kind, store.HashOf("0"), nil, f.now().Add(time.Minute))) // replaces

	f.advance(time.Minute - 1)
	_, err = f.Transaction(ctx, kind, store.HashOf("0"))
	f.check("just before its end", err, nil)
	f.advance(1)
	_, err = f.Transaction(ctx, kind, store.HashOf("0"))
	f.check("at its end", err, store.ErrNotFound)
	_, err = f.TakeTransaction(ctx, kind, store.HashOf("1"))
	f.check("take at its end", err, store.ErrNotFound)
}

func testTransactionRace(t *testing.T, f *fixture) {
	ctx := t.Context()
	f.must(f.PutTransaction(ctx, kind, store.HashOf("a"), []byte("v"), f.now().Add(time.Minute)))
	results := race(func() error {
		_, err := f.TakeTransaction(ctx, kind, store.HashOf("a"))
		return err
	})
	if results[nil] != 1 || results[store.ErrNotFound] != racers-1 {
		t.Errorf("results %v, want one winner", results)
	}
}

func testApprovals(t *testing.T, f *fixture) {
	ctx := t.Context()
	approved := func(subject, fingerprint string, want bool) {
		t.Helper()
		got, err := f.Approved(ctx, subject, store.HashOf(fingerprint))
		f.must(err)
		if got != want {
			t.Errorf("%s %s: approved %v", subject, fingerprint, got)
		}
	}
	approved("alice", "x", false)
	f.must(f.Approve(ctx, "alice", store.HashOf("x"), f.now().Add(time.Hour)))
	approved("alice", "x", true)
	approved("alice", "y", false)
	approved("bob", "x", false)
	f.advance(time.Hour)
	approved("alice", "x", false)
}

func testKeys(t *testing.T, f *fixture) {
	ctx := t.Context()
	doc, revision, err := f.LoadKeys(ctx)
	if doc != nil || revision != 0 || err != nil {
		t.Fatalf("empty store: %q %d %v", doc, revision, err)
	}
	f.check("wrong revision", f.SaveKeys(ctx, []byte("x"), 7), store.ErrConflict)
	f.must(f.SaveKeys(ctx, []byte("one"), 0))
	f.check("same revision again", f.SaveKeys(ctx, []byte("two"), 0), store.ErrConflict)
	doc, revision, err = f.LoadKeys(ctx)
	f.must(err)
	if string(doc) != "one" {
		t.Errorf("document %q", doc)
	}
	f.must(f.SaveKeys(ctx, []byte("two"), revision))
	doc, _, err = f.LoadKeys(ctx)
	f.must(err)
	if !bytes.Equal(doc, []byte("two")) {
		t.Errorf("document %q", doc)
	}
}

func testKeysRace(t *testing.T, f *fixture) {
	ctx := t.Context()
	results := race(func() error { return f.SaveKeys(ctx, []byte("doc"), 0) })
	if results[nil] != 1 || results[store.ErrConflict] != racers-1 {
		t.Errorf("results %v, want one winner", results)
	}
}

// testCollect puts in records of each sort that end at different times.
func testCollect(t *testing.T, f *fixture) {
	ctx := t.Context()
	start := f.now()
	f.must(f.CreateClient(ctx, store.Client{ID: "unused"}))
	f.must(f.CreateClient(ctx, store.Client{ID: "used"}))
	f.must(f.TouchClient(ctx, "used"))
	f.must(f.PutTransaction(ctx, kind, store.HashOf("t"), nil, start.Add(time.Hour)))
	f.must(f.Approve(ctx, "alice", store.HashOf("x"), start.Add(2*time.Hour)))
	f.must(f.PutCode(ctx, code("spent", start.Add(time.Minute))))
	f.must(f.PutCode(ctx, code("forgotten", start.Add(3*time.Hour))))
	g := grant("g", f.now())
	g.Refresh.Expires = start.Add(4 * time.Hour)
	g.Expires = start.Add(5 * time.Hour)
	f.must(f.RedeemCode(ctx, store.HashOf("spent"), g))
	f.must(f.RevokeToken(ctx, "token", start.Add(6*time.Hour)))

	var removed []int
	for _, at := range []time.Duration{0, time.Hour, 2 * time.Hour, 3 * time.Hour, 4 * time.Hour, 5 * time.Hour, 6 * time.Hour, 24 * time.Hour, 90 * 24 * time.Hour, 91 * 24 * time.Hour} {
		f.advance(start.Add(at).Sub(f.now()))
		n, err := f.Collect(ctx)
		f.must(err)
		removed = append(removed, n)
	}
	// transaction, approval, forgotten code, grant, its code, a revoked token and
	// its revocation, unused client, used client
	if want := []int{0, 1, 1, 1, 1, 1, 2, 1, 1, 0}; !slices.Equal(removed, want) {
		t.Errorf("collected %v, want %v", removed, want)
	}
	f.must(f.PutTransaction(ctx, kind, store.HashOf("room"), nil, f.now().Add(time.Hour)))
	f.must(f.RevokeToken(ctx, "token", f.now().Add(time.Hour)))

	// S62: a client with a grant is in use, however long ago it got a token.
	f.must(f.CreateClient(ctx, store.Client{ID: "client"}))
	f.must(f.TouchClient(ctx, "client"))
	f.must(f.PutCode(ctx, code("c", f.now().Add(time.Minute))))
	g = grant("h", f.now())
	g.Expires = f.now().Add(200 * 24 * time.Hour)
	g.Refresh.Expires = g.Expires
	f.must(f.RedeemCode(ctx, store.HashOf("c"), g))
	for _, want := range []error{nil, store.ErrNotFound} {
		f.advance(101 * 24 * time.Hour)
		for range 2 { // the grant goes first
			_, err := f.Collect(ctx)
			f.must(err)
		}
		_, err := f.Client(ctx, "client")
		f.check("client that is not used, after collecting", err, want)
	}
}

// testCollectRace is S62: once TouchClient has succeeded, neither Collect nor
// CreateClient removes the client, although it was old enough a moment ago.
func testCollectRace(t *testing.T, f *fixture) {
	ctx := t.Context()
	for i := range 5 {
		id := fmt.Sprint("client ", i)
		f.must(f.CreateClient(ctx, store.Client{ID: id}))
		f.advance(24 * time.Hour)
		var turns, touched, lost atomic.Int32
		race(func() error {
			switch n := turns.Add(1); n % 4 {
			case 0:
				err := f.TouchClient(ctx, id)
				if err == nil {
					touched.Add(1)
					if _, err := f.Client(ctx, id); err != nil {
						lost.Add(1)
					}
				}
				return err
			case 1: // may need the place of a client that is not used
				return f.CreateClient(ctx, store.Client{ID: fmt.Sprint("another ", i, n)})
			}
			_, err := f.Collect(ctx)
			return err
		})
		want := store.ErrNotFound
		if touched.Load() > 0 {
			want = nil
		}
		_, err := f.Client(ctx, id)
		f.check("the client after all", err, want)
		if lost.Load() > 0 {
			t.Errorf("after %d of %d uses the client was gone", lost.Load(), touched.Load())
		}
		f.must(f.DeleteClient(ctx, id))
		f.advance(24 * time.Hour)
		_, err = f.Collect(ctx)
		f.must(err)
	}
}
