// SPDX-License-Identifier: Apache-2.0

package jose

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"reflect"
	"strings"
	"testing"
	"time"
)

var now = time.Unix(1_800_000_000, 0)

func claims() Claims {
	return Claims{
		Issuer:   "https://auth.example",
		Subject:  "local:alice",
		ClientID: "client",
		ID:       "id",
		Username: `al"ice`,
		Audience: []string{"https://mcp.example/mcp"},
		Scopes:   []string{"a", "b"},
		IssuedAt: now,
		Expires:  now.Add(time.Hour),
	}
}

func newKey(t testing.TB) (*SigningKey, *PublicKeys) {
	t.Helper()
	key, err := NewSigningKey(ES256)
	if err != nil {
		t.Fatal(err)
	}
	return key, published(t, key)
}

// published returns what others see of keys.
func published(t testing.TB, keys ...*SigningKey) *PublicKeys {
	t.Helper()
	parsed, err := ParseJWKS(jwks(t, keys...))
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func jwks(t testing.TB, keys ...*SigningKey) []byte {
	t.Helper()
	var public []PublicKey
	for _, k := range keys {
		public = append(public, k.Public())
	}
	data, err := json.Marshal(NewPublicKeys(public...))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func verify(raw string, keys *PublicKeys) (*Claims, error) {
	token, err := Parse(raw)
	if err != nil {
		return nil, err
	}
	return token.Verify(keys)
}

// b64 encodes a part of a token.
func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// signES256 signs what SigningKey.Sign never would.
func signES256(t testing.TB, key *ecdsa.PrivateKey, header, payload string) string {
	t.Helper()
	input := b64(header) + "." + b64(payload)
	digest := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return input + "." + rawSignature((key.Params().BitSize+7)/8, r, s)
}

// rawSignature writes a signature as JWS does: r and s, n bytes each.
func rawSignature(n int, r, s *big.Int) string {
	sig := make([]byte, 2*n)
	r.FillBytes(sig[:n])
	s.FillBytes(sig[n:])
	return base64.RawURLEncoding.EncodeToString(sig)
}

func TestSignAndVerify(t *testing.T) {
	key, keys := newKey(t)
	raw, err := key.Sign(claims())
	if err != nil {
		t.Fatal(err)
	}
	got, err := verify(raw, keys)
	if err != nil {
		t.Fatal(err)
	}
	if want := claims(); !reflect.DeepEqual(*got, want) {
		t.Errorf("got %+v, want %+v", *got, want)
	}
	header, err := base64.RawURLEncoding.DecodeString(raw[:strings.IndexByte(raw, '.')])
	if err != nil {
		t.Fatal(err)
	}
	var h map[string]string
	if err := json.Unmarshal(header, &h); err != nil {
		t.Fatal(err)
	}
	if want := map[string]string{"alg": "ES256", "typ": "at+jwt", "kid": key.Public().ID()}; !reflect.DeepEqual(h, want) {
		t.Errorf("header %v, want %v", h, want)
	}
}

func TestThumbprintIsThatOfRFC7638(t *testing.T) {
	key, _ := newKey(t)
	data := jwks(t, key)
	var set struct{ Keys []map[string]string }
	if err := json.Unmarshal(data, &set); err != nil {
		t.Fatal(err)
	}
	k := set.Keys[0]
	sum := sha256.Sum256(fmt.Appendf(nil, `{"crv":"P-256","kty":"EC","x":%q,"y":%q}`, k["x"], k["y"]))
	if want := base64.RawURLEncoding.EncodeToString(sum[:]); k["kid"] != want || k["alg"] != "ES256" || k["use"] != "sig" || k["d"] != "" {
		t.Errorf("key %v, want kid %s and no private part", k, want)
	}
}

func TestMarshalAndPrint(t *testing.T) {
	for _, algorithm := range Algorithms {
		key, err := NewSigningKey(algorithm)
		if err != nil {
			t.Fatal(err)
		}
		data, err := key.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseSigningKey(data, "name")
		if err != nil {
			t.Fatal(err)
		}
		if again.Public().ID() != "name" || again.Public().Algorithm() != algorithm {
			t.Errorf("%s: %v", algorithm, again)
		}
		raw, err := again.Sign(claims())
		if err != nil {
			t.Fatal(err)
		}
		// What others see of the first key verifies it, once it has the name.
		public := key.Public()
		public.id = "name"
		if _, err := verify(raw, NewPublicKeys(public)); err != nil {
			t.Errorf("%s: %v", algorithm, err)
		}
		if data, err = json.Marshal(public); err != nil {
			t.Fatal(err)
		}
		if parsed, err := ParsePublicKey(data); err != nil || !parsed.Equal(public) || strings.Contains(string(data), `"d"`) {
			t.Errorf("%s: %s, %v", algorithm, data, err)
		}
		if text := fmt.Sprintf("%v %+v %#v %s", key, key, key, key); strings.Count(text, key.String()) != 4 || len(text) > 300 {
			t.Errorf("prints as %s", text)
		}
	}
}

func TestKeysThatAreRefused(t *testing.T) {
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ImportSigningKey(p384, ""); err == nil || !strings.Contains(err.Error(), "P-256") {
		t.Errorf("P-384: %v", err)
	}
	if _, err := NewSigningKey("HS256"); err == nil {
		t.Error("HS256: no error")
	}
	if _, err := ParseSigningKey([]byte("hush"), ""); err == nil || strings.Contains(err.Error(), "hush") {
		t.Errorf("rubbish: %v", err)
	}
}

// A token without a key id is tried with few keys of its algorithm.
func TestNoKeyID(t *testing.T) {
	var keys []*SigningKey
	for range maxTried + 1 {
		key, _ := newKey(t)
		keys = append(keys, key)
	}
	last := keys[maxTried-1].private.(*ecdsa.PrivateKey)
	raw := signES256(t, last, `{"alg":"ES256","typ":"at+jwt"}`, `{"iss":"i","sub":"s","aud":"a","exp":1900000000}`)
	for n, want := range []string{"unknown key", "signature is wrong", "signature is wrong", "signature is wrong", "", "too many"} {
		_, err := verify(raw, published(t, keys[:n]...))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%d keys: %v, want %q", n, err, want)
		}
	}
}

func TestS80toS87HostileTokens(t *testing.T) {
	signing, keys := newKey(t)
	key := signing.private.(*ecdsa.PrivateKey)
	kid := signing.Public().ID()
	good := `{"alg":"ES256","typ":"at+jwt","kid":"` + kid + `"}`
	payload := `{"iss":"i","sub":"s","aud":"a","exp":1900000000}`
	if _, err := verify(signES256(t, key, good, payload), keys); err != nil {
		t.Fatalf("control: %v", err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	header := func(alg, more string) string {
		return `{"alg":"` + alg + `","typ":"at+jwt","kid":"` + kid + `"` + more + `}`
	}
	valid := signES256(t, key, good, payload)
	parts := strings.Split(valid, ".")
	sigBytes, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		t.Fatal(err)
	}
	r, s := new(big.Int).SetBytes(sigBytes[:32]), new(big.Int).SetBytes(sigBytes[32:])
	der, err := ecdsa.SignASN1(rand.Reader, key, make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	pub, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, pub)
	hs := b64(header("HS256", "")) + "." + b64(payload)
	mac.Write([]byte(hs))

	for _, test := range []struct{ name, token, want string }{
		{"S80 none", b64(header("none", "")) + "." + parts[1] + ".", "not allowed"},
		{"S80 None", b64(header("None", "")) + "." + parts[1] + ".", "not allowed"},
		{"S80 empty alg", signES256(t, key, header("", ""), payload), "not allowed"},
		{"S80 no alg", signES256(t, key, `{"typ":"at+jwt"}`, payload), "not allowed"},
		{"S80 HS256 with the public key", hs + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)), "not allowed"},
		{"S80 ES384", signES256(t, p384, header("ES384", ""), payload), "not allowed"},
		{"S80 RS256 with an EC key", signES256(t, key, header("RS256", ""), payload), "key is not for RS256"},
		{"S80 lower case", signES256(t, key, header("es256", ""), payload), "not allowed"},
		{"S81 jwk", signES256(t, key, header("ES256", `,"jwk":{}`), payload), `"jwk" is not allowed`},
		{"S81 jku", signES256(t, key, header("ES256", `,"jku":"https://evil"`), payload), `"jku" is not allowed`},
		{"S81 x5u", signES256(t, key, header("ES256", `,"x5u":"https://evil"`), payload), `"x5u" is not allowed`},
		{"S81 x5c", signES256(t, key, header("ES256", `,"x5c":[]`), payload), `"x5c" is not allowed`},
		{"S81 crit", signES256(t, key, header("ES256", `,"crit":["x"],"x":1`), payload), `"crit" is not allowed`},
		{"S81 b64", signES256(t, key, header("ES256", `,"b64":false`), payload), `"b64" is not allowed`},
		{"S81 zip", signES256(t, key, header("ES256", `,"zip":"DEF"`), payload), `"zip" is not allowed`},
		{"S82 kid with path", signES256(t, key, `{"alg":"ES256","typ":"at+jwt","kid":"../../etc/passwd"}`, payload), "unknown key"},
		{"S82 kid with NUL", signES256(t, key, `{"alg":"ES256","typ":"at+jwt","kid":"\u0000"}`, payload), "unknown key"},
		{"S82 kid of 10 KB", signES256(t, key, `{"alg":"ES256","typ":"at+jwt","kid":"`+strings.Repeat("k", 10<<10)+`"}`, payload), "longer than"},
		{"S82 kid is a number", signES256(t, key, `{"alg":"ES256","typ":"at+jwt","kid":7}`, payload), "wrong type"},
		{"S84 no typ", signES256(t, key, `{"alg":"ES256","kid":"`+kid+`"}`, payload), "not an access token"},
		{"S84 id token", signES256(t, key, `{"alg":"ES256","typ":"JWT","kid":"`+kid+`"}`, payload), "not an access token"},
		{"S86 two parts", "a.b", "compact form"},
		{"S86 four parts", valid + ".x", "compact form"},
		{"S86 JWE", "a.b.c.d.e", "compact form"},
		{"S86 empty", "", "compact form"},
		{"S86 dots", strings.Repeat(".", 8000), "compact form"},
		{"S86 long", strings.Repeat("a", MaxTokenBytes+1), "longer than"},
		{"S86 padding", valid + "=", "not base64url"},
		{"S86 other alphabet", strings.Replace(valid, ".", ".+", 1), "not base64url"},
		{"S86 newline inside", parts[0] + "." + parts[1][:4] + "\n" + parts[1][4:] + "." + parts[2], "compact form"},
		{"S86 loose bits", b64(good) + "." + parts[1] + "." + loosen(parts[2]), "not base64url"},
		{"S86 repeated claim", signES256(t, key, good, `{"iss":"i","sub":"s","sub":"admin","aud":"a","exp":1900000000}`), "repeated"},
		{"S86 repeated header", signES256(t, key, `{"alg":"none","alg":"ES256","typ":"at+jwt"}`, payload), "repeated"},
		{"S86 data behind the claims", signES256(t, key, good, payload+"{}"), "data behind"},
		{"S86 claims are an array", signES256(t, key, good, "[]"), "not a JSON object"},
		{"S86 exp is text", signES256(t, key, good, `{"exp":"1900000000"}`), "wrong type"},
		{"S86 exp is huge", signES256(t, key, good, `{"exp":1e300}`), "out of range"},
		{"S86 exp is negative", signES256(t, key, good, `{"exp":-1}`), "out of range"},
		{"S86 aud is an object", signES256(t, key, good, `{"aud":{}}`), "wrong type"},
		{"S87 zero signature", parts[0] + "." + parts[1] + "." + rawSignature(32, new(big.Int), new(big.Int)), "signature is wrong"},
		{"S87 r + n", parts[0] + "." + parts[1] + "." + overflow(r, s), "signature is wrong"},
		{"S87 short", parts[0] + "." + parts[1] + "." + base64.RawURLEncoding.EncodeToString(sigBytes[:63]), "signature is wrong"},
		{"S87 long", parts[0] + "." + parts[1] + "." + base64.RawURLEncoding.EncodeToString(append(sigBytes, 0)), "signature is wrong"},
		{"S87 DER", parts[0] + "." + parts[1] + "." + base64.RawURLEncoding.EncodeToString(der), "signature is wrong"},
		{"S87 none", parts[0] + "." + parts[1] + ".", "signature is wrong"},
		{"other claims", parts[0] + "." + b64(strings.Replace(payload, `"s"`, `"t"`, 1)) + "." + parts[2], "signature is wrong"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := verify(test.token, keys)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
			if err != nil && len(test.token) > 20 && strings.Contains(err.Error(), test.token) {
				t.Error("the error shows the token")
			}
		})
	}
}

// loosen sets an unused bit of the last character.
func loosen(sig string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, sig[len(sig)-1])
	return sig[:len(sig)-1] + string(alphabet[last|1])
}

// overflow adds the order of the curve to r, which must not verify.
func overflow(r, s *big.Int) string {
	r = new(big.Int).Add(r, elliptic.P256().Params().N)
	if r.BitLen() > 256 {
		r = new(big.Int).Set(elliptic.P256().Params().N) // just out of range
	}
	return rawSignature(32, r, s)
}

func TestS83ParseJWKS(t *testing.T) {
	key, _ := newKey(t)
	data := jwks(t, key)
	ours := strings.TrimSuffix(strings.TrimPrefix(string(data), `{"keys":[`), `]}`)
	for _, test := range []struct {
		name, in string
		keys     int
		ok       bool
	}{
		{"ours", `{"keys":[` + ours + `]}`, 1, true},
		{"S83 unknown key type", `{"keys":[{"kty":"AKP","alg":"ML-DSA-44","pub":"AA"},` + ours + `]}`, 1, true},
		{"S83 broken key", `{"keys":[{"kty":"EC","crv":"P-256","x":"!","y":"!"},` + ours + `]}`, 1, true},
		{"symmetric key", `{"keys":[{"kty":"oct","k":"c2VjcmV0"},` + ours + `]}`, 1, true},
		{"encryption key", `{"keys":[` + strings.Replace(ours, `"sig"`, `"enc"`, 1) + `]}`, 0, true},
		{"other algorithm", `{"keys":[` + strings.Replace(ours, `"ES256"`, `"ES384"`, 1) + `]}`, 0, true},
		{"weak RSA key", `{"keys":[{"kty":"RSA","kid":"r","n":"` + b64(strings.Repeat("\xff", 128)) + `","e":"AQAB"}]}`, 0, true},
		{"many keys", `{"keys":[` + strings.Repeat(ours+",", 99) + ours + `]}`, maxKeys, true},
		{"none", `{"keys":[]}`, 0, true},
		{"HTML", `<html>`, 0, false},
		{"nothing", ``, 0, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			keys, err := ParseJWKS([]byte(test.in))
			if (err == nil) != test.ok {
				t.Fatalf("error %v", err)
			}
			if err == nil && keys.Len() != test.keys {
				t.Errorf("%d keys, want %d", keys.Len(), test.keys)
			}
		})
	}
}

func TestS85Check(t *testing.T) {
	expect := Expect{Issuer: "https://auth.example", Audience: []string{"https://mcp.example/mcp", "api://mcp"}, Now: now, Skew: time.Minute}
	for _, test := range []struct {
		name string
		edit func(*Claims)
		ok   bool
	}{
		{"good", func(*Claims) {}, true},
		{"S85 other issuer", func(c *Claims) { c.Issuer += "/" }, false},
		{"S85 no audience", func(c *Claims) { c.Audience = nil }, false},
		{"S85 other audience", func(c *Claims) { c.Audience = []string{"https://mcp.example/mcp2"} }, false},
		{"S85 slash", func(c *Claims) { c.Audience = []string{"https://mcp.example/mcp/"} }, false},
		{"S85 the other one", func(c *Claims) { c.Audience = []string{"api://mcp"} }, true},
		{"S85 one of several", func(c *Claims) { c.Audience = append(c.Audience, "x") }, true},
		{"S85 no exp", func(c *Claims) { c.Expires = time.Time{} }, false},
		{"S85 expired within skew", func(c *Claims) { c.Expires = now.Add(-time.Minute + 1) }, true},
		{"S85 expired", func(c *Claims) { c.Expires = now.Add(-time.Minute) }, false},
		{"S85 nbf within skew", func(c *Claims) { c.NotBefore = now.Add(time.Minute) }, true},
		{"S85 nbf", func(c *Claims) { c.NotBefore = now.Add(time.Minute + 1) }, false},
		{"S85 iat in the future", func(c *Claims) { c.IssuedAt = now.Add(time.Minute + 1) }, false},
		{"no subject", func(c *Claims) { c.Subject = "" }, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := claims()
			test.edit(&c)
			if err := c.Check(expect); (err == nil) != test.ok {
				t.Errorf("error %v, want ok %v", err, test.ok)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	key, keys := newKey(f)
	valid, err := key.Sign(claims())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(valid)
	f.Add("..")
	f.Add(b64(`{"alg":"ES256","typ":"at+jwt"}`) + "." + b64(`{"aud":[]}`) + ".AA")
	f.Add(b64(`{"alg":"none"}`) + ".e30.")
	f.Fuzz(func(t *testing.T, raw string) {
		token, err := Parse(raw)
		if err != nil {
			return
		}
		if _, err := token.Verify(keys); err == nil && raw != valid {
			t.Errorf("accepted %q", raw)
		}
	})
}

func BenchmarkSign(b *testing.B) {
	key, _ := newKey(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := key.Sign(claims()); err != nil {
			b.Fatal(err)
		}
	}
}
