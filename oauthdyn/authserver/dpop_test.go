// SPDX-License-Identifier: Apache-2.0

package authserver_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/jose/jwt"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest"
)

func newKey(t *testing.T) *jwt.Key {
	t.Helper()
	key, err := jwt.Generate()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// proof makes a proof for a token request.
func (h *harness) proof(key *jwt.Key) string {
	h.t.Helper()
	raw, err := key.DPoP(jwt.Proof{Method: "POST", URL: h.Issuer + "/token"})
	if err != nil {
		h.t.Fatal(err)
	}
	return raw
}

// callBound calls the protected resource with a token and a proof.
func (h *harness) callBound(key *jwt.Key, token string) int {
	h.t.Helper()
	proof, err := key.DPoP(jwt.Proof{Method: "GET", URL: h.ResourceURL, Token: token})
	if err != nil {
		h.t.Fatal(err)
	}
	req := newRequest(h.t, "GET", h.ResourceURL, "")
	req.Header.Set("Authorization", "DPoP "+token)
	req.Header.Set("DPoP", proof)
	return send(h.t, req, nil).StatusCode
}

// boundTo checks what a token response is bound to.
func boundTo(t *testing.T, what string, reply tokenReply, key *jwt.Key) {
	t.Helper()
	if reply.Status != 200 {
		t.Fatalf("%s: %d %v", what, reply.Status, &reply.Error)
	}
	cnf, _ := tokenClaims(t, reply.AccessToken)["cnf"].(map[string]any)
	wantType, want := "Bearer", any(nil)
	if key != nil {
		wantType, want = "DPoP", any(key.Thumbprint())
	}
	if reply.TokenType != wantType || cnf["jkt"] != want {
		t.Errorf("%s: type %s, bound to %v", what, reply.TokenType, cnf)
	}
}

func TestDPoPPublicClient(t *testing.T) { // RFC 9449 section 5
	h := newHarness(t, nil)
	client := h.public().ClientID
	key, other := newKey(t), newKey(t)
	first := h.token(h.redeemForm(client, h.code(client)), "DPoP", h.proof(key))
	boundTo(t, "code", first, key)
	if status := h.callBound(key, first.AccessToken); status != 200 {
		t.Errorf("with the key: %d", status)
	}
	h.ok("as a bearer token", first.AccessToken, false)
	if status := h.callBound(other, first.AccessToken); status != 401 {
		t.Errorf("with another key: %d", status)
	}
	// The refresh token is bound, too; who has another key does it no harm.
	wantError(t, h.token(refreshForm(client, first.RefreshToken)), 400, oauthdyn.CodeInvalidGrant)
	wantError(t, h.token(refreshForm(client, first.RefreshToken), "DPoP", h.proof(other)), 400, oauthdyn.CodeInvalidGrant)
	second := h.token(refreshForm(client, first.RefreshToken), "DPoP", h.proof(key))
	boundTo(t, "refresh", second, key)
	third := h.token(refreshForm(client, second.RefreshToken), "DPoP", h.proof(key))
	boundTo(t, "second refresh", third, key)

	_, answer := h.introspect(basic(oauthdyntest.ResourceServerID, oauthdyntest.ResourceServerSecret), url.Values{"token": {third.AccessToken}})
	if cnf, _ := answer["cnf"].(map[string]any); answer["token_type"] != "DPoP" || cnf["jkt"] != key.Thumbprint() {
		t.Errorf("introspection: %v", answer)
	}

	// Without a proof at first there is none later, but for the access token.
	_, plain := h.login()
	boundTo(t, "without a proof", plain, nil)
	client = tokenClaims(t, plain.AccessToken)["client_id"].(string)
	bound := h.token(refreshForm(client, plain.RefreshToken), "DPoP", h.proof(key))
	boundTo(t, "refresh with a proof", bound, key)
	boundTo(t, "and without", h.token(refreshForm(client, bound.RefreshToken)), nil)
}

func TestDPoPConfidentialClient(t *testing.T) {
	h := newHarness(t, nil)
	client := h.register(`{"redirect_uris":["` + callback + `"]}`)
	auth := basic(client.ClientID, client.ClientSecret)
	key, next := newKey(t), newKey(t)
	first := h.token(h.redeemForm(client.ClientID, h.code(client.ClientID), "client_id", ""), "Authorization", auth, "DPoP", h.proof(key))
	boundTo(t, "code", first, key)
	// Its refresh token is bound to the client, which may change its key.
	form := refreshForm("", first.RefreshToken)
	form.Del("client_id")
	boundTo(t, "another key", h.token(form, "Authorization", auth, "DPoP", h.proof(next)), next)
}

func TestDPoPRefusals(t *testing.T) {
	h := newHarness(t, nil)
	client := h.public().ClientID
	key := newKey(t)
	code := h.code(client)
	used := h.proof(key)
	_, plain := h.login()
	if reply := h.token(refreshForm(tokenClaims(t, plain.AccessToken)["client_id"].(string), plain.RefreshToken), "DPoP", used); reply.Status != 200 {
		t.Fatal(reply.Status)
	}
	made := func(p jwt.Proof) string {
		raw, err := key.DPoP(p)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	for name, proof := range map[string]string{
		"rubbish":        "x",
		"used before":    used,
		"another method": made(jwt.Proof{Method: "GET", URL: h.Issuer + "/token"}),
		"another URL":    made(jwt.Proof{Method: "POST", URL: h.Issuer + "/revoke"}),
		"another server": made(jwt.Proof{Method: "POST", URL: "https://evil.example/token"}),
	} {
		reply := h.token(h.redeemForm(client, code), "DPoP", proof)
		if reply.Status != 400 || reply.Code != oauthdyn.CodeInvalidDPoPProof || reply.Description == "" {
			t.Errorf("%s: %d %v", name, reply.Status, &reply.Error)
		}
	}
	boundTo(t, "after all that", h.token(h.redeemForm(client, code), "DPoP", h.proof(key)), key)

	// A client that wants no bearer tokens gets none.
	strict := h.register(`{"redirect_uris":["` + callback + `"],"token_endpoint_auth_method":"none","dpop_bound_access_tokens":true}`)
	if !strict.DPoPBoundAccessTokens {
		t.Error("the registration does not say it")
	}
	code = h.code(strict.ClientID)
	wantError(t, h.token(h.redeemForm(strict.ClientID, code)), 400, oauthdyn.CodeInvalidDPoPProof)
	boundTo(t, "client that wants no bearer tokens", h.token(h.redeemForm(strict.ClientID, code), "DPoP", h.proof(key)), key)
}

func TestDPoPBindsTheCode(t *testing.T) { // RFC 9449 section 10
	h := newHarness(t, nil)
	client := h.public().ClientID
	key, other := newKey(t), newKey(t)
	code := h.code(client, "dpop_jkt", key.Thumbprint())
	wantError(t, h.token(h.redeemForm(client, code)), 400, oauthdyn.CodeInvalidGrant)
	wantError(t, h.token(h.redeemForm(client, code), "DPoP", h.proof(other)), 400, oauthdyn.CodeInvalidGrant)
	boundTo(t, "with the key", h.token(h.redeemForm(client, code), "DPoP", h.proof(key)), key)
	at, err := h.Browser().Authorize(t.Context(), h.authorizeURL(client, "dpop_jkt", "x"))
	if err != nil || at.Query().Get("error") != oauthdyn.CodeInvalidRequest {
		t.Errorf("malformed thumbprint: %v, %v", at, err)
	}
}

// Our own client uses all of that.
func TestDPoPClient(t *testing.T) {
	h := newHarness(t, nil)
	c, err := oauthdyn.New(oauthdyn.Config{Resource: h.ResourceURL, OpenURL: h.Browser().Open, DPoP: true})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		res, err := c.HTTPClient().Get(h.ResourceURL + "?x=1")
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Errorf("%s %v", res.Status, res.Header)
		}
	}
	token, err := c.Authenticate(t.Context())
	if err != nil || token.TokenType != "DPoP" {
		t.Errorf("%v, %v", token, err)
	}
	h.ok("its token alone", token.AccessToken, false)
	if err := c.Revoke(t.Context()); err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprint(tokenClaims(t, token.AccessToken)["cnf"]); !strings.Contains(text, "jkt") {
		t.Errorf("cnf %s", text)
	}
}
