// SPDX-License-Identifier: Apache-2.0

package authserver_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/admin"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/audit"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/local"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store/memory"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/jose"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/jose/josetest"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/resource"
)

func sealedWith(key []byte) func(*authserver.Options) {
	return func(o *authserver.Options) { o.SealingKey = key }
}

func openKeys(t *testing.T, o authserver.KeyOptions) *authserver.Keys {
	t.Helper()
	keys, err := authserver.OpenKeys(o)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func keyDocument(t *testing.T, db store.Keys) string {
	t.Helper()
	document, _, err := db.LoadKeys(t.Context())
	if err != nil || document == nil {
		t.Fatalf("no document: %v", err)
	}
	return string(document)
}

// TestSigningKeysSealed: package keyring looks for private keys in the document
// itself.
func TestSigningKeysSealed(t *testing.T) {
	db := memory.New(nil)
	right, wrong := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
	before := newSigner(t, db)
	token, verifier := before.token(), before.verifier()
	if doc := keyDocument(t, db); !strings.Contains(doc, `"private"`) {
		t.Fatalf("the test sees nothing in %s", doc)
	}
	// What is there in clear is sealed as soon as there is a key.
	s := newSigner(t, db, sealedWith(right))
	sealed := keyDocument(t, db)
	if strings.Contains(sealed, `"private"`) || !strings.Contains(sealed, `"sealed"`) {
		t.Errorf("document %s", sealed)
	}
	if diff := cmp.Diff(before.kids(), s.kids()); diff != "" {
		t.Error(diff)
	}
	if !verifier.takes(t, token) || !verifier.takes(t, s.token()) {
		t.Error("a token is refused")
	}
	for name, key := range map[string][]byte{"none": nil, "wrong": wrong} {
		_, err := authserver.New(t.Context(), authserver.Options{
			Issuer: keyIssuer, Store: db, Login: local.New(), Resources: []authserver.Resource{{URI: keyResource}}, SealingKey: key,
		})
		if !errors.Is(err, authserver.ErrKeysSealed) || errors.Is(err, authserver.ErrStore) {
			t.Errorf("%s: %v", name, err)
		}
		keys := openKeys(t, authserver.KeyOptions{Store: db, SealingKey: key})
		_, rotated := keys.Rotate(t.Context(), authserver.KeyRotation{Now: true})
		_, imported := keys.Import(t.Context(), importOf(t, newRSA(t, 2048), ""))
		if !errors.Is(rotated, authserver.ErrKeysSealed) || !errors.Is(imported, authserver.ErrKeysSealed) {
			t.Errorf("%s: %v, %v", name, rotated, imported)
		}
		if l, err := keys.List(t.Context()); err != nil || len(l.Keys) != 1 || !l.Keys[0].Sealed {
			t.Errorf("%s: %+v, %v", name, l, err)
		}
	}
	if doc := keyDocument(t, db); doc != sealed {
		t.Errorf("somebody without the key has changed the document to %s", doc)
	}
	// The key is lost.
	l, err := openKeys(t, authserver.KeyOptions{Store: db, SealingKey: wrong}).Rotate(t.Context(), authserver.KeyRotation{Now: true, LostKey: true})
	if err != nil || len(l.Keys) != 1 {
		t.Fatalf("%+v, %v", l, err)
	}
	if again := newSigner(t, db, sealedWith(wrong)); header(t, again.token()).Kid != l.Keys[0].ID {
		t.Error("another key signs")
	}
	if _, err := openKeys(t, authserver.KeyOptions{Store: db}).Rotate(t.Context(), authserver.KeyRotation{LostKey: true}); err == nil {
		t.Error("keys that cannot be opened cannot stay")
	}
}

func newRSA(t *testing.T, bits int) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func importOf(t *testing.T, key *rsa.PrivateKey, id string) authserver.KeyImport {
	t.Helper()
	i, err := authserver.NewKeyImport(key, id)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// TestImportOfTheOriginalsKey verifies tokens as mcp-oauth-dynamicclient makes
// them: typ JWT, no kid, and the issuer for an audience.
func TestImportOfTheOriginalsKey(t *testing.T) {
	const kid = "blessed-key-1"
	original, err := josetest.NewKey(jose.RS256, "")
	if err != nil {
		t.Fatal(err)
	}
	named := *original
	named.ID = kid
	i, err := authserver.NewKeyImport(original.Private(), kid)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		for _, algorithm := range []string{authserver.ES256, authserver.RS256} { // which is the original's as well
			claims := fmt.Sprintf(`{"sub":"12345","username":"alice","email":"alice@example.com","scope":"openid profile email",`+
				`"client_id":"client_x","jti":"j","iat":%d,"exp":%d,"iss":%q,"aud":%q}`, time.Now().Unix(), time.Now().Add(24*time.Hour).Unix(), keyIssuer, keyIssuer)
			tokens := map[string]string{}
			for name, key := range map[string]*josetest.Key{"without kid": original, "with kid": &named} {
				if tokens[name], err = key.Sign("JWT", claims); err != nil {
					t.Fatal(err)
				}
			}
			s := newSigner(t, memory.New(nil), func(o *authserver.Options) { o.SigningAlgorithm = algorithm })
			v := s.verifier(func(o *resource.JWTOptions) { o.Audience, o.AcceptTypeJWT = keyIssuer, true })
			ours := s.verifier()
			verify := func(when string, want bool) {
				t.Helper()
				for name, token := range tokens {
					if got := v.takes(t, token); got != want {
						t.Errorf("%s, %s, %s: %v", algorithm, when, name, got)
					}
				}
				if token := s.token(); header(t, token).Kid == kid || !ours.takes(t, token) {
					t.Errorf("%s, %s: token of key %s", algorithm, when, header(t, token).Kid)
				}
			}
			verify("at first", false)
			l, err := s.Keys().Import(t.Context(), i)
			if err != nil {
				t.Fatal(err)
			}
			k := l.Keys[1]
			if k.ID != kid || k.State != authserver.KeyRetired || !k.Imported || k.Sealed || !k.Signs.IsZero() {
				t.Errorf("key %+v", k)
			}
			time.Sleep(10 * time.Minute) // until the keys are read again
			verify("imported", true)
			time.Sleep(23 * time.Hour)
			verify("as long as its tokens live", true)
			time.Sleep(3 * time.Hour)
			if len(s.kids()) != 1 {
				t.Errorf("%s: keys %v", algorithm, s.kids())
			}
			s.Close()
		}
	})
}

func TestImportToSign(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := memory.New(nil)
		i := importOf(t, newRSA(t, 2048), "blessed-key-1")
		i.Sign = true
		secret := bytes.Repeat([]byte{1}, 32)
		// Into an empty store: it is the first key.
		if _, err := openKeys(t, authserver.KeyOptions{Store: db, SealingKey: secret}).Import(t.Context(), i); err != nil {
			t.Fatal(err)
		}
		s := newSigner(t, db, sealedWith(secret))
		v := s.verifier()
		if token := s.token(); header(t, token).Kid != "blessed-key-1" || header(t, token).Alg != "RS256" || !v.takes(t, token) {
			t.Errorf("%+v", header(t, token))
		}
		// Beside another one it waits for its turn.
		second := importOf(t, newRSA(t, 3072), "second")
		second.Sign = true
		if _, err := s.Keys().Import(t.Context(), second); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"blessed-key-1", "second"}, s.kids()); diff != "" {
			t.Error(diff)
		}
		time.Sleep(ahead + noticed)
		if token := s.token(); header(t, token).Kid != "second" || !v.takes(t, token) {
			t.Errorf("%+v", header(t, token))
		}
		if doc := keyDocument(t, db); strings.Contains(doc, `"private"`) || strings.Count(doc, `"sealed"`) != 1 {
			t.Errorf("document %s", doc)
		}
	})
}

func TestImportsThatAreRefused(t *testing.T) {
	s := newSigner(t, memory.New(nil))
	if _, err := s.Keys().Import(t.Context(), importOf(t, newRSA(t, 2048), "a")); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		i    authserver.KeyImport
		want string
	}{
		"short":       {importOf(t, newRSA(t, 1024), ""), "1024"},
		"same name":   {importOf(t, newRSA(t, 2048), "a"), "another key with the id a"},
		"long name":   {importOf(t, newRSA(t, 2048), strings.Repeat("x", 200)), "128 bytes"},
		"for ever":    {authserver.KeyImport{PKCS8: importOf(t, newRSA(t, 2048), "").PKCS8, Keep: 400 * 24 * time.Hour}, "366 days"},
		"rubbish":     {authserver.KeyImport{PKCS8: []byte("hush")}, "cannot be read"},
		"nothing":     {authserver.KeyImport{}, "cannot be read"},
		"negative":    {authserver.KeyImport{PKCS8: importOf(t, newRSA(t, 2048), "").PKCS8, Keep: -1}, "366 days"},
		"second next": {authserver.KeyImport{PKCS8: importOf(t, newRSA(t, 2048), "").PKCS8, Sign: true}, "is next already"},
	} {
		if name == "second next" {
			s.rotate(authserver.KeyRotation{})
		}
		_, err := s.Keys().Import(t.Context(), test.i)
		refused, ok := errors.AsType[*admin.Error](err)
		if !ok || refused.Code != admin.CodeInvalid || !strings.Contains(refused.Text, test.want) || strings.Contains(refused.Text, "hush") {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
	if text := fmt.Sprintf("%v %+v %#v", authserver.KeyImport{ID: "a", PKCS8: []byte("hush")}, authserver.KeyImport{PKCS8: []byte("hush")}, authserver.KeyImport{PKCS8: []byte("hush")}); strings.Contains(text, "hush") || strings.Contains(text, "104") {
		t.Errorf("prints as %s", text)
	}
}

// TestKeyOperations does by name what commands do.
func TestKeyOperations(t *testing.T) {
	var events []audit.Event
	s := newSigner(t, memory.New(nil), func(o *authserver.Options) {
		o.Audit = func(_ context.Context, e audit.Event) {
			if e.Kind == audit.Keys {
				e.Time = time.Time{}
				events = append(events, e)
			}
		}
	})
	ctx := audit.As(t.Context(), audit.ByCommand)
	call := func(name string, in any) []string {
		t.Helper()
		l, err := admin.Call[authserver.KeyList](ctx, s.Admin(), name, in)
		if err != nil {
			t.Fatal(err)
		}
		var states []string
		for _, k := range l.Keys {
			states = append(states, string(k.State)+" "+k.Algorithm)
		}
		return states
	}
	for _, step := range []struct {
		name string
		in   any
		want []string
	}{
		{authserver.OpListKeys, struct{}{}, []string{"active ES256"}},
		{authserver.OpRotateKeys, authserver.KeyRotation{}, []string{"active ES256", "next ES256"}},
		{authserver.OpImportKey, importOf(t, newRSA(t, 2048), "blessed-key-1"), []string{"active ES256", "next ES256", "retired RS256"}},
		{authserver.OpRotateKeys, authserver.KeyRotation{Now: true}, []string{"active ES256", "retired RS256"}},
	} {
		if diff := cmp.Diff(step.want, call(step.name, step.in)); diff != "" {
			t.Errorf("%s: %s", step.name, diff)
		}
	}
	if _, err := admin.Call[authserver.KeyList](ctx, s.Admin(), authserver.OpImportKey, authserver.KeyImport{}); err == nil {
		t.Error("nothing can be imported")
	}
	success := func(reason string) audit.Event {
		return audit.Event{Kind: audit.Keys, Outcome: audit.Success, By: audit.ByCommand, Reason: reason}
	}
	want := []audit.Event{success("rotated"), success("imported blessed-key-1"), success("replaced at once")}
	if diff := cmp.Diff(want, events); diff != "" {
		t.Error(diff)
	}
}
