// SPDX-License-Identifier: Apache-2.0

package jose_test

import (
	"strings"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/jose"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/jose/josetest"
)

const someClaims = `{"iss":"i","sub":"s","aud":["a","b"],"exp":1900000000.5}`

func newKey(t testing.TB, algorithm, id string) *josetest.Key {
	t.Helper()
	key, err := josetest.NewKey(algorithm, id)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func publicKeys(t testing.TB, keys ...*josetest.Key) *jose.PublicKeys {
	t.Helper()
	data, err := josetest.JWKS(keys...)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := jose.ParseJWKS(data)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func sign(t testing.TB, key *josetest.Key, typ, claims string) string {
	t.Helper()
	token, err := key.Sign(typ, claims)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func verifyAs(profile jose.Profile, raw string, keys *jose.PublicKeys) (*jose.Claims, error) {
	token, err := profile.Parse(raw)
	if err != nil {
		return nil, err
	}
	return token.Verify(keys)
}

func TestS80EveryAlgorithmWithItsOwnKeysOnly(t *testing.T) {
	for _, algorithm := range jose.Algorithms {
		key := newKey(t, algorithm, "k")
		keys := publicKeys(t, key)
		raw := sign(t, key, "at+jwt", someClaims)
		claims, err := verifyAs(jose.Profile{}, raw, keys)
		if err != nil {
			t.Errorf("%s: %v", algorithm, err)
		} else if len(claims.Audience) != 2 || claims.Expires.Unix() != 1900000000 {
			t.Errorf("%s: claims %+v", algorithm, claims)
		}
		if _, err := verifyAs(jose.Profile{}, raw[:len(raw)-4]+"AAAA", keys); err == nil {
			t.Errorf("%s: a wrong signature is accepted", algorithm)
		}
		for _, other := range jose.Algorithms {
			if _, err := verifyAs(jose.Profile{Algorithms: []string{other}}, raw, keys); (err == nil) != (other == algorithm) {
				t.Errorf("%s where only %s is allowed: %v", algorithm, other, err)
			}
			lying := *key
			lying.Algorithm = other
			if _, err := verifyAs(jose.Profile{}, sign(t, &lying, "at+jwt", someClaims), keys); (err == nil) != (other == algorithm) {
				t.Errorf("a key of %s with %s in the header: %v", algorithm, other, err)
			}
		}
		if _, err := verifyAs(jose.Profile{Algorithms: []string{"none"}}, raw, keys); err == nil {
			t.Errorf("%s: accepted where only none is allowed", algorithm)
		}
	}
}

func TestS84TypeOfToken(t *testing.T) {
	key := newKey(t, jose.ES256, "k")
	keys := publicKeys(t, key)
	for _, test := range []struct {
		typ           string
		strict, plain bool
	}{
		{"at+jwt", true, true},
		{"application/at+jwt", true, true},
		{"AT+JWT", true, true},
		{"JWT", false, true},
		{"jwt", false, true},
		{"", false, true},
		{"logout+jwt", false, false},
		{"dpop+jwt", false, false},
		{"secevent+jwt", false, false},
	} {
		raw := sign(t, key, test.typ, someClaims)
		if _, err := verifyAs(jose.Profile{}, raw, keys); (err == nil) != test.strict {
			t.Errorf("typ %q: %v", test.typ, err)
		}
		if _, err := verifyAs(jose.Profile{PlainType: true}, raw, keys); (err == nil) != test.plain {
			t.Errorf("typ %q where JWT is allowed: %v", test.typ, err)
		}
	}
}

func TestLacks(t *testing.T) {
	a, b := newKey(t, jose.ES256, "a"), newKey(t, jose.EdDSA, "b")
	again := newKey(t, jose.ES256, "a") // another key under the same id
	for name, test := range map[string]struct {
		have, want *jose.PublicKeys
		lacks      bool
	}{
		"same":     {publicKeys(t, a, b), publicKeys(t, b, a), false},
		"more":     {publicKeys(t, a, b), publicKeys(t, a), false},
		"fewer":    {publicKeys(t, a), publicKeys(t, a, b), true},
		"replaced": {publicKeys(t, again, b), publicKeys(t, a, b), true},
	} {
		if got := test.have.Lacks(test.want); got != test.lacks {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestS86HostileSizes wants long and deep tokens to be refused for less than
// they would cost to read. The bound on the time is that of a busy machine, and
// of work that grows with more than the size.
func TestS86HostileSizes(t *testing.T) {
	key := newKey(t, jose.ES256, "k")
	deep := sign(t, key, "at+jwt", strings.Repeat(`{"a":`, 1000)+"1"+strings.Repeat("}", 1000))
	long := sign(t, key, "at+jwt", `{"x":"`+strings.Repeat("a", 1<<20)+`"}`)
	for name, raw := range map[string]string{"deep": deep, "long": long, "dots": strings.Repeat(".", 1<<20)} {
		start := time.Now()
		allocated := testing.AllocsPerRun(10, func() {
			if _, err := jose.Parse(raw); err == nil {
				t.Errorf("%s: accepted", name)
			}
		})
		if allocated > 1000 || time.Since(start) > 30*time.Second {
			t.Errorf("%s: %v allocations in %v", name, allocated, time.Since(start)/10)
		}
	}
}

func BenchmarkVerifyAlgorithm(b *testing.B) {
	for _, algorithm := range jose.Algorithms {
		b.Run(algorithm, func(b *testing.B) {
			key := newKey(b, algorithm, "k")
			keys := publicKeys(b, key)
			raw := sign(b, key, "at+jwt", someClaims)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := verifyAs(jose.Profile{}, raw, keys); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
