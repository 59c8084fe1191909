// SPDX-License-Identifier: Apache-2.0

package jwt

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jws"
)

func privateKeys(t *testing.T) map[string]crypto.Signer {
	t.Helper()
	keys := map[string]crypto.Signer{}
	for alg, curve := range map[string]elliptic.Curve{"ES256": elliptic.P256(), "ES384": elliptic.P384(), "ES512": elliptic.P521()} {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		keys[alg] = key
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	keys["RS256"], keys["PS256"] = key, key
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	keys["EdDSA"] = ed
	return keys
}

// A library that we did not write reads the key set and verifies what the key
// signed.
func TestAssertionsAndKeySetsAreUnderstoodByOthers(t *testing.T) {
	for alg, private := range privateKeys(t) {
		t.Run(alg, func(t *testing.T) {
			key, err := NewKey(private, "")
			if err != nil {
				t.Fatal(err)
			}
			if got, err := key.Algorithm([]string{"HS256", alg}); err != nil || got != alg {
				t.Fatalf("algorithm %s, %v", got, err)
			}
			raw, err := key.Assertion(alg, "me", "https://as.example/a&b")
			if err != nil {
				t.Fatal(err)
			}
			set, err := jwk.Parse(key.PublicSet())
			if err != nil {
				t.Fatal(err)
			}
			public, ok := set.LookupKeyID(key.Thumbprint())
			if !ok {
				t.Fatalf("no key %s in %s", key.Thumbprint(), key.PublicSet())
			}
			sum, err := public.Thumbprint(crypto.SHA256)
			if err != nil || encode(sum) != key.Thumbprint() {
				t.Errorf("thumbprint %s, want %s (%v)", key.Thumbprint(), encode(sum), err)
			}
			sig, ok := jwa.LookupSignatureAlgorithm(alg)
			if !ok {
				t.Fatal(alg)
			}
			for range 20 { // short r and s come by chance
				if _, err := jws.Verify([]byte(raw), jws.WithKey(sig, public)); err != nil {
					t.Fatal(err)
				}
				if raw, err = key.Assertion(alg, "me", "https://as.example/a&b"); err != nil {
					t.Fatal(err)
				}
			}
			claims := decode(t, raw, 1)
			if claims["iss"] != "me" || claims["sub"] != "me" || claims["aud"] != "https://as.example/a&b" || claims["jti"] == "" {
				t.Errorf("claims %v", claims)
			}
			life := time.Duration(claims["exp"].(float64)-claims["iat"].(float64)) * time.Second
			if life != assertionLifetime {
				t.Errorf("lives %v", life)
			}
			if h := decode(t, raw, 0); h["kid"] != key.Thumbprint() || h["jwk"] != nil {
				t.Errorf("header %v", h)
			}
		})
	}
}

func TestProof(t *testing.T) {
	key, err := Generate()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := key.DPoP(Proof{Method: "POST", URL: "https://as.example/token", Nonce: "n"})
	if err != nil {
		t.Fatal(err)
	}
	h := decode(t, raw, 0)
	public, err := json.Marshal(h["jwk"])
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := jwk.ParseKey(public)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := jws.Verify([]byte(raw), jws.WithKey(jwa.ES256(), parsed)); err != nil {
		t.Fatal(err)
	}
	if h["typ"] != "dpop+jwt" || h["kid"] != nil || strings.Contains(string(public), `"d"`) {
		t.Errorf("header %v", h)
	}
	claims := decode(t, raw, 1)
	if claims["htm"] != "POST" || claims["htu"] != "https://as.example/token" || claims["nonce"] != "n" || claims["ath"] != nil {
		t.Errorf("claims %v", claims)
	}
	// The example of RFC 9449 section 7.1.
	raw, err = key.DPoP(Proof{Method: "GET", URL: "https://resource.example.org/protectedresource", Token: "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"})
	if err != nil {
		t.Fatal(err)
	}
	if again := decode(t, raw, 1); again["ath"] != "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo" || again["nonce"] != nil || again["jti"] == claims["jti"] {
		t.Errorf("claims %v", again)
	}
}

func TestKeysThatAreRefused(t *testing.T) {
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, private := range map[string]crypto.Signer{"P-224": p224, "other": otherSigner{}} {
		if _, err := NewKey(private, ""); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	key, err := Generate()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := key.Algorithm([]string{"RS256", "none"}); err == nil {
		t.Error("an algorithm that the server does not accept")
	}
	if _, err := key.Assertion("HS256", "me", "you"); err == nil {
		t.Error("HS256")
	}
	if _, err := ParseKey([]byte("hush")); err == nil || strings.Contains(err.Error(), "hush") {
		t.Errorf("got %v", err)
	}
}

type otherSigner struct{}

func (otherSigner) Public() crypto.PublicKey { return "key" }
func (otherSigner) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, io.EOF
}

func TestMarshalAndPrint(t *testing.T) {
	key, err := Generate()
	if err != nil {
		t.Fatal(err)
	}
	data, err := key.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParseKey(data)
	if err != nil || again.Thumbprint() != key.Thumbprint() {
		t.Fatalf("%v, %v", again, err)
	}
	if text := fmt.Sprintf("%v %+v %#v %s", key, key, key, key); strings.Count(text, "key "+key.Thumbprint()) != 4 || len(text) > 250 {
		t.Errorf("prints as %s", text)
	}
}

// decode reads a part of a JWT.
func decode(t *testing.T, raw string, part int) map[string]any {
	t.Helper()
	data, err := base64.RawURLEncoding.DecodeString(strings.Split(raw, ".")[part])
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	return m
}
