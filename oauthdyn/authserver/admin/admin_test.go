// SPDX-License-Identifier: Apache-2.0

package admin_test

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/admin"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store/memory"
)

// newService makes a service on an empty store.
func newService() (*admin.Service, store.Store) {
	s := memory.New(nil)
	return admin.New(admin.Options{Store: s}), s
}

// addClient stores a client.
func addClient(t *testing.T, s store.Store, id, name, redirectURI string) {
	t.Helper()
	err := s.CreateClient(t.Context(), store.Client{
		ID: id, Secret: store.HashOf("secret"), Registration: store.HashOf("registration"),
		Metadata: oauthdyn.ClientMetadata{ClientName: name, RedirectURIs: []string{redirectURI}},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// addGrant stores a grant with a refresh token.
func addGrant(t *testing.T, s store.Store, id store.Hash, subject, clientID string) {
	t.Helper()
	now := time.Now()
	code := store.HashOf("code for " + string(id[:]))
	err := s.PutCode(t.Context(), store.Code{Hash: code, ClientID: clientID, Subject: subject, Expires: now.Add(time.Minute)})
	if err != nil {
		t.Fatal(err)
	}
	err = s.RedeemCode(t.Context(), code, store.Grant{
		ID: id, ClientID: clientID, Subject: subject, Username: strings.TrimPrefix(subject, "local:"),
		Resources: []string{"https://mcp.example.com/mcp"}, Created: now, Expires: now.Add(time.Hour),
		Refresh: store.Refresh{Current: store.HashOf("refresh"), Expires: now.Add(time.Hour)},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// hashWith is a hash that begins with some bytes.
func hashWith(first ...byte) (h store.Hash) {
	copy(h[:], first)
	h[len(h)-1] = 1
	return h
}

func codeOf(err error) string {
	if e, ok := errors.AsType[*admin.Error](err); ok {
		return e.Code
	}
	return ""
}

func TestListClients(t *testing.T) {
	svc, s := newService()
	for i := range 25 {
		addClient(t, s, fmt.Sprintf("client-%02d", i), fmt.Sprintf("App %d", i%3), fmt.Sprintf("https://host%d.example/cb", i%2))
	}
	var ids []string
	for q := (admin.ClientQuery{N: 4, Search: " APP 0 "}); ; {
		page, err := svc.ListClients(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Clients) > 4 {
			t.Fatalf("a page of %d", len(page.Clients))
		}
		for _, c := range page.Clients {
			ids = append(ids, c.ID)
		}
		if q.After = page.Next; q.After == "" {
			break
		}
	}
	if got := strings.Join(ids, " "); got != "client-00 client-03 client-06 client-09 client-12 client-15 client-18 client-21 client-24" {
		t.Errorf("found %s", got)
	}
	for search, want := range map[string]int{"": 25, "host1": 12, "client-07": 1, "nothing": 0} {
		page, err := svc.ListClients(t.Context(), admin.ClientQuery{Search: search})
		if err != nil || len(page.Clients) != want || page.Next != "" {
			t.Errorf("search %q: %d clients, next %q, %v", search, len(page.Clients), page.Next, err)
		}
	}
	for _, n := range []int{-1, 1001} {
		if _, err := svc.ListClients(t.Context(), admin.ClientQuery{N: n}); codeOf(err) != admin.CodeInvalid {
			t.Errorf("n %d: %v", n, err)
		}
	}
}

func TestGrantsOfOwnersInPages(t *testing.T) {
	svc, s := newService()
	addClient(t, s, "app", "App", "https://app.example/cb")
	for i := range 12 {
		addGrant(t, s, hashWith(byte(i+1)), fmt.Sprintf("local:user%d", i%2), []string{"app", "https://doc.example/client"}[i%3%2])
	}
	for _, test := range []struct {
		subject, client string
		want            int
	}{
		{"", "", 12},
		{"local:user1", "", 6},
		{"", "app", 8},
		{"local:user1", "app", 4},
		{"local:nobody", "", 0},
	} {
		var all []admin.Grant
		for q := (admin.GrantQuery{Subject: test.subject, ClientID: test.client, N: 3}); ; {
			page, err := svc.ListGrants(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, page.Grants...)
			if q.After = page.Next; q.After == "" {
				break
			}
		}
		if len(all) != test.want {
			t.Errorf("%+v: %d grants", test, len(all))
		}
		for i, g := range all {
			if i > 0 && all[i-1].ID >= g.ID {
				t.Errorf("%+v: not in order", test)
			}
			if (g.ClientName == "App") != (g.ClientID == "app") {
				t.Errorf("client %s has the name %q", g.ClientID, g.ClientName)
			}
		}
	}
	if _, err := svc.ListGrants(t.Context(), admin.GrantQuery{After: "xyz"}); codeOf(err) != admin.CodeInvalid {
		t.Errorf("bad page: %v", err)
	}
}

// A grant is named by the beginning of its id, as long as that is clear.
func TestRevokeGrantByName(t *testing.T) {
	svc, s := newService()
	addClient(t, s, "app", "App", "https://app.example/cb")
	ids := []store.Hash{hashWith(), hashWith(0xab, 0xcd, 0xef, 0x01, 0x10), hashWith(0xab, 0xcd, 0xef, 0x01, 0x20), hashWith(0xff, 0xff, 0xff, 0xff)}
	for _, id := range ids {
		addGrant(t, s, id, "local:alice", "app")
	}
	text := func(i int) string { return hex.EncodeToString(ids[i][:]) }
	sid, err := ids[3].MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ id, code string }{
		{"", admin.CodeNotFound},
		{"abcdef0", admin.CodeNotFound}, // too short
		{"abcdef01", admin.CodeInvalid}, // two of them
		{"abcdef02", admin.CodeNotFound},
		{"fffffffffffffffffff", admin.CodeNotFound},
		{text(1) + "0", admin.CodeNotFound},
		{"../../../..", admin.CodeNotFound},
		{"ABCDEF011", ""},
		{text(2), ""},
		{text(2), admin.CodeNotFound}, // it has ended
		{"00000000", ""},
		{string(sid), ""},
	} {
		g, err := svc.RevokeGrant(t.Context(), admin.GrantID{ID: test.id})
		if codeOf(err) != test.code || (err == nil) != (test.code == "") {
			t.Errorf("%q: %v", test.id, err)
		}
		if err == nil && (g.ClientName != "App" || g.Subject != "local:alice") {
			t.Errorf("%q was %+v", test.id, g)
		}
	}
	if left, err := s.AllGrants(t.Context(), store.Hash{}, 10); err != nil || len(left) != 0 {
		t.Errorf("%d grants left, %v", len(left), err)
	}
}

func TestDeleteClientEndsItsGrants(t *testing.T) {
	changed := 0
	s := memory.New(nil)
	svc := admin.New(admin.Options{Store: s, Changed: func(context.Context) { changed++ }})
	addClient(t, s, "app", "App", "https://app.example/cb")
	addClient(t, s, "other", "Other", "https://app.example/cb")
	addGrant(t, s, hashWith(1), "local:alice", "app")
	addGrant(t, s, hashWith(2), "local:bob", "app")
	addGrant(t, s, hashWith(3), "local:bob", "other")
	addGrant(t, s, hashWith(4), "local:bob", "https://doc.example/client")

	found, err := svc.ShowClient(t.Context(), admin.ClientID{ID: "app"})
	if err != nil || found.Grants != 2 || found.Client.ClientName != "App" || found.Client.Document {
		t.Errorf("found %+v, %v", found, err)
	}
	ended, err := svc.DeleteClient(t.Context(), admin.ClientID{ID: "app"})
	if err != nil || ended.Grants != 2 || changed != 1 {
		t.Errorf("ended %+v, %v, changed %d", ended, err, changed)
	}
	if _, err := svc.DeleteClient(t.Context(), admin.ClientID{ID: "app"}); codeOf(err) != admin.CodeNotFound {
		t.Errorf("again: %v", err)
	}
	if _, err := svc.DeleteClient(t.Context(), admin.ClientID{ID: "https://doc.example/client"}); codeOf(err) != admin.CodeInvalid {
		t.Errorf("a document: %v", err)
	}
	if found, err := svc.ShowClient(t.Context(), admin.ClientID{ID: "https://doc.example/client"}); err != nil || !found.Client.Document || found.Grants != 1 {
		t.Errorf("a document: %+v, %v", found, err)
	}
	// One of the server's configuration is in no store either.
	addGrant(t, s, hashWith(5), "local:alice", "machine")
	if found, err := svc.ShowClient(t.Context(), admin.ClientID{ID: "machine"}); err != nil || found.Client.Document || found.Grants != 1 {
		t.Errorf("a configured client: %+v, %v", found, err)
	}
	if _, err := svc.DeleteClient(t.Context(), admin.ClientID{ID: "machine"}); codeOf(err) != admin.CodeInvalid {
		t.Errorf("a configured client: %v", err)
	}
	if ended, err := svc.RevokeGrants(t.Context(), admin.Owner{Subject: "local:bob"}); err != nil || ended.Grants != 2 {
		t.Errorf("ended %+v, %v", ended, err)
	}
	if _, err := svc.RevokeGrants(t.Context(), admin.Owner{}); codeOf(err) != admin.CodeInvalid {
		t.Errorf("grants of nobody: %v", err)
	}
}

// What leaves the process holds no hash of a secret.
func TestAnswersHoldNoSecret(t *testing.T) {
	svc, s := newService()
	addClient(t, s, "app", "App", "https://app.example/cb")
	addGrant(t, s, hashWith(1), "local:alice", "app")
	var all strings.Builder
	for name, in := range map[string]any{
		admin.OpListClients: admin.ClientQuery{}, admin.OpShowClient: admin.ClientID{ID: "app"}, admin.OpListGrants: admin.GrantQuery{},
	} {
		out, err := admin.Call[json.RawMessage](t.Context(), svc, name, in)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(out)
	}
	if !strings.Contains(all.String(), "App") {
		t.Fatal("the answers are empty")
	}
	for _, secret := range []string{"secret", "registration", "refresh"} {
		text, err := store.HashOf(secret).MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		hash := store.HashOf(secret)
		if strings.Contains(all.String(), string(text)) || strings.Contains(all.String(), hex.EncodeToString(hash[:])) {
			t.Errorf("an answer holds the hash of the %s", secret)
		}
	}
}

func TestOperations(t *testing.T) {
	svc, _ := newService()
	type pair struct{ A, B int }
	admin.Handle(svc, "sum", func(_ context.Context, p pair) (int, error) {
		if p.A < 0 {
			return 0, errors.New("negative")
		}
		return p.A + p.B, nil
	})
	if sum, err := admin.Call[int](t.Context(), svc, "sum", pair{1, 2}); err != nil || sum != 3 {
		t.Errorf("sum %d, %v", sum, err)
	}
	for code, call := range map[string]func() error{
		admin.CodeFailed:   func() error { return svc.Call(t.Context(), "sum", pair{-1, 0}, nil) },
		admin.CodeInvalid:  func() error { return svc.Call(t.Context(), "sum", map[string]int{"C": 1}, nil) },
		admin.CodeNotFound: func() error { return svc.Call(t.Context(), "product", pair{}, nil) },
	} {
		if err := call(); codeOf(err) != code {
			t.Errorf("%s: %v", code, err)
		}
	}
}
