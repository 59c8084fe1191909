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
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/jose/jwt"
)

// A dpopFixture is a resource, and clients with keys.
type dpopFixture struct {
	t        *testing.T
	issuer   *issuerFixture
	resource *Resource
	key      *jwt.Key
}

func newDPoPFixture(t *testing.T, edit func(*Options)) *dpopFixture {
	f := &dpopFixture{t: t, issuer: newIssuerFixture(t)}
	o := Options{Resource: testResource, AuthorizationServers: []string{testIssuer}, Verifier: f.issuer.verifier()}
	if edit != nil {
		edit(&o)
	}
	var err error
	if f.resource, err = New(o); err != nil {
		t.Fatal(err)
	}
	f.key = f.newKey()
	return f
}

func (f *dpopFixture) newKey() *jwt.Key {
	f.t.Helper()
	key, err := jwt.Generate()
	if err != nil {
		f.t.Fatal(err)
	}
	return key
}

// bound returns a token that is bound to the key.
func (f *dpopFixture) bound() string {
	return f.issuer.token(func(c *jose.Claims) { c.KeyThumbprint = f.key.Thumbprint() })
}

func (f *dpopFixture) proof(key *jwt.Key, p jwt.Proof) string {
	f.t.Helper()
	raw, err := key.DPoP(p)
	if err != nil {
		f.t.Fatal(err)
	}
	return raw
}

// ask sends a request with an Authorization header and proofs.
func (f *dpopFixture) ask(method, target, authorization string, proofs ...string) (*Principal, *Refusal) {
	f.t.Helper()
	req := httptest.NewRequest(method, target, nil)
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	for _, proof := range proofs {
		req.Header.Add("DPoP", proof)
	}
	return f.resource.Check(req)
}

func TestDPoP(t *testing.T) {
	f := newDPoPFixture(t, nil)
	token, bearer := f.bound(), f.issuer.token()
	good := jwt.Proof{Method: "POST", URL: testResource, Token: token}
	with := func(edit func(*jwt.Proof)) string {
		p := good
		edit(&p)
		return f.proof(f.key, p)
	}
	const at = "http://10.0.0.1:8080/mcp?session=1" // behind a proxy
	used := f.proof(f.key, good)
	for _, scheme := range []string{"DPoP", "dpop"} {
		p, refusal := f.ask("POST", at, scheme+" "+token, f.proof(f.key, good))
		if refusal != nil || p.KeyThumbprint != f.key.Thumbprint() {
			t.Fatalf("%s: %+v", scheme, refusal)
		}
	}
	if _, refusal := f.ask("GET", at+"&x", "DPoP "+token, f.proof(f.key, jwt.Proof{Method: "GET", URL: testResource + "?other", Token: token})); refusal != nil {
		t.Errorf("another method and query: %+v", refusal)
	}
	if _, refusal := f.ask("POST", "http://10.0.0.1/mcp/b%2Fc", "DPoP "+token, with(func(p *jwt.Proof) { p.URL += "/b%2fc" })); refusal != nil {
		t.Errorf("below the resource: %+v", refusal)
	}
	if _, refusal := f.ask("POST", at, "DPoP "+token, used); refusal != nil {
		t.Errorf("%+v", refusal)
	}
	for _, test := range []struct {
		name, authorization string
		proofs              []string
		status              int
		code, scheme        string
	}{
		{"bound token as bearer", "Bearer " + token, []string{f.proof(f.key, good)}, 401, oauthdyn.CodeInvalidToken, "DPoP"},
		{"bound token as bearer, without a proof", "Bearer " + token, nil, 401, oauthdyn.CodeInvalidToken, "DPoP"},
		{"bearer token with a proof", "DPoP " + bearer, []string{with(func(p *jwt.Proof) { p.Token = bearer })}, 401, oauthdyn.CodeInvalidToken, "Bearer"},
		{"no proof", "DPoP " + token, nil, 401, oauthdyn.CodeInvalidDPoPProof, "DPoP"},
		{"two proofs", "DPoP " + token, []string{f.proof(f.key, good), f.proof(f.key, good)}, 401, oauthdyn.CodeInvalidDPoPProof, "DPoP"},
		{"rubbish", "DPoP " + token, []string{"a.b.c"}, 401, oauthdyn.CodeInvalidDPoPProof, "DPoP"},
		{"another key", "DPoP " + token, []string{f.proof(f.newKey(), good)}, 401, oauthdyn.CodeInvalidDPoPProof, "DPoP"},
		{"another method", "DPoP " + token, []string{with(func(p *jwt.Proof) { p.Method = "GET" })}, 401, oauthdyn.CodeInvalidDPoPProof, "DPoP"},
		{"another path", "DPoP " + token, []string{with(func(p *jwt.Proof) { p.URL += "x" })}, 401, oauthdyn.CodeInvalidDPoPProof, "DPoP"},
		{"the proxy's own host", "DPoP " + token, []string{with(func(p *jwt.Proof) { p.URL = "http://10.0.0.1:8080/mcp" })}, 401, oauthdyn.CodeInvalidDPoPProof, "DPoP"},
		{"another token", "DPoP " + token, []string{with(func(p *jwt.Proof) { p.Token = bearer })}, 401, oauthdyn.CodeInvalidDPoPProof, "DPoP"},
		{"no token", "DPoP " + token, []string{with(func(p *jwt.Proof) { p.Token = "" })}, 401, oauthdyn.CodeInvalidDPoPProof, "DPoP"},
		{"used before", "DPoP " + token, []string{used}, 401, oauthdyn.CodeInvalidDPoPProof, "DPoP"},
		{"invalid token", "DPoP " + token[:len(token)-4] + "AAAA", []string{f.proof(f.key, good)}, 401, oauthdyn.CodeInvalidToken, "DPoP"},
		{"malformed", "DPoP a b", nil, 400, oauthdyn.CodeInvalidRequest, "DPoP"},
		{"nothing", "", nil, 401, oauthdyn.CodeInvalidRequest, "Bearer"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, refusal := f.ask("POST", at, test.authorization, test.proofs...)
			if refusal == nil {
				t.Fatalf("passes as %+v", p)
			}
			challenges := oauthdyn.ParseChallenges(http.Header{"Www-Authenticate": {refusal.Challenge}})
			if refusal.Status != test.status || refusal.Code != test.code || len(challenges) != 1 || challenges[0].Scheme != strings.ToLower(test.scheme) ||
				!strings.HasPrefix(refusal.Challenge, test.scheme+" ") || challenges[0].ResourceMetadata() == "" ||
				strings.Contains(challenges[0].Params["algs"], "ES256") != (test.scheme == "DPoP") {
				t.Errorf("%+v", refusal)
			}
			if strings.Contains(refusal.Description+refusal.Challenge, token) {
				t.Error("the token is shown")
			}
		})
	}
	// Who only has the token cannot say whether the key was proved.
	if _, err := f.resource.Verify(t.Context(), token); err == nil {
		t.Error("Verify accepts a bound token")
	}
	if _, err := f.resource.Verify(t.Context(), bearer); err != nil {
		t.Errorf("Verify: %v", err)
	}
	if p, err := f.resource.verifier.Verify(t.Context(), token); err == nil || p != nil { // from the cache
		t.Errorf("the verifier alone accepts a bound token: %+v, %v", p, err)
	}
}

// What an issuer says of a bound token counts as much as the token itself.
func TestDPoPIntrospection(t *testing.T) {
	f := newDPoPFixture(t, nil)
	endpoint := newEndpointFixture(t)
	answer := fmt.Sprintf(`{"active":true,"sub":"alice","aud":%q,"token_type":"DPoP","cnf":{"jkt":%q}}`, testResource, f.key.Thumbprint())
	endpoint.answer = func(string) string { return answer }
	verifier := endpoint.verifier()
	var err error
	if f.resource, err = New(Options{Resource: testResource, AuthorizationServers: []string{testIssuer}, Verifier: verifier}); err != nil {
		t.Fatal(err)
	}
	good := jwt.Proof{Method: "POST", URL: testResource, Token: "opaque"}
	for range 2 { // asked, and remembered
		if p, refusal := f.ask("POST", testResource, "DPoP opaque", f.proof(f.key, good)); refusal != nil || p.Subject != "alice" {
			t.Fatalf("%+v", refusal)
		}
		if _, refusal := f.ask("POST", testResource, "DPoP opaque", f.proof(f.newKey(), good)); refusal == nil {
			t.Error("another key passes")
		}
		if _, refusal := f.ask("POST", testResource, "Bearer opaque"); refusal == nil {
			t.Error("passes as a bearer token")
		}
		if p, err := verifier.Verify(t.Context(), "opaque"); err == nil || p != nil {
			t.Errorf("the verifier alone: %+v, %v", p, err)
		}
	}
}

func TestDPoPRequired(t *testing.T) {
	f := newDPoPFixture(t, func(o *Options) { o.DPoPRequired = true })
	token, bearer := f.bound(), f.issuer.token()
	if _, refusal := f.ask("POST", testResource, "DPoP "+token, f.proof(f.key, jwt.Proof{Method: "POST", URL: testResource, Token: token})); refusal != nil {
		t.Errorf("%+v", refusal)
	}
	for _, authorization := range []string{"", "Bearer " + bearer} {
		_, refusal := f.ask("POST", testResource, authorization)
		if refusal == nil || refusal.Status != 401 || !strings.HasPrefix(refusal.Challenge, "DPoP ") {
			t.Errorf("%q: %+v", authorization, refusal)
		}
	}
	if _, err := f.resource.Verify(t.Context(), bearer); err == nil {
		t.Error("Verify accepts a bearer token")
	}
	rec := httptest.NewRecorder()
	f.resource.MetadataHandler().ServeHTTP(rec, httptest.NewRequest("GET", "/", nil))
	if !strings.Contains(rec.Body.String(), `"dpop_bound_access_tokens_required":true`) {
		t.Errorf("metadata %s", rec.Body)
	}
}

// A proof does not outlive its time, be it used or not, and the memory of it
// lasts as long.
func TestDPoPProofsAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newDPoPFixture(t, nil)
		token := f.bound()
		good := jwt.Proof{Method: "POST", URL: testResource, Token: token}
		used, unused, late := f.proof(f.key, good), f.proof(f.key, good), f.proof(f.key, good)
		passes := func(proof string) bool {
			_, refusal := f.ask("POST", testResource, "DPoP "+token, proof)
			return refusal == nil
		}
		if !passes(used) || passes(used) {
			t.Error("a proof passes once")
		}
		time.Sleep(jwt.ProofAge)
		if passes(used) || !passes(unused) {
			t.Error("just before the end")
		}
		time.Sleep(time.Second)
		if passes(late) {
			t.Error("after the end")
		}
	})
}

func TestMiddlewareTakesTheProofAway(t *testing.T) {
	f := newDPoPFixture(t, nil)
	token := f.bound()
	req := httptest.NewRequest("POST", testResource, nil)
	req.Header.Set("Authorization", "DPoP "+token)
	req.Header.Set("DPoP", f.proof(f.key, jwt.Proof{Method: "POST", URL: testResource, Token: token}))
	rec := httptest.NewRecorder()
	f.resource.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Header.Get("DPoP") != "" || r.Header.Get("Authorization") != "" {
			t.Errorf("headers %v", r.Header)
		}
	})).ServeHTTP(rec, req)
	if rec.Code != 200 {
		t.Errorf("%d", rec.Code)
	}
}
