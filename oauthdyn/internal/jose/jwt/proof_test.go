// SPDX-License-Identifier: Apache-2.0

package jwt

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// What one side signs, the other accepts, with every algorithm.
func TestProofsAreAccepted(t *testing.T) {
	for alg, private := range privateKeys(t) {
		if alg == "PS256" {
			continue // the same key as RS256, which it prefers
		}
		t.Run(alg, func(t *testing.T) {
			key, err := NewKey(private, "")
			if err != nil {
				t.Fatal(err)
			}
			want := Proof{Method: "POST", URL: "https://rs.example/mcp", Token: "token", Nonce: "n"}
			for range 20 { // short r and s come by chance
				raw, err := key.DPoP(want)
				if err != nil {
					t.Fatal(err)
				}
				p, err := ParseProof([]string{raw})
				if err != nil {
					t.Fatal(err)
				}
				if err := p.Check(want, time.Now()); err != nil || p.Thumbprint != key.Thumbprint() {
					t.Fatalf("%v, thumbprint %s, want %s", err, p.Thumbprint, key.Thumbprint())
				}
				wrong := []byte(raw)
				i := len(wrong) - 10
				wrong[i] = 'A' + (wrong[i]-'A'+1)%26
				if _, err := ParseProof([]string{string(wrong)}); err == nil {
					t.Error("a wrong signature is accepted")
				}
			}
		})
	}
	// PS256, which our own keys do not prefer.
	key, err := NewKey(privateKeys(t)["PS256"], "")
	if err != nil {
		t.Fatal(err)
	}
	raw, err := key.sign(header{Algorithm: "PS256", Type: typeDPoP, JWK: &key.public}, proofClaims{ID: "x"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ParseProof([]string{raw}); err != nil {
		t.Error(err)
	}
}

func TestProofCheck(t *testing.T) {
	key, err := Generate()
	if err != nil {
		t.Fatal(err)
	}
	made := time.Unix(1_800_000_000, 0)
	ath := tokenHash("token")
	claims := func(edit func(map[string]any)) string {
		c := map[string]any{"jti": "x", "htm": "POST", "htu": "https://rs.example/mcp", "iat": made.Unix(), "ath": ath, "nonce": "n"}
		if edit != nil {
			edit(c)
		}
		raw, err := key.sign(header{Algorithm: "ES256", Type: typeDPoP, JWK: &key.public}, c)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	set := func(name string, value any) func(map[string]any) {
		return func(c map[string]any) { c[name] = value }
	}
	without := func(name string) func(map[string]any) {
		return func(c map[string]any) { delete(c, name) }
	}
	want := Proof{Method: "POST", URL: "https://rs.example/mcp", Token: "token", Nonce: "n"}
	for _, test := range []struct {
		name string
		edit func(map[string]any)
		want Proof
		age  time.Duration
		err  string
	}{
		{"good", nil, want, 0, ""},
		{"no jti", without("jti"), want, 0, "jti"},
		{"other method", set("htm", "post"), want, 0, "htm"},
		{"no method", without("htm"), want, 0, "htm"},
		{"other path", set("htu", "https://rs.example/mcp2"), want, 0, "htu"},
		{"slash", set("htu", "https://rs.example/mcp/"), want, 0, "htu"},
		{"other host", set("htu", "https://rs.example.evil/mcp"), want, 0, "htu"},
		{"other scheme", set("htu", "http://rs.example/mcp"), want, 0, "htu"},
		{"other port", set("htu", "https://rs.example:8443/mcp"), want, 0, "htu"},
		{"user", set("htu", "https://me@rs.example/mcp"), want, 0, "htu"},
		{"relative", set("htu", "/mcp"), want, 0, "htu"},
		{"no URL", without("htu"), want, 0, "htu"},
		{"query does not count", set("htu", "https://rs.example/mcp?x#y"), want, 0, ""},
		{"capitals and port do not count", set("htu", "HTTPS://RS.example:443/mcp"), want, 0, ""},
		{"escapes do not count", set("htu", "https://rs.example/m%63%70"), want, 0, ""},
		{"other token", set("ath", tokenHash("other")), want, 0, "ath"},
		{"no token hash", without("ath"), want, 0, "ath"},
		{"no token expected", nil, Proof{Method: "POST", URL: want.URL}, 0, ""},
		{"no nonce", without("nonce"), want, 0, "nonce"},
		{"other nonce", set("nonce", "m"), want, 0, "nonce"},
		{"no date", without("iat"), want, 0, "iat"},
		{"negative date", set("iat", -1), want, 0, "iat"},
		{"huge date", set("iat", 1e300), want, 0, "iat"},
		{"old", nil, want, ProofAge, ""},
		{"too old", nil, want, ProofAge + 1, "too old"},
		{"early", nil, want, -ProofAge, ""},
		{"too early", nil, want, -ProofAge - 1, "future"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, err := ParseProof([]string{claims(test.edit)})
			if err != nil {
				t.Fatal(err)
			}
			err = p.Check(test.want, made.Add(test.age))
			if (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
				t.Errorf("error %v, want %q", err, test.err)
			}
		})
	}
}

func TestPlainTarget(t *testing.T) {
	for raw, want := range map[string]string{
		"https://a.example":              "https://a.example/",
		"https://a.example/%7Eme/%2f%c3": "https://a.example/~me/%2F%C3",
		"https://a.example/100%":         "",
		"http://a.example:80/x":          "http://a.example/x",
		"ftp://a.example/":               "",
		"https:a.example":                "",
		"":                               "",
	} {
		if got, ok := plainTarget(raw); got != want || ok != (want != "") {
			t.Errorf("%s: %q", raw, got)
		}
	}
}

func TestHostileProofs(t *testing.T) {
	key, err := Generate()
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	good, err := key.DPoP(Proof{Method: "GET", URL: "https://rs.example/"})
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(good, ".")
	jwk, err := json.Marshal(key.public)
	if err != nil {
		t.Fatal(err)
	}
	// signed signs with the key whatever the header says.
	signed := func(head string) string {
		input := b64([]byte(head)) + "." + parts[1]
		sig, err := key.signature("ES256", []byte(input))
		if err != nil {
			t.Fatal(err)
		}
		return input + "." + b64(sig)
	}
	head := func(alg, typ, jwk, more string) string {
		return signed(fmt.Sprintf(`{"alg":%q,"typ":%q,"jwk":%s%s}`, alg, typ, jwk, more))
	}
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	otherKey, err := NewKey(other, "")
	if err != nil {
		t.Fatal(err)
	}
	otherJWK, _ := json.Marshal(otherKey.public)
	n := new(big.Int).Lsh(big.NewInt(1), 2047)
	rsaJWK := func(n *big.Int, e string) string {
		return fmt.Sprintf(`{"kty":"RSA","n":%q,"e":%q}`, b64(n.Bytes()), e)
	}
	for _, test := range []struct {
		name   string
		values []string
		want   string
	}{
		{"none", nil, "no DPoP header"},
		{"two", []string{good, good}, "more than one"},
		{"long", []string{strings.Repeat("x", 9<<10)}, "longer"},
		{"empty", []string{""}, "compact form"},
		{"four parts", []string{good + ".x"}, "compact form"},
		{"line break", []string{parts[0] + "." + parts[1] + "\n." + parts[2]}, "compact form"},
		{"padding", []string{good + "="}, "not base64url"},
		{"no JSON", []string{"eA." + parts[1] + "." + parts[2]}, "not valid JSON"},
		{"another's key", []string{head("ES256", "dpop+jwt", string(otherJWK), "")}, "signature is wrong"},
		{"none alg", []string{head("none", "dpop+jwt", string(jwk), "")}, "signature is wrong"},
		{"HS256", []string{head("HS256", "dpop+jwt", string(jwk), "")}, "signature is wrong"},
		{"ES384 with P-256", []string{head("ES384", "dpop+jwt", string(jwk), "")}, "signature is wrong"},
		{"access token", []string{head("ES256", "at+jwt", string(jwk), "")}, "typ is not"},
		{"no type", []string{head("ES256", "", string(jwk), "")}, "typ is not"},
		{"crit", []string{head("ES256", "dpop+jwt", string(jwk), `,"crit":["x"]`)}, `"crit" is not allowed`},
		{"repeated", []string{head("ES256", "dpop+jwt", string(jwk), `,"alg":"none"`)}, "repeated"},
		{"no key", []string{signed(`{"alg":"ES256","typ":"dpop+jwt"}`)}, "jwk is missing"},
		{"private key", []string{head("ES256", "dpop+jwt", strings.Replace(string(jwk), "{", `{"d":"AA",`, 1), "")}, "not a public key"},
		{"symmetric key", []string{head("HS256", "dpop+jwt", `{"kty":"oct","k":"AA"}`, "")}, "not a public key"},
		{"unknown type", []string{head("ES256", "dpop+jwt", `{"kty":"AKP"}`, "")}, "unknown type"},
		{"unknown curve", []string{head("ES256", "dpop+jwt", `{"kty":"EC","crv":"secp256k1","x":"AA","y":"AA"}`, "")}, "unknown curve"},
		{"short coordinate", []string{head("ES256", "dpop+jwt", `{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}`, "")}, "coordinates"},
		{"not on the curve", []string{head("ES256", "dpop+jwt", fmt.Sprintf(`{"kty":"EC","crv":"P-256","x":%q,"y":%q}`, key.public.X, key.public.X), "")}, "not a point"},
		{"weak RSA", []string{head("RS256", "dpop+jwt", rsaJWK(new(big.Int).Rsh(n, 1024), "AQAB"), "")}, "2048 to 4096"},
		{"huge RSA", []string{head("RS256", "dpop+jwt", rsaJWK(new(big.Int).Lsh(n, 8192), "AQAB"), "")}, "2048 to 4096"},
		{"even RSA", []string{head("RS256", "dpop+jwt", rsaJWK(n, "AQAB"), "")}, "signature is wrong"},
		{"exponent 1", []string{head("RS256", "dpop+jwt", rsaJWK(n, "AQ"), "")}, "exponent 65537"},
		{"RSA with zeros", []string{head("RS256", "dpop+jwt", fmt.Sprintf(`{"kty":"RSA","n":%q,"e":"AQAB"}`, b64(append([]byte{0}, n.Bytes()...))), "")}, "modulus"},
		{"Ed448", []string{head("EdDSA", "dpop+jwt", `{"kty":"OKP","crv":"Ed448","x":"AA"}`, "")}, "not an Ed25519"},
		{"signature of zeros", []string{parts[0] + "." + parts[1] + "." + b64(make([]byte, 64))}, "signature is wrong"},
		{"signature is short", []string{parts[0] + "." + parts[1] + "." + b64(make([]byte, 63))}, "signature is wrong"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := ParseProof(test.values)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
	// Members that a thumbprint does not cover do not change it.
	p, err := ParseProof([]string{head("ES256", "application/dpop+jwt", strings.Replace(string(jwk), "{", `{"use":"sig","e":"AQAB","kid":"x",`, 1), `,"kid":"x"`)})
	if err != nil || p.Thumbprint != key.Thumbprint() {
		t.Errorf("%v, %+v", err, p)
	}
}

func TestReplays(t *testing.T) {
	proof := func(jti string) *SignedProof { return &SignedProof{Thumbprint: "key", claims: proofClaims{ID: jti}} }
	var r Replays
	now := time.Unix(1_800_000_000, 0)
	use := func(jti string, want bool) {
		t.Helper()
		if got := r.Use(proof(jti), now); got != want {
			t.Errorf("%s after %v: %v", jti, now.Sub(time.Unix(1_800_000_000, 0)), got)
		}
	}
	use("a", true)
	use("a", false)
	if !r.Use(&SignedProof{Thumbprint: "another key", claims: proofClaims{ID: "a"}}, now) {
		t.Error("another key has the same jti")
	}
	now = now.Add(replayWindow - 1)
	use("b", true)
	use("a", false)
	now = now.Add(1)
	use("c", true)
	use("b", false)
	now = now.Add(replayWindow - 2)
	use("b", false)
	now = now.Add(10 * replayWindow)
	use("c", true)

	for i := range 3 * maxReplays {
		r.Use(proof(fmt.Sprint(i)), now)
	}
	if n := len(r.young) + len(r.old); n > 2*maxReplays {
		t.Errorf("%d proofs are remembered", n)
	}
	use(fmt.Sprint(3*maxReplays-1), false)

	var fresh atomic.Int32
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() {
			if r.Use(proof("raced"), now) {
				fresh.Add(1)
			}
		})
	}
	if all.Wait(); fresh.Load() != 1 {
		t.Errorf("%d of 64 are new", fresh.Load())
	}
}

func FuzzParseProof(f *testing.F) {
	key, err := Generate()
	if err != nil {
		f.Fatal(err)
	}
	raw, err := key.DPoP(Proof{Method: "GET", URL: "https://rs.example/%7e?x", Token: "t"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw, "https://rs.example/~")
	f.Add("a.b.c", "http://[::1]:80")
	f.Add("", "%")
	f.Fuzz(func(t *testing.T, raw, target string) {
		if p, err := ParseProof([]string{raw}); err == nil {
			_ = p.Check(Proof{Method: "GET", URL: target, Token: "t"}, time.Now())
		}
		if plain, ok := plainTarget(target); ok {
			if again, ok := plainTarget(plain); !ok || again != plain {
				t.Errorf("%q became %q, then %q", target, plain, again)
			}
		}
	})
}
