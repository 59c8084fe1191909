// SPDX-License-Identifier: Apache-2.0

package authservers_test

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
)

// A program is a client with what it did.
type program struct {
	*oauthdyn.Client
	store  recorder
	logins atomic.Int32 // by a person
}

func newProgram(t *testing.T, cfg oauthdyn.Config) *program {
	t.Helper()
	p := &program{store: recorder{MemoryStore: oauthdyn.NewMemoryStore()}}
	visit := func(ctx context.Context, page string) error {
		p.logins.Add(1)
		return alice.visit(ctx, page)
	}
	cfg.ClientName, cfg.Store, cfg.OpenURL = "authservers", &p.store, visit
	cfg.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	if _, ok := cfg.Flow.(oauthdyn.DeviceCode); ok {
		cfg.Flow = oauthdyn.DeviceCode{Prompt: func(ctx context.Context, a oauthdyn.DeviceAuthorization) error {
			return visit(ctx, a.VerificationURIComplete)
		}}
	}
	var err error
	if p.Client, err = oauthdyn.New(cfg); err != nil {
		t.Fatal(err)
	}
	return p
}

// signedIn is a program with a grant.
func signedIn(t *testing.T, cfg oauthdyn.Config) *program {
	t.Helper()
	p := newProgram(t, cfg)
	if _, err := p.Authenticate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return p
}

// A recorder is a store that shows the last grant.
type recorder struct {
	*oauthdyn.MemoryStore

	mu   sync.Mutex
	last oauthdyn.Grant
}

func (r *recorder) Save(ctx context.Context, key string, c *oauthdyn.Credentials) error {
	if c.Grant != nil {
		r.mu.Lock()
		r.last = *c.Grant
		r.mu.Unlock()
	}
	return r.MemoryStore.Save(ctx, key, c)
}

func (r *recorder) grant() oauthdyn.Grant {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}

// use asks a resource for an address, and returns the grant after that.
func (p *program) use(t *testing.T, address string) oauthdyn.Grant {
	t.Helper()
	resp, err := p.HTTPClient().Get(address)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", address, resp.Status)
	}
	return p.store.grant()
}

// life takes a grant of a person, and the registration that it was issued to,
// from their beginning to their end.
func (p *program) life(t *testing.T, s *site, address string, mayIntrospect bool) {
	first := p.use(t, address)
	if first.RefreshToken == "" {
		t.Fatal("no refresh token")
	}
	switch i, err := p.Introspect(t.Context()); {
	case mayIntrospect && (err != nil || !i.Active || i.Username != alice.name && i.Subject != alice.name):
		t.Errorf("introspection: %+v, %v", i, err)
	case !mayIntrospect && err == nil && i.Active:
		t.Error("the client may introspect its token: the table in README.md is wrong")
	}

	renamed, err := p.UpdateRegistration(t.Context(), func(m *oauthdyn.ClientMetadata) { m.ClientName = "renamed" })
	if err != nil || renamed.ClientName != "renamed" {
		t.Errorf("update: %v, %v", renamed, err)
	}
	if info, err := p.ReadRegistration(t.Context()); err != nil || info.ClientName != "renamed" {
		t.Errorf("read: %v, %v", info, err)
	}

	before := first
	for range 2 { // so that the successor of a refresh token has to serve, too
		s.refuse(before.AccessToken)
		after := p.use(t, address)
		if after.AccessToken == before.AccessToken || after.RefreshToken == before.RefreshToken || p.logins.Load() != 1 {
			t.Errorf("the tokens were not refreshed and rotated; there were %d logins", p.logins.Load())
		}
		before = after
	}

	if err := p.Revoke(t.Context()); err != nil {
		t.Errorf("revoke: %v", err)
	}
	if again := p.use(t, address); again.ClientID != first.ClientID || p.logins.Load() != 2 {
		t.Errorf("%d logins, as client %q after %q", p.logins.Load(), again.ClientID, first.ClientID)
	}
	if err := p.DeleteRegistration(t.Context()); err != nil {
		t.Errorf("delete: %v", err)
	}
	if again := p.use(t, address); again.ClientID == first.ClientID || p.logins.Load() != 3 {
		t.Errorf("%d logins, as client %q after %q", p.logins.Load(), again.ClientID, first.ClientID)
	}
	if err := p.Logout(t.Context()); err != nil {
		t.Errorf("logout: %v", err)
	}
}

// stepUp uses a resource with the scopes that it needs at first, and then what
// needs more.
func (p *program) stepUp(t *testing.T, g *gate) {
	before := p.use(t, g.url)
	if slices.Contains(before.Scopes, "write") {
		t.Fatalf("scopes %q were granted at once", before.Scopes)
	}
	after := p.use(t, g.url+"/write")
	if !slices.Contains(after.Scopes, "read") || !slices.Contains(after.Scopes, "write") || after.ClientID != before.ClientID {
		t.Errorf("scopes %q of client %q after %q", after.Scopes, after.ClientID, before.ClientID)
	}
}
