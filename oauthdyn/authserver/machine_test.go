// SPDX-License-Identifier: Apache-2.0

package authserver_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/resource"
)

const robotSecret = "a long enough+secret: of the robot"

// whoami answers with who calls.
var whoami = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	p, _ := resource.FromContext(r.Context())
	fmt.Fprintf(w, "%s %s %q client=%v", p.Subject, p.ClientID, p.Username, p.IsClient())
})

// newMachineHarness is a server that knows clients of the operator.
func newMachineHarness(t *testing.T, clients ...authserver.Client) *harness {
	return newHarness(t, &oauthdyntest.Options{
		Handler:   whoami,
		Scopes:    []string{"mcp"},
		Resources: []authserver.Resource{{URI: "https://second.example/mcp", Scopes: []string{"read", "write"}}},
		Adjust:    func(o *authserver.Options) { o.Clients = clients },
	})
}

func robotForm(edits ...string) url.Values {
	form := url.Values{"grant_type": {"client_credentials"}}
	edit(form, edits)
	return form
}

// E1: our own client library gets tokens for itself, by a secret and by a key,
// and the resource sees that it is a program that calls.
func TestE1OurClientActsForItself(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	set, err := oauthdyn.PublicKeySet(key, "")
	if err != nil {
		t.Fatal(err)
	}
	h := newMachineHarness(t,
		authserver.Client{ID: "robot", Secret: robotSecret},
		authserver.Client{ID: "keyed", Name: "Keyed robot", JWKS: set})
	for _, config := range []oauthdyn.Config{
		{ClientID: "robot", ClientSecret: robotSecret},
		{ClientID: "keyed", ClientKey: key},
		{ClientID: "keyed", ClientKey: key, DPoP: true},
	} {
		config.Resource, config.Flow = h.ResourceURL, oauthdyn.ClientCredentials{}
		client, err := oauthdyn.New(config)
		if err != nil {
			t.Fatal(err)
		}
		res, body := fetch(t, client.HTTPClient(), newRequest(t, "GET", h.ResourceURL, ""))
		if want := config.ClientID + " " + config.ClientID; res.StatusCode != 200 || !strings.HasPrefix(body, want) || !strings.Contains(body, "client=true") {
			t.Errorf("%s: %s %s", config.ClientID, res.Status, body)
		}
		token, err := client.TokenSource(t.Context()).Token()
		if err != nil || token.RefreshToken != "" {
			t.Errorf("%s: %v, refresh token %v", config.ClientID, err, token.RefreshToken != "")
		}
		if config.DPoP != (token.TokenType == "DPoP") {
			t.Errorf("token of type %s", token.TokenType)
		}
	}
	// A person's token is not a program's.
	if client, reply := h.login(); true {
		if _, body := h.call(reply.AccessToken); !strings.HasPrefix(body, "local:alice "+client.ClientID) || !strings.Contains(body, "client=false") {
			t.Errorf("a person: %s", body)
		}
	}
}

// A client that we did not write, by Basic and in the form.
func TestE1ClientOfOthers(t *testing.T) {
	h := newMachineHarness(t, authserver.Client{ID: "robot", Secret: robotSecret})
	for _, style := range []oauth2.AuthStyle{oauth2.AuthStyleInHeader, oauth2.AuthStyleInParams} {
		config := clientcredentials.Config{
			ClientID: "robot", ClientSecret: robotSecret, TokenURL: h.Issuer + "/token", AuthStyle: style,
			Scopes: []string{"mcp"}, EndpointParams: url.Values{"resource": {h.ResourceURL}},
		}
		res, body := fetch(t, config.Client(t.Context()), newRequest(t, "GET", h.ResourceURL, ""))
		if res.StatusCode != 200 || !strings.HasPrefix(body, `robot robot "robot"`) {
			t.Errorf("%v: %s %s", style, res.Status, body)
		}
	}
}

func TestE1S13S14WhatAClientGets(t *testing.T) {
	const second = "https://second.example/mcp"
	h := newMachineHarness(t,
		authserver.Client{ID: "all", Secret: robotSecret},
		authserver.Client{ID: "reader", Secret: robotSecret, Resources: []string{second}, Scopes: []string{"read"}})
	for name, test := range map[string]struct {
		client    string
		edits     []string
		audience  string
		scope     string
		errorCode string
	}{
		"all by default":          {"all", nil, h.ResourceURL, "mcp", ""},
		"all of another resource": {"all", []string{"resource", second}, second, "read write", ""},
		"a slash":                 {"all", []string{"resource", second + "/"}, second, "read write", ""},
		"one scope":               {"all", []string{"resource", second, "scope", "write"}, second, "write", ""},
		"no refresh":              {"all", []string{"scope", "offline_access mcp"}, h.ResourceURL, "mcp", ""},
		"its first resource":      {"reader", nil, second, "read", ""},
		"cut":                     {"reader", []string{"scope", "read write"}, second, "read", ""},

		"refresh only":      {"all", []string{"scope", "offline_access"}, "", "", oauthdyn.CodeInvalidScope},
		"unknown scope":     {"all", []string{"scope", "admin"}, "", "", oauthdyn.CodeInvalidScope},
		"scope not allowed": {"reader", []string{"scope", "write"}, "", "", oauthdyn.CodeInvalidScope},
		"another resource":  {"reader", []string{"resource", h.ResourceURL}, "", "", oauthdyn.CodeInvalidTarget},
		"unknown resource":  {"all", []string{"resource", "https://third.example/mcp"}, "", "", oauthdyn.CodeInvalidTarget},
		"fragment":          {"all", []string{"resource", second + "#x"}, "", "", oauthdyn.CodeInvalidTarget},
	} {
		t.Run(name, func(t *testing.T) {
			reply := h.token(robotForm(test.edits...), "Authorization", basic(test.client, robotSecret))
			if test.errorCode != "" {
				wantError(t, reply, 400, test.errorCode)
				return
			}
			if reply.Status != 200 || reply.Scope != test.scope || reply.RefreshToken != "" || reply.ExpiresIn != 900 ||
				!slices.Equal(audience(t, reply.AccessToken), []string{test.audience}) {
				t.Fatalf("%+v", reply)
			}
			if claims := tokenClaims(t, reply.AccessToken); claims["sub"] != test.client || claims["client_id"] != test.client {
				t.Errorf("claims %v", claims)
			}
		})
	}
}

// Nobody gets a token for itself but whom the operator has named, and who
// proves to be that.
func TestE1S47S53WhoGetsNoToken(t *testing.T) {
	h := newMachineHarness(t, authserver.Client{ID: "robot", Secret: robotSecret})
	wantError(t, h.token(robotForm("client_id", "robot")), 401, oauthdyn.CodeInvalidClient)
	wantError(t, h.token(robotForm("client_id", "robot", "client_secret", robotSecret+"x")), 401, oauthdyn.CodeInvalidClient)
	reply := h.token(robotForm(), "Authorization", basic("robot", "wrong"))
	wantError(t, reply, 401, oauthdyn.CodeInvalidClient)
	if got := reply.Header.Get("WWW-Authenticate"); !strings.HasPrefix(got, "Basic") {
		t.Errorf("WWW-Authenticate %q", got)
	}
	wantError(t, h.token(robotForm("client_id", "robot", "client_secret", robotSecret), "Authorization", basic("robot", robotSecret)), 401, oauthdyn.CodeInvalidClient)

	// S53: a registration does not help, whatever it says.
	public := h.register(`{"redirect_uris":["` + callback + `"],"token_endpoint_auth_method":"none","grant_types":["authorization_code","client_credentials"]}`)
	if slices.Contains(public.GrantTypes, "client_credentials") {
		t.Errorf("registered for %v", public.GrantTypes)
	}
	wantError(t, h.token(robotForm("client_id", public.ClientID)), 400, oauthdyn.CodeUnauthorizedClient)
	confidential := h.register(`{"redirect_uris":["` + callback + `"],"grant_types":["client_credentials","authorization_code"]}`)
	wantError(t, h.token(robotForm(), "Authorization", basic(confidential.ClientID, confidential.ClientSecret)), 400, oauthdyn.CodeUnauthorizedClient)

	// Nor is there a way from such a client to a person.
	wantError(t, h.token(h.redeemForm("robot", "x", "client_secret", robotSecret)), 400, oauthdyn.CodeUnauthorizedClient)
	wantError(t, h.token(refreshForm("robot", "a.b", "client_secret", robotSecret)), 400, oauthdyn.CodeUnauthorizedClient)
	if res, page := h.page(newRequest(t, "GET", h.authorizeURL("robot"), "")); res.StatusCode != 400 || res.Header.Get("Location") != "" {
		t.Errorf("authorize: %s %s", res.Status, page)
	}
	// S53: and where nobody is named there is no such grant.
	none := newHarness(t, nil)
	wantError(t, none.token(robotForm("client_id", none.public().ClientID)), 400, oauthdyn.CodeUnsupportedGrantType)
	wantError(t, h.token(url.Values{"grant_type": {"password"}, "client_id": {"robot"}, "client_secret": {robotSecret}}), 400, oauthdyn.CodeUnsupportedGrantType)
	wantError(t, h.token(url.Values{"client_id": {"robot"}, "client_secret": {robotSecret}}), 400, oauthdyn.CodeInvalidRequest)
	for server, want := range map[*harness]bool{h: true, none: false} {
		_, body := server.page(newRequest(t, "GET", server.Issuer+"/.well-known/oauth-authorization-server", ""))
		if strings.Contains(body, `"client_credentials"`) != want {
			t.Errorf("metadata %s", body)
		}
	}
}

// A client that is known by its document, and that the operator has named.
func TestE1ClientOfADocument(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	set, err := oauthdyn.PublicKeySet(key, "")
	if err != nil {
		t.Fatal(err)
	}
	const itself, bearer, nobody = "for itself", "for people", ""
	for name, test := range map[string]struct{ grants, named string }{
		"that grant":        {`["client_credentials"]`, itself},
		"another grant":     {`["authorization_code"]`, itself},
		"not named":         {`["authorization_code","client_credentials"]`, nobody},
		"named for another": {`["authorization_code","client_credentials"]`, bearer},
	} {
		site := oauthdyntest.NewClientDocument(t, oauthdyn.ClientMetadata{ClientName: "Unused"})
		document := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"client_id":%q,"client_name":"Robot","redirect_uris":[%q],"grant_types":%s,"token_endpoint_auth_methods_supported":["private_key_jwt","none"],"jwks":%s}`, site.URL, callback, test.grants, set)
		}))
		site.Serve(document)
		h := newDocumentHarness(t, site, func(o *authserver.Options) {
			o.Clients = []authserver.Client{{ID: "robot", Secret: robotSecret}}
			switch test.named {
			case itself:
				o.Clients = append(o.Clients, authserver.Client{ID: site.URL})
			case bearer:
				o.IdentityProviders = []authserver.Issuer{{ID: "https://idp.example"}}
				o.Clients = append(o.Clients, authserver.Client{ID: site.URL, GrantTypes: []string{grantBearer}})
			}
		})
		client, err := oauthdyn.New(oauthdyn.Config{Resource: h.ResourceURL, ClientMetadataURL: site.URL, ClientKey: key, Flow: oauthdyn.ClientCredentials{}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.Authenticate(t.Context()); (err == nil) != (test.named == itself) {
			t.Errorf("%s: %v", name, err)
		}
		wantError(t, h.token(robotForm("client_id", site.URL)), 400, oauthdyn.CodeUnauthorizedClient) // without its key
	}
}

// Such tokens are known and revoked as others are.
func TestE1S98Revocation(t *testing.T) {
	h := newMachineHarness(t, authserver.Client{ID: "robot", Secret: robotSecret}, authserver.Client{ID: "other", Secret: robotSecret})
	issue := func() string {
		t.Helper()
		reply := h.token(robotForm(), "Authorization", basic("robot", robotSecret))
		if reply.Status != 200 {
			t.Fatalf("%+v", reply.Error)
		}
		return reply.AccessToken
	}
	active := func(token string) bool {
		t.Helper()
		req := newRequest(t, "POST", h.Issuer+"/introspect", url.Values{"token": {token}}.Encode())
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Authorization", basic(oauthdyntest.ResourceServerID, oauthdyntest.ResourceServerSecret))
		var answer struct {
			Active   bool
			Sub      string
			ClientID string `json:"client_id"`
		}
		send(t, req, &answer)
		if answer.Active && (answer.Sub != "robot" || answer.ClientID != "robot") {
			t.Errorf("%+v", answer)
		}
		return answer.Active
	}
	revoke := func(client, token string) {
		t.Helper()
		req := newRequest(t, "POST", h.Issuer+"/revoke", url.Values{"token": {token}}.Encode())
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Authorization", basic(client, robotSecret))
		if res := send(t, req, nil); res.StatusCode != 200 {
			t.Errorf("revoke: %s", res.Status)
		}
	}
	first, second := issue(), issue()
	revoke("other", first)
	if !active(first) || !active(second) {
		t.Error("not active")
	}
	revoke("robot", first)
	if status, _ := h.call(first); active(first) || status != 401 || !active(second) {
		t.Errorf("after revocation: %d", status)
	}
	if n, err := h.AuthServer.RevokeGrants(t.Context(), store.Owner{ClientID: "robot"}); err != nil || n != 2 {
		t.Errorf("%d grants, %v", n, err)
	}
	if status, _ := h.call(second); active(second) || status != 401 {
		t.Errorf("after revocation of the client: %d", status)
	}
}

func TestClientOptions(t *testing.T) {
	set := []byte(jwks(t, newJoseKey(t, "ES256", "k1")))
	for name, clients := range map[string][]authserver.Client{
		"no id":            {{Secret: robotSecret}},
		"space":            {{ID: "a b", Secret: robotSecret}},
		"person":           {{ID: "local:alice", Secret: robotSecret}},
		"reserved":         {{ID: "client_x", Secret: robotSecret}},
		"long":             {{ID: strings.Repeat("x", 129), Secret: robotSecret}},
		"no secret":        {{ID: "robot"}},
		"short secret":     {{ID: "robot", Secret: "short"}},
		"both":             {{ID: "robot", Secret: robotSecret, JWKS: set}},
		"no keys":          {{ID: "robot", JWKS: []byte("{}")}},
		"bad address":      {{ID: "robot", JWKSURI: "http://keys.example/jwks"}},
		"twice":            {{ID: "robot", Secret: robotSecret}, {ID: "robot", JWKS: set}},
		"unknown resource": {{ID: "robot", Secret: robotSecret, Resources: []string{"https://third.example/mcp"}}},
		"unknown scope":    {{ID: "robot", Secret: robotSecret, Scopes: []string{"x"}}},
		"foreign scope":    {{ID: "robot", Secret: robotSecret, Resources: []string{"https://mcp.example/mcp"}, Scopes: []string{"c"}}},
		"secret document":  {{ID: "https://app.example/client.json", Secret: robotSecret}},
	} {
		if _, err := newServer(t, func(o *authserver.Options) { o.Clients = clients }); err == nil || strings.Contains(err.Error(), robotSecret) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := newServer(t, func(o *authserver.Options) {
		o.Clients, o.ClientDocuments.Off = []authserver.Client{{ID: "https://app.example/client.json"}}, true
	}); err == nil {
		t.Error("a document where documents are off")
	}
	if _, err := newServer(t, func(o *authserver.Options) {
		o.Clients, o.ClientAuthMethods = []authserver.Client{{ID: "robot", Secret: robotSecret}}, []string{oauthdyn.AuthMethodPrivateKeyJWT}
	}); err == nil {
		t.Error("a secret where none is accepted")
	}
	var log bytes.Buffer
	c := authserver.Client{ID: "robot", Secret: robotSecret}
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "client", c)
	if text := fmt.Sprintf("%v %+v %#v %s", c, &c, c, log.String()); strings.Contains(text, "secret") || !strings.Contains(text, "robot") {
		t.Errorf("prints as %s", text)
	}
}
