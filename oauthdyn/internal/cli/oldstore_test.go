// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"testing"
)

// oldStores holds a directory for each release whose stores look different
// inside: what "oauthdyn serve" kept there, and what a client had received.
const oldStores = "testdata/stores"

var writeStore = flag.String("write-store", "", "release, such as v0.2.0, to write a store of into "+oldStores)

// received is what a client had from the server that wrote a store.
type received struct {
	Client  string // its id
	Refresh string // a refresh token
	Revoked string // one that must not work
}

// TestOldStores opens the stores that releases have written: nobody may have to
// sign in again because of an upgrade.
func TestOldStores(t *testing.T) {
	if *writeStore != "" {
		writeOldStore(t, filepath.Join(oldStores, *writeStore))
	}
	stores, err := os.ReadDir(oldStores)
	if err != nil || len(stores) == 0 {
		t.Fatalf("no stores: %v", err)
	}
	for _, entry := range stores {
		t.Run(entry.Name(), func(t *testing.T) {
			c := newCustomers(t)
			dir := filepath.Join(oldStores, entry.Name())
			for _, name := range []string{"oauthdyn.db", "users"} {
				copyFile(t, filepath.Join(dir, name), filepath.Join(c.data, name))
			}
			var had received
			text, err := os.ReadFile(filepath.Join(dir, "received.json"))
			if err == nil {
				err = json.Unmarshal(text, &had)
			}
			if err != nil {
				t.Fatal(err)
			}
			defer c.start().end()
			if _, status := c.refresh(&issued{had.Client, had.Revoked}); status != http.StatusBadRequest {
				t.Errorf("the refresh token that was revoked: status %d", status)
			}
			chain := &issued{had.Client, had.Refresh}
			for range 2 {
				if _, status := c.refresh(chain); status != http.StatusOK {
					t.Errorf("the refresh token: status %d", status)
				}
			}
			code, ok := c.authorize(had.Client)
			if !ok {
				t.Fatal("the client and the person get no code")
			}
			if _, status := c.redeem(issued{had.Client, code}); status != http.StatusOK {
				t.Errorf("their code: status %d", status)
			}
			c.check() // that the access tokens verify
		})
	}
}

// writeOldStore runs a server that forgets nothing, and keeps what it kept.
func writeOldStore(t *testing.T, dir string) {
	c := newCustomers(t)
	c.flags = []string{"--refresh-token-ttl", "876000h", "--grant-ttl", "876000h", "--client-ttl", "0"}
	server := c.start()
	id, ok := c.register()
	if !ok {
		t.Fatal("no client could be registered")
	}
	had := received{Client: id}
	for _, token := range []*string{&had.Refresh, &had.Revoked} {
		code, _ := c.authorize(id)
		tokens, status := c.redeem(issued{id, code})
		if status != http.StatusOK {
			t.Fatalf("tokens: status %d", status)
		}
		*token = tokens.RefreshToken
	}
	if _, status := c.post("/revoke", map[string][]string{"client_id": {id}, "token": {had.Revoked}}); status != http.StatusOK {
		t.Fatalf("revocation: status %d", status)
	}
	server.end()
	text, err := json.MarshalIndent(had, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"oauthdyn.db", "users"} {
		copyFile(t, filepath.Join(c.data, name), filepath.Join(dir, name))
	}
	if err := os.WriteFile(filepath.Join(dir, "received.json"), append(text, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}
