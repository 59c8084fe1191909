// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/jose"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/jose/josetest"
)

// A foreignIssuer publishes keys that were not made by our own server.
type foreignIssuer struct{ keys []*josetest.Key }

func newForeignIssuer(tb testing.TB, algorithms ...string) *foreignIssuer {
	tb.Helper()
	f := &foreignIssuer{}
	for _, algorithm := range algorithms {
		key, err := josetest.NewKey(algorithm, "key-"+algorithm)
		if err != nil {
			tb.Fatal(err)
		}
		f.keys = append(f.keys, key)
	}
	return f
}

// RoundTrip implements http.RoundTripper.
func (f *foreignIssuer) RoundTrip(req *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	if req.URL.Path == oauthdyn.WellKnownServer {
		fmt.Fprintf(rec, `{"issuer":%q,"jwks_uri":"%s/jwks"}`, testIssuer, testIssuer)
		return rec.Result(), nil
	}
	data, err := josetest.JWKS(f.keys...)
	if err != nil {
		return nil, err
	}
	_, err = rec.Write(data)
	return rec.Result(), err
}

func (f *foreignIssuer) verifier(tb testing.TB, o JWTOptions) *JWTVerifier {
	tb.Helper()
	o.Issuers, o.Audience, o.HTTPClient = []string{testIssuer}, testResource, &http.Client{Transport: f}
	v, err := NewJWTVerifier(o)
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

// token signs with a key, for an hour and the given person.
func (f *foreignIssuer) token(tb testing.TB, key int, typ, subject string) string {
	tb.Helper()
	token, err := f.keys[key].Sign(typ, fmt.Sprintf(`{"iss":%q,"aud":%q,"sub":%q,"exp":%d,"scope":"mcp"}`,
		testIssuer, testResource, subject, time.Now().Add(time.Hour).Unix()))
	if err != nil {
		tb.Fatal(err)
	}
	return token
}

func TestR5S80AllowedAlgorithms(t *testing.T) {
	f := newForeignIssuer(t, jose.Algorithms...)
	all, one := f.verifier(t, JWTOptions{}), f.verifier(t, JWTOptions{Algorithms: []string{"RS256"}})
	for i, key := range f.keys {
		token := f.token(t, i, "at+jwt", "alice")
		_, err := all.Verify(t.Context(), token)
		wantError(t, key.Algorithm, err, nil)
		want := ErrInvalidToken
		if key.Algorithm == "RS256" {
			want = nil
		}
		_, err = one.Verify(t.Context(), token)
		wantError(t, key.Algorithm+" where RS256 is allowed", err, want)
	}
	for _, algorithm := range []string{"none", "HS256", "es256", ""} {
		if _, err := NewJWTVerifier(JWTOptions{Issuers: []string{testIssuer}, Audience: testResource, Algorithms: []string{algorithm}}); err == nil {
			t.Errorf("algorithm %q: no error", algorithm)
		}
	}
}

func TestS84AcceptTypeJWT(t *testing.T) {
	f := newForeignIssuer(t, jose.ES256)
	strict, plain := f.verifier(t, JWTOptions{}), f.verifier(t, JWTOptions{AcceptTypeJWT: true})
	_, err := strict.Verify(t.Context(), f.token(t, 0, "JWT", "alice"))
	wantError(t, "strict", err, ErrInvalidToken)
	_, err = plain.Verify(t.Context(), f.token(t, 0, "JWT", "alice"))
	wantError(t, "plain", err, nil)
}

// The claims are those of issuers that do not follow RFC 9068 to the letter.
func TestForeignClaims(t *testing.T) {
	f := newForeignIssuer(t, jose.ES256)
	for _, test := range []struct {
		name, claims string
		client       string // empty: refused
	}{
		{"client_id", `"client_id":"a"`, "a"},
		{"azp for want of client_id", `"azp":"b"`, "b"},
		{"client_id before azp", `"client_id":"a","azp":"b"`, "a"},
		{"bound to a DPoP key", `"client_id":"a","cnf":{"jkt":"x"}`, ""},
		{"bound to a certificate", `"client_id":"a","cnf":{"x5t#S256":"x"}`, ""},
		{"bound in a way that nobody knows", `"client_id":"a","cnf":"x"`, ""},
		{"bound to nothing", `"client_id":"a","cnf":null`, "a"},
	} {
		t.Run(test.name, func(t *testing.T) {
			token, err := f.keys[0].Sign(jose.TypeAccessToken, fmt.Sprintf(`{"iss":%q,"aud":%q,"sub":"alice","exp":%d,%s}`,
				testIssuer, testResource, time.Now().Add(time.Hour).Unix(), test.claims))
			if err != nil {
				t.Fatal(err)
			}
			p, err := f.verifier(t, JWTOptions{}).Verify(t.Context(), token)
			if test.client == "" {
				wantError(t, test.name, err, ErrInvalidToken)
			} else if err != nil || p.ClientID != test.client {
				t.Errorf("%+v, %v: want client %q", p, err, test.client)
			}
		})
	}
}

func TestS89KeyReplacedUnderItsOldName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newForeignIssuer(t, jose.ES256)
		v := f.verifier(t, JWTOptions{})
		token := f.token(t, 0, "at+jwt", "alice")
		_, err := v.Verify(t.Context(), token)
		wantError(t, "before", err, nil)
		time.Sleep(time.Minute)
		// Another key makes the verifier read them again at once.
		f.keys = newForeignIssuer(t, jose.ES256, jose.EdDSA).keys
		_, err = v.Verify(t.Context(), f.token(t, 1, "at+jwt", "bob"))
		wantError(t, "new key", err, nil)
		_, err = v.Verify(t.Context(), token)
		wantError(t, "replaced key", err, ErrInvalidToken)
	})
}

func TestTokensAreNotInErrors(t *testing.T) {
	f := newForeignIssuer(t, jose.ES256)
	v := f.verifier(t, JWTOptions{})
	good := f.token(t, 0, "at+jwt", "alice")
	for _, token := range []string{good + "x", good[:len(good)-3], strings.Replace(good, ".", "..", 1), "hunter2", good[1:]} {
		_, err := v.Verify(t.Context(), token)
		wantError(t, "broken", err, ErrInvalidToken)
		if text := fmt.Sprintf("%v %+v %#v", err, err, v); strings.Contains(text, token) {
			t.Errorf("the token shows in %s", text)
		}
	}
}

// BenchmarkCheck measures what a request costs beside HTTP, with a token that is
// known and with one that is new, by algorithm.
func BenchmarkCheck(b *testing.B) {
	for _, algorithm := range jose.Algorithms {
		f := newForeignIssuer(b, algorithm)
		token := f.token(b, 0, "at+jwt", "alice")
		request := httptest.NewRequest("POST", "/mcp", nil)
		request.Header.Set("Authorization", "Bearer "+token)
		for _, cached := range []bool{true, false} {
			b.Run(fmt.Sprintf("%s/cached=%v", algorithm, cached), func(b *testing.B) {
				v := f.verifier(b, JWTOptions{})
				res, err := New(Options{
					Resource: testResource, AuthorizationServers: []string{testIssuer}, Verifier: v, RequiredScopes: []string{"mcp"},
				})
				if err != nil {
					b.Fatal(err)
				}
				if _, refusal := res.Check(request); refusal != nil {
					b.Fatal(refusal.Description)
				}
				b.ReportAllocs()
				for b.Loop() {
					if !cached {
						v.cache.clear()
					}
					if _, refusal := res.Check(request); refusal != nil {
						b.Fatal(refusal.Description)
					}
				}
			})
		}
	}
}
