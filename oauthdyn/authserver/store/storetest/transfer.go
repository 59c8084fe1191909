// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
)

// fill stores records of each sort. All but the clients and the keys end in an
// hour.
func (f *fixture) fill() {
	ctx := f.t.Context()
	end := f.now().Add(time.Hour)
	f.must(f.SaveKeys(ctx, []byte("keys"), 0))
	f.must(f.CreateClient(ctx, store.Client{ID: "unused", Secret: store.HashOf("s"), Metadata: oauthdyn.ClientMetadata{ClientName: "Unused"}}))
	f.must(f.CreateClient(ctx, store.Client{ID: "client", Registration: store.HashOf("r")}))
	f.must(f.TouchClient(ctx, "client"))
	f.must(f.PutTransaction(ctx, kind, store.HashOf("t"), []byte("value"), end))
	f.must(f.AddTransaction(ctx, "empty", store.HashOf("t"), nil, end))
	f.must(f.Approve(ctx, "alice", store.HashOf("x"), end))
	f.must(f.PutCode(ctx, code("waiting", end)))
	f.must(f.PutCode(ctx, code("redeemed", end)))
	f.must(f.PutCode(ctx, code("of revoked", end)))
	for handle, code := range map[string]string{"g": "redeemed", "revoked": "of revoked"} {
		g := grant(handle, f.now())
		g.Expires, g.Refresh.Expires = end, end
		f.must(f.RedeemCode(ctx, store.HashOf(code), g))
	}
	f.must(f.RevokeGrant(ctx, store.HashOf("revoked")))
	f.must(f.RevokeToken(ctx, "token", end))
}

func (f *fixture) export(from store.Store) (records []store.Record) {
	f.must(from.Export(f.t.Context(), func(r store.Record) error {
		records = append(records, r)
		return nil
	}))
	return records
}

func testTransfer(t *testing.T, f *fixture) {
	ctx := t.Context()
	f.fill()
	records := f.export(f.Store)
	old := f.Store
	f.Store = f.open()
	f.must(f.Import(ctx, records))
	f.must(f.Import(ctx, records)) // again, in their own place

	for _, id := range []string{"unused", "client"} {
		want, err := old.Client(ctx, id)
		f.must(err)
		got, err := f.Client(ctx, id)
		f.must(err)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("client %+v, want %+v", got, want)
		}
	}
	if doc, revision, err := f.LoadKeys(ctx); string(doc) != "keys" || revision == 0 || err != nil {
		t.Errorf("keys %q, revision %d, %v", doc, revision, err)
	}
	value, err := f.Transaction(ctx, kind, store.HashOf("t"))
	if string(value) != "value" || err != nil {
		t.Errorf("transaction %q %v", value, err)
	}
	f.check("record made once", f.AddTransaction(ctx, "empty", store.HashOf("t"), nil, f.now().Add(time.Hour)), store.ErrConflict)
	if ok, err := f.Approved(ctx, "alice", store.HashOf("x")); !ok || err != nil {
		t.Errorf("approved: %v %v", ok, err)
	}
	if grants, err := f.ListGrants(ctx, store.Owner{ClientID: "client", Subject: "local:alice"}); len(grants) != 1 || err != nil || grants[0].ID != store.HashOf("g") {
		t.Errorf("grants %+v %v", grants, err)
	}
	if revoked, err := f.TokenRevoked(ctx, "token"); !revoked || err != nil {
		t.Errorf("token is revoked: %v %v", revoked, err)
	}
	listed := map[string]bool{}
	for position := store.Position(""); ; {
		revocations, last, err := f.ListRevocations(ctx, position)
		f.must(err)
		if len(revocations) == 0 {
			break
		}
		for _, r := range revocations {
			if !f.now().Before(r.Expires) {
				t.Errorf("listed %+v", r)
			}
			if r.TokenID != "" {
				listed[r.TokenID] = true
			} else {
				listed[text(r.Grant)] = true
			}
		}
		position = last
	}
	if !listed["token"] || !listed[text(store.HashOf("revoked"))] || len(listed) != 2 {
		t.Errorf("listed revocations %v", listed)
	}

	// They live on as if they had always been here.
	f.must(f.RedeemCode(ctx, store.HashOf("waiting"), grant("h", f.now())))
	f.check("second use of a code", f.RedeemCode(ctx, store.HashOf("redeemed"), grant("i", f.now())), store.ErrReplayed)
	_, err = f.Grant(ctx, store.HashOf("g"))
	f.check("its grant", err, store.ErrNotFound)
	f.check("a fifth client", func() error {
		f.must(f.CreateClient(ctx, store.Client{ID: "third"}))
		return f.CreateClient(ctx, store.Client{ID: "fourth"})
	}(), store.ErrFull)
	f.must(f.DeleteClient(ctx, "unused"))
	f.must(f.CreateClient(ctx, store.Client{ID: "fourth"}))
	if n := len(f.export(old)); n != len(records) {
		t.Errorf("the first store has %d records, and had %d", n, len(records))
	}
}

// testTransferEnded exports what has ended, imports what has ended since, and
// stops at an error.
func testTransferEnded(t *testing.T, f *fixture) {
	ctx := t.Context()
	f.fill()
	records := f.export(f.Store)
	stop := errors.New("stop")
	calls := 0
	err := f.Export(ctx, func(store.Record) error { calls++; return stop })
	if !errors.Is(err, stop) || calls != 1 {
		t.Errorf("export that is stopped: %d calls, %v", calls, err)
	}
	f.advance(2 * time.Hour)
	count := func(records []store.Record) (lasting, all int) {
		for _, r := range records {
			if r.Client != nil || r.Keys != nil || r.Revocation != nil && !r.Revocation.Grant.IsZero() {
				lasting++
			}
		}
		return lasting, len(records)
	}
	if lasting, all := count(f.export(f.Store)); lasting != 4 || all != 4 {
		t.Errorf("%d records after two hours, %d of them of clients, keys and a grant that was revoked; want 4", all, lasting)
	}
	other := f.open()
	f.must(other.Import(ctx, records))
	if lasting, all := count(f.export(other)); lasting != 4 || all != 4 {
		t.Errorf("%d records were imported, %d of them of clients, keys and a grant that was revoked; want 4", all, lasting)
	}
}

func text(h store.Hash) string {
	b, _ := h.MarshalText()
	return string(b)
}
