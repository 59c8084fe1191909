// SPDX-License-Identifier: Apache-2.0

package authserver_test

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/local"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store/bolt"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store/memory"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/resource"
)

const (
	keyIssuer   = "https://auth.example"
	keyResource = "https://mcp.example/mcp"

	// noticed is longer than a server takes to see what another one did.
	noticed = 11 * time.Second

	// ahead is how long a key is published before it signs.
	ahead = time.Hour
)

// A signer is a server, and a grant for which it signs tokens. It is asked
// without a network, so that tests can let time pass.
type signer struct {
	*authserver.Server
	t       *testing.T
	refresh string
}

func newSigner(t *testing.T, db store.Store, edits ...func(*authserver.Options)) *signer {
	t.Helper()
	users := local.New()
	if err := users.Set("alice", "correct horse"); err != nil {
		t.Fatal(err)
	}
	o := authserver.Options{
		Issuer: keyIssuer, Store: db, Login: users, Resources: []authserver.Resource{{URI: keyResource}},
		GrantTTL: 1000 * 24 * time.Hour,
	}
	for _, edit := range edits {
		edit(&o)
	}
	s, err := authserver.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	client := "client_" + rand.Text()
	err = db.CreateClient(t.Context(), store.Client{ID: client, Metadata: oauthdyn.ClientMetadata{
		TokenEndpointAuthMethod: "none", GrantTypes: []string{"authorization_code", "refresh_token"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	handle, far := rand.Text(), time.Now().Add(1000*24*time.Hour)
	code := store.Code{Hash: store.HashOf(handle), ClientID: client, Expires: time.Now().Add(time.Minute)}
	err = errors.Join(db.PutCode(t.Context(), code), db.RedeemCode(t.Context(), code.Hash, store.Grant{
		ID: store.HashOf(handle), ClientID: client, Subject: "local:alice", Resources: []string{keyResource}, Expires: far,
		Refresh: store.Refresh{Current: store.HashOf(handle + ".1"), Expires: far},
	}))
	if err != nil {
		t.Fatal(err)
	}
	return &signer{Server: s, t: t, refresh: client + " " + handle + ".1"}
}

// token returns a fresh access token.
func (s *signer) token() string {
	s.t.Helper()
	client, refresh, _ := strings.Cut(s.refresh, " ")
	rec := do(s, "POST", "/token", refreshForm(client, refresh).Encode(), "Content-Type", "application/x-www-form-urlencoded")
	var reply tokenReply
	if err := json.Unmarshal(rec.Body.Bytes(), &reply); err != nil || reply.AccessToken == "" {
		s.t.Fatalf("refresh: %d %s", rec.Code, rec.Body)
	}
	s.refresh = client + " " + reply.RefreshToken
	return reply.AccessToken
}

// kids returns the ids of the published keys.
func (s *signer) kids() (kids []string) {
	s.t.Helper()
	var set struct{ Keys []map[string]string }
	body := get(s, "/jwks").Body.Bytes()
	if err := json.Unmarshal(body, &set); err != nil {
		s.t.Fatal(err)
	}
	for _, k := range set.Keys {
		if k["d"] != "" || k["p"] != "" {
			s.t.Fatalf("a private key is published: %s", body)
		}
		kids = append(kids, k["kid"])
	}
	return kids
}

// keys lists the keys as "STATE ALGORITHM".
func (s *signer) states() (states []string) {
	s.t.Helper()
	l, err := s.Keys().List(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	for _, k := range l.Keys {
		states = append(states, string(k.State)+" "+k.Algorithm)
	}
	return states
}

func (s *signer) rotate(o authserver.KeyRotation) authserver.KeyList {
	s.t.Helper()
	l, err := s.Keys().Rotate(s.t.Context(), o)
	if err != nil {
		s.t.Fatal(err)
	}
	return l
}

// A verifier is a resource, and counts how often it reads the keys.
type warmVerifier struct {
	*resource.JWTVerifier
	reads atomic.Int32
	from  http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (v *warmVerifier) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Path == "/jwks" {
		v.reads.Add(1)
	}
	return v.from.RoundTrip(r)
}

func (s *signer) verifier(edits ...func(*resource.JWTOptions)) *warmVerifier {
	s.t.Helper()
	v := &warmVerifier{from: s.Transport(nil)}
	o := resource.JWTOptions{Issuers: []string{keyIssuer}, Audience: keyResource, HTTPClient: &http.Client{Transport: v}}
	for _, edit := range edits {
		edit(&o)
	}
	var err error
	if v.JWTVerifier, err = resource.NewJWTVerifier(o); err != nil {
		s.t.Fatal(err)
	}
	return v
}

// takes reports whether a token is accepted.
func (v *warmVerifier) takes(t *testing.T, token string) bool {
	t.Helper()
	_, err := v.Verify(t.Context(), token)
	if err != nil && !errors.Is(err, resource.ErrInvalidToken) {
		t.Fatal(err)
	}
	return err == nil
}

func header(t *testing.T, token string) (h struct{ Kid, Alg string }) {
	t.Helper()
	part, _, _ := strings.Cut(token, ".")
	data, err := base64.RawURLEncoding.DecodeString(part)
	if err == nil {
		err = json.Unmarshal(data, &h)
	}
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// TestKeysRotateBySchedule lets a week pass, with a key for every two days. No
// token is ever refused before it expires, by a verifier that is warm, or by one
// that has read the keys an hour ago and does not read them for an unknown one.
func TestKeysRotateBySchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const step, ttl = 20 * time.Minute, time.Hour
		s := newSigner(t, memory.New(nil), func(o *authserver.Options) { o.KeyRotation, o.AccessTokenTTL = 48*time.Hour, ttl })
		v := s.verifier()
		type issued struct {
			token   string
			expires time.Time
		}
		var alive []issued
		var history [][]string
		signed := map[string]int{}
		time.Sleep(5 * time.Second) // the server looks at its keys when we do not
		begin := time.Now()
		for time.Since(begin) < 7*24*time.Hour {
			history = append(history, s.kids())
			token := s.token()
			kid := header(t, token).Kid
			signed[kid]++
			alive = append(alive, issued{token, time.Now().Add(ttl)})
			alive = slices.DeleteFunc(alive, func(i issued) bool { return !time.Now().Before(i.expires) })
			for _, i := range alive {
				if !v.takes(t, i.token) || !s.verifier().takes(t, i.token) {
					t.Fatalf("after %v: a token is refused", time.Since(begin))
				}
			}
			if old := len(history) - 1 - int(ahead/step); old >= 0 && !slices.Contains(history[old], kid) {
				t.Fatalf("after %v: %s signs, and was not published an hour ago", time.Since(begin), kid)
			}
			if n := len(s.kids()); n > 3 {
				t.Fatalf("%d keys are published", n)
			}
			time.Sleep(step)
		}
		if len(signed) != 4 {
			t.Errorf("%d keys have signed in a week: %v", len(signed), signed)
		}
		for kid, n := range signed {
			if most := int(48*time.Hour/step) + 1; n > most {
				t.Errorf("%s has signed %d times, more than %d", kid, n, most)
			}
		}
		// The keys are read when they are ten minutes old, and never for an
		// unknown one.
		if reads := int(v.reads.Load()); reads > len(history) {
			t.Errorf("the keys were read %d times in %d steps", reads, len(history))
		}
	})
}

func TestKeysDoNotRotate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSigner(t, memory.New(nil), func(o *authserver.Options) { o.KeyRotation = -1 })
		before := s.kids()
		time.Sleep(91 * 24 * time.Hour) // the default is 90
		if diff := cmp.Diff(before, s.kids()); diff != "" {
			t.Error(diff)
		}
	})
}

// TestKeysOfTwoServers has them share a store: one rotates, both follow, at the
// same time.
func TestKeysOfTwoServers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := memory.New(nil)
		scheduled := func(o *authserver.Options) { o.KeyRotation = 48 * time.Hour }
		a, b := newSigner(t, db, scheduled), newSigner(t, db, scheduled)
		va, vb := a.verifier(), b.verifier()
		both := func(what string, want ...string) (token string) {
			t.Helper()
			if diff := cmp.Diff(want, b.states()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", what, diff)
			}
			if diff := cmp.Diff(a.kids(), b.kids()); diff != "" {
				t.Errorf("%s: the two differ:\n%s", what, diff)
			}
			ta, tb := a.token(), b.token()
			if active := a.kids()[0]; header(t, ta).Kid != active || header(t, tb).Kid != active {
				t.Errorf("%s: signed by %s and %s, want %s", what, header(t, ta).Kid, header(t, tb).Kid, active)
			}
			for _, v := range []*warmVerifier{va, vb} {
				if !v.takes(t, ta) || !v.takes(t, tb) {
					t.Errorf("%s: a token is refused", what)
				}
			}
			return ta
		}
		both("at first", "active ES256")
		etag := get(b, "/jwks").Header().Get("ETag")
		l := a.rotate(authserver.KeyRotation{})
		if again := b.rotate(authserver.KeyRotation{}); !cmp.Equal(l, again) {
			t.Errorf("rotated once more: %s", cmp.Diff(l, again))
		}
		time.Sleep(noticed)
		both("rotated", "active ES256", "next ES256")
		if rec := get(b, "/jwks", "If-None-Match", etag); rec.Code != 200 || rec.Header().Get("ETag") == etag {
			t.Errorf("the entity tag is still %s", etag)
		}
		time.Sleep(ahead - time.Minute)
		last := a.token()
		if header(t, last).Kid != l.Keys[0].ID || header(t, b.token()).Kid != l.Keys[0].ID {
			t.Error("the next key signs before its time")
		}
		time.Sleep(time.Minute)
		both("an hour later", "active ES256", "retired ES256")
		if !va.takes(t, last) || !vb.takes(t, last) {
			t.Error("a token of the retired key is refused")
		}
		time.Sleep(26 * time.Hour)
		both("a day later", "active ES256")
		time.Sleep(21*time.Hour + 30*time.Minute)
		both("by schedule", "active ES256", "next ES256")
	})
}

// TestKeysReplaced: the active key is in wrong hands.
func TestKeysReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := memory.New(nil)
		a, b := newSigner(t, db), newSigner(t, db)
		warm, idle := b.verifier(), b.verifier()
		old := a.token()
		if !warm.takes(t, old) || !idle.takes(t, old) {
			t.Fatal("a good token is refused")
		}
		a.rotate(authserver.KeyRotation{}) // there is a next key, too
		l := a.rotate(authserver.KeyRotation{Now: true})
		if len(l.Keys) != 1 || l.Keys[0].State != authserver.KeyActive || l.Keys[0].ID == header(t, old).Kid {
			t.Fatalf("keys %+v", l)
		}
		time.Sleep(noticed)
		fresh := b.token()
		if kid := header(t, fresh).Kid; kid != l.Keys[0].ID {
			t.Errorf("the other server signs with %s", kid)
		}
		// A verifier that sees a fresh token forgets the old key with that; one
		// that sees none does when it reads the keys next.
		if !warm.takes(t, fresh) || warm.takes(t, old) {
			t.Error("the old key is trusted still")
		}
		time.Sleep(10 * time.Minute)
		if idle.takes(t, old) {
			t.Error("the old key is trusted after ten minutes")
		}
	})
}

func TestSigningAlgorithms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := memory.New(nil)
		previous := ""
		for _, algorithm := range []string{authserver.ES256, authserver.EdDSA, authserver.RS256} {
			s := newSigner(t, db, func(o *authserver.Options) { o.SigningAlgorithm = algorithm })
			v := s.verifier()
			only := s.verifier(func(o *resource.JWTOptions) { o.Algorithms = []string{algorithm} })
			announced := func() (algorithms []any) {
				var md map[string]any
				if err := json.Unmarshal(get(s, "/.well-known/openid-configuration").Body.Bytes(), &md); err != nil {
					t.Fatal(err)
				}
				return md["id_token_signing_alg_values_supported"].([]any)
			}
			if previous != "" {
				token := s.token()
				if got := header(t, token).Alg; got != previous || !v.takes(t, token) {
					t.Errorf("after the change to %s: %s signs", algorithm, got)
				}
				if diff := cmp.Diff([]any{previous, algorithm}, announced()); diff != "" {
					t.Error(diff)
				}
				time.Sleep(ahead + noticed)
			}
			token := s.token()
			if got := header(t, token).Alg; got != algorithm || !v.takes(t, token) || !only.takes(t, token) {
				t.Errorf("%s: %s signs", algorithm, got)
			}
			if diff := cmp.Diff([]any{algorithm}, announced()); diff != "" {
				t.Error(diff)
			}
			// Without a wish the algorithm stays.
			s.Close()
			s = newSigner(t, db)
			s.rotate(authserver.KeyRotation{})
			time.Sleep(ahead + noticed)
			if got := header(t, s.token()).Alg; got != algorithm {
				t.Errorf("%s signs after a rotation, want %s", got, algorithm)
			}
			s.Close()
			previous = algorithm
		}
	})
}

// downStore fails where the keys are read, if told to.
type downStore struct {
	store.Store
	down atomic.Bool
}

func (s *downStore) LoadKeys(ctx context.Context) ([]byte, uint64, error) {
	if s.down.Load() {
		return nil, 0, errors.New("down")
	}
	return s.Store.LoadKeys(ctx)
}

// TestKeysWithoutTheStore: what is known takes its course.
func TestKeysWithoutTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := &downStore{Store: memory.New(nil)}
		s := newSigner(t, db)
		s.rotate(authserver.KeyRotation{})
		kids := s.kids()
		db.down.Store(true)
		time.Sleep(ahead + noticed)
		if kid := header(t, s.token()).Kid; len(kids) != 2 || kid != kids[1] {
			t.Errorf("%s signs, want %s", kid, kids[1])
		}
		if _, err := s.Keys().Rotate(t.Context(), authserver.KeyRotation{}); err == nil {
			t.Error("rotated without the store")
		}
		db.down.Store(false)
		time.Sleep(25*time.Hour + noticed)
		if diff := cmp.Diff(kids[1:], s.kids()); diff != "" {
			t.Error(diff)
		}
	})
}

// TestKeysRacers has 64 start at once, and 64 rotate at once.
func TestKeysRacers(t *testing.T) {
	db, err := bolt.Open(filepath.Join(t.TempDir(), "db"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for name, db := range map[string]store.Store{"memory": memory.New(nil), "bolt": db} {
		t.Run(name, func(t *testing.T) {
			const racers = 64
			race := func(do func() error) {
				t.Helper()
				var all sync.WaitGroup
				for range racers {
					all.Go(func() {
						if err := do(); err != nil {
							t.Error(err)
						}
					})
				}
				all.Wait()
			}
			var mu sync.Mutex
			told := map[string]bool{} // what the racers got
			tell := func(what string) {
				mu.Lock()
				defer mu.Unlock()
				told[what] = true
			}
			race(func() error {
				s, err := authserver.New(t.Context(), authserver.Options{
					Issuer: keyIssuer, Store: db, Login: local.New(), Resources: []authserver.Resource{{URI: keyResource}},
				})
				if err == nil {
					tell(get(s, "/jwks").Body.String())
					s.Close()
				}
				return err
			})
			if len(told) != 1 {
				t.Errorf("the first servers have %d key sets", len(told))
			}
			clear(told)
			s := newSigner(t, db)
			if diff := cmp.Diff([]string{"active ES256"}, s.states()); diff != "" {
				t.Error(diff)
			}
			rotation := func(o authserver.KeyRotation) func() error {
				return func() error {
					keys, err := authserver.OpenKeys(authserver.KeyOptions{Store: db})
					if err == nil {
						var l authserver.KeyList
						l, err = keys.Rotate(t.Context(), o)
						tell(l.Changed)
					}
					return err
				}
			}
			race(rotation(authserver.KeyRotation{}))
			if len(told) != 1 {
				t.Errorf("%d next keys were made", len(told))
			}
			if diff := cmp.Diff([]string{"active ES256", "next ES256"}, s.states()); diff != "" {
				t.Error(diff)
			}
			race(rotation(authserver.KeyRotation{Now: true}))
			if diff := cmp.Diff([]string{"active ES256"}, s.states()); diff != "" {
				t.Error(diff)
			}
		})
	}
}
