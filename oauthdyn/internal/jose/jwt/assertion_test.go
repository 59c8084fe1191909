// SPDX-License-Identifier: Apache-2.0

package jwt

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// What our client signs is accepted, with every algorithm, by the key set that
// it publishes.
func TestAssertionsAreAccepted(t *testing.T) {
	for alg, private := range privateKeys(t) {
		key, err := NewKey(private, "")
		if err != nil {
			t.Fatal(err)
		}
		raw, err := key.Assertion(alg, "me", "https://as.example")
		if err != nil {
			t.Fatal(err)
		}
		a, err := ParseAssertion(raw)
		if err != nil {
			t.Fatal(err)
		}
		keys, err := ParseKeys(key.PublicSet())
		if err != nil {
			t.Fatal(err)
		}
		rule := AssertionRule{Audience: []string{"https://as.example"}, MaxLife: 5 * time.Minute, NeedsID: true}
		if err := errors.Join(a.Verify(keys), a.Check(rule, time.Now())); err != nil || a.Issuer != "me" || a.Subject != "me" || a.ID == "" || a.Algorithm != alg {
			t.Errorf("%s: %+v %v", alg, a, err)
		}
		// Any other key, and any change.
		other, err := Generate()
		if err != nil {
			t.Fatal(err)
		}
		others, err := ParseKeys(other.PublicSet())
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Verify(others); !errors.Is(err, ErrUnknownKey) {
			t.Errorf("%s by another key: %v", alg, err)
		}
		parts := strings.Split(raw, ".")
		forged := parts[0] + "." + encode([]byte(`{"iss":"you"}`)) + "." + parts[2]
		if a, err = ParseAssertion(forged); err != nil || a.Verify(keys) == nil {
			t.Errorf("%s forged: %v", alg, err)
		}
	}
}

// signed makes an assertion with any header and claims.
func signed(t *testing.T, key *Key, header, claims string) string {
	t.Helper()
	input := encode([]byte(header)) + "." + encode([]byte(claims))
	sig, err := key.signature(key.algorithms[0], []byte(input))
	if err != nil {
		t.Fatal(err)
	}
	return input + "." + encode(sig)
}

func TestS52S80AssertionsThatAreNotRead(t *testing.T) {
	key, err := Generate()
	if err != nil {
		t.Fatal(err)
	}
	for name, raw := range map[string]string{
		"none":         encode([]byte(`{"alg":"none"}`)) + "." + encode([]byte(`{}`)) + ".",
		"HS256":        signed(t, key, `{"alg":"HS256"}`, `{}`),
		"no alg":       signed(t, key, `{}`, `{}`),
		"crit":         signed(t, key, `{"alg":"ES256","crit":["x"]}`, `{}`),
		"b64":          signed(t, key, `{"alg":"ES256","b64":false}`, `{}`),
		"two parts":    "a.b",
		"four parts":   signed(t, key, `{"alg":"ES256"}`, `{}`) + ".x",
		"line break":   signed(t, key, `{"alg":"ES256"}`, `{}`) + "\n",
		"twice":        signed(t, key, `{"alg":"ES256"}`, `{"sub":"a","sub":"b"}`),
		"wrong type":   signed(t, key, `{"alg":"ES256"}`, `{"sub":1}`),
		"date":         signed(t, key, `{"alg":"ES256"}`, `{"exp":1e30}`),
		"date before":  signed(t, key, `{"alg":"ES256"}`, `{"exp":-1}`),
		"long":         signed(t, key, `{"alg":"ES256"}`, `{"x":"`+strings.Repeat("x", maxAssertionBytes)+`"}`),
		"no JSON":      signed(t, key, `{"alg":"ES256"}`, `[]`),
		"empty string": "",
	} {
		if a, err := ParseAssertion(raw); err == nil {
			t.Errorf("%s: %+v", name, a)
		}
	}
}

func TestS52AssertionRules(t *testing.T) {
	now := time.Now()
	good := SignedAssertion{Audience: []string{"https://as.example"}, ID: "1", Expires: now.Add(time.Minute), IssuedAt: now}
	rule := AssertionRule{Audience: []string{"https://as.example", "https://as.example/token"}, MaxLife: 5 * time.Minute, NeedsID: true}
	if err := good.Check(rule, now); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*SignedAssertion){
		"no audience":      func(a *SignedAssertion) { a.Audience = nil },
		"another audience": func(a *SignedAssertion) { a.Audience = []string{"https://other.example"} },
		"others, too":      func(a *SignedAssertion) { a.Audience = append(a.Audience, "https://other.example") },
		"a slash":          func(a *SignedAssertion) { a.Audience = []string{"https://as.example/"} },
		"no expiry":        func(a *SignedAssertion) { a.Expires = time.Time{} },
		"expired":          func(a *SignedAssertion) { a.Expires = now.Add(-AssertionSkew) },
		"for long":         func(a *SignedAssertion) { a.Expires = now.Add(rule.MaxLife + AssertionSkew + time.Second) },
		"of the future":    func(a *SignedAssertion) { a.IssuedAt = now.Add(AssertionSkew + time.Second) },
		"not yet":          func(a *SignedAssertion) { a.NotBefore = now.Add(AssertionSkew + time.Second) },
		"no id":            func(a *SignedAssertion) { a.ID = "" },
		"long id":          func(a *SignedAssertion) { a.ID = strings.Repeat("x", maxIDBytes+1) },
	} {
		a := good
		change(&a)
		if a.Check(rule, now) == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	for name, change := range map[string]func(*SignedAssertion){
		"both names": func(a *SignedAssertion) { a.Audience = rule.Audience },
		"slow clock": func(a *SignedAssertion) { a.Expires = now.Add(time.Second - AssertionSkew) },
		"fast clock": func(a *SignedAssertion) {
			a.Expires, a.IssuedAt = now.Add(rule.MaxLife+AssertionSkew), now.Add(AssertionSkew)
		},
		"no issuance": func(a *SignedAssertion) { a.IssuedAt = time.Time{} },
	} {
		a := good
		change(&a)
		if err := a.Check(rule, now); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestS52S83KeySets(t *testing.T) {
	key, err := Generate()
	if err != nil {
		t.Fatal(err)
	}
	member := func(more string) string {
		data, err := json.Marshal(key.public)
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSuffix(string(data), "}") + more + "}"
	}
	raw := signed(t, key, `{"alg":"ES256","kid":"1"}`, `{}`)
	nameless := signed(t, key, `{"alg":"ES256"}`, `{}`)
	for name, test := range map[string]struct {
		set                  string
		parsed, kid, without bool
	}{
		"plain":           {member(`,"kid":"1"`), true, true, true},
		"beside unknown":  {`{"kty":"X","kid":"1"},{"kty":"EC"},` + member(`,"kid":"1","use":"sig","alg":"ES256","key_ops":["verify"]`), true, true, true},
		"other id":        {member(`,"kid":"2"`), true, false, true},
		"no id":           {member(``), true, false, true},
		"other algorithm": {member(`,"kid":"1","alg":"ES384"`), true, false, false},
		"encryption":      {member(`,"kid":"1","use":"enc"`), false, false, false},
		"signing":         {member(`,"kid":"1","key_ops":["sign"]`), false, false, false},
		"private":         {member(`,"kid":"1","d":"x"`), false, false, false},
		"symmetric":       {`{"kty":"oct","k":"x"}`, false, false, false},
		"none":            {``, false, false, false},
		"no object":       {`1`, false, false, false},
		"twice":           {member(`,"kid":"1","kid":"2"`), false, false, false},
	} {
		keys, err := ParseKeys([]byte(`{"keys":[` + test.set + `]}`))
		if (err == nil) != test.parsed {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil {
			continue
		}
		for text, want := range map[string]bool{raw: test.kid, nameless: test.without} {
			a, err := ParseAssertion(text)
			if err != nil {
				t.Fatal(err)
			}
			if err := a.Verify(keys); (err == nil) != want {
				t.Errorf("%s: %v, want %v", name, err, want)
			}
		}
	}
	// Nobody makes us try many keys for one signature.
	var many []string
	for range maxTries {
		other, err := Generate()
		if err != nil {
			t.Fatal(err)
		}
		data, err := json.Marshal(other.public)
		if err != nil {
			t.Fatal(err)
		}
		many = append(many, string(data))
	}
	keys, err := ParseKeys(fmt.Appendf(nil, `{"keys":[%s,%s]}`, strings.Join(many, ","), member("")))
	if err != nil {
		t.Fatal(err)
	}
	a, err := ParseAssertion(nameless)
	if err != nil || a.Verify(keys) == nil {
		t.Errorf("the key after %d others was tried: %v", maxTries, err)
	}
}

func FuzzParseAssertion(f *testing.F) {
	f.Add("e30.e30.", []byte(`{"keys":[]}`))
	f.Add(encode([]byte(`{"alg":"ES256","typ":"oauth-id-jag+jwt"}`))+"."+encode([]byte(`{"aud":["a"],"exp":1.5}`))+".AA", []byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","x":""}]}`))
	f.Fuzz(func(t *testing.T, raw string, set []byte) {
		a, err := ParseAssertion(raw)
		keys, keysErr := ParseKeys(set)
		if err != nil || keysErr != nil {
			return
		}
		if a.Verify(keys) == nil {
			t.Errorf("%q is accepted", raw) // nobody has signed
		}
		_ = a.Check(AssertionRule{Audience: []string{"a"}}, time.Now())
	})
}
