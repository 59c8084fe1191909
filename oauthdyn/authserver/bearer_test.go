// SPDX-License-Identifier: Apache-2.0

package authserver_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/allow"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/choose"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/local"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/oidc"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/jose/josetest"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/jose/jwt"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest"
)

const (
	grantBearer = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	typeIDJAG   = "oauth-id-jag+jwt"
)

// issuer is an identity provider or a platform: it publishes keys, and turns ID
// tokens into identity assertions.
type issuer struct {
	*httptest.Server
	t     *testing.T
	key   *josetest.Key
	keys  atomic.Pointer[string] // the key set
	down  atomic.Bool
	asked atomic.Int32
}

func newIssuer(t *testing.T) *issuer {
	i := &issuer{t: t, key: newJoseKey(t, "RS256", "key-1")}
	i.publish(i.key)
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		writeAnswer(w, map[string]any{"issuer": i.URL, "jwks_uri": i.URL + "/keys", "token_endpoint": i.URL + "/token", "authorization_endpoint": i.URL + "/a"})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		i.asked.Add(1)
		if i.down.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, *i.keys.Load())
	})
	mux.HandleFunc("/token", i.exchange)
	i.Server = httptest.NewServer(mux)
	t.Cleanup(i.Close)
	return i
}

func writeAnswer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

func (i *issuer) publish(keys ...*josetest.Key) {
	set := jwks(i.t, keys...)
	i.keys.Store(&set)
}

// exchange is the token exchange of RFC 8693 that an identity provider offers.
func (i *issuer) exchange(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	f := r.PostForm
	if f.Get("requested_token_type") != "urn:ietf:params:oauth:token-type:id-jag" || f.Get("subject_token") != "id token of Alice" {
		w.WriteHeader(http.StatusBadRequest)
		writeAnswer(w, map[string]any{"error": "invalid_request"})
		return
	}
	jag := sign(i.t, i.key, typeIDJAG, map[string]any{
		"iss": i.URL, "sub": "alice-1", "aud": f.Get("audience"), "client_id": "app", "resource": f.Get("resource"), "scope": f.Get("scope"), "email": "alice@corp.example",
	}, nil)
	writeAnswer(w, map[string]any{"access_token": jag, "issued_token_type": "urn:ietf:params:oauth:token-type:id-jag", "token_type": "N_A"})
}

// newIdentityHarness trusts the issuer, and knows a client that exchanges its
// assertions.
func newIdentityHarness(t *testing.T, idp *issuer, edits ...func(*authserver.Options)) *harness {
	return newHarness(t, &oauthdyntest.Options{
		Handler:   whoami,
		Scopes:    []string{"mcp"},
		Resources: []authserver.Resource{{URI: "https://second.example/mcp", Scopes: []string{"read", "write"}}},
		Adjust: func(o *authserver.Options) {
			o.IdentityProviders = []authserver.Issuer{{ID: idp.URL}}
			o.Clients = []authserver.Client{
				{ID: "app", Secret: robotSecret, GrantTypes: []string{grantBearer}},
				{ID: "reader", Secret: robotSecret, GrantTypes: []string{grantBearer}, Resources: []string{"https://second.example/mcp"}, Scopes: []string{"read"}},
				{ID: "robot", Secret: robotSecret},
			}
			for _, edit := range edits {
				edit(o)
			}
		},
	})
}

// jag makes an identity assertion for the client app.
func (h *harness) jag(i *issuer, changes map[string]any) string {
	return sign(h.t, i.key, typeIDJAG, map[string]any{
		"iss": i.URL, "sub": "alice-1", "aud": h.Issuer, "client_id": "app", "resource": h.ResourceURL, "scope": "mcp",
	}, changes)
}

func (h *harness) bearer(client, assertion string, edits ...string) tokenReply {
	h.t.Helper()
	form := url.Values{"grant_type": {grantBearer}, "assertion": {assertion}}
	edit(form, edits)
	return h.token(form, "Authorization", basic(client, robotSecret))
}

// E2: our own client library comes in by the word of an identity provider,
// without a browser.
func TestE2OurClientIsManagedByAnEnterprise(t *testing.T) {
	idp := newIssuer(t)
	h := newIdentityHarness(t, idp)
	client, err := oauthdyn.New(oauthdyn.Config{
		Resource: h.ResourceURL, ClientID: "app", ClientSecret: robotSecret,
		Flow: oauthdyn.EnterpriseManaged{
			IdentityProvider: idp.URL, ClientID: "at the provider",
			SubjectToken: func(context.Context) (string, error) { return "id token of Alice", nil },
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	res, body := fetch(t, client.HTTPClient(), newRequest(t, "GET", h.ResourceURL, ""))
	if res.StatusCode != 200 || !strings.HasPrefix(body, "idp:") || !strings.HasSuffix(body, `:alice-1 app "alice@corp.example" client=false`) {
		t.Errorf("%s %s", res.Status, body)
	}
	token, err := client.TokenSource(t.Context()).Token()
	if err != nil || token.RefreshToken != "" {
		t.Errorf("%v, refresh token %v", err, token.RefreshToken != "")
	}
}

func TestE2S54IdentityAssertions(t *testing.T) {
	const second = "https://second.example/mcp"
	idp, stranger := newIssuer(t), newIssuer(t)
	h := newIdentityHarness(t, idp)
	now := time.Now().Unix()
	used := h.jag(idp, nil)
	if reply := h.bearer("app", used); reply.Status != 200 || reply.RefreshToken != "" || reply.Scope != "mcp" || !slices.Equal(audience(t, reply.AccessToken), []string{h.ResourceURL}) {
		t.Fatalf("%+v", reply)
	}
	forged := h.jag(idp, nil)
	forged = forged[:strings.LastIndexByte(forged, '.')] + "." + strings.Split(h.jag(idp, nil), ".")[2]
	typed := func(typ string) string {
		return sign(t, idp.key, typ, map[string]any{"iss": idp.URL, "sub": "alice-1", "aud": h.Issuer, "client_id": "app", "resource": h.ResourceURL}, nil)
	}
	for name, test := range map[string]struct {
		client    string
		assertion string
		edits     []string
		code      string // empty: accepted
		scope     string
	}{
		"no scope":              {"app", h.jag(idp, map[string]any{"scope": nil}), nil, "", "mcp"},
		"another resource":      {"app", h.jag(idp, map[string]any{"resource": second, "scope": "read write"}), nil, "", "read write"},
		"a part of the scopes":  {"app", h.jag(idp, map[string]any{"resource": second, "scope": "read write"}), []string{"scope", "read"}, "", "read"},
		"cut by the assertion":  {"app", h.jag(idp, map[string]any{"resource": second, "scope": "read"}), []string{"scope", "read write"}, "", "read"},
		"cut by the operator":   {"reader", h.jag(idp, map[string]any{"client_id": "reader", "resource": second, "scope": "read write"}), nil, "", "read"},
		"one of two":            {"app", h.jag(idp, map[string]any{"resource": []string{h.ResourceURL, second}, "scope": "read mcp"}), []string{"resource", second}, "", "read"},
		"full name of the type": {"app", typed("application/oauth-id-jag+jwt"), nil, "", "mcp"},

		"wrong typ":                {"app", typed("JWT"), nil, oauthdyn.CodeInvalidGrant, ""},
		"no typ":                   {"app", typed(""), nil, oauthdyn.CodeInvalidGrant, ""},
		"access token":             {"app", typed("at+jwt"), nil, oauthdyn.CodeInvalidGrant, ""},
		"wrong aud":                {"app", h.jag(idp, map[string]any{"aud": "https://other.example"}), nil, oauthdyn.CodeInvalidGrant, ""},
		"aud of the resource":      {"app", h.jag(idp, map[string]any{"aud": h.ResourceURL}), nil, oauthdyn.CodeInvalidGrant, ""},
		"token endpoint":           {"app", h.jag(idp, map[string]any{"aud": h.Issuer + "/token"}), nil, oauthdyn.CodeInvalidGrant, ""},
		"two audiences":            {"app", h.jag(idp, map[string]any{"aud": []string{h.Issuer, "https://other.example"}}), nil, oauthdyn.CodeInvalidGrant, ""},
		"client_id of another":     {"app", h.jag(idp, map[string]any{"client_id": "reader"}), nil, oauthdyn.CodeInvalidGrant, ""},
		"sent by another":          {"reader", h.jag(idp, nil), nil, oauthdyn.CodeInvalidGrant, ""},
		"no client_id":             {"app", h.jag(idp, map[string]any{"client_id": nil}), nil, oauthdyn.CodeInvalidGrant, ""},
		"replayed":                 {"app", used, nil, oauthdyn.CodeInvalidGrant, ""},
		"no jti":                   {"app", h.jag(idp, map[string]any{"jti": nil}), nil, oauthdyn.CodeInvalidGrant, ""},
		"untrusted issuer":         {"app", h.jag(stranger, nil), nil, oauthdyn.CodeInvalidGrant, ""},
		"in the name of a trusted": {"app", h.jag(stranger, map[string]any{"iss": idp.URL}), nil, oauthdyn.CodeInvalidGrant, ""},
		"forged":                   {"app", forged, nil, oauthdyn.CodeInvalidGrant, ""},
		"no JWT":                   {"app", "x", nil, oauthdyn.CodeInvalidGrant, ""},
		"no assertion":             {"app", "", []string{"assertion", ""}, oauthdyn.CodeInvalidRequest, ""},
		"expired":                  {"app", h.jag(idp, map[string]any{"exp": now - 120}), nil, oauthdyn.CodeInvalidGrant, ""},
		"no exp":                   {"app", h.jag(idp, map[string]any{"exp": nil}), nil, oauthdyn.CodeInvalidGrant, ""},
		"for a day":                {"app", h.jag(idp, map[string]any{"exp": now + 86400}), nil, oauthdyn.CodeInvalidGrant, ""},
		"future iat":               {"app", h.jag(idp, map[string]any{"iat": now + 600}), nil, oauthdyn.CodeInvalidGrant, ""},
		"no iat":                   {"app", h.jag(idp, map[string]any{"iat": nil}), nil, oauthdyn.CodeInvalidGrant, ""},
		"no subject":               {"app", h.jag(idp, map[string]any{"sub": nil}), nil, oauthdyn.CodeInvalidGrant, ""},
		"strange subject":          {"app", h.jag(idp, map[string]any{"sub": "a\nb"}), nil, oauthdyn.CodeInvalidGrant, ""},
		"unknown resource":         {"app", h.jag(idp, map[string]any{"resource": "https://third.example/mcp"}), nil, oauthdyn.CodeInvalidTarget, ""},
		"no resource":              {"app", h.jag(idp, map[string]any{"resource": nil}), nil, oauthdyn.CodeInvalidGrant, ""},
		"resource not asserted":    {"app", h.jag(idp, nil), []string{"resource", second}, oauthdyn.CodeInvalidTarget, ""},
		"resource not the app's":   {"reader", h.jag(idp, map[string]any{"client_id": "reader"}), nil, oauthdyn.CodeInvalidTarget, ""},
		"scope not asserted":       {"app", h.jag(idp, map[string]any{"resource": second, "scope": "read"}), []string{"scope", "write"}, oauthdyn.CodeInvalidScope, ""},
		"no such scope":            {"app", h.jag(idp, map[string]any{"scope": "admin"}), nil, oauthdyn.CodeInvalidScope, ""},
		"authorization_details":    {"app", h.jag(idp, map[string]any{"authorization_details": []any{map[string]any{"type": "x"}}}), nil, oauthdyn.CodeInvalidGrant, ""},
		"bound to a key":           {"app", h.jag(idp, map[string]any{"cnf": map[string]any{"jkt": challengeOf("x")}}), nil, oauthdyn.CodeInvalidGrant, ""},
		"bound otherwise":          {"app", h.jag(idp, map[string]any{"cnf": map[string]any{"x5t#S256": "x"}}), nil, oauthdyn.CodeInvalidGrant, ""},
		"S53 another client":       {"robot", h.jag(idp, map[string]any{"client_id": "robot"}), nil, oauthdyn.CodeUnauthorizedClient, ""},
	} {
		t.Run(name, func(t *testing.T) {
			reply := h.bearer(test.client, test.assertion, test.edits...)
			if test.code != "" {
				wantError(t, reply, 400, test.code)
			} else if reply.Status != 200 || reply.Scope != test.scope || reply.RefreshToken != "" {
				t.Errorf("%d %+v", reply.Status, reply)
			}
		})
	}
	// S47: the client has to authenticate as always.
	wantError(t, h.token(url.Values{"grant_type": {grantBearer}, "assertion": {h.jag(idp, nil)}, "client_id": {"app"}}), 401, oauthdyn.CodeInvalidClient)
	wantError(t, h.token(url.Values{"grant_type": {grantBearer}, "assertion": {h.jag(idp, nil)}}), 401, oauthdyn.CodeInvalidClient)
	// A client that is named for people only gets nothing for itself.
	wantError(t, h.token(robotForm(), "Authorization", basic("app", robotSecret)), 400, oauthdyn.CodeUnauthorizedClient)
}

// One whose request is refused for something else is still good, and counts once
// when it comes in many places.
func TestE2S54AssertionsCountOnce(t *testing.T) {
	idp := newIssuer(t)
	h := newIdentityHarness(t, idp)
	jag := h.jag(idp, nil)
	wantError(t, h.bearer("app", jag, "scope", "admin"), 400, oauthdyn.CodeInvalidScope)
	var accepted atomic.Int32
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			if h.bearer("app", jag).Status == 200 {
				accepted.Add(1)
			}
		})
	}
	all.Wait()
	if accepted.Load() != 1 {
		t.Errorf("accepted %d times", accepted.Load())
	}
}

// An assertion that is bound to a key needs its proof, and gives a token that is
// bound to it; so does a client's own token.
func TestE2BoundAssertions(t *testing.T) {
	idp := newIssuer(t)
	h := newIdentityHarness(t, idp)
	key, other := newKey(t), newKey(t)
	post := func(key *jwt.Key, form url.Values, client string) tokenReply {
		return h.token(form, "Authorization", basic(client, robotSecret), "DPoP", h.proof(key))
	}
	form := url.Values{"grant_type": {grantBearer}, "assertion": {h.jag(idp, map[string]any{"cnf": map[string]any{"jkt": key.Thumbprint()}})}}
	wantError(t, post(other, form, "app"), 400, oauthdyn.CodeInvalidGrant)
	reply := post(key, form, "app")
	boundTo(t, "assertion", reply, key)
	if status := h.callBound(key, reply.AccessToken); status != 200 {
		t.Errorf("call: %d", status)
	}
	boundTo(t, "client credentials", post(key, robotForm(), "robot"), key)
}

// A registered client can be named by the provider, if it authenticates.
func TestE2S53RegisteredClients(t *testing.T) {
	idp := newIssuer(t)
	h := newIdentityHarness(t, idp)
	confidential := h.register(`{"grant_types":["` + grantBearer + `"]}`)
	jag := h.jag(idp, map[string]any{"client_id": confidential.ClientID})
	reply := h.token(url.Values{"grant_type": {grantBearer}, "assertion": {jag}}, "Authorization", basic(confidential.ClientID, confidential.ClientSecret))
	if reply.Status != 200 {
		t.Errorf("%d %v", reply.Status, &reply.Error)
	}
	public := h.register(`{"grant_types":["` + grantBearer + `","authorization_code"],"redirect_uris":["` + callback + `"],"token_endpoint_auth_method":"none"}`)
	jag = h.jag(idp, map[string]any{"client_id": public.ClientID})
	wantError(t, h.token(url.Values{"grant_type": {grantBearer}, "assertion": {jag}, "client_id": {public.ClientID}}), 400, oauthdyn.CodeUnauthorizedClient)
	plain := h.public().ClientID
	wantError(t, h.token(url.Values{"grant_type": {grantBearer}, "assertion": {jag}, "client_id": {plain}}), 400, oauthdyn.CodeUnauthorizedClient)

	none := newHarness(t, nil)
	wantError(t, none.token(url.Values{"grant_type": {grantBearer}, "assertion": {jag}, "client_id": {none.public().ClientID}}), 400, oauthdyn.CodeUnsupportedGrantType)
	for server, want := range map[*harness]bool{h: true, none: false} {
		_, body := server.page(newRequest(t, "GET", server.Issuer+"/.well-known/oauth-authorization-server", ""))
		if strings.Contains(body, grantBearer) != want || strings.Contains(body, `"authorization_grant_profiles_supported":["urn:ietf:params:oauth:grant-profile:id-jag"]`) != want {
			t.Errorf("metadata %s", body)
		}
	}
}

// The provider changes its keys, and may be out of reach.
func TestE2S82KeysOfTheProvider(t *testing.T) {
	idp := newIssuer(t)
	idp.down.Store(true)
	h := newIdentityHarness(t, idp)
	wantError(t, h.bearer("app", h.jag(idp, nil)), 503, oauthdyn.CodeTemporarilyUnavailable)
	idp.down.Store(false)
	h = newIdentityHarness(t, idp, func(o *authserver.Options) { o.IdentityProviders[0].JWKSURI = idp.URL + "/keys" })
	before := idp.asked.Load()
	for range 3 {
		if reply := h.bearer("app", h.jag(idp, nil)); reply.Status != 200 {
			t.Errorf("%d %v", reply.Status, &reply.Error)
		}
	}
	other := newJoseKey(t, "ES256", "key-2")
	idp.key = other
	for range 3 { // it was read a moment ago
		wantError(t, h.bearer("app", h.jag(idp, nil)), 400, oauthdyn.CodeInvalidGrant)
	}
	if n := idp.asked.Load() - before; n != 1 {
		t.Errorf("the keys were read %d times", n)
	}
}

// S26: the allow-list of a login at the same provider is that of its
// assertions, and its people are the same people.
func TestE2S26AllowList(t *testing.T) {
	idp := newIssuer(t)
	login, err := oidc.New(oidc.Options{Issuer: idp.URL, ClientID: "mcp", Allow: allow.List{Users: []string{"id:alice-1"}, Domains: []string{"corp.example"}, Groups: []string{"staff"}}})
	if err != nil {
		t.Fatal(err)
	}
	users := local.New()
	several, err := choose.New(choose.Way{Name: "password", Label: "a password", Login: users}, choose.Way{Name: "oidc", Label: "Corp", Login: login})
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range []authserver.Login{login, several} {
		h := newIdentityHarness(t, idp, func(o *authserver.Options) { o.Login = l })
		for name, test := range map[string]struct {
			claims map[string]any
			ok     bool
		}{
			"named":          {nil, true},
			"another":        {map[string]any{"sub": "bob-1"}, false},
			"domain":         {map[string]any{"sub": "bob-1", "email": "bob@corp.example", "email_verified": true}, true},
			"not verified":   {map[string]any{"sub": "bob-1", "email": "bob@corp.example"}, false},
			"another domain": {map[string]any{"sub": "bob-1", "email": "bob@other.example", "email_verified": true}, false},
			"group":          {map[string]any{"sub": "bob-1", "groups": []string{"staff"}}, true},
		} {
			reply := h.bearer("app", h.jag(idp, test.claims))
			if !test.ok {
				wantError(t, reply, 400, oauthdyn.CodeInvalidGrant)
				continue
			}
			if reply.Status != 200 || !strings.HasPrefix(tokenClaims(t, reply.AccessToken)["sub"].(string), "oidc:") {
				t.Errorf("%s: %d %v", name, reply.Status, &reply.Error)
			}
		}
	}
	// Without such a login the provider decides.
	h := newIdentityHarness(t, idp)
	reply := h.bearer("app", h.jag(idp, map[string]any{"sub": "bob-1", "preferred_username": "Bob"}))
	if claims := tokenClaims(t, reply.AccessToken); !strings.HasPrefix(claims["sub"].(string), "idp:") || claims["preferred_username"] != "Bob" {
		t.Errorf("claims %v", claims)
	}
	if n, err := h.AuthServer.RevokeGrants(t.Context(), store.Owner{Subject: tokenClaims(t, reply.AccessToken)["sub"].(string)}); err != nil || n != 1 {
		t.Errorf("%d grants, %v", n, err)
	}
	if status, _ := h.call(reply.AccessToken); status != 401 {
		t.Errorf("after revocation: %d", status)
	}
}

// newWorkloadHarness trusts a platform about two programs.
func newWorkloadHarness(t *testing.T, platform *issuer) *harness {
	return newHarness(t, &oauthdyntest.Options{
		Handler:   whoami,
		Scopes:    []string{"mcp"},
		Resources: []authserver.Resource{{URI: "https://second.example/mcp", Scopes: []string{"read", "write"}}},
		Adjust: func(o *authserver.Options) {
			o.Clients = []authserver.Client{
				{ID: "ci", Workload: &authserver.Workload{Issuer: authserver.Issuer{ID: platform.URL}, Subject: "repo:org/name:*"}},
				{ID: "pod", Workload: &authserver.Workload{Issuer: authserver.Issuer{ID: platform.URL}, Subject: "system:serviceaccount:ns:pod", Audience: "mcp"},
					Resources: []string{"https://second.example/mcp"}, Scopes: []string{"read"}},
				{ID: "robot", Secret: robotSecret},
			}
		},
	})
}

// E3: our own client library comes in by the word of its platform.
func TestE3OurClientIsAWorkload(t *testing.T) {
	platform := newIssuer(t)
	h := newWorkloadHarness(t, platform)
	for _, id := range []string{"", "ci"} {
		client, err := oauthdyn.New(oauthdyn.Config{
			Resource: h.ResourceURL, ClientID: id,
			Flow: oauthdyn.JWTBearer{Assertion: func(_ context.Context, issuer string) (string, error) {
				return sign(t, platform.key, "", map[string]any{"iss": platform.URL, "sub": "repo:org/name:main", "aud": issuer}, nil), nil
			}},
		})
		if err != nil {
			t.Fatal(err)
		}
		res, body := fetch(t, client.HTTPClient(), newRequest(t, "GET", h.ResourceURL, ""))
		if res.StatusCode != 200 || body != `ci ci "repo:org/name:main" client=true` {
			t.Errorf("%s %s", res.Status, body)
		}
	}
}

func TestE3S53Workloads(t *testing.T) {
	const second = "https://second.example/mcp"
	platform, stranger := newIssuer(t), newIssuer(t)
	h := newWorkloadHarness(t, platform)
	now := time.Now().Unix()
	ci := map[string]any{"iss": platform.URL, "sub": "repo:org/name:main", "aud": h.Issuer, "jti": nil}
	pod := map[string]any{"iss": platform.URL, "sub": "system:serviceaccount:ns:pod", "aud": []string{"mcp"}}
	for name, test := range map[string]struct {
		claims  map[string]any
		changes map[string]any
		edits   []string
		header  string
		status  int
		code    string
		scope   string
	}{
		"ci":             {ci, nil, nil, "", 200, "", "mcp"},
		"its other run":  {ci, map[string]any{"sub": "repo:org/name:pull"}, []string{"client_id", "ci"}, "", 200, "", "mcp"},
		"for a day":      {ci, map[string]any{"exp": now + 86400}, nil, "", 200, "", "mcp"},
		"pod":            {pod, nil, nil, "", 200, "", "read"},
		"pod, cut":       {pod, nil, []string{"scope", "read write"}, "", 200, "", "read"},
		"other resource": {ci, nil, []string{"resource", second, "scope", "write"}, "", 200, "", "write"},

		"wrong audience":      {ci, map[string]any{"aud": "https://other.example"}, nil, "", 400, oauthdyn.CodeInvalidGrant, ""},
		"audience of the pod": {ci, map[string]any{"aud": "mcp"}, nil, "", 400, oauthdyn.CodeInvalidGrant, ""},
		"no audience":         {ci, map[string]any{"aud": nil}, nil, "", 400, oauthdyn.CodeInvalidGrant, ""},
		"expired":             {ci, map[string]any{"exp": now - 120}, nil, "", 400, oauthdyn.CodeInvalidGrant, ""},
		"no expiry":           {ci, map[string]any{"exp": nil}, nil, "", 400, oauthdyn.CodeInvalidGrant, ""},
		"of the future":       {ci, map[string]any{"iat": now + 600}, nil, "", 400, oauthdyn.CodeInvalidGrant, ""},
		"other repository":    {ci, map[string]any{"sub": "repo:org/name-of-others:main"}, nil, "", 400, oauthdyn.CodeInvalidGrant, ""},
		"more than the pod":   {pod, map[string]any{"sub": "system:serviceaccount:ns:pod2"}, nil, "", 400, oauthdyn.CodeInvalidGrant, ""},
		"no subject":          {ci, map[string]any{"sub": nil}, nil, "", 400, oauthdyn.CodeInvalidGrant, ""},
		"client of another":   {ci, nil, []string{"client_id", "pod"}, "", 400, oauthdyn.CodeInvalidGrant, ""},
		"a client besides":    {ci, nil, []string{"client_id", "robot"}, "", 400, oauthdyn.CodeInvalidGrant, ""},
		"credentials besides": {ci, nil, nil, basic("robot", robotSecret), 400, oauthdyn.CodeInvalidRequest, ""},
		"a secret besides":    {ci, nil, []string{"client_secret", robotSecret}, "", 400, oauthdyn.CodeInvalidRequest, ""},
		"unknown issuer":      {ci, map[string]any{"iss": stranger.URL}, nil, "", 401, oauthdyn.CodeInvalidClient, ""},
		"resource":            {pod, nil, []string{"resource", h.ResourceURL}, "", 400, oauthdyn.CodeInvalidTarget, ""},
		"scope":               {pod, nil, []string{"scope", "write"}, "", 400, oauthdyn.CodeInvalidScope, ""},
	} {
		t.Run(name, func(t *testing.T) {
			form := url.Values{"grant_type": {grantBearer}, "assertion": {sign(t, platform.key, "JWT", test.claims, test.changes)}}
			edit(form, test.edits)
			var headers []string
			if test.header != "" {
				headers = []string{"Authorization", test.header}
			}
			reply := h.token(form, headers...)
			if test.code != "" {
				wantError(t, reply, test.status, test.code)
			} else if reply.Status != 200 || reply.Scope != test.scope || reply.RefreshToken != "" {
				t.Errorf("%d %+v", reply.Status, reply)
			}
		})
	}
	// A platform's JWT is used until it expires; that of somebody else is not.
	again := url.Values{"grant_type": {grantBearer}, "assertion": {sign(t, platform.key, "", ci, map[string]any{"jti": "1"})}}
	for range 2 {
		if reply := h.token(again); reply.Status != 200 {
			t.Errorf("%d %v", reply.Status, &reply.Error)
		}
	}
	forged := url.Values{"grant_type": {grantBearer}, "assertion": {sign(t, stranger.key, "", ci, nil)}}
	wantError(t, h.token(forged), 400, oauthdyn.CodeInvalidGrant)
	for _, typ := range []string{typeIDJAG, "at+jwt", "dpop+jwt"} {
		form := url.Values{"grant_type": {grantBearer}, "assertion": {sign(t, platform.key, typ, ci, nil)}}
		wantError(t, h.token(form), 401, oauthdyn.CodeInvalidClient)
	}
	// Such a client has no other way in.
	wantError(t, h.token(robotForm("client_id", "ci")), 401, oauthdyn.CodeInvalidClient)
	wantError(t, h.token(robotForm("client_id", "ci", "client_secret", "x")), 401, oauthdyn.CodeInvalidClient)
	wantError(t, h.token(url.Values{"grant_type": {grantBearer}, "client_id": {"ci"}}), 401, oauthdyn.CodeInvalidClient)
	// S53: and nobody registers for it.
	req := newRequest(t, "POST", h.Issuer+"/register", `{"grant_types":["`+grantBearer+`"]}`)
	req.Header.Set("Content-Type", "application/json")
	var e oauthdyn.Error
	if res := send(t, req, &e); res.StatusCode != 400 || e.Code != oauthdyn.CodeInvalidClientMetadata {
		t.Errorf("registration: %s %v", res.Status, &e)
	}
}

func TestIssuerOptions(t *testing.T) {
	workload := func(w authserver.Workload) func(*authserver.Options) {
		return func(o *authserver.Options) { o.Clients = []authserver.Client{{ID: "ci", Workload: &w}} }
	}
	good := authserver.Issuer{ID: "https://idp.example"}
	for name, edit := range map[string]func(*authserver.Options){
		"http":  func(o *authserver.Options) { o.IdentityProviders = []authserver.Issuer{{ID: "http://idp.example"}} },
		"no id": func(o *authserver.Options) { o.IdentityProviders = []authserver.Issuer{{}} },
		"bad keys": func(o *authserver.Options) {
			o.IdentityProviders = []authserver.Issuer{{ID: "https://idp.example", JWKSURI: "keys"}}
		},
		"no subject":  workload(authserver.Workload{Issuer: good}),
		"everybody":   workload(authserver.Workload{Issuer: good, Subject: "*"}),
		"star inside": workload(authserver.Workload{Issuer: good, Subject: "repo:*:main"}),
		"no issuer":   workload(authserver.Workload{Subject: "x"}),
		"grant, no idp": func(o *authserver.Options) {
			o.Clients = []authserver.Client{{ID: "app", Secret: robotSecret, GrantTypes: []string{grantBearer}}}
		},
		"unknown grant": func(o *authserver.Options) {
			o.Clients = []authserver.Client{{ID: "app", Secret: robotSecret, GrantTypes: []string{"password"}}}
		},
		"secret besides": func(o *authserver.Options) {
			o.Clients = []authserver.Client{{ID: "ci", Secret: robotSecret, Workload: &authserver.Workload{Issuer: good, Subject: "x"}}}
		},
	} {
		if _, err := newServer(t, edit); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// FuzzAssertions sends anything as an assertion, and wants a proper answer.
func FuzzAssertions(f *testing.F) {
	f.Add("x", "ci")
	f.Add("e30.e30.AA", "")
	f.Add("eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJodHRwczovL2lkcC5leGFtcGxlIiwic3ViIjoicmVwbzpvcmcvbmFtZToxIn0.AA", "")
	f.Fuzz(func(t *testing.T, assertion, client string) {
		s := mustServer(t, func(o *authserver.Options) {
			idp := authserver.Issuer{ID: "http://127.0.0.1:1"}
			o.IdentityProviders = []authserver.Issuer{idp}
			o.Clients = []authserver.Client{{ID: "ci", Workload: &authserver.Workload{Issuer: idp, Subject: "repo:*"}}, {ID: "app", Secret: robotSecret, GrantTypes: []string{grantBearer}}}
		})
		form := url.Values{"grant_type": {grantBearer}, "assertion": {assertion}, "client_id": {client}}
		for _, authorization := range []string{"", basic("app", robotSecret)} {
			rec := do(s, "POST", "/token", form.Encode(), "Content-Type", "application/x-www-form-urlencoded", "Authorization", authorization)
			var e oauthdyn.Error
			if err := json.Unmarshal(rec.Body.Bytes(), &e); err != nil || e.Code == "" || rec.Code < 400 || rec.Code == 500 {
				t.Errorf("%d %s", rec.Code, rec.Body)
			}
		}
	})
}
