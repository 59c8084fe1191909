// SPDX-License-Identifier: Apache-2.0

package oauthdyn

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestS121EarlyRefreshWithJitter(t *testing.T) {
	for _, jitter := range []float64{0, 0.5, 1} {
		synctest.Test(t, func(t *testing.T) {
			s := &stub{token: func() *http.Response {
				return jsonResponse(200, map[string]any{"access_token": "a1", "expires_in": 900})
			}}
			c := stubClient(t, s, 900*time.Second)
			c.jitter = jitter
			ts := c.TokenSource(t.Context())
			early := time.Duration(90 * float64(time.Second) * (1 + jitter))
			time.Sleep(900*time.Second - early - time.Second)
			if token, err := ts.Token(); err != nil || token.AccessToken != "a0" || s.tokens.Load() != 0 {
				t.Errorf("jitter %v: refreshed too early: %v", jitter, err)
			}
			time.Sleep(time.Second)
			if token, err := ts.Token(); err != nil || token.AccessToken != "a1" || s.tokens.Load() != 1 {
				t.Errorf("jitter %v: not refreshed: %v", jitter, err)
			}
		})
	}
}

func TestLongTokensAreRefreshedMinutesBefore(t *testing.T) {
	c := &Client{jitter: 1}
	now := time.Now()
	for _, tt := range []struct {
		left time.Duration
		due  bool
	}{{11 * time.Minute, false}, {9 * time.Minute, true}, {-time.Hour, true}} {
		g := &Grant{Obtained: now.Add(-24 * time.Hour), Expiry: now.Add(tt.left)}
		if c.due(g) != tt.due {
			t.Errorf("%v before expiry: due %v", tt.left, !tt.due)
		}
	}
	if c.due(&Grant{Obtained: now}) {
		t.Error("a token of unknown lifetime is due")
	}
}

// The clock was set by an hour while a token was in the store. It is refreshed
// once, and then expires_in counts again.
func TestS121ClockJumps(t *testing.T) {
	for name, jump := range map[string]time.Duration{"back": time.Hour, "forward": -time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			s := &stub{token: func() *http.Response {
				return jsonResponse(200, map[string]any{"access_token": "a1", "expires_in": 900})
			}}
			c := stubClient(t, s, 900*time.Second)
			creds, err := c.store.Load(t.Context(), c.grantKey())
			if err != nil {
				t.Fatal(err)
			}
			creds.Grant.Obtained, creds.Grant.Expiry = creds.Grant.Obtained.Add(jump), creds.Grant.Expiry.Add(jump)
			if err := c.store.Save(t.Context(), c.grantKey(), creds); err != nil {
				t.Fatal(err)
			}
			for range 3 {
				if token, err := c.TokenSource(t.Context()).Token(); err != nil || token.AccessToken != "a1" {
					t.Errorf("%s: %v, %v", name, token, err)
				}
			}
			if n := s.tokens.Load(); n != 1 {
				t.Errorf("%s: %d refreshes", name, n)
			}
			time.Sleep(850 * time.Second) // whatever the jitter
			if _, err := c.TokenSource(t.Context()).Token(); err != nil || s.tokens.Load() != 2 {
				t.Errorf("%s: %d refreshes after the lifetime, %v", name, s.tokens.Load(), err)
			}
		})
	}
	c := &Client{}
	if now := time.Now(); c.due(&Grant{Obtained: now.Add(clockTolerance / 2), Expiry: now.Add(time.Hour)}) {
		t.Error("clocks that differ a little cause a refresh")
	}
}

// The times of a token keep their monotonic clock reading when the store, which
// cannot hold it, is read again.
func TestS121MonotonicReadingIsKept(t *testing.T) {
	f := newFake(t)
	store := NewFileStore(filepath.Join(t.TempDir(), "credentials"))
	c := f.client(func(c *Config) { c.Store = store })
	if _, err := c.Authenticate(t.Context()); err != nil {
		t.Fatal(err)
	}
	creds, err := c.load(t.Context())
	if err != nil || !strings.Contains(creds.Grant.Expiry.String(), "m=") {
		t.Errorf("expiry %v, %v", creds.Grant.Expiry, err)
	}
	// What another process got replaces it.
	other := f.client(func(c *Config) { c.Store = store })
	if _, err := other.Authenticate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if again, err := c.load(t.Context()); err != nil || again.Grant.AccessToken == creds.Grant.AccessToken {
		t.Errorf("still %v, %v", again, err)
	}
}
