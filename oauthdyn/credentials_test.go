// SPDX-License-Identifier: Apache-2.0

package oauthdyn

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// stores returns ways to make stores; each yields a function that opens the
// same records as another process would.
func stores(t *testing.T) map[string]func() func() CredentialStore {
	return map[string]func() func() CredentialStore{
		"memory": func() func() CredentialStore {
			s := NewMemoryStore()
			return func() CredentialStore { return s }
		},
		"file": func() func() CredentialStore {
			path := filepath.Join(t.TempDir(), "private", "credentials.json")
			return func() CredentialStore { return NewFileStore(path) }
		},
	}
}

func sampleCredentials() *Credentials {
	now := time.Now().Round(time.Second).UTC()
	return &Credentials{
		Issuer: "https://as.example",
		Registration: &Registration{
			Client:      &ClientInformation{ClientID: "id", ClientSecret: "HUSH-secret", RegistrationAccessToken: "HUSH-management"},
			RedirectURI: "http://127.0.0.1:1/x",
		},
		Grant: &Grant{
			Resource: "https://mcp.example/mcp", ClientID: "id", ClientSecret: "HUSH-copy", AccessToken: "HUSH-access", RefreshToken: "HUSH-refresh",
			Scopes: []string{"a"}, Requested: []string{"a", "b"}, Obtained: now, Expiry: now.Add(time.Hour),
			DPoPKey: []byte("HUSH-key"),
		},
	}
}

func TestStores(t *testing.T) {
	for name, newStore := range stores(t) {
		t.Run(name, func(t *testing.T) {
			ctx, s := t.Context(), newStore()()
			if _, err := s.Load(ctx, "k"); !errors.Is(err, ErrNoCredentials) {
				t.Errorf("empty store: %v", err)
			}
			if err := s.Delete(ctx, "k"); err != nil {
				t.Errorf("delete from an empty store: %v", err)
			}
			want := sampleCredentials()
			if err := s.Save(ctx, "k", want); err != nil {
				t.Fatal(err)
			}
			if err := s.Save(ctx, "k2", &Credentials{Issuer: "other"}); err != nil {
				t.Fatal(err)
			}
			got, err := s.Load(ctx, "k")
			if err != nil {
				t.Fatal(err)
			}
			if got.Issuer != want.Issuer || got.Registration.Client.ClientSecret != "HUSH-secret" ||
				got.Registration.Client.RegistrationAccessToken != "HUSH-management" ||
				got.Grant.RefreshToken != "HUSH-refresh" || !got.Grant.Expiry.Equal(want.Grant.Expiry) || len(got.Grant.Requested) != 2 {
				t.Errorf("%+v", got)
			}
			// What the caller holds is its own.
			got.Grant.AccessToken, got.Registration.Client.ClientID, got.Grant.Scopes[0] = "x", "x", "x"
			if again, err := s.Load(ctx, "k"); err != nil || again.Grant.AccessToken != "HUSH-access" ||
				again.Registration.Client.ClientID != "id" || again.Grant.Scopes[0] != "a" {
				t.Errorf("the store shares its records: %v", err)
			}
			if err := s.Delete(ctx, "k"); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Load(ctx, "k"); !errors.Is(err, ErrNoCredentials) {
				t.Errorf("after delete: %v", err)
			}
			if c, err := s.Load(ctx, "k2"); err != nil || c.Issuer != "other" {
				t.Errorf("other key: %v, %v", c, err)
			}
		})
	}
}

func TestStoreLocks(t *testing.T) {
	for name, newStore := range stores(t) {
		t.Run(name, func(t *testing.T) {
			open := newStore()
			a, b := open().(Locker), open().(Locker)
			unlock, err := a.Lock(t.Context(), "k")
			if err != nil {
				t.Fatal(err)
			}
			other, err := b.Lock(t.Context(), "k2")
			if err != nil {
				t.Fatal(err)
			}
			other()
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			if _, err := b.Lock(ctx, "k"); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("second lock: %v", err)
			}
			got := make(chan error, 1)
			go func() {
				unlock, err := b.Lock(t.Context(), "k")
				if err == nil {
					unlock()
				}
				got <- err
			}()
			unlock()
			if err := <-got; err != nil {
				t.Error(err)
			}
		})
	}
}

func TestS120SecretsAreNotPrinted(t *testing.T) {
	c := sampleCredentials()
	store := NewMemoryStore()
	if err := store.Save(t.Context(), "k", c); err != nil {
		t.Fatal(err)
	}
	cfg := Config{Resource: "https://mcp.example/mcp", ClientID: "id", ClientSecret: "HUSH-configured", InitialAccessToken: "HUSH-initial", Store: store}
	client, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	client.grant, client.unproved = c, "HUSH-unproved"
	type nested struct {
		Shown  any
		hidden *Credentials
	}
	for _, v := range []any{
		*c, c, *c.Registration, c.Registration, *c.Registration.Client, c.Registration.Client, *c.Grant, c.Grant,
		cfg, &cfg, client, store, []*Grant{c.Grant}, map[string]Grant{"k": *c.Grant}, nested{*c, c}, &nested{c, c},
		DeviceAuthorization{UserCode: "HUSH"}, EnterpriseManaged{ClientSecret: "HUSH"}, &EnterpriseManaged{ClientSecret: "HUSH"},
		client.TokenSource(t.Context()), client.Transport(nil), client.HTTPClient(),
	} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			text := fmt.Sprintf(verb, v)
			if strings.Contains(text, "HUSH") || strings.Contains(text, fmt.Sprintf("%x", "HUSH")) {
				t.Errorf("%s of %T: %s", verb, v, text)
			}
		}
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "v", v)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "v", fmt.Sprint(v))
		if strings.Contains(log.String(), "HUSH") {
			t.Errorf("slog of %T: %s", v, &log)
		}
	}
}

// slog's JSON handler marshals what has no LogValue; ours all have one.
func TestS120SecretsAreNotLoggedAsJSON(t *testing.T) {
	c := sampleCredentials()
	for _, v := range []any{*c, c, *c.Registration, c.Registration, *c.Registration.Client, c.Registration.Client, *c.Grant, c.Grant,
		Config{ClientSecret: "HUSH"}, DeviceAuthorization{UserCode: "HUSH"}, EnterpriseManaged{ClientSecret: "HUSH"}} {
		var log bytes.Buffer
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "v", v)
		if strings.Contains(log.String(), "HUSH") {
			t.Errorf("slog of %T: %s", v, &log)
		}
	}
}
