// SPDX-License-Identifier: Apache-2.0

package oauthdyn

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// signedIn returns a client with a grant whose access token has expired, and
// counts the refresh requests from now on.
func signedIn(t *testing.T, f *fake, change ...func(*Config)) *Client {
	t.Helper()
	c := f.client(change...)
	if _, err := c.Authenticate(t.Context()); err != nil {
		t.Fatal(err)
	}
	outdate(t, c)
	return c
}

// outdate makes the stored access token an expired one.
func outdate(t *testing.T, c *Client) {
	t.Helper()
	creds, err := c.store.Load(t.Context(), c.grantKey())
	if err != nil {
		t.Fatal(err)
	}
	creds.Grant.Obtained = time.Now().Add(-2 * time.Hour)
	creds.Grant.Expiry = time.Now().Add(-time.Hour)
	if err := c.store.Save(t.Context(), c.grantKey(), creds); err != nil {
		t.Fatal(err)
	}
	c.mu.Lock()
	c.grant = creds
	c.mu.Unlock()
}

func TestC26Refresh(t *testing.T) {
	f := newFake(t)
	c := signedIn(t, f)
	token, err := c.TokenSource(t.Context()).Token()
	if err != nil {
		t.Fatal(err)
	}
	form := f.lastForm()
	for name, want := range map[string]string{
		"grant_type": "refresh_token", "resource": f.resource(), "client_id": "client-1",
	} {
		if form.Get(name) != want {
			t.Errorf("%s %q, want %q", name, form.Get(name), want)
		}
	}
	if form.Has("scope") {
		t.Error("scope was sent; without it the grant's scopes stay")
	}
	if !token.Valid() || token.AccessToken == "" || token.RefreshToken == form.Get("refresh_token") {
		t.Error("not a new token")
	}
	// The rotated refresh token is what the store has.
	creds, err := c.store.Load(t.Context(), c.grantKey())
	if err != nil || creds.Grant.RefreshToken != token.RefreshToken || creds.Issuer != f.URL {
		t.Errorf("stored %v, %v", creds, err)
	}
}

func TestRefreshTokenThatIsNotRotated(t *testing.T) {
	f := newFake(t)
	c := signedIn(t, f)
	old := c.grant.Grant.RefreshToken
	f.token = func(a map[string]any) {
		f.refresh[old] = "client-1"
		delete(a, "refresh_token")
		delete(a, "scope")
	}
	for range 2 {
		if _, err := c.TokenSource(t.Context()).Token(); err != nil {
			t.Fatal(err)
		}
		if got := c.grant.Grant.RefreshToken; got != old {
			t.Errorf("refresh token %q, want the old one", got)
		}
		outdate(t, c)
	}
}

func TestS118FiftyGoroutinesRefreshOnce(t *testing.T) {
	f := newFake(t)
	c := signedIn(t, f)
	before := f.count("POST /token")
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			token, err := c.TokenSource(t.Context()).Token()
			if err != nil || !token.Valid() {
				t.Errorf("%v", err)
			}
		})
	}
	all.Wait()
	if n := f.count("POST /token") - before; n != 1 {
		t.Errorf("%d refreshes", n)
	}
}

// Clients that share a store refresh once, as processes do.
func TestS118ClientsThatShareAStoreRefreshOnce(t *testing.T) {
	for name, newStore := range stores(t) {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			shared := newStore()
			signedIn(t, f, func(c *Config) { c.Store = shared() })
			before := f.count("POST /token")
			var all sync.WaitGroup
			for range 8 {
				c := f.client(func(c *Config) { c.Store = shared() })
				for range 4 {
					all.Go(func() {
						if token, err := c.TokenSource(t.Context()).Token(); err != nil || !token.Valid() {
							t.Errorf("%v", err)
						}
					})
				}
			}
			all.Wait()
			if n := f.count("POST /token") - before; n != 1 {
				t.Errorf("%d refreshes", n)
			}
		})
	}
}

func TestS117InvalidGrantDropsOnlyWhatIsDead(t *testing.T) {
	t.Run("still stored", func(t *testing.T) {
		f := newFake(t)
		c := signedIn(t, f)
		f.revoke()
		_, err := c.TokenSource(t.Context()).Token()
		if !errors.Is(err, ErrNotSignedIn) || !errors.Is(err, &Error{Code: CodeInvalidGrant}) {
			t.Errorf("got %v", err)
		}
		if _, err := c.store.Load(t.Context(), c.grantKey()); !errors.Is(err, ErrNoCredentials) {
			t.Errorf("the grant is still there: %v", err)
		}
		if _, err := c.store.Load(t.Context(), c.registrationKey(f.URL)); err != nil {
			t.Errorf("the registration is gone: %v", err)
		}
		n := f.count("POST /token")
		if _, err := c.TokenSource(t.Context()).Token(); !errors.Is(err, ErrNotSignedIn) || f.count("POST /token") != n {
			t.Errorf("second call: %v", err)
		}
	})
	t.Run("replaced in the meantime", func(t *testing.T) {
		f := newFake(t)
		c := signedIn(t, f, func(c *Config) { c.Store = lockless{NewMemoryStore()} })
		f.revoke()
		newer := c.grant.clone()
		newer.Grant.RefreshToken = "newer"
		f.replace("/token", func(w http.ResponseWriter, r *http.Request) {
			if err := c.store.Save(r.Context(), c.grantKey(), newer); err != nil {
				t.Error(err)
			}
			f.serveToken(w, r)
		})
		if _, err := c.TokenSource(t.Context()).Token(); !errors.Is(err, ErrNotSignedIn) {
			t.Errorf("got %v", err)
		}
		creds, err := c.store.Load(t.Context(), c.grantKey())
		if err != nil || creds.Grant.RefreshToken != "newer" {
			t.Errorf("the newer grant is gone: %v", err)
		}
	})
}

// lockless hides the Locker of a store.
type lockless struct{ CredentialStore }

func TestForgottenClientAtRefresh(t *testing.T) {
	f := newFake(t)
	c := signedIn(t, f)
	f.forget()
	if status, _ := get(t, c.HTTPClient(), f.resource()); status != 200 {
		t.Errorf("status %d", status)
	}
	if n := f.count("POST /register"); n != 2 {
		t.Errorf("%d registrations, want 2", n)
	}
}

func TestRefreshFailuresThatPass(t *testing.T) {
	tests := []struct {
		name string
		h    http.HandlerFunc
		want string
	}{
		{"500", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, "Internal Server Error"},
		{"429", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, 429, &Error{Code: "slow_down"}) }, "slow_down"},
		{"temporarily unavailable", func(w http.ResponseWriter, _ *http.Request) {
			writeJSON(w, 400, &Error{Code: CodeTemporarilyUnavailable})
		}, CodeTemporarilyUnavailable},
		{"proxy's 403", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "<html>", http.StatusForbidden) }, "Forbidden"},
		{"not JSON", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }, "not a JSON object"},
		{"lost", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "EOF"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			c := signedIn(t, f)
			shown := f.count("GET /authorize")
			f.replace("/token", tt.h)
			_, err := c.HTTPClient().Get(f.resource())
			wantError(t, err, tt.want)
			if errors.Is(err, ErrNotSignedIn) || f.count("GET /authorize") != shown {
				t.Errorf("taken for the end of the grant: %v", err)
			}
			f.replace("/token", f.serveToken)
			if status, _ := get(t, c.HTTPClient(), f.resource()); status != 200 {
				t.Errorf("status %d once the server is back", status)
			}
		})
	}
}

func TestTokenEndpointMoves(t *testing.T) {
	f := newFake(t)
	c := signedIn(t, f)
	f.status("/token", http.StatusNotFound)
	moved := map[string]any{}
	maps.Copy(moved, f.serverMetadata)
	moved["token_endpoint"] = f.URL + "/token/v2"
	f.json(WellKnownServer, moved)
	f.replace("/token/v2", f.serveToken)
	if _, err := c.TokenSource(t.Context()).Token(); err == nil {
		t.Error("no error at the old address")
	}
	if token, err := c.TokenSource(t.Context()).Token(); err != nil || !token.Valid() {
		t.Errorf("got %v", err)
	}
}

func TestRefreshIsNotCalledOffHalfway(t *testing.T) {
	f := newFake(t)
	c := signedIn(t, f)
	ctx, cancel := context.WithCancel(t.Context())
	f.replace("/token", func(w http.ResponseWriter, r *http.Request) {
		cancel()
		f.serveToken(w, r)
	})
	if _, err := c.TokenSource(ctx).Token(); err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	f.replace("/token", nil)
	n := f.count("POST /token")
	if token, err := c.TokenSource(t.Context()).Token(); err != nil || !token.Valid() {
		t.Fatal(err)
	}
	if f.count("POST /token") != n {
		t.Error("the answer to the first refresh was lost")
	}
}

func TestUnsavedGrantIsKept(t *testing.T) {
	f := newFake(t)
	store := &brokenStore{MemoryStore: NewMemoryStore()}
	c := f.client(func(c *Config) { c.Store = store })
	if _, err := c.Register(t.Context()); err != nil {
		t.Fatal(err)
	}
	store.broken.Store(true)
	_, err := c.Authenticate(t.Context())
	wantError(t, err, "signed in, but the token could not be saved: disk full")
	// The program can go on with it, refresh it, and save it when that works
	// again, all without another login.
	logins := f.count("GET /authorize")
	for range 3 {
		if status, _ := get(t, c.HTTPClient(), f.resource()); status != 200 {
			t.Errorf("status %d", status)
		}
		f.expire()
	}
	store.broken.Store(false)
	f.expire()
	if status, _ := get(t, c.HTTPClient(), f.resource()); status != 200 {
		t.Errorf("status %d", status)
	}
	if creds, err := store.Load(t.Context(), c.grantKey()); err != nil || creds.Grant.AccessToken != c.grant.Grant.AccessToken {
		t.Errorf("not saved: %v", err)
	}
	if n := f.count("GET /authorize"); n != logins {
		t.Errorf("%d more logins", n-logins)
	}
}

type brokenStore struct {
	*MemoryStore
	broken atomic.Bool
}

func (s *brokenStore) Save(ctx context.Context, key string, c *Credentials) error {
	if s.broken.Load() {
		return errors.New("disk full")
	}
	return s.MemoryStore.Save(ctx, key, c)
}

func TestGrantsOfOtherConfigurationsAreNotUsed(t *testing.T) {
	f := newFake(t)
	store := NewMemoryStore()
	signedIn(t, f, func(c *Config) { c.Store = store })
	n := f.count("POST /token")
	for name, change := range map[string]func(*Config){
		"other server": func(c *Config) { c.AuthServer = "http://127.0.0.1:1" },
		"by hand":      func(c *Config) { c.ClientID = "byhand" },
		"other name":   func(c *Config) { c.ClientName = "other" },
	} {
		c := f.client(func(c *Config) { c.Store = store }, change)
		if _, err := c.TokenSource(t.Context()).Token(); !errors.Is(err, ErrNotSignedIn) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if f.count("POST /token") != n {
		t.Error("a refresh token was sent")
	}
}

// stub answers discovery and token requests without a network, for tests that
// run on synthetic time.
type stub struct {
	tokens atomic.Int64
	token  func() *http.Response
}

func (s *stub) RoundTrip(r *http.Request) (*http.Response, error) {
	const issuer = "https://as.example"
	switch r.URL.Path {
	case WellKnownResource + "/mcp":
		return jsonResponse(200, map[string]any{"resource": "https://mcp.example/mcp", "authorization_servers": []string{issuer}}), nil
	case WellKnownServer:
		return jsonResponse(200, map[string]any{
			"issuer": issuer, "authorization_endpoint": issuer + "/authorize", "token_endpoint": issuer + "/token",
			"code_challenge_methods_supported": []string{"S256"},
		}), nil
	case "/token":
		s.tokens.Add(1)
		return s.token(), nil
	}
	return jsonResponse(404, map[string]any{}), nil
}

func jsonResponse(status int, v any) *http.Response {
	body, _ := json.Marshal(v)
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(body))}
}

// stubClient returns a client whose token was just issued for a lifetime.
func stubClient(t *testing.T, s *stub, lifetime time.Duration) *Client {
	t.Helper()
	c, err := New(Config{
		Resource: "https://mcp.example/mcp", ClientID: "me", Logger: testLogger(t),
		HTTPClient: &http.Client{Transport: s},
	})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	g := &Grant{ClientID: "me", AccessToken: "a0", RefreshToken: "r0", Obtained: now, Expiry: now.Add(lifetime)}
	if err := c.store.Save(t.Context(), c.grantKey(), &Credentials{Issuer: "https://as.example", Grant: g}); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestEarlyRefreshFailureIsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{token: func() *http.Response { return jsonResponse(503, map[string]any{}) }}
		c := stubClient(t, s, 1000*time.Second)
		ts := c.TokenSource(t.Context())
		time.Sleep(950 * time.Second)
		for range 5 { // and not tried again at once
			if token, err := ts.Token(); err != nil || token.AccessToken != "a0" {
				t.Errorf("got %v", err)
			}
		}
		if n := s.tokens.Load(); n != 1 {
			t.Errorf("%d refreshes", n)
		}
		time.Sleep(earlyHold)
		if _, err := ts.Token(); err != nil || s.tokens.Load() != 2 {
			t.Errorf("%d refreshes, %v", s.tokens.Load(), err)
		}
		time.Sleep(50 * time.Second)
		if _, err := ts.Token(); err == nil {
			t.Error("the expired token was returned")
		}
	})
}

func TestS117RetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{token: func() *http.Response {
			r := jsonResponse(429, map[string]any{"error": "slow_down"})
			r.Header.Set("Retry-After", "30")
			return r
		}}
		c := stubClient(t, s, time.Second)
		ts := c.TokenSource(t.Context())
		time.Sleep(time.Minute)
		for range 5 {
			_, err := ts.Token()
			wantError(t, err, "slow_down", "30s")
		}
		if n := s.tokens.Load(); n != 1 {
			t.Errorf("%d requests during the pause", n)
		}
		time.Sleep(30 * time.Second)
		if _, err := ts.Token(); err == nil || s.tokens.Load() != 2 {
			t.Errorf("%d requests after the pause", s.tokens.Load())
		}
	})
}

func TestRetryAfterValues(t *testing.T) {
	for v, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, "-7": 0, "x": 0, "999999999999": time.Hour, "100000": time.Hour,
		"Wed, 21 Oct 2015 07:28:00 GMT": 0, "Wed, 21 Oct 2915 07:28:00 GMT": time.Hour,
	} {
		if got := retryAfter(http.Header{"Retry-After": {v}}); got != want {
			t.Errorf("%q: %v, want %v", v, got, want)
		}
	}
}

// A waiter that leaves does not disturb the others; the last one ends the work.
func TestFlights(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s flights
		var runs, ended atomic.Int64
		work := func(ctx context.Context) (*Credentials, error) {
			runs.Add(1)
			select {
			case <-ctx.Done():
				ended.Add(1)
				return nil, ctx.Err()
			case <-time.After(time.Minute):
				return &Credentials{Issuer: "x"}, nil
			}
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var all sync.WaitGroup
		all.Go(func() {
			if _, err := s.do(short, "k", work); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
		})
		for range 3 {
			all.Go(func() {
				if c, err := s.do(t.Context(), "k", work); err != nil || c.Issuer != "x" {
					t.Errorf("got %v, %v", c, err)
				}
			})
		}
		synctest.Wait()
		if !s.running("k") || s.running("other") {
			t.Error("running is wrong")
		}
		all.Wait()
		if runs.Load() != 1 || ended.Load() != 0 {
			t.Errorf("%d runs, %d called off", runs.Load(), ended.Load())
		}
		lone, cancelLone := context.WithCancel(t.Context())
		all.Go(func() { _, _ = s.do(lone, "k", work) })
		synctest.Wait()
		cancelLone()
		all.Wait()
		if runs.Load() != 2 || ended.Load() != 1 || s.running("k") {
			t.Errorf("%d runs, %d called off", runs.Load(), ended.Load())
		}
	})
}

func TestGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		late, stop := withGrace(ctx, time.Second)
		cancel()
		synctest.Wait()
		if late.Err() != nil {
			t.Error("ended at once")
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if late.Err() == nil {
			t.Error("did not end")
		}
		stop()
	})
}

func TestPeerText(t *testing.T) {
	if got := peerText(" a\x00b\u202ec\x7f "); got != "a b c" {
		t.Errorf("%q", got)
	}
	if got := peerText(strings.Repeat("é", 1000)); len(got) > maxTextBytes+4 {
		t.Errorf("%d bytes", len(got))
	}
}

func TestRefreshNow(t *testing.T) {
	f := newFake(t)
	store := NewMemoryStore()
	c := f.client(func(c *Config) { c.Store = store })
	if _, err := c.Refresh(t.Context()); !errors.Is(err, ErrNotSignedIn) {
		t.Errorf("without a grant: %v", err)
	}
	if _, err := c.StoredGrant(t.Context()); !errors.Is(err, ErrNotSignedIn) {
		t.Errorf("without a grant: %v", err)
	}
	first, err := c.Authenticate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	second, err := c.Refresh(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if second.AccessToken == first.AccessToken || f.lastForm().Get("grant_type") != GrantRefreshToken {
		t.Errorf("a token that can be used was not replaced: %v", f.lastForm())
	}
	// Another process finds it, and its own refresh is one of its own.
	other := f.client(func(c *Config) { c.Store = store })
	creds, err := other.StoredGrant(t.Context())
	if err != nil || creds.Grant.AccessToken != second.AccessToken || creds.Issuer != f.URL {
		t.Errorf("stored: %+v, %v", creds, err)
	}
	third, err := other.Refresh(t.Context())
	if err != nil || third.AccessToken == second.AccessToken {
		t.Errorf("third token: %v", err)
	}
	// What another process got in the meantime is what was wanted.
	requests := f.count("POST /token")
	if again, err := c.Refresh(t.Context()); err != nil || again.AccessToken != third.AccessToken || f.count("POST /token") != requests {
		t.Errorf("the refresh of another process does not count: %v", err)
	}
	f.revoke()
	if _, err := c.Refresh(t.Context()); !errors.Is(err, ErrNotSignedIn) || !errors.Is(err, &Error{Code: CodeInvalidGrant}) {
		t.Errorf("refused: %v", err)
	}
}

func TestRefreshNowWithoutRefreshToken(t *testing.T) {
	f := newFake(t)
	f.token = func(answer map[string]any) { delete(answer, "refresh_token") }
	c := f.client()
	if _, err := c.Authenticate(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err := c.Refresh(t.Context())
	wantError(t, err, "no refresh token was issued")
	if !errors.Is(err, ErrNotSignedIn) {
		t.Error("a new sign-in would help, and the error does not say so")
	}
}
