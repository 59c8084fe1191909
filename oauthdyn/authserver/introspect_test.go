// SPDX-License-Identifier: Apache-2.0

package authserver_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/resource"
)

const secondURI = "https://second.example/mcp"

// newIntrospected has two resources: "second" may ask about the second, "both"
// about both.
func newIntrospected(t *testing.T) *harness {
	return newHarness(t, &oauthdyntest.Options{
		Scopes:    []string{"a", "b"},
		Resources: []authserver.Resource{{URI: secondURI, Scopes: []string{"c"}}},
		Adjust: func(o *authserver.Options) {
			o.ResourceServers = []authserver.ResourceServer{
				{ID: "second", Secret: longSecret + " second", Resources: []string{secondURI + "/"}},
				{ID: "both", Secret: longSecret + " both"},
			}
		},
	})
}

// introspect asks about a token and returns the status and the answer.
func (h *harness) introspect(auth string, form url.Values) (*http.Response, map[string]any) {
	h.t.Helper()
	req := newRequest(h.t, "POST", h.Issuer+"/introspect", form.Encode())
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/token-introspection+jwt") // JSON is all there is
	if auth != "" {
		req.Header.Set("Authorization", auth)
	}
	var answer map[string]any
	res := send(h.t, req, &answer)
	if got := res.Header; got.Get("Cache-Control") != "no-store" || got.Get("Content-Type") != "application/json" || got.Get("Access-Control-Allow-Origin") != "" {
		h.t.Errorf("headers %v", got)
	}
	return res, answer
}

func TestS96Introspection(t *testing.T) {
	h := newIntrospected(t)
	client, first := h.login()
	auth := basic("both", longSecret+" both")
	active := func(what, token string, want bool) {
		t.Helper()
		res, answer := h.introspect(auth, url.Values{"token": {token}, "token_type_hint": {"made_up"}})
		if res.StatusCode != 200 || answer["active"] != want {
			t.Errorf("%s: %s %v", what, res.Status, answer)
		}
		if !want && len(answer) != 1 {
			t.Errorf("%s: tells %v of a token that is not active", what, answer)
		}
	}
	claims := tokenClaims(t, first.AccessToken)
	_, answer := h.introspect(auth, url.Values{"token": {first.AccessToken}})
	want := map[string]any{
		"active": true, "iss": h.Issuer, "sub": "local:alice", "aud": []any{h.ResourceURL}, "client_id": client.ClientID, "username": "alice",
		"scope": "a b", "token_type": "Bearer", "jti": claims["jti"], "sid": claims["sid"], "iat": claims["iat"], "exp": claims["exp"],
	}
	if !reflect.DeepEqual(answer, want) {
		t.Errorf("got  %v\nwant %v", answer, want)
	}
	active("unknown", "x", false)
	active("refresh token", first.RefreshToken, false)
	active("long", strings.Repeat("x", 60<<10), false)
	last := first.AccessToken[:len(first.AccessToken)-4]
	active("wrong signature", last+"AAAA", false)
	other := newHarness(t, nil)
	_, foreign := other.login()
	active("another issuer's", foreign.AccessToken, false)

	second := h.token(refreshForm(client.ClientID, first.RefreshToken))
	active("first of two", first.AccessToken, true)
	h.revoke(client.ClientID, first.AccessToken)
	active("revoked", first.AccessToken, false)
	active("second of two", second.AccessToken, true)
	if _, err := h.AuthServer.RevokeGrants(t.Context(), store.Owner{Subject: "local:alice"}); err != nil {
		t.Fatal(err)
	}
	active("of a revoked grant", second.AccessToken, false)
}

func TestS96ForeignAudience(t *testing.T) {
	h := newIntrospected(t)
	client := h.public().ClientID
	at, err := h.Browser().Authorize(t.Context(), h.authorizeURL(client)+"&resource="+url.QueryEscape(secondURI))
	if err != nil {
		t.Fatal(err)
	}
	form := h.redeemForm(client, at.Query().Get("code"))
	form.Del("resource")
	both := h.token(form)
	first := h.token(refreshForm(client, both.RefreshToken, "resource", h.ResourceURL))
	for _, test := range []struct {
		what, token string
		want        map[string]bool
	}{
		{"for both", both.AccessToken, map[string]bool{"both": true, "second": true}},
		{"for the first", first.AccessToken, map[string]bool{"both": true, "second": false}},
	} {
		for id, want := range test.want {
			res, answer := h.introspect(basic(id, longSecret+" "+id), url.Values{"token": {test.token}})
			if res.StatusCode != 200 || answer["active"] != want || !want && len(answer) != 1 {
				t.Errorf("token %s, asked by %s: %s %v", test.what, id, res.Status, answer)
			}
		}
	}
}

func TestS96IntrospectionRefusals(t *testing.T) {
	h := newIntrospected(t)
	_, issued := h.login()
	confidential := h.register(`{"redirect_uris":["` + callback + `"]}`)
	token := url.Values{"token": {issued.AccessToken}}
	post := func(id, secret string) url.Values {
		return url.Values{"token": token["token"], "client_id": {id}, "client_secret": {secret}}
	}
	good := basic("both", longSecret+" both")
	for _, test := range []struct {
		name   string
		auth   string
		form   url.Values
		status int
		code   string
	}{
		{"nobody", "", token, 401, oauthdyn.CodeInvalidClient},
		{"bearer", "Bearer " + issued.AccessToken, token, 401, oauthdyn.CodeInvalidClient},
		{"a client", basic(confidential.ClientID, confidential.ClientSecret), token, 401, oauthdyn.CodeInvalidClient},
		{"no secret", "", url.Values{"token": token["token"], "client_id": {"both"}}, 401, oauthdyn.CodeInvalidClient},
		{"wrong secret", basic("both", "x"), token, 401, oauthdyn.CodeInvalidClient},
		{"another's secret", basic("second", longSecret+" both"), token, 401, oauthdyn.CodeInvalidClient},
		{"unknown", basic("third", longSecret), token, 401, oauthdyn.CodeInvalidClient},
		{"no token", good, url.Values{}, 400, oauthdyn.CodeInvalidRequest},
		{"two tokens", good, url.Values{"token": {"a", "b"}}, 400, oauthdyn.CodeInvalidRequest},
		{"long", good, url.Values{"token": {strings.Repeat("x", 65<<10)}}, 413, oauthdyn.CodeInvalidRequest},
	} {
		res, answer := h.introspect(test.auth, test.form)
		if res.StatusCode != test.status || answer["error"] != test.code || answer["active"] != nil {
			t.Errorf("%s: %s %v", test.name, res.Status, answer)
		}
		if challenged := res.Header.Get("WWW-Authenticate") != ""; challenged != (test.status == 401 && test.auth != "") {
			t.Errorf("%s: headers %v", test.name, res.Header)
		}
	}
	if res, answer := h.introspect("", post("both", longSecret+" both")); res.StatusCode != 200 || answer["active"] != true {
		t.Errorf("secret in the form: %s %v", res.Status, answer)
	}
	if rec := do(h.AuthServer, "GET", "/introspect?token=x", "", "Authorization", good); rec.Code != 405 || rec.Header().Get("Allow") != "POST" {
		t.Errorf("GET: %d %v", rec.Code, rec.Header())
	}
	// Where nobody may ask, there is no endpoint.
	if rec := do(mustServer(t, nil), "POST", "/introspect", "token=x", "Content-Type", "application/x-www-form-urlencoded"); rec.Code != 404 {
		t.Errorf("nobody may ask: %d", rec.Code)
	}
}

// Our own resource server understands the answers, and notices a revocation.
func TestIntrospectionVerifier(t *testing.T) {
	h := newHarness(t, &oauthdyntest.Options{Scopes: []string{"a"}})
	client, issued := h.login()
	v, err := resource.NewIntrospectionVerifier(resource.IntrospectionOptions{
		Issuer: h.Issuer, ClientID: oauthdyntest.ResourceServerID, ClientSecret: oauthdyntest.ResourceServerSecret,
		Audience: h.ResourceURL, MaxAge: -1,
	})
	if err != nil {
		t.Fatal(err)
	}
	p, err := v.Verify(t.Context(), issued.AccessToken)
	if err != nil || p.Subject != "local:alice" || p.Username != "alice" || p.ClientID != client.ClientID || p.Session == "" || !p.HasScopes("a") {
		t.Fatalf("%+v, %v", p, err)
	}
	h.revoke(client.ClientID, issued.RefreshToken)
	if p, err := v.Verify(t.Context(), issued.AccessToken); err == nil {
		t.Errorf("after revocation: %+v", p)
	}
}

// An access token is good until it expires, and no longer.
func TestIntrospectionExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClocked(t, func(o *authserver.Options) {
			o.RefreshTokenTTL = 5 * time.Minute // less than an access token's 15
			o.ResourceServers = []authserver.ResourceServer{{ID: "rs", Secret: longSecret}}
		})
		token := c.redeem()
		active := func() bool {
			rec := do(c.server, "POST", "/introspect", url.Values{"token": {token.AccessToken}}.Encode(),
				"Content-Type", "application/x-www-form-urlencoded", "Authorization", basic("rs", longSecret))
			var answer struct{ Active bool }
			if err := json.Unmarshal(rec.Body.Bytes(), &answer); err != nil {
				t.Fatal(err)
			}
			return answer.Active
		}
		if token.ExpiresIn != 300 {
			t.Errorf("lives %d s, longer than its grant", token.ExpiresIn)
		}
		time.Sleep(5*time.Minute - time.Second)
		if !active() {
			t.Error("not active just before its end")
		}
		time.Sleep(time.Second)
		if active() {
			t.Error("active at its end")
		}
	})
}
