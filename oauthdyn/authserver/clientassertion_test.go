// SPDX-License-Identifier: Apache-2.0

package authserver_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store/memory"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/jose/josetest"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest"
)

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

func newJoseKey(t *testing.T, algorithm, id string) *josetest.Key {
	t.Helper()
	key, err := josetest.NewKey(algorithm, id)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func jwks(t *testing.T, keys ...*josetest.Key) string {
	t.Helper()
	set, err := josetest.JWKS(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return string(set)
}

// sign makes a JWT of claims that are good for a moment, with changes; nil takes
// a claim out.
func sign(t *testing.T, key *josetest.Key, typ string, claims map[string]any, changes map[string]any) string {
	t.Helper()
	now := time.Now()
	all := map[string]any{"jti": rand.Text(), "iat": now.Unix(), "exp": now.Add(time.Minute).Unix()}
	maps.Copy(all, claims)
	maps.Copy(all, changes)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	data, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := key.Sign(typ, string(data))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// asserted adds the authentication of a client to a form.
func (h *harness) asserted(form url.Values, key *josetest.Key, clientID string, changes map[string]any) url.Values {
	h.t.Helper()
	form.Set("client_assertion_type", assertionType)
	form.Set("client_assertion", sign(h.t, key, "JWT", map[string]any{"iss": clientID, "sub": clientID, "aud": h.Issuer}, changes))
	return form
}

// keyed registers a client with keys.
func (h *harness) keyed(members string, keys ...*josetest.Key) *oauthdyn.ClientInformation {
	h.t.Helper()
	if len(keys) > 0 {
		members += `,"jwks":` + jwks(h.t, keys...)
	}
	return h.register(`{"redirect_uris":["` + callback + `"],"token_endpoint_auth_method":"private_key_jwt"` + members + `}`)
}

// S52: our own client with a key registers it, signs in, refreshes and signs
// out.
func TestS52OurClientHasAKey(t *testing.T) {
	h := newHarness(t, nil)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	client, err := oauthdyn.New(oauthdyn.Config{Resource: h.ResourceURL, OpenURL: h.Browser().Open, ClientKey: key})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Authenticate(t.Context()); err != nil {
		t.Fatal(err)
	}
	info, err := client.Register(t.Context())
	if err != nil || info.ClientSecret != "" || info.TokenEndpointAuthMethod != "private_key_jwt" {
		t.Errorf("registered %+v %v", info, err)
	}
	if _, err := client.Refresh(t.Context()); err != nil {
		t.Error(err)
	}
	token, err := client.TokenSource(t.Context()).Token()
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Logout(t.Context()); err != nil {
		t.Error(err)
	}
	if status, _ := h.call(token.AccessToken); status != http.StatusUnauthorized {
		t.Errorf("after revocation: %d", status)
	}
}

func TestS47S52Assertions(t *testing.T) {
	h := newHarness(t, nil)
	key, rsa, other := newJoseKey(t, "ES256", "k1"), newJoseKey(t, "RS256", "k2"), newJoseKey(t, "ES256", "k1")
	client, second := h.keyed("", key, rsa), h.keyed("", other)
	only := h.keyed(`,"token_endpoint_auth_signing_alg":"RS256"`, key, rsa)
	public, secret := h.public(), h.register(`{"redirect_uris":["`+callback+`"]}`)
	now := time.Now().Unix()
	type edits []string
	for name, test := range map[string]struct {
		client  *oauthdyn.ClientInformation
		key     *josetest.Key
		claims  map[string]any
		edits   edits
		header  string
		refused bool
	}{
		"good":                   {client, key, nil, nil, "", false},
		"other key of it":        {client, rsa, nil, nil, "", false},
		"no client_id":           {client, key, nil, edits{"client_id", ""}, "", false},
		"for the token endpoint": {client, key, map[string]any{"aud": h.Issuer + "/token"}, nil, "", false},
		"a list":                 {client, key, map[string]any{"aud": []string{h.Issuer, h.Issuer + "/token"}}, nil, "", false},
		"its algorithm":          {only, rsa, nil, nil, "", false},

		"another algorithm":    {only, key, nil, nil, "", true},
		"unknown key":          {client, newJoseKey(t, "ES256", "k9"), nil, nil, "", true},
		"key of another":       {client, other, nil, nil, "", true},
		"for another":          {client, key, map[string]any{"aud": "https://other.example"}, nil, "", true},
		"for another, too":     {client, key, map[string]any{"aud": []string{h.Issuer, "https://other.example"}}, nil, "", true},
		"for the resource":     {client, key, map[string]any{"aud": h.ResourceURL}, nil, "", true},
		"for nobody":           {client, key, map[string]any{"aud": nil}, nil, "", true},
		"for an hour":          {client, key, map[string]any{"exp": now + 3600}, nil, "", true},
		"for ever":             {client, key, map[string]any{"exp": nil}, nil, "", true},
		"expired":              {client, key, map[string]any{"exp": now - 120}, nil, "", true},
		"of the future":        {client, key, map[string]any{"iat": now + 600, "nbf": now + 600}, nil, "", true},
		"no jti":               {client, key, map[string]any{"jti": nil}, nil, "", true},
		"by another":           {client, key, map[string]any{"iss": second.ClientID}, nil, "", true},
		"about another":        {client, key, map[string]any{"sub": second.ClientID}, nil, "", true},
		"of another":           {second, key, nil, nil, "", true},
		"client_id of another": {client, key, nil, edits{"client_id", second.ClientID}, "", true},
		"other type":           {client, key, nil, edits{"client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"}, "", true},
		"no type":              {client, key, nil, edits{"client_assertion_type", ""}, "", true},
		"no assertion":         {client, key, nil, edits{"client_assertion", ""}, "", true},
		"no JWT":               {client, key, nil, edits{"client_assertion", "x"}, "", true},
		"and a secret":         {client, key, nil, edits{"client_secret", "x"}, "", true},
		"and Basic":            {client, key, nil, nil, basic(client.ClientID, "x"), true},
		"just its name":        {client, key, nil, edits{"client_assertion", "", "client_assertion_type", ""}, "", true},
		"S48 a public client":  {public, key, nil, nil, "", true},
		"one with a secret":    {secret, key, nil, nil, "", true},
		"unknown":              {&oauthdyn.ClientInformation{ClientID: "client_x"}, key, nil, nil, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			form := h.asserted(refreshForm(test.client.ClientID, "no.token"), test.key, test.client.ClientID, test.claims)
			edit(form, test.edits)
			headers := []string{}
			if test.header != "" {
				headers = []string{"Authorization", test.header}
			}
			reply := h.token(form, headers...)
			if test.refused {
				wantError(t, reply, 401, oauthdyn.CodeInvalidClient)
			} else {
				wantError(t, reply, 400, oauthdyn.CodeInvalidGrant) // the client is right, there is no such token
			}
			req := newRequest(t, "POST", h.Issuer+"/revoke", form.Encode()+"&token=x")
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			if test.header != "" {
				req.Header.Set("Authorization", test.header)
			}
			if res := send(t, req, nil); res.StatusCode != http.StatusUnauthorized {
				t.Errorf("the same assertion at the revocation endpoint: %s", res.Status)
			}
		})
	}
}

// S52: an assertion counts once, at all servers of a store.
func TestS52AssertionsCountOnce(t *testing.T) {
	db := memory.New(nil)
	shared := func(o *authserver.Options) { o.Store = db }
	one, two := mustServer(t, shared), mustServer(t, shared)
	key := newJoseKey(t, "ES256", "")
	rec := do(one, "POST", "/register", `{"redirect_uris":["`+callback+`"],"token_endpoint_auth_method":"private_key_jwt","jwks":`+jwks(t, key)+`}`, "Content-Type", "application/json")
	var client oauthdyn.ClientInformation
	if err := json.Unmarshal(rec.Body.Bytes(), &client); err != nil || client.ClientID == "" {
		t.Fatal(rec.Body)
	}
	form := url.Values{"token": {"x"}, "client_assertion_type": {assertionType}, "client_assertion": {
		sign(t, key, "", map[string]any{"iss": client.ClientID, "sub": client.ClientID, "aud": "https://auth.example"}, nil),
	}}
	var accepted atomic.Int32
	var all sync.WaitGroup
	for i := range 32 {
		all.Go(func() {
			server := []*authserver.Server{one, two}[i%2]
			switch rec := do(server, "POST", "/revoke", form.Encode(), "Content-Type", "application/x-www-form-urlencoded"); rec.Code {
			case http.StatusOK:
				accepted.Add(1)
			case http.StatusUnauthorized:
			default:
				t.Errorf("%d %s", rec.Code, rec.Body)
			}
		})
	}
	all.Wait()
	if accepted.Load() != 1 {
		t.Errorf("accepted %d times", accepted.Load())
	}
}

func TestS52KeysAtRegistration(t *testing.T) {
	h := newHarness(t, nil)
	set := jwks(t, newJoseKey(t, "ES256", "k1"))
	for name, members := range map[string]string{
		"no keys":      ``,
		"no key set":   `,"jwks":[]`,
		"empty":        `,"jwks":{"keys":[]}`,
		"both":         `,"jwks_uri":"https://app.example/jwks","jwks":` + set,
		"private key":  `,"jwks":` + strings.Replace(set, `"kty"`, `"d":"AA","kty"`, 1),
		"http":         `,"jwks_uri":"http://app.example/jwks"`,
		"S74 a port":   `,"jwks_uri":"https://app.example:8443/jwks"`,
		"S74 fragment": `,"jwks_uri":"https://app.example/jwks#x"`,
		"algorithm":    `,"token_endpoint_auth_signing_alg":"HS256","jwks":` + set,
	} {
		body := `{"redirect_uris":["` + callback + `"],"token_endpoint_auth_method":"private_key_jwt"` + members + `}`
		req := newRequest(t, "POST", h.Issuer+"/register", body)
		req.Header.Set("Content-Type", "application/json")
		var e oauthdyn.Error
		if res := send(t, req, &e); res.StatusCode != 400 || e.Code != oauthdyn.CodeInvalidClientMetadata {
			t.Errorf("%s: %s %v", name, res.Status, &e)
		}
	}
}

// S70: the keys of a client are fetched from public addresses only.
func TestS52S70KeysFromPublicAddresses(t *testing.T) {
	h := newHarness(t, nil)
	for _, uri := range []string{"https://127.0.0.1/jwks", "https://localhost/jwks", "https://169.254.169.254/jwks", "https://[::1]/jwks"} {
		client := h.keyed(`,"jwks_uri":"` + uri + `"`)
		reply := h.token(h.asserted(refreshForm(client.ClientID, "no.token"), newJoseKey(t, "ES256", "k1"), client.ClientID, nil))
		wantError(t, reply, 401, oauthdyn.CodeInvalidClient)
		if !strings.Contains(reply.Description, "not at a public address") {
			t.Errorf("%s: %v", uri, &reply.Error)
		}
	}
}

// A client that publishes its keys may change them without a word, and may be
// out of reach for a while.
func TestS52KeysByAddress(t *testing.T) {
	key, next := newJoseKey(t, "ES256", "k1"), newJoseKey(t, "ES256", "k2")
	site := oauthdyntest.NewClientDocument(t, oauthdyn.ClientMetadata{ClientName: "Unused"})
	asked := atomic.Int32{}
	serve := func(status int, body string) {
		h := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			asked.Add(1)
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		}))
		site.Serve(h)
	}
	h := newDocumentHarness(t, site)
	client := h.keyed(`,"jwks_uri":"` + site.Site.URL + `/jwks"`)
	use := func(key *josetest.Key, status int, code string, wantAsked int32) {
		t.Helper()
		wantError(t, h.token(h.asserted(refreshForm(client.ClientID, "no.token"), key, client.ClientID, nil)), status, code)
		if asked.Load() != wantAsked {
			t.Errorf("asked %d times, want %d", asked.Load(), wantAsked)
		}
	}
	serve(503, "")
	failed := time.Now()
	use(key, 503, oauthdyn.CodeTemporarilyUnavailable, 1)
	wantError(t, h.token(h.asserted(refreshForm(client.ClientID, "no.token"), key, client.ClientID, nil)), 503, oauthdyn.CodeTemporarilyUnavailable)
	if asked.Load() != 1 && time.Since(failed) < 5*time.Second { // a slow machine may have come later
		t.Error("asked again at once")
	}
	asked.Store(1)
	client = h.keyed(`,"jwks_uri":"` + site.Site.URL + `/jwks2"`)
	serve(200, jwks(t, key))
	use(key, 400, oauthdyn.CodeInvalidGrant, 2)
	use(key, 400, oauthdyn.CodeInvalidGrant, 2)
	use(next, 401, oauthdyn.CodeInvalidClient, 2) // it has been read a moment ago
}

// ChatGPT's document would rather authenticate by its key, and can do without:
// both are accepted, and nothing else.
func TestS52DocumentWithAndWithoutItsKey(t *testing.T) {
	key := newJoseKey(t, "RS256", "k1")
	for name, test := range map[string]struct {
		members        string
		keyed, without int
	}{
		"both":       {`"token_endpoint_auth_method":"private_key_jwt","token_endpoint_auth_methods_supported":["none","private_key_jwt"],"token_endpoint_auth_signing_alg":"RS256","jwks":` + jwks(t, key), 200, 200},
		"key":        {`"token_endpoint_auth_method":"private_key_jwt","jwks":` + jwks(t, key), 200, 401},
		"none":       {`"token_endpoint_auth_method":"none","jwks":` + jwks(t, key), 401, 200},
		"bad keys":   {`"token_endpoint_auth_method":"private_key_jwt","token_endpoint_auth_methods_supported":["none","private_key_jwt"],"jwks":{"keys":[]}`, 401, 200},
		"by address": {`"token_endpoint_auth_method":"private_key_jwt","token_endpoint_auth_methods_supported":["private_key_jwt", "none"],"jwks_uri":"{site}/jwks"`, 200, 200},
	} {
		t.Run(name, func(t *testing.T) {
			site := oauthdyntest.NewClientDocument(t, oauthdyn.ClientMetadata{ClientName: "Unused"})
			document := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				if r.URL.Path == "/jwks" {
					fmt.Fprint(w, jwks(t, key))
					return
				}
				fmt.Fprintf(w, `{"client_id":%q,"client_name":"ChatGPT","redirect_uris":[%q],%s}`, site.URL, callback, strings.ReplaceAll(test.members, "{site}", site.Site.URL))
			}))
			site.Serve(document)
			h := newDocumentHarness(t, site)
			for range 2 {
				reply := h.token(h.asserted(h.redeemForm(site.URL, h.code(site.URL)), key, site.URL, nil))
				if reply.Status != test.keyed {
					t.Errorf("with its key: %d %v", reply.Status, &reply.Error)
				}
				reply = h.token(h.redeemForm(site.URL, h.code(site.URL)))
				if reply.Status != test.without {
					t.Errorf("without: %d %v", reply.Status, &reply.Error)
				}
				if reply = h.token(h.redeemForm(site.URL, h.code(site.URL), "client_secret", "x")); reply.Status != 401 {
					t.Errorf("with a secret: %d", reply.Status)
				}
			}
		})
	}
}

// One client cannot fill the record of used assertions.
func TestS52AssertionsOfOneClientAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := mustServer(t, nil)
		key := newJoseKey(t, "EdDSA", "k1")
		use := func(client string) int {
			form := url.Values{"token": {"x"}, "client_assertion_type": {assertionType}, "client_assertion": {
				sign(t, key, "", map[string]any{"iss": client, "sub": client, "aud": "https://auth.example"}, nil),
			}}
			return do(server, "POST", "/revoke", form.Encode(), "Content-Type", "application/x-www-form-urlencoded").Code
		}
		var clients [2]oauthdyn.ClientInformation
		for i := range clients {
			rec := do(server, "POST", "/register", `{"redirect_uris":["`+callback+`"],"token_endpoint_auth_method":"private_key_jwt","jwks":`+jwks(t, key)+`}`, "Content-Type", "application/json")
			if err := json.Unmarshal(rec.Body.Bytes(), &clients[i]); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 600 {
			if code := use(clients[0].ClientID); code != 200 {
				t.Fatalf("assertion %d: %d", i, code)
			}
		}
		if code := use(clients[0].ClientID); code != http.StatusTooManyRequests {
			t.Errorf("one more: %d", code)
		}
		if code := use(clients[1].ClientID); code != 200 {
			t.Errorf("another client: %d", code)
		}
		time.Sleep(time.Minute)
		if code := use(clients[0].ClientID); code != 200 {
			t.Errorf("a minute later: %d", code)
		}
	})
}
