// SPDX-License-Identifier: Apache-2.0

package keyring

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/jose"
)

var start = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

func fresh(t testing.TB, algorithm string) *jose.SigningKey {
	t.Helper()
	key, err := jose.NewSigningKey(algorithm)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// names lists the published keys as "STATE NAME", where names are given by key
// id.
func names(r *Ring, now time.Time, known map[string]string) (list []string) {
	for _, k := range r.Published(now) {
		list = append(list, string(r.State(k, now))+" "+known[k.Public.ID()])
	}
	return list
}

// reread writes a ring and reads it.
func reread(t testing.TB, r *Ring, secret []byte) *Ring {
	t.Helper()
	data, err := r.Marshal(secret)
	must(t, err)
	again, err := Parse(data)
	must(t, err)
	must(t, again.Open(secret))
	return again
}

// TestLife follows three keys. Each time the ring is what the store has.
func TestLife(t *testing.T) {
	a, b, c := fresh(t, jose.ES256), fresh(t, jose.EdDSA), fresh(t, jose.RS256)
	known := map[string]string{a.Public().ID(): "a", b.Public().ID(): "b", c.Public().ID(): "c"}
	r := &Ring{}
	must(t, r.Introduce(a, false, start))
	for _, step := range []struct {
		name string
		at   time.Duration
		do   func(*Ring, time.Time) error
		want []string
	}{
		{"the first one signs at once", 0, nil, []string{"active a"}},
		{"a next one does not", 10 * time.Hour, func(r *Ring, now time.Time) error { return r.Introduce(b, false, now) }, []string{"active a", "next b"}},
		{"a moment before its time", 11*time.Hour - 1, nil, []string{"active a", "next b"}},
		{"at its time", 11 * time.Hour, nil, []string{"active b", "retired a"}},
		{"another one", 12 * time.Hour, func(r *Ring, now time.Time) error { return r.Introduce(c, false, now) }, []string{"active b", "next c", "retired a"}},
		{"two are retired, the latest first", 13 * time.Hour, nil, []string{"active c", "retired b", "retired a"}},
		{"while tokens of the first can live", 11*time.Hour + Retain - 1, nil, []string{"active c", "retired b", "retired a"}},
		{"when they have expired", 11*time.Hour + Retain, nil, []string{"active c", "retired b"}},
		{"when all have", 13*time.Hour + Retain, nil, []string{"active c"}},
		{"a year later", 9000 * time.Hour, nil, []string{"active c"}},
	} {
		now := start.Add(step.at)
		r = reread(t, r, nil)
		r.Clean(now)
		if step.do != nil {
			must(t, step.do(r, now))
		}
		if diff := cmp.Diff(step.want, names(r, now, known)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.name, diff)
		}
		for _, k := range r.keys {
			if signs := r.State(k, now) != Retired; signs != k.signing() {
				t.Errorf("%s: %s key %s, private half here: %v", step.name, r.State(k, now), known[k.Public.ID()], k.signing())
			}
		}
	}
	if len(r.keys) != 1 {
		t.Errorf("%d keys are kept", len(r.keys))
	}
}

func TestChanges(t *testing.T) {
	const lifetime = 48 * time.Hour
	r := &Ring{}
	if !r.Changes(start, 0).IsZero() {
		t.Error("nothing changes by itself in an empty ring")
	}
	must(t, r.Introduce(fresh(t, jose.ES256), false, start))
	if got := r.Changes(start, 0); !got.IsZero() {
		t.Errorf("without a lifetime: %v", got)
	}
	due := start.Add(lifetime - PublishAhead)
	if got := r.Changes(start, lifetime); !got.Equal(due) || r.Due(due.Add(-1), lifetime, "") || !r.Due(due, lifetime, "") {
		t.Errorf("due at %v, want %v", got, due)
	}
	must(t, r.Introduce(fresh(t, jose.ES256), false, due))
	if r.Due(due, lifetime, "") || r.Due(due, lifetime, jose.RS256) {
		t.Error("a second next key is due")
	}
	signs := due.Add(PublishAhead)
	if got := r.Changes(signs, lifetime); !got.Equal(signs.Add(Retain)) {
		t.Errorf("the retired one goes at %v", got)
	}
}

func TestDueForAnotherAlgorithm(t *testing.T) {
	r := &Ring{}
	if !r.Due(start, 0, "") {
		t.Error("no key, and none is due")
	}
	must(t, r.Introduce(fresh(t, jose.ES256), false, start))
	for algorithm, want := range map[string]bool{"": false, jose.ES256: false, jose.RS256: true, jose.EdDSA: true} {
		if got := r.Due(start, 0, algorithm); got != want {
			t.Errorf("%q: due %v", algorithm, got)
		}
	}
}

// TestClocksDiffer: a server whose clock is behind must sign, too, when the
// private half of the previous key is gone.
func TestClocksDiffer(t *testing.T) {
	a, b := fresh(t, jose.ES256), fresh(t, jose.ES256)
	r := &Ring{}
	must(t, r.Introduce(a, false, start))
	must(t, r.Introduce(b, false, start))
	r.Clean(start.Add(PublishAhead))
	if k := reread(t, r, nil).Active(start.Add(PublishAhead - time.Minute)); k == nil || k.Public.ID() != b.Public().ID() {
		t.Errorf("%v signs", k)
	}
	if k := r.Active(start.Add(-time.Hour)); k == nil {
		t.Error("none signs")
	}
}

func TestReplace(t *testing.T) {
	old, next, foreign, now := fresh(t, jose.ES256), fresh(t, jose.ES256), fresh(t, jose.RS256), start.Add(time.Hour)
	replacement := fresh(t, jose.ES256)
	known := map[string]string{foreign.Public().ID(): "foreign", replacement.Public().ID(): "replacement"}
	r := &Ring{}
	must(t, r.Introduce(old, false, start))
	must(t, r.Introduce(next, false, start.Add(30*time.Minute)))
	must(t, r.AddVerifying(foreign.Public(), start, start.Add(48*time.Hour)))
	must(t, r.Replace(replacement, now))
	if diff := cmp.Diff([]string{"active replacement", "retired foreign"}, names(reread(t, r, nil), now, known)); diff != "" {
		t.Error(diff)
	}
}

func TestAddVerifying(t *testing.T) {
	a, foreign := fresh(t, jose.ES256), fresh(t, jose.RS256)
	known := map[string]string{a.Public().ID(): "a", foreign.Public().ID(): "foreign"}
	r := &Ring{}
	must(t, r.AddVerifying(foreign.Public(), start, start.Add(time.Hour)))
	if r.Active(start) != nil || !r.Due(start, 0, "") {
		t.Error("a key that only verifies signs")
	}
	must(t, r.Introduce(a, false, start))
	// Once more: it stays longer, never shorter.
	must(t, r.AddVerifying(foreign.Public(), start, start.Add(48*time.Hour)))
	must(t, r.AddVerifying(foreign.Public(), start, start.Add(time.Hour)))
	at := start.Add(47 * time.Hour)
	r.Clean(at)
	if diff := cmp.Diff([]string{"active a", "retired foreign"}, names(reread(t, r, nil), at, known)); diff != "" {
		t.Error(diff)
	}
	// It can sign later, too.
	must(t, r.Introduce(foreign, true, at))
	if diff := cmp.Diff([]string{"active a", "next foreign"}, names(reread(t, r, nil), at, known)); diff != "" {
		t.Error(diff)
	}
}

func TestRefusals(t *testing.T) {
	a := fresh(t, jose.ES256)
	r := &Ring{}
	must(t, r.Introduce(a, false, start))
	data, err := fresh(t, jose.ES256).Marshal()
	must(t, err)
	impostor, err := jose.ParseSigningKey(data, a.Public().ID())
	must(t, err)
	full := r.Clone()
	for i := len(full.keys); i < maxKeys; i++ {
		must(t, full.AddVerifying(fresh(t, jose.EdDSA).Public(), start, start.Add(time.Hour)))
	}
	pending := r.Clone()
	must(t, pending.Introduce(fresh(t, jose.ES256), false, start))
	for name, test := range map[string]struct {
		ring *Ring
		do   func(*Ring) error
		want string
	}{
		"same name":     {r, func(r *Ring) error { return r.Introduce(impostor, true, start) }, "another key with the id"},
		"same name too": {r, func(r *Ring) error { return r.AddVerifying(impostor.Public(), start, start) }, "another key with the id"},
		"signs":         {r, func(r *Ring) error { return r.Introduce(a, true, start) }, "signs already"},
		"next":          {pending, func(r *Ring) error { return r.Introduce(fresh(t, jose.ES256), true, start) }, "is next already"},
		"full":          {full, func(r *Ring) error { return r.Introduce(fresh(t, jose.ES256), true, start) }, "32 keys already"},
	} {
		err := test.do(test.ring.Clone())
		if refusal, ok := errors.AsType[*Refusal](err); !ok || !strings.Contains(refusal.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}

// TestSealed looks for private keys in what the store gets.
func TestSealed(t *testing.T) {
	secret, other := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
	for _, algorithm := range jose.Algorithms {
		key := fresh(t, algorithm)
		private, err := key.Marshal()
		must(t, err)
		r := &Ring{}
		must(t, r.Introduce(key, false, start))
		holds := func(document []byte) bool {
			var stored struct{ Keys []map[string]any }
			must(t, json.Unmarshal(document, &stored))
			text, err := json.Marshal(private)
			must(t, err)
			return bytes.Contains(document, bytes.Trim(text, `"`)) || stored.Keys[0]["private"] != nil
		}
		clear, err := r.Marshal(nil)
		must(t, err)
		if !holds(clear) {
			t.Fatalf("%s: the test finds no key in clear", algorithm)
		}
		inClear, err := Parse(clear)
		must(t, err)
		must(t, inClear.Open(secret)) // one in clear is no error
		if !inClear.Unsealed() {
			t.Errorf("%s: is not known to be in clear", algorithm)
		}
		sealed, err := inClear.Marshal(secret)
		must(t, err)
		if holds(sealed) {
			t.Errorf("%s: %s", algorithm, sealed)
		}
		again, err := Parse(sealed)
		must(t, err)
		if k := again.Active(start); again.Unsealed() || !k.Sealed() || k.Public.ID() != key.Public().ID() {
			t.Errorf("%s: %+v", algorithm, k)
		}
		if _, err := again.Active(start).Sign(jose.Claims{}); err == nil {
			t.Errorf("%s: signs though it is sealed", algorithm)
		}
		if err := again.Open(nil); !errors.Is(err, ErrSealed) || !strings.Contains(err.Error(), "no key was given") {
			t.Errorf("%s: without a key: %v", algorithm, err)
		}
		if err := again.Open(other); !errors.Is(err, ErrSealed) || !strings.Contains(err.Error(), "another key") {
			t.Errorf("%s: with another key: %v", algorithm, err)
		}
		// What is sealed is not lost by who cannot open it.
		unopened, err := again.Marshal(other)
		must(t, err)
		if again, err = Parse(unopened); err != nil || again.Open(secret) != nil {
			t.Errorf("%s: after a change by somebody else: %v", algorithm, err)
		}
		if _, err := again.Active(start).Sign(jose.Claims{}); err != nil {
			t.Errorf("%s: %v", algorithm, err)
		}
		// Another secret takes the place of the old one.
		again, err = Parse(sealed)
		must(t, err)
		must(t, again.Open(other, secret))
		if !again.Unsealed() {
			t.Errorf("%s: is not known to be sealed with an old secret", algorithm)
		}
		anew, err := again.Marshal(other)
		must(t, err)
		if again, err = Parse(anew); err != nil || again.Open(other) != nil || again.Unsealed() {
			t.Errorf("%s: sealed anew: %v", algorithm, err)
		}
		// A sealed key cannot be put in the place of another.
		moved := strings.ReplaceAll(string(sealed), key.Public().ID(), "x")
		if again, err = Parse([]byte(moved)); err != nil || !errors.Is(again.Open(secret), ErrSealed) {
			t.Errorf("%s: under another name: %v", algorithm, err)
		}
	}
}

func TestParse(t *testing.T) {
	r := &Ring{}
	must(t, r.Introduce(fresh(t, jose.ES256), false, start))
	good, err := r.Marshal(nil)
	must(t, err)
	other := &Ring{}
	must(t, other.Introduce(fresh(t, jose.ES256), false, start))
	stranger, err := other.Marshal(nil)
	must(t, err)
	part := func(document []byte, name string) string {
		var d struct{ Keys []map[string]json.RawMessage }
		must(t, json.Unmarshal(document, &d))
		return string(d.Keys[0][name])
	}
	one := strings.TrimSuffix(strings.TrimPrefix(string(good), `{"version":1,"keys":[`), `]}`)
	for name, text := range map[string]string{
		"nothing":       ``,
		"rubbish":       `hush`,
		"null":          `null`,
		"another thing": `[{"jwk":{}}]`,
		"no keys":       `{"version":1,"keys":[]}`,
		"no version":    `{"keys":[` + one + `]}`,
		"newer":         strings.Replace(string(good), `"version":1`, `"version":2`, 1),
		"twice":         `{"version":1,"keys":[` + one + `,` + one + `]}`,
		"too many":      `{"version":1,"keys":[` + strings.Repeat(one+`,`, maxKeys) + one + `]}`,
		"other half":    strings.Replace(string(good), part(good, "private"), part(stranger, "private"), 1),
		"broken half":   strings.Replace(string(good), part(good, "private"), `"aHVzaA=="`, 1),
		"no jwk":        strings.Replace(string(good), part(good, "jwk"), `null`, 1),
		"no private":    strings.Replace(string(good), `"private":`, `"else":`, 1),
		"no time":       strings.Replace(string(good), `"signs":`, `"else":`, 1),
	} {
		if _, err := Parse([]byte(text)); err == nil || strings.Contains(err.Error(), "hush") || strings.Contains(err.Error(), part(good, "private")) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := fmt.Sprintf("%v %+v %#v", r.keys[0].private, r.keys[0].private, r.keys[0].private); strings.Contains(got, "{") {
		t.Errorf("prints as %s", got)
	}
}

func FuzzParse(f *testing.F) {
	r := &Ring{}
	must(f, r.Introduce(fresh(f, jose.ES256), false, start))
	must(f, r.Introduce(fresh(f, jose.EdDSA), false, start))
	secret := bytes.Repeat([]byte{1}, 32)
	for _, secret := range [][]byte{nil, secret} {
		data, err := r.Marshal(secret)
		must(f, err)
		f.Add(data)
	}
	f.Add([]byte(`{"version":1,"keys":[{"jwk":{"kty":"OKP","crv":"Ed25519","x":"AA","kid":"a"}}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := Parse(data)
		if err != nil {
			return
		}
		for _, at := range []time.Time{{}, start, start.Add(PublishAhead), start.Add(10 * Retain)} {
			c := r.Clone()
			c.Due(at, time.Hour, "")
			c.Changes(at, time.Hour)
			if c.Clean(at); len(c.keys) > len(r.keys) {
				t.Error("keys came from nowhere")
			}
			for _, k := range c.Published(at) {
				c.State(k, at)
			}
		}
		again, err := r.Marshal(nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(again); err != nil {
			t.Errorf("what was read cannot be read again: %v", err)
		}
	})
}
