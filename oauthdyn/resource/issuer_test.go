// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/jose"
)

const (
	testIssuer   = "https://auth.example"
	testResource = "https://mcp.example/mcp"
)

// An issuerFixture is an authorization server that only publishes its keys. It
// is reached without sockets, so that tests can let time pass in a bubble.
type issuerFixture struct {
	t *testing.T

	mu       sync.Mutex
	keys     []*jose.SigningKey // the first one signs
	down     bool
	issuer   string // as the metadata says
	fetches  atomic.Int32
	slowness time.Duration
}

func newIssuerFixture(t *testing.T) *issuerFixture {
	f := &issuerFixture{t: t, issuer: testIssuer}
	f.rotate(false)
	return f
}

// RoundTrip implements http.RoundTripper.
func (f *issuerFixture) RoundTrip(req *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	f.mu.Lock()
	down, slowness := f.down, f.slowness
	f.mu.Unlock()
	select {
	case <-time.After(slowness): // in a bubble
	case <-req.Context().Done():
		return nil, req.Context().Err()
	}
	if down {
		f.fetches.Add(1)
		return nil, errors.New("connection refused")
	}
	f.serve(rec, req)
	return rec.Result(), nil
}

func (f *issuerFixture) serve(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch r.URL.Path {
	case oauthdyn.WellKnownServer:
		md := oauthdyn.ServerMetadata{Issuer: f.issuer, JWKSURI: testIssuer + "/jwks"}
		if err := json.NewEncoder(w).Encode(md); err != nil {
			f.t.Error(err)
		}
	case "/jwks":
		f.fetches.Add(1)
		var public []jose.PublicKey
		for _, k := range f.keys {
			public = append(public, k.Public())
		}
		if err := json.NewEncoder(w).Encode(jose.NewPublicKeys(public...)); err != nil {
			f.t.Error(err)
		}
	default:
		http.NotFound(w, r)
	}
}

func (f *issuerFixture) verifier() *JWTVerifier {
	v, err := NewJWTVerifier(JWTOptions{
		Issuers:    []string{testIssuer},
		Audience:   testResource,
		HTTPClient: &http.Client{Transport: f},
		CacheSize:  cacheShards * 4,
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return v
}

// token signs an access token with the current key.
func (f *issuerFixture) token(edits ...func(*jose.Claims)) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := jose.Claims{
		Issuer:   testIssuer,
		Subject:  "local:alice",
		ClientID: "client",
		Username: "alice",
		Audience: []string{testResource},
		IssuedAt: time.Now(),
		Expires:  time.Now().Add(15 * time.Minute),
	}
	for _, edit := range edits {
		edit(&c)
	}
	token, err := f.keys[0].Sign(c)
	if err != nil {
		f.t.Fatal(err)
	}
	return token
}

// rotate makes a new key sign; the old one stays published or not.
func (f *issuerFixture) rotate(keep bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fresh, err := jose.NewSigningKey(jose.ES256)
	if err != nil {
		f.t.Fatal(err)
	}
	if !keep {
		f.keys = nil
	}
	f.keys = append([]*jose.SigningKey{fresh}, f.keys...)
}

func (f *issuerFixture) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// wantFetches checks how often the keys were asked for so far.
func (f *issuerFixture) wantFetches(want int32) {
	f.t.Helper()
	if got := f.fetches.Load(); got != want {
		f.t.Errorf("keys were fetched %d times, want %d", got, want)
	}
}

func wantError(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: error %v, want %v", what, err, want)
	}
}

func TestKeysAreReadOnceAndLazily(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newIssuerFixture(t)
		f.slowness = time.Second
		v := f.verifier()
		token := f.token()
		f.wantFetches(0)
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				_, err := v.Verify(t.Context(), token)
				wantError(t, "verify", err, nil)
			})
		}
		all.Wait()
		f.wantFetches(1)

		time.Sleep(keysFresh)
		_, err := v.Verify(t.Context(), f.token())
		wantError(t, "after ten minutes", err, nil)
		f.wantFetches(2)
	})
}

func TestImpatientCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newIssuerFixture(t)
		f.slowness = time.Second
		v := f.verifier()
		token := f.token()
		impatient, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		var all sync.WaitGroup
		all.Go(func() { // fetches, for everybody
			_, err := v.Verify(impatient, token)
			wantError(t, "the one that fetches", err, nil)
		})
		all.Go(func() {
			time.Sleep(time.Millisecond)
			_, err := v.Verify(impatient, token)
			wantError(t, "impatient", err, context.DeadlineExceeded)
			if errors.Is(err, ErrInvalidToken) {
				t.Error("an unchecked token counts as invalid")
			}
		})
		all.Go(func() {
			time.Sleep(time.Millisecond)
			_, err := v.Verify(t.Context(), token)
			wantError(t, "patient", err, nil)
		})
		all.Wait()
		f.wantFetches(1)
	})
}

func TestS82UnknownKeyIsLookedUpOnceAMinute(t *testing.T) { // S82
	synctest.Test(t, func(t *testing.T) {
		f := newIssuerFixture(t)
		v := f.verifier()
		_, err := v.Verify(t.Context(), f.token())
		wantError(t, "first key", err, nil)
		f.wantFetches(1)

		f.rotate(true)
		_, err = v.Verify(t.Context(), f.token())
		wantError(t, "rotated key", err, nil)
		f.wantFetches(2)

		stranger := newIssuerFixture(t)
		for range 100 {
			_, err = v.Verify(t.Context(), stranger.token())
			wantError(t, "foreign key", err, ErrInvalidToken)
		}
		f.wantFetches(2)
		time.Sleep(unknownKeyPause)
		for range 100 {
			_, err = v.Verify(t.Context(), stranger.token())
			wantError(t, "foreign key", err, ErrInvalidToken)
		}
		f.wantFetches(3)
	})
}

func TestAllWaitForANewKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newIssuerFixture(t)
		v := f.verifier()
		if _, err := v.Verify(t.Context(), f.token()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * unknownKeyPause)
		f.rotate(true)
		f.set(func() { f.slowness = time.Second })
		var callers sync.WaitGroup
		for range 8 {
			callers.Go(func() {
				if _, err := v.Verify(t.Context(), f.token()); err != nil {
					t.Error(err)
				}
			})
		}
		callers.Wait()
		f.wantFetches(2)
	})
}

func TestFetchesBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newIssuerFixture(t)
		f.down = true
		v := f.verifier()
		check := func() error {
			_, err := v.Verify(t.Context(), f.token())
			return err
		}
		start := time.Now()
		for time.Since(start) < time.Minute {
			if err := check(); err == nil || errors.Is(err, ErrInvalidToken) {
				t.Fatalf("error %v, want one that is not about the token", err)
			}
			time.Sleep(10 * time.Millisecond)
		}
		// Two URLs at 0, .25, .75, 1.75, 3.75, 7.75, 15.75, 31.75 seconds.
		f.wantFetches(2 * 8)

		f.set(func() { f.down = false })
		time.Sleep(maxBackoff)
		wantError(t, "issuer is back", check(), nil)
	})
}

func TestOldKeysServeWhileTheIssuerIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newIssuerFixture(t)
		v := f.verifier()
		_, err := v.Verify(t.Context(), f.token())
		wantError(t, "up", err, nil)
		f.set(func() { f.down = true })
		time.Sleep(keysUsable - time.Second)
		_, err = v.Verify(t.Context(), f.token())
		wantError(t, "down for less than an hour", err, nil)
		time.Sleep(maxBackoff)
		if _, err = v.Verify(t.Context(), f.token()); err == nil || errors.Is(err, ErrInvalidToken) {
			t.Errorf("down for an hour: error %v, want one that is not about the token", err)
		}
	})
}

func TestOldKeysServeWhileTheIssuerHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newIssuerFixture(t)
		v := f.verifier()
		_, err := v.Verify(t.Context(), f.token())
		wantError(t, "up", err, nil)
		f.set(func() { f.slowness = time.Hour })
		time.Sleep(keysFresh)
		_, err = v.Verify(t.Context(), f.token())
		wantError(t, "the first to find out", err, nil)
		time.Sleep(minBackoff)
		var reader sync.WaitGroup
		reader.Go(func() {
			_, err := v.Verify(t.Context(), f.token())
			wantError(t, "the one that tries again", err, nil)
		})
		synctest.Wait()
		start := time.Now()
		_, err = v.Verify(t.Context(), f.token())
		wantError(t, "another", err, nil)
		if waited := time.Since(start); waited > 0 {
			t.Errorf("another waited %v", waited)
		}
		reader.Wait()
	})
}

func TestS89CacheNeverOutlives(t *testing.T) { // S89
	synctest.Test(t, func(t *testing.T) {
		f := newIssuerFixture(t)
		v := f.verifier()
		short := f.token(func(c *jose.Claims) { c.Expires = time.Now().Add(10 * time.Second) })
		first, err := v.Verify(t.Context(), short)
		wantError(t, "fresh", err, nil)
		again, err := v.Verify(t.Context(), short)
		wantError(t, "cached", err, nil)
		if first != again {
			t.Error("the second check was not answered from the cache")
		}
		time.Sleep(10*time.Second + ClockSkew)
		_, err = v.Verify(t.Context(), short)
		wantError(t, "expired", err, ErrInvalidToken)

		// A key that is gone takes its tokens along as soon as that is known.
		long := f.token()
		_, err = v.Verify(t.Context(), long)
		wantError(t, "old key", err, nil)
		f.rotate(false)
		_, err = v.Verify(t.Context(), f.token())
		wantError(t, "new key", err, nil)
		_, err = v.Verify(t.Context(), long)
		wantError(t, "removed key", err, ErrInvalidToken)

		// Nobody else asks: the cache must not keep it for longer than the keys
		// are known to be current.
		time.Sleep(keysFresh)
		long = f.token(func(c *jose.Claims) { c.Expires = time.Now().Add(time.Hour) })
		_, err = v.Verify(t.Context(), f.token())
		wantError(t, "keys are read", err, nil)
		time.Sleep(keysFresh - time.Second)
		_, err = v.Verify(t.Context(), long)
		wantError(t, "newest key", err, nil)
		f.rotate(false)
		time.Sleep(time.Second)
		_, err = v.Verify(t.Context(), long)
		wantError(t, "removed key after ten minutes", err, ErrInvalidToken)
	})
}

func TestS89CacheIsBounded(t *testing.T) { // S89
	f := newIssuerFixture(t)
	v := f.verifier()
	for i := range 300 {
		_, err := v.Verify(t.Context(), f.token(func(c *jose.Claims) { c.ID = fmt.Sprint(i) }))
		wantError(t, "good", err, nil)
	}
	if n := v.cache.len(); n > cacheShards*4 || n < cacheShards {
		t.Errorf("%d tokens are kept, the limit is %d", n, cacheShards*4)
	}
	before := v.cache.len()
	for i := range 100 {
		_, err := v.Verify(t.Context(), f.token()[:200]+fmt.Sprint(i))
		wantError(t, "bad", err, ErrInvalidToken)
	}
	if v.cache.len() != before {
		t.Error("bad tokens got into the cache")
	}
}

func TestVerifyRefuses(t *testing.T) {
	f := newIssuerFixture(t)
	v := f.verifier()
	for name, edit := range map[string]func(*jose.Claims){
		"issuer":         func(c *jose.Claims) { c.Issuer = "https://evil.example" },
		"issuer slash":   func(c *jose.Claims) { c.Issuer += "/" },
		"audience":       func(c *jose.Claims) { c.Audience = []string{testIssuer} },
		"audience slash": func(c *jose.Claims) { c.Audience = []string{testResource + "/"} },
		"expired":        func(c *jose.Claims) { c.Expires = time.Now().Add(-2 * time.Minute) },
	} {
		_, err := v.Verify(t.Context(), f.token(edit))
		wantError(t, name, err, ErrInvalidToken)
	}
	p, err := v.Verify(t.Context(), f.token(func(c *jose.Claims) { c.Audience = append(c.Audience, "other"); c.Scopes = []string{"a"} }))
	if err != nil {
		t.Fatal(err)
	}
	if p.Subject != "local:alice" || p.ClientID != "client" || p.Username != "alice" || p.Issuer != testIssuer || !p.HasScopes("a") || p.HasScopes("a", "b") {
		t.Errorf("principal %+v", p)
	}
}

func TestMetadataOfAnotherIssuerIsNotUsed(t *testing.T) {
	f := newIssuerFixture(t)
	f.issuer = testIssuer + "/"
	_, err := f.verifier().Verify(t.Context(), f.token())
	if err == nil || errors.Is(err, ErrInvalidToken) || !strings.Contains(err.Error(), "names issuer") {
		t.Errorf("error %v", err)
	}
}

func TestMetadataURLs(t *testing.T) {
	for issuer, want := range map[string]string{
		"https://a.example":      "https://a.example/.well-known/oauth-authorization-server https://a.example/.well-known/openid-configuration",
		"https://a.example/":     "https://a.example/.well-known/oauth-authorization-server https://a.example/.well-known/openid-configuration",
		"https://a.example/t/1":  "https://a.example/.well-known/oauth-authorization-server/t/1 https://a.example/.well-known/openid-configuration/t/1 https://a.example/t/1/.well-known/openid-configuration",
		"https://a.example/t%2F": "https://a.example/.well-known/oauth-authorization-server/t%2F https://a.example/.well-known/openid-configuration/t%2F https://a.example/t%2F/.well-known/openid-configuration",
	} {
		if got := strings.Join(metadataURLs(issuer), " "); got != want {
			t.Errorf("%s:\n got %s\nwant %s", issuer, got, want)
		}
	}
}

func TestNewJWTVerifierErrors(t *testing.T) {
	for _, o := range []JWTOptions{
		{},
		{Issuers: []string{testIssuer}},
		{Audience: testResource},
		{Audience: testResource, Issuers: []string{"http://auth.example"}},
		{Audience: testResource, Issuers: []string{"https://user@auth.example"}},
		{Audience: testResource, Issuers: []string{"auth.example"}},
	} {
		if _, err := NewJWTVerifier(o); err == nil {
			t.Errorf("%+v: no error", o)
		}
	}
	for _, issuer := range []string{"http://127.0.0.1:1", "http://[::1]:1", "http://localhost", "https://a.example/t"} {
		if _, err := NewJWTVerifier(JWTOptions{Audience: testResource, Issuers: []string{issuer}}); err != nil {
			t.Errorf("%s: %v", issuer, err)
		}
	}
}
