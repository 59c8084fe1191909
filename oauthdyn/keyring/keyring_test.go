// SPDX-License-Identifier: Apache-2.0

package keyring

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zalando/go-keyring"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
)

func save(t *testing.T, s oauthdyn.CredentialStore) {
	t.Helper()
	if err := s.Save(t.Context(), "k", &oauthdyn.Credentials{Issuer: "https://as.example", Grant: &oauthdyn.Grant{RefreshToken: "hush"}}); err != nil {
		t.Fatal(err)
	}
}

func TestKeyringSealsTheFile(t *testing.T) {
	keyring.MockInit()
	path := filepath.Join(t.TempDir(), "credentials.json")
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	save(t, s)
	if data, err := os.ReadFile(path); err != nil || strings.Contains(string(data), "hush") {
		t.Errorf("%s, %v", data, err)
	}
	if s, err = Open(path, Options{}); err != nil { // with the same key
		t.Fatal(err)
	}
	if c, err := s.Load(t.Context(), "k"); err != nil || c.Grant.RefreshToken != "hush" {
		t.Errorf("%v, %v", c, err)
	}
	if _, ok := s.(oauthdyn.Locker); !ok {
		t.Error("processes cannot share the store")
	}
	if err := keyring.DeleteAll(DefaultService); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(path, Options{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Load(t.Context(), "k"); err == nil || !strings.Contains(err.Error(), "another key") {
		t.Errorf("with another key: %v", err)
	}
}

func TestS120NoFallbackUnlessAllowed(t *testing.T) {
	locked := errors.New("the keyring is locked")
	keyring.MockInitWithError(locked)
	path := filepath.Join(t.TempDir(), "credentials.json")
	if _, err := Open(path, Options{}); !errors.Is(err, locked) {
		t.Errorf("got %v", err)
	}
	s, err := Open(path, Options{AllowPlain: true})
	if err != nil {
		t.Fatal(err)
	}
	save(t, s)
	// The records are sealed once there is a keyring.
	keyring.MockInit()
	if s, err = Open(path, Options{}); err != nil {
		t.Fatal(err)
	}
	if c, err := s.Load(t.Context(), "k"); err != nil || c.Grant.RefreshToken != "hush" {
		t.Fatalf("%v, %v", c, err)
	}
	save(t, s)
	if data, err := os.ReadFile(path); err != nil || strings.Contains(string(data), "hush") {
		t.Errorf("%s, %v", data, err)
	}
}

func TestForeignEntryIsRefused(t *testing.T) {
	keyring.MockInit()
	path := filepath.Join(t.TempDir(), "credentials.json")
	if err := keyring.Set("mine", path, "hush"); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, Options{Service: "mine"}); err == nil || strings.Contains(err.Error(), "hush") {
		t.Errorf("got %v", err)
	}
}
