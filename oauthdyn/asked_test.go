// SPDX-License-Identifier: Apache-2.0

package oauthdyn

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A person who does not sign in is left alone for a while, by all programs that
// share the store.
func TestAskPause(t *testing.T) {
	f := newFake(t)
	store := NewFileStore(filepath.Join(t.TempDir(), "c.json"))
	asked := 0
	away := func(c *Config) {
		c.Store, c.AskPause, c.SignInHint = store, 10*time.Minute, "run example login"
		c.OpenURL = func(context.Context, string) error { asked++; return errors.New("nobody is here") }
	}
	there := func(c *Config) { away(c); c.OpenURL = f.browse }
	get := func(c *Client) error {
		res, err := c.HTTPClient().Get(f.resource())
		if err == nil {
			res.Body.Close()
		}
		return err
	}

	first := f.client(away)
	if err := get(first); err == nil || !strings.Contains(err.Error(), "nobody is here") {
		t.Fatalf("first: %v", err)
	}
	for name, c := range map[string]*Client{"the same program": first, "another": f.client(away)} {
		err := get(c)
		if !errors.Is(err, ErrNotSignedIn) || !strings.Contains(err.Error(), "; run example login") || asked != 1 {
			t.Errorf("%s: %v, asked %d times", name, err, asked)
		}
	}

	// Later it is tried again.
	key := first.askedKey()
	record, err := store.Load(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	record.Asked = record.Asked.Add(-10 * time.Minute)
	if err := store.Save(t.Context(), key, record); err != nil {
		t.Fatal(err)
	}
	if err := get(first); err == nil || errors.Is(err, ErrNotSignedIn) || asked != 2 {
		t.Errorf("later: %v, asked %d times", err, asked)
	}

	// Who asks for it is asked at any time, and then all is well.
	willing := f.client(there)
	if err := get(willing); !errors.Is(err, ErrNotSignedIn) {
		t.Errorf("too early: %v", err)
	}
	if _, err := willing.Authenticate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := get(first); err != nil {
		t.Error(err)
	}
	f.revoke()
	if err := get(first); err == nil || errors.Is(err, ErrNotSignedIn) || asked != 3 {
		t.Errorf("after a login: %v, asked %d times", err, asked)
	}
	_ = first.Logout(t.Context()) // this server cannot be told
	if _, err := store.Load(t.Context(), key); !errors.Is(err, ErrNoCredentials) {
		t.Errorf("after a logout: %v", err)
	}
}

// A clock that was set back does not keep a person from signing in.
func TestAskPauseInTheFuture(t *testing.T) {
	f := newFake(t)
	c := f.client(func(c *Config) { c.AskPause = time.Minute })
	if err := c.store.Save(t.Context(), c.askedKey(), &Credentials{Asked: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	res, err := c.HTTPClient().Get(f.resource())
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
}
