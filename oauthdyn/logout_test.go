// SPDX-License-Identifier: Apache-2.0

package oauthdyn

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// revocations is a revocation endpoint (RFC 7009) that notes what it is told.
func revocations(f *fake, answer http.HandlerFunc) *[]url.Values {
	f.serverMetadata["revocation_endpoint"] = f.URL + "/revoke"
	told := &[]url.Values{}
	f.replace("/revoke", func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		f.mu.Lock()
		*told = append(*told, r.PostForm)
		f.mu.Unlock()
		if answer != nil {
			answer(w, r)
		}
	})
	return told
}

func TestLogoutRevokes(t *testing.T) {
	f := newFake(t)
	told := revocations(f, nil)
	store := NewMemoryStore()
	token, err := f.client(func(c *Config) { c.Store = store }).Authenticate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// Another run of the program, whose resource is gone.
	c := f.client(func(c *Config) { c.Store = store })
	f.status("/mcp", 500)
	f.status(WellKnownResource+"/mcp", 500)
	if err := c.Logout(t.Context()); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, form := range *told {
		got = append(got, form.Get("token_type_hint")+" "+form.Get("token"))
		if form.Get("client_id") == "" {
			t.Error("the client does not identify itself")
		}
	}
	if want := []string{"refresh_token " + token.RefreshToken, "access_token " + token.AccessToken}; !slices.Equal(got, want) {
		t.Errorf("revoked %q, want %q", got, want)
	}
	if len(store.all) != 0 {
		t.Errorf("left behind: %v", store)
	}
}

func TestLogoutForgetsEvenIfTheServerIsDown(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"error": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) },
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			revocations(f, answer)
			store := NewMemoryStore()
			c := f.client(func(c *Config) { c.Store = store })
			token, err := c.Authenticate(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			err = c.Logout(t.Context())
			wantError(t, err, "revocation")
			if strings.Contains(err.Error(), token.RefreshToken) || strings.Contains(err.Error(), token.AccessToken) {
				t.Errorf("the error holds a token: %v", err)
			}
			if len(store.all) != 0 || len(f.seen("/elsewhere")) != 0 {
				t.Errorf("left behind: %v", store)
			}
		})
	}
}

func TestRevoke(t *testing.T) {
	f := newFake(t)
	unsupported := func(w http.ResponseWriter, r *http.Request) {
		if r.PostForm.Get("token_type_hint") == "access_token" {
			writeJSON(w, 400, &Error{Code: CodeUnsupportedTokenType})
		}
	}
	told := revocations(f, unsupported)
	store := NewMemoryStore()
	c := f.client(func(c *Config) { c.Store = store })
	if err := c.Revoke(t.Context()); err != nil || len(*told) != 0 {
		t.Errorf("without a grant: %v", err)
	}
	if _, err := c.Authenticate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.Revoke(t.Context()); err != nil || len(*told) != 2 {
		t.Fatalf("%v after %d requests", err, len(*told))
	}
	if _, err := c.TokenSource(t.Context()).Token(); !errors.Is(err, ErrNotSignedIn) {
		t.Errorf("got %v", err)
	}
	if _, err := c.Authenticate(t.Context()); err != nil || f.count("POST /register") != 1 {
		t.Errorf("the registration is lost: %v", err)
	}
	// What is not confirmed is not forgotten.
	f.status("/revoke", 503)
	wantError(t, c.Revoke(t.Context()), "Service Unavailable")
	if _, err := c.TokenSource(t.Context()).Token(); err != nil {
		t.Errorf("the grant is lost: %v", err)
	}
	plain := newFake(t).client()
	if _, err := plain.Authenticate(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantError(t, plain.Revoke(t.Context()), "revocation_endpoint")
	if err := plain.Logout(t.Context()); err != nil {
		t.Errorf("sign-out where revocation is not offered: %v", err)
	}
}

func TestUnregister(t *testing.T) {
	f := newFake(t)
	told := revocations(f, nil)
	e := newConfigurationEndpoint(f)
	store := NewMemoryStore()
	with := func(c *Config) { c.Store = store }
	if _, err := f.client(with).Authenticate(t.Context()); err != nil {
		t.Fatal(err)
	}
	// Another run of the program, whose resource is gone.
	f.status("/mcp", 500)
	f.status(WellKnownResource+"/mcp", 500)
	if err := f.client(with).Unregister(t.Context()); err != nil {
		t.Fatal(err)
	}
	if want := []string{"POST /revoke", "POST /revoke", "DELETE " + e.path()}; !slices.Equal(f.requests[len(f.requests)-3:], want) {
		t.Errorf("requests %q, want %q in the end", f.requests, want)
	}
	if len(*told) != 2 || len(f.clients) != 0 || len(store.all) != 0 {
		t.Errorf("%d revocations; left behind there %v, here %v", len(*told), f.clients, store)
	}
}

// What the server does not confirm can be repeated, though the grant is gone.
func TestUnregisterAgain(t *testing.T) {
	f := newFake(t)
	e := newConfigurationEndpoint(f)
	store := NewMemoryStore()
	with := func(c *Config) { c.Store = store }
	if _, err := f.client(with).Authenticate(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.status(e.path(), 503)
	err := f.client(with).Unregister(t.Context())
	wantError(t, err, "registration", "Service Unavailable")
	if strings.Contains(err.Error(), e.token()) {
		t.Errorf("the error holds a token: %v", err)
	}
	if _, err := f.client(with).TokenSource(t.Context()).Token(); !errors.Is(err, ErrNotSignedIn) || len(store.all) != 1 {
		t.Errorf("got %v with %v", err, store)
	}
	f.replace(e.path(), e.serve)
	if err := f.client(with).Unregister(t.Context()); err != nil || len(f.clients) != 0 || len(store.all) != 0 {
		t.Errorf("%v; left behind there %v, here %v", err, f.clients, store)
	}
	if err := f.client(with).Unregister(t.Context()); err != nil {
		t.Errorf("without a registration: %v", err)
	}
}

func TestUnregisterWhereNothingCanBeDeleted(t *testing.T) {
	f := newFake(t)
	store := NewMemoryStore()
	c := f.client(func(c *Config) { c.Store = store })
	if _, err := c.Authenticate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.Unregister(t.Context()); !errors.Is(err, ErrNoRegistration) || len(store.all) != 0 {
		t.Errorf("no management: %v; left behind %v", err, store)
	}
	f.clients["byhand"] = ClientMetadata{RedirectURIs: []string{"http://127.0.0.1/callback"}}
	c = f.client(func(c *Config) { c.Store, c.ClientID = store, "byhand" })
	if _, err := c.Authenticate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.Unregister(t.Context()); err != nil || len(store.all) != 0 {
		t.Errorf("registered by hand: %v; left behind %v", err, store)
	}
}

func TestIntrospect(t *testing.T) {
	f := newFake(t)
	f.serverMetadata["introspection_endpoint"] = f.URL + "/introspect"
	c := f.client()
	if _, err := c.Introspect(t.Context()); !errors.Is(err, ErrNotSignedIn) {
		t.Errorf("got %v", err)
	}
	token, err := c.Authenticate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	f.replace("/introspect", func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		writeJSON(w, 200, map[string]any{
			"active": r.PostForm.Get("token") == token.AccessToken && r.PostForm.Get("client_id") != "",
			"scope":  "a b", "sub": "alice", "aud": []string{f.resource()}, "exp": 1900000000, "iat": 1e300, "username": nil,
		})
	})
	i, err := c.Introspect(t.Context())
	if err != nil || !i.Active || !slices.Equal(i.Scopes, []string{"a", "b"}) || i.Subject != "alice" ||
		!slices.Equal(i.Audience, []string{f.resource()}) || !i.Expires.Equal(time.Unix(1900000000, 0)) || !i.IssuedAt.IsZero() {
		t.Errorf("%+v, %v", i, err)
	}
	f.json("/introspect", map[string]any{"active": false, "sub": "mallory"})
	if i, err := c.Introspect(t.Context()); err != nil || i.Active || i.Subject != "" {
		t.Errorf("%+v, %v", i, err)
	}
	f.json("/introspect", map[string]any{"sub": "mallory"})
	_, err = c.Introspect(t.Context())
	wantError(t, err, "active")
	f.replace("/introspect", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, 403, &Error{Code: CodeAccessDenied}) })
	_, err = c.Introspect(t.Context())
	wantError(t, err, CodeAccessDenied)
}
