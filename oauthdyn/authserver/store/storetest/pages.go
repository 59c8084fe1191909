// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
)

func testClientPages(t *testing.T, f *fixture) {
	ctx := t.Context()
	for _, id := range []string{"c", "a", "b"} {
		f.must(f.CreateClient(ctx, store.Client{ID: id, Metadata: oauthdyn.ClientMetadata{ClientName: "name of " + id}}))
	}
	f.must(f.TouchClient(ctx, "b"))
	for _, test := range []struct {
		after string
		n     int
		want  string
	}{{"", 2, "a b"}, {"b", 2, "c"}, {"c", 2, ""}, {"aa", 1, "b"}, {"", 10, "a b c"}, {"", 0, ""}, {"zz", 1, ""}} {
		clients, err := f.ListClients(ctx, test.after, test.n)
		f.must(err)
		var ids []string
		for _, c := range clients {
			ids = append(ids, c.ID)
			if c.Metadata.ClientName != "name of "+c.ID || c.Used.IsZero() != (c.ID != "b") || c.Created.IsZero() {
				t.Errorf("listed %+v", c)
			}
		}
		if got := strings.Join(ids, " "); got != test.want {
			t.Errorf("%d after %q: %s, want %s", test.n, test.after, got, test.want)
		}
	}
	f.must(f.DeleteClient(ctx, "b"))
	if clients, err := f.ListClients(ctx, "a", 10); err != nil || len(clients) != 1 || clients[0].ID != "c" {
		t.Errorf("after a client was deleted: %v %v", clients, err)
	}
}

func testGrantPages(t *testing.T, f *fixture) {
	ctx := t.Context()
	var want []store.Hash
	for i := range 7 {
		handle := fmt.Sprint(i)
		f.startGrantOf(handle, "client "+handle, "alice")
		want = append(want, store.HashOf(handle))
	}
	f.must(f.RevokeGrant(ctx, want[3]))
	want = slices.Delete(want, 3, 4)
	slices.SortFunc(want, func(a, b store.Hash) int { return bytes.Compare(a[:], b[:]) })

	list := func() (ids []store.Hash) {
		after := store.Hash{}
		for {
			grants, err := f.AllGrants(ctx, after, 2)
			f.must(err)
			if len(grants) == 0 {
				return ids
			}
			if len(grants) > 2 {
				t.Errorf("a page of %d grants", len(grants))
			}
			for _, g := range grants {
				ids = append(ids, g.ID)
				if g.Subject != "alice" || !strings.HasPrefix(g.ClientID, "client ") {
					t.Errorf("listed %+v", g)
				}
			}
			after = ids[len(ids)-1]
		}
	}
	if got := list(); !slices.Equal(got, want) {
		t.Errorf("listed %d grants, want %d in the order of their ids", len(got), len(want))
	}
	f.advance(10 * time.Hour) // the refresh tokens expire
	if got := list(); len(got) != 0 {
		t.Errorf("%d grants that have ended are listed", len(got))
	}
}
