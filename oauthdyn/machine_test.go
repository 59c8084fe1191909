// SPDX-License-Identifier: Apache-2.0

package oauthdyn

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// jwtPart decodes a part of a JWT, unverified.
func jwtPart(t *testing.T, raw string, part int) map[string]any {
	t.Helper()
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		t.Fatalf("not a JWT: %q", raw)
	}
	data, err := base64.RawURLEncoding.DecodeString(parts[part])
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// machineServer is a fake for programs: no browser, no PKCE, no registration,
// no refresh tokens.
func machineServer(t *testing.T) *fake {
	f := newFake(t)
	f.clients["robot"] = ClientMetadata{}
	for _, name := range []string{"authorization_endpoint", "registration_endpoint", "code_challenge_methods_supported"} {
		delete(f.serverMetadata, name)
	}
	f.serverMetadata["scopes_supported"] = []string{"offline_access"}
	f.resourceMetadata["scopes_supported"] = []string{"read"}
	f.token = func(a map[string]any) { delete(a, "refresh_token") }
	return f
}

func TestClientCredentials(t *testing.T) {
	tests := []struct {
		name    string
		methods []string
		change  func(*Config)
		check   func(t *testing.T, f *fake, form url.Values)
	}{
		{"secret", []string{"client_secret_post"}, func(c *Config) { c.ClientSecret = "pw" }, func(t *testing.T, _ *fake, form url.Values) {
			if form.Get("client_secret") != "pw" {
				t.Errorf("sent %v", form)
			}
		}},
		{"private_key_jwt", []string{"private_key_jwt"}, func(c *Config) { c.ClientKey, c.ClientKeyID = newKey(t), "k1" }, func(t *testing.T, f *fake, form url.Values) {
			if form.Get("client_assertion_type") != clientAssertionType || form.Has("client_secret") {
				t.Errorf("sent %v", form)
			}
			claims := jwtPart(t, form.Get("client_assertion"), 1)
			if claims["iss"] != "robot" || claims["sub"] != "robot" || claims["aud"] != f.URL {
				t.Errorf("claims %v", claims)
			}
			if h := jwtPart(t, form.Get("client_assertion"), 0); h["kid"] != "k1" || h["alg"] != "ES256" {
				t.Errorf("header %v", h)
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := machineServer(t)
			f.serverMetadata["token_endpoint_auth_methods_supported"] = tt.methods
			c := f.client(func(c *Config) { c.ClientID, c.Flow, c.OpenURL = "robot", ClientCredentials{}, nil }, tt.change)
			if status, _ := get(t, c.HTTPClient(), f.resource()); status != 200 {
				t.Fatalf("status %d", status)
			}
			form := f.lastForm()
			if form.Get("grant_type") != "client_credentials" || form.Get("resource") != f.resource() || form.Get("scope") != "read" {
				t.Errorf("sent %v", form)
			}
			tt.check(t, f, form)
			// A token source needs nobody, and gets a new token in time.
			outdate(t, c)
			for range 3 {
				if _, err := c.TokenSource(t.Context()).Token(); err != nil {
					t.Fatal(err)
				}
			}
			if n := f.count("POST /token"); n != 2 {
				t.Errorf("%d token requests, want 2", n)
			}
			again := f.lastForm().Get("client_assertion")
			if again != "" && jwtPart(t, again, 1)["jti"] == jwtPart(t, form.Get("client_assertion"), 1)["jti"] {
				t.Error("an assertion was used twice")
			}
		})
	}
}

func TestClientCredentialsTokenSourceStartsAlone(t *testing.T) {
	f := machineServer(t)
	c := f.client(func(c *Config) { c.ClientID, c.ClientSecret, c.Flow = "robot", "pw", ClientCredentials{} })
	token, err := c.TokenSource(t.Context()).Token()
	if err != nil || token.AccessToken == "" {
		t.Fatal(err)
	}
}

func TestJWTBearer(t *testing.T) {
	f := machineServer(t)
	asked := ""
	c := f.client(func(c *Config) {
		c.ClientID = "robot"
		c.Flow = JWTBearer{Assertion: func(_ context.Context, issuer string) (string, error) { asked = issuer; return "a.b.c", nil }}
	})
	if status, _ := get(t, c.HTTPClient(), f.resource()); status != 200 {
		t.Fatalf("status %d", status)
	}
	if form := f.lastForm(); form.Get("grant_type") != GrantJWTBearer || form.Get("assertion") != "a.b.c" || asked != f.URL || form.Get("resource") != f.resource() {
		t.Errorf("sent %v for %s", form, asked)
	}
}

// A refusal is final: no second try, no other grant, and no secret in the error.
func TestMachineRefusalIsFinal(t *testing.T) {
	for _, code := range []string{CodeInvalidGrant, CodeInvalidScope, CodeUnauthorizedClient, CodeInvalidClient} {
		f := machineServer(t)
		f.replace("/token", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, 400, &Error{Code: code}) })
		c := f.client(func(c *Config) {
			c.ClientID = "robot"
			c.Flow = JWTBearer{Assertion: func(context.Context, string) (string, error) { return "hush.hush.hush", nil }}
		})
		_, err := c.HTTPClient().Get(f.resource())
		wantError(t, err, code)
		if n := f.count("POST /token"); n != 1 || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %d token requests, error %v", code, n, err)
		}
	}
}

// A program's own grant is not taken for that of the person who uses it.
func TestClientCredentialsAreNotAPersonsGrant(t *testing.T) {
	f := newFake(t)
	f.clients["both"] = ClientMetadata{RedirectURIs: []string{"http://127.0.0.1/callback"}}
	store := NewMemoryStore()
	with := func(c *Config) { c.Store, c.ClientID, c.ClientSecret = store, "both", "pw" }
	person, program := f.client(with), f.client(with, func(c *Config) { c.Flow = ClientCredentials{} })
	if _, err := person.Authenticate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := program.TokenSource(t.Context()).Token(); err != nil {
		t.Fatal(err)
	}
	if got := f.lastForm().Get("grant_type"); got != GrantClientCredentials {
		t.Errorf("the program uses the person's grant: the last request was for %s", got)
	}
}

func TestClientCredentialsNeedAKnownClient(t *testing.T) {
	f := machineServer(t)
	c := f.client(func(c *Config) {
		c.ClientMetadataURL, c.ClientKey, c.Flow = documentURL, newKey(t), ClientCredentials{}
	})
	_, err := c.Authenticate(t.Context())
	wantError(t, err, "client ID metadata documents")
	f.serverMetadata["client_id_metadata_document_supported"] = true
	f.clients[documentURL] = ClientMetadata{}
	if _, err := c.Authenticate(t.Context()); err != nil || jwtPart(t, f.lastForm().Get("client_assertion"), 1)["sub"] != documentURL {
		t.Errorf("%v", err)
	}
}

func TestMachineConfigurations(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"no client":         func(c *Config) { c.Flow = ClientCredentials{} },
		"no authentication": func(c *Config) { c.ClientID, c.Flow = "a", ClientCredentials{} },
		"secret and key":    func(c *Config) { c.ClientID, c.ClientSecret, c.ClientKey = "a", "b", newKey(t) },
		"key id, no key":    func(c *Config) { c.ClientKeyID = "a" },
		"no assertion":      func(c *Config) { c.Flow = JWTBearer{} },
		"no prompt":         func(c *Config) { c.Flow = DeviceCode{} },
		"no identity":       func(c *Config) { c.ClientID, c.Flow = "a", EnterpriseManaged{} },
		"http identity": func(c *Config) {
			c.ClientID = "a"
			c.Flow = EnterpriseManaged{IdentityProvider: "http://idp.example", ClientID: "a", SubjectToken: func(context.Context) (string, error) { return "", nil }}
		},
	} {
		cfg := Config{Resource: "https://mcp.example/mcp"}
		change(&cfg)
		if _, err := New(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// A key that the client registers with, at a server that wants one.
func TestRegistersItsKey(t *testing.T) {
	f := newFake(t)
	f.serverMetadata["token_endpoint_auth_methods_supported"] = []string{"private_key_jwt", "client_secret_basic"}
	f.registration = func(a map[string]any) { delete(a, "client_secret") }
	store := NewMemoryStore()
	key := newKey(t)
	c := f.client(func(c *Config) { c.Store, c.ClientKey = store, key })
	if _, err := c.Authenticate(t.Context()); err != nil {
		t.Fatal(err)
	}
	set, err := PublicKeySet(key, "")
	if err != nil {
		t.Fatal(err)
	}
	var want any
	if err := json.Unmarshal(set, &want); err != nil {
		t.Fatal(err)
	}
	if got := f.regs[0]["jwks"]; fmt.Sprint(got) != fmt.Sprint(want) || strings.Contains(string(set), `"d"`) {
		t.Errorf("registered the keys %v, want %v", got, want)
	}
	if f.lastForm().Get("client_assertion") == "" {
		t.Error("no assertion")
	}
	outdate(t, c)
	if _, err := c.TokenSource(t.Context()).Token(); err != nil || f.lastForm().Get("client_assertion") == "" {
		t.Errorf("refresh: %v", err)
	}
	// Without the key that registration is of no use.
	if _, err := f.client(func(c *Config) { c.Store = store }).Authenticate(t.Context()); err != nil || f.count("POST /register") != 2 {
		t.Errorf("%v after %d registrations", err, f.count("POST /register"))
	}
}

// identityProvider answers token exchanges (RFC 8693).
func identityProvider(f *fake, answer map[string]any) *[]url.Values {
	seen := &[]url.Values{}
	f.replace("/token", func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		*seen = append(*seen, r.PostForm)
		writeJSON(w, 200, answer)
	})
	delete(f.serverMetadata, "code_challenge_methods_supported")
	return seen
}

func TestEnterpriseManaged(t *testing.T) {
	f, idp := machineServer(t), newFake(t)
	seen := identityProvider(idp, map[string]any{"access_token": "id.jag.hush", "issued_token_type": tokenTypeIDJAG, "token_type": "N_A"})
	flow := EnterpriseManaged{
		IdentityProvider: idp.URL, ClientID: "at-idp",
		SubjectToken: func(context.Context) (string, error) { return "id-token", nil },
	}
	c := f.client(func(c *Config) { c.ClientID, c.ClientSecret, c.Flow = "robot", "pw", flow })
	if status, _ := get(t, c.HTTPClient(), f.resource()); status != 200 {
		t.Fatalf("status %d", status)
	}
	want := url.Values{
		"grant_type": {GrantTokenExchange}, "requested_token_type": {tokenTypeIDJAG}, "audience": {f.URL}, "resource": {f.resource()},
		"scope": {"read"}, "subject_token": {"id-token"}, "subject_token_type": {TokenTypeIDToken}, "client_id": {"at-idp"},
	}
	if got := (*seen)[0]; got.Encode() != want.Encode() {
		t.Errorf("the identity provider was asked %v, want %v", got, want)
	}
	form := f.lastForm()
	if form.Get("grant_type") != GrantJWTBearer || form.Get("assertion") != "id.jag.hush" || form.Has("subject_token") {
		t.Errorf("the authorization server was asked %v", form)
	}
	if text := fmt.Sprintf("%v %+v %#v", EnterpriseManaged{ClientSecret: "hush"}, flow, c); strings.Contains(text, "hush") {
		t.Errorf("prints as %s", text)
	}
}

func TestEnterpriseManagedFails(t *testing.T) {
	good := map[string]any{"access_token": "a.b.c", "issued_token_type": tokenTypeIDJAG}
	tests := []struct {
		name   string
		answer map[string]any
		set    func(idp *fake, flow *EnterpriseManaged)
		want   string
	}{
		{"another type", map[string]any{"access_token": "hush", "issued_token_type": "urn:ietf:params:oauth:token-type:access_token"}, nil, "want " + tokenTypeIDJAG},
		{"no token", map[string]any{"issued_token_type": tokenTypeIDJAG}, nil, "no token"},
		{"refused", nil, func(idp *fake, _ *EnterpriseManaged) {
			idp.replace("/token", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, 400, &Error{Code: CodeAccessDenied}) })
		}, CodeAccessDenied},
		{"metadata of another", good, func(idp *fake, _ *EnterpriseManaged) { idp.serverMetadata["issuer"] = "https://other.example" }, "other.example"},
		{"signed out there", good, func(_ *fake, f *EnterpriseManaged) {
			f.SubjectToken = func(context.Context) (string, error) { return "", errors.New("signed out") }
		}, "signed out"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, idp := machineServer(t), newFake(t)
			identityProvider(idp, tt.answer)
			flow := EnterpriseManaged{IdentityProvider: idp.URL, ClientID: "at-idp", SubjectToken: func(context.Context) (string, error) { return "hush", nil }}
			if tt.set != nil {
				tt.set(idp, &flow)
			}
			_, err := f.client(func(c *Config) { c.ClientID, c.ClientSecret, c.Flow = "robot", "pw", flow }).Authenticate(t.Context())
			wantError(t, err, tt.want)
			if strings.Contains(err.Error(), "hush") || f.count("POST /token") != 0 {
				t.Errorf("%d token requests, error %v", f.count("POST /token"), err)
			}
		})
	}
}
