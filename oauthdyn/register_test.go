// SPDX-License-Identifier: Apache-2.0

package oauthdyn

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestC8C9PreRegisteredComesFirst(t *testing.T) {
	tests := []struct {
		name    string
		secret  string
		methods any
		basic   bool
		post    bool
	}{
		{"public", "", []string{"none"}, false, false},
		{"secret, no list", "pw", nil, true, false},
		{"secret, both", "pw", []string{"client_secret_post", "client_secret_basic"}, true, false},
		{"secret, post only", "pw", []string{"client_secret_post"}, false, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			f.serverMetadata["token_endpoint_auth_methods_supported"] = tt.methods
			f.clients["byhand"] = ClientMetadata{RedirectURIs: []string{"http://127.0.0.1/callback"}}
			c := f.client(func(c *Config) { c.ClientID, c.ClientSecret = "byhand", tt.secret })
			info, err := c.Register(t.Context())
			if err != nil || info.ClientID != "byhand" {
				t.Fatalf("%v, %v", info, err)
			}
			if _, err := c.Authenticate(t.Context()); err != nil {
				t.Fatal(err)
			}
			if f.count("POST /register") != 0 {
				t.Error("registered all the same")
			}
			form := f.lastForm()
			if got := form.Get("client_id") == ""; got != tt.basic {
				t.Errorf("basic %v, want %v", got, tt.basic)
			}
			if got := form.Get("client_secret") == "pw"; got != tt.post {
				t.Errorf("post %v, want %v", got, tt.post)
			}
			if u, _ := url.Parse(f.lastAsked().Get("redirect_uri")); u.Path != "/callback" || u.Hostname() != "127.0.0.1" {
				t.Errorf("redirect URI %v", u)
			}
		})
	}
}

func TestC11DynamicRegistrationRequest(t *testing.T) {
	f := newFake(t)
	f.resourceMetadata["scopes_supported"] = []string{"read"}
	c := f.client()
	info, err := c.Register(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if info.ClientID == "" || info.ClientName != "test" {
		t.Errorf("got %v", info)
	}
	m := f.clients[info.ClientID]
	if m.ApplicationType != "native" || m.TokenEndpointAuthMethod != "none" || m.Scope != "read" ||
		!slices.Equal(m.GrantTypes, []string{"authorization_code", "refresh_token"}) ||
		!slices.Equal(m.ResponseTypes, []string{"code"}) || len(m.RedirectURIs) != 1 {
		t.Errorf("registered as %+v", m)
	}
	u, err := url.Parse(m.RedirectURIs[0])
	if err != nil || u.Scheme != "http" || u.Hostname() != "127.0.0.1" || u.Port() == "" || len(u.Path) < 20 {
		t.Errorf("redirect URI %v", u)
	}
	for name, v := range f.regs[0] {
		if v == nil {
			t.Errorf("member %s is null", name)
		}
	}
	// The login uses the same registration.
	if _, err := c.Authenticate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := f.count("POST /register"); n != 1 {
		t.Errorf("%d registrations", n)
	}
	if got := f.lastAsked().Get("redirect_uri"); !sameButPort(got, m.RedirectURIs[0]) {
		t.Errorf("redirect URI %s, registered %s", got, m.RedirectURIs[0])
	}
}

func TestRegisteredAuthMethods(t *testing.T) {
	tests := []struct {
		name    string
		methods any
		answer  func(map[string]any)
		want    string // method used at the token endpoint
	}{
		{"none listed", []string{"client_secret_basic", "none"}, nil, "none"},
		{"no list", nil, nil, "none"},
		{"basic", []string{"private_key_jwt", "client_secret_post", "client_secret_basic"}, nil, "client_secret_basic"},
		{"post", []string{"client_secret_post"}, nil, "client_secret_post"},
		{"server gives a secret unasked", []string{"none"}, func(a map[string]any) {
			a["client_secret"], a["token_endpoint_auth_method"] = "s3cret/+&%", "client_secret_post"
		}, "client_secret_post"},
		{"secret, but no method", []string{"none"}, func(a map[string]any) {
			a["client_secret"], a["token_endpoint_auth_method"] = "s3cret/+&%", nil
		}, "client_secret_basic"},
		{"method, but no secret", []string{"client_secret_basic"}, func(a map[string]any) { delete(a, "client_secret") }, "none"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			f.serverMetadata["token_endpoint_auth_methods_supported"] = tt.methods
			f.registration = tt.answer
			if _, err := f.client().Authenticate(t.Context()); err != nil {
				t.Fatal(err)
			}
			form := f.lastForm()
			got := "none"
			switch {
			case form.Get("client_secret") == "s3cret/+&%":
				got = "client_secret_post"
			case !form.Has("client_id"):
				got = "client_secret_basic"
			}
			if got != tt.want {
				t.Errorf("used %s, want %s", got, tt.want)
			}
		})
	}
}

func TestRegistrationAnswers(t *testing.T) {
	tests := []struct {
		name   string
		body   string
		ok     bool
		mangle string // part of the error
	}{
		{"minimal", `{"client_id":"a"}`, true, ""},
		{"nulls", `{"client_id":"a","client_secret":null,"redirect_uris":null,"grant_types":null,"client_id_issued_at":null,
			"client_secret_expires_at":null,"scope":null,"jwks":null,"contacts":null,"token_endpoint_auth_method":null}`, true, ""},
		{"odd types", `{"client_id":"a","client_id_issued_at":"yesterday","client_secret_expires_at":1.5,"scope":["a"],
			"redirect_uris":"http://127.0.0.1/","grant_types":{},"jwks":{"keys":[]},"client_name#de":"x"}`, true, ""},
		{"no id", `{"client_secret":"hush"}`, false, "no client_id"},
		{"empty id", `{"client_id":""}`, false, "no client_id"},
		{"not an object", `["client_id"]`, false, "not a JSON object"},
		{"null", `null`, false, "not a JSON object"},
		{"HTML", `<html>`, false, "not a JSON object"},
		{"cut off", `{"client_id":"a","client_secret":"hush`, false, "not a JSON object"},
		{"unknown authentication", `{"client_id":"a","client_secret":"hush","token_endpoint_auth_method":"tls_client_auth"}`, false, "tls_client_auth"},
	}
	asked := ClientMetadata{ClientName: "me", RedirectURIs: []string{"http://127.0.0.1:1/x"}}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			info, err := parseRegistration([]byte(tt.body), asked)
			if tt.ok {
				if err != nil || info.ClientID != "a" || info.TokenEndpointAuthMethod != "none" ||
					info.ClientName != "me" || !slices.Equal(info.RedirectURIs, asked.RedirectURIs) {
					t.Errorf("%#v, %v", info, err)
				}
				return
			}
			wantError(t, err, tt.mangle)
			if strings.Contains(err.Error(), "hush") {
				t.Error("the error holds a secret")
			}
		})
	}
}

func TestC12RegistrationRefused(t *testing.T) {
	tests := []struct {
		name string
		set  func(*fake)
		want []string
	}{
		{"refused", func(f *fake) {
			f.replace("/register", func(w http.ResponseWriter, _ *http.Request) {
				writeJSON(w, 400, &Error{Code: CodeInvalidRedirectURI, Description: "no loopback\x1b[31m here"})
			})
		}, []string{CodeInvalidRedirectURI, "no loopback [31m here", "native", "http://localhost:"}},
		{"nonsense", func(f *fake) { f.json("/register", nil) }, []string{"not a JSON object"}},
		{"no endpoint", func(f *fake) { delete(f.serverMetadata, "registration_endpoint") }, []string{"by hand", "client id"}},
		{"no method in common", func(f *fake) {
			f.serverMetadata["token_endpoint_auth_methods_supported"] = []string{"private_key_jwt"}
		}, []string{"private_key_jwt"}},
		{"403 in HTML", func(f *fake) { f.status("/register", 403) }, []string{"Forbidden", "initial access token"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			tt.set(f)
			_, err := f.client().Authenticate(t.Context())
			wantError(t, err, tt.want...)
			if f.count("GET /authorize") != 0 {
				t.Error("an authorization was started")
			}
		})
	}
}

// What a server refuses of redirects is said otherwise, once.
func TestC12RegistrationIsTriedOtherwise(t *testing.T) {
	tests := []struct {
		name    string
		refuses func(m map[string]any) string // an error code
		posts   int
		ok      bool
	}{
		{"localhost only", func(m map[string]any) string {
			if !strings.HasPrefix(m["redirect_uris"].([]any)[0].(string), "http://localhost:") {
				return CodeInvalidRedirectURI
			}
			return ""
		}, 2, true},
		{"web applications only", func(m map[string]any) string {
			if m["application_type"] != ApplicationTypeWeb {
				return CodeInvalidClientMetadata
			}
			return ""
		}, 2, true},
		{"nothing helps", func(map[string]any) string { return CodeInvalidRedirectURI }, 2, false},
		{"another reason", func(map[string]any) string { return "unapproved_software_statement" }, 1, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			f.replace("/register", func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				var m map[string]any
				_ = json.Unmarshal(body, &m)
				if code := tt.refuses(m); code != "" {
					writeJSON(w, 400, &Error{Code: code})
					return
				}
				r.Body = io.NopCloser(bytes.NewReader(body))
				f.serveRegister(w, r)
			})
			store := NewMemoryStore()
			for range 2 { // the second login uses the registration as it is
				if _, err := f.client(func(c *Config) { c.Store = store }).Authenticate(t.Context()); (err == nil) != tt.ok {
					t.Fatal(err)
				}
				if !tt.ok {
					break
				}
				if got, want := f.lastAsked().Get("redirect_uri"), f.regs[0]["redirect_uris"].([]any)[0].(string); !sameButPort(got, want) {
					t.Errorf("redirect URI %s, registered %s", got, want)
				}
			}
			if n := f.count("POST /register"); n != tt.posts {
				t.Errorf("%d registrations, want %d", n, tt.posts)
			}
		})
	}
}

func TestInitialAccessTokenAndSoftwareStatement(t *testing.T) {
	f := newFake(t)
	f.replace("/register", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer iat-hush" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		f.serveRegister(w, r)
	})
	_, err := f.client().Register(t.Context())
	wantError(t, err, "not open to everybody")
	_, err = f.client(func(c *Config) { c.InitialAccessToken = "wrong-hush" }).Register(t.Context())
	wantError(t, err, "initial access token is refused")
	c := f.client(func(c *Config) {
		c.InitialAccessToken = "iat-hush"
		c.Metadata = ClientMetadata{SoftwareID: "s", SoftwareStatement: "a.b.c", ClientURI: "https://app.example"}
	})
	if _, err := c.Register(t.Context()); err != nil {
		t.Fatal(err)
	}
	if m := f.regs[0]; m["software_statement"] != "a.b.c" || m["software_id"] != "s" || m["client_uri"] != "https://app.example" {
		t.Errorf("registered %v", m)
	}
	if text := fmt.Sprintf("%v %+v %#v", c, c.cfg, c.cfg) + err.Error(); strings.Contains(text, "hush") {
		t.Errorf("a secret is printed: %s", text)
	}
}

func TestC13RegistrationIsKeyedByIssuer(t *testing.T) {
	rs, as1, as2 := newFake(t), newFake(t), newFake(t)
	store := NewMemoryStore()
	login := func(as *fake) {
		t.Helper()
		rs.mu.Lock()
		rs.resourceMetadata = map[string]any{"resource": rs.resource(), "authorization_servers": []string{as.URL}}
		rs.mu.Unlock()
		if _, err := rs.client(func(c *Config) { c.Store = store }).Authenticate(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	login(as1)
	login(as1)
	login(as2)
	login(as1)
	if a, b := as1.count("POST /register"), as2.count("POST /register"); a != 1 || b != 1 {
		t.Errorf("%d and %d registrations, want one each", a, b)
	}
}

func TestRegistrationIsReplacedWhenItDoesNotFit(t *testing.T) {
	past := time.Now().Add(-time.Hour).Unix()
	tests := []struct {
		name   string
		answer func(map[string]any)
		second func(*Config)
		want   int
	}{
		{"fits", nil, func(*Config) {}, 1},
		{"never expires", func(a map[string]any) { a["client_secret"], a["client_secret_expires_at"] = "x", 0 }, func(*Config) {}, 1},
		{"secret expired", func(a map[string]any) { a["client_secret"], a["client_secret_expires_at"] = "x", past }, func(*Config) {}, 2},
		{"another path", nil, func(c *Config) { c.CallbackPath = "/cb" }, 2},
		{"another program", nil, func(c *Config) { c.ClientName = "other" }, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			f.registration = tt.answer
			store := NewMemoryStore()
			for _, change := range []func(*Config){func(*Config) {}, tt.second} {
				c := f.client(func(c *Config) { c.Store = store }, change)
				if _, err := c.Register(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if n := f.count("POST /register"); n != tt.want {
				t.Errorf("%d registrations, want %d", n, tt.want)
			}
		})
	}
}

// The server forgot the client: one new registration, and no more than one.
func TestC13ForgottenClientRegistersOnce(t *testing.T) {
	tests := []struct {
		name   string
		forget func(f *fake)
		ok     bool
		regs   int
		opened int // pages shown to a person
	}{
		{"authorization endpoint answers 400", (*fake).forget, true, 2, 1},
		{"redirect says unauthorized_client", func(f *fake) {
			f.answer = func(a url.Values) {
				if len(f.regs) < 2 {
					a.Del("code")
					a.Set("error", CodeUnauthorizedClient)
				}
			}
		}, true, 2, 2},
		{"token endpoint says invalid_client", func(f *fake) {
			f.replace("/token", func(w http.ResponseWriter, r *http.Request) {
				f.mu.Lock()
				if len(f.regs) < 2 {
					clear(f.clients)
				}
				f.mu.Unlock()
				f.serveToken(w, r)
			})
		}, true, 2, 2},
		{"and never learns", func(f *fake) {
			f.answer = func(a url.Values) {
				a.Del("code")
				a.Set("error", CodeInvalidClient)
			}
		}, false, 2, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			store := NewMemoryStore()
			with := func(c *Config) { c.Store = store }
			if _, err := f.client(with).Authenticate(t.Context()); err != nil {
				t.Fatal(err)
			}
			tt.forget(f)
			opened := 0
			_, err := f.client(with, func(c *Config) {
				c.OpenURL = func(ctx context.Context, page string) error { opened++; return f.browse(ctx, page) }
			}).Authenticate(t.Context())
			if (err == nil) != tt.ok {
				t.Fatalf("err %v, want ok %v", err, tt.ok)
			}
			if n := f.count("POST /register"); n != tt.regs {
				t.Errorf("%d registrations, want %d", n, tt.regs)
			}
			if opened != tt.opened {
				t.Errorf("%d pages shown, want %d", opened, tt.opened)
			}
		})
	}
}

func TestFreshRegistrationIsNotRepeated(t *testing.T) {
	f := newFake(t)
	f.answer = func(a url.Values) { a.Del("code"); a.Set("error", CodeInvalidClient) }
	_, err := f.client().Authenticate(t.Context())
	wantError(t, err, CodeInvalidClient)
	if n := f.count("POST /register"); n != 1 {
		t.Errorf("%d registrations, want 1", n)
	}
}

func TestRegisterAnew(t *testing.T) {
	f := newFake(t)
	store := NewMemoryStore()
	c := f.client(func(c *Config) { c.Store = store })
	if _, err := c.StoredRegistration(t.Context()); !errors.Is(err, ErrNoRegistration) {
		t.Errorf("before: %v", err)
	}
	first, err := c.Register(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	second, err := c.RegisterAnew(t.Context(), nil)
	if err != nil || second.ClientID == first.ClientID {
		t.Fatalf("%v, %v", second, err)
	}
	want := []string{"https://app.example/cb", "https://app.example/cb2"}
	third, err := c.RegisterAnew(t.Context(), func(m *ClientMetadata) {
		m.RedirectURIs, m.TokenEndpointAuthMethod = want, AuthMethodClientSecretPost
	})
	if err != nil || third.ClientSecret == "" || third.TokenEndpointAuthMethod != AuthMethodClientSecretPost {
		t.Fatalf("%v, %v", third, err)
	}
	stored, err := c.StoredRegistration(t.Context())
	if err != nil || stored.Registration.Client.ClientID != third.ClientID || stored.Registration.RedirectURI != want[0] {
		t.Errorf("stored %+v, %v", stored, err)
	}
	if m := f.clients[third.ClientID]; !slices.Equal(m.RedirectURIs, want) || m.ClientName != "test" || m.ApplicationType != ApplicationTypeWeb {
		t.Errorf("registered as %+v", m)
	}
	// A login here cannot receive such a redirect, and needs a client of its own.
	if _, err := c.Authenticate(t.Context()); err != nil || f.lastAsked().Get("client_id") == third.ClientID {
		t.Errorf("login as %q, %v", f.lastAsked().Get("client_id"), err)
	}
}
