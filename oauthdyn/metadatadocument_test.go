// SPDX-License-Identifier: Apache-2.0

package oauthdyn

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
)

const documentURL = "https://app.example/oauth/client.json"

func TestC8C10MetadataDocumentIsTheClientID(t *testing.T) {
	tests := []struct {
		name   string
		offers any
		change func(*Config)
		want   string // client id; empty for one that registers
	}{
		{"offered", true, func(*Config) {}, documentURL},
		{"not offered", nil, func(*Config) {}, ""},
		{"registered by hand", true, func(c *Config) { c.ClientID = "byhand" }, "byhand"},
		{"no document", true, func(c *Config) { c.ClientMetadataURL = "" }, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			f.serverMetadata["client_id_metadata_document_supported"] = tt.offers
			f.clients[documentURL] = ClientMetadata{RedirectURIs: []string{"http://127.0.0.1/callback"}}
			f.clients["byhand"] = f.clients[documentURL]
			c := f.client(func(c *Config) { c.ClientMetadataURL = documentURL }, tt.change)
			if _, err := c.Authenticate(t.Context()); err != nil {
				t.Fatal(err)
			}
			id, regs := f.lastAsked().Get("client_id"), f.count("POST /register")
			if tt.want != "" && (id != tt.want || regs != 0 || f.lastForm().Get("client_id") != tt.want) {
				t.Errorf("client %s, %d registrations", id, regs)
			}
			if tt.want == "" && regs != 1 {
				t.Errorf("client %s, %d registrations", id, regs)
			}
			u, err := url.Parse(f.lastAsked().Get("redirect_uri"))
			if err != nil || tt.want != "" && u.Path != "/callback" || tt.want == "" && len(u.Path) < 20 {
				t.Errorf("redirect URI %v", u)
			}
			outdate(t, c)
			if _, err := c.TokenSource(t.Context()).Token(); err != nil {
				t.Errorf("refresh: %v", err)
			}
		})
	}
}

// The server supports documents, and refuses this one: one registration in its
// place, and the next login does not ask again.
func TestC10RefusedMetadataDocument(t *testing.T) {
	know := func(f *fake) {
		f.clients[documentURL] = ClientMetadata{RedirectURIs: []string{"http://127.0.0.1/callback"}}
	}
	redirectError := func(code string) func(*fake) {
		return func(f *fake) {
			know(f)
			f.answer = func(a url.Values) {
				if f.asked[len(f.asked)-1].Get("client_id") == documentURL {
					a.Del("code")
					a.Set("error", code)
				}
			}
		}
	}
	tests := []struct {
		name   string
		refuse func(f *fake)
		opened int // pages shown to a person
		want   string
	}{
		{"authorization endpoint answers 400", func(*fake) {}, 1, ""},
		{"redirect says invalid_client", redirectError(CodeInvalidClient), 2, ""},
		{"redirect says invalid_request", redirectError(CodeInvalidRequest), 2, ""},
		{"token endpoint says invalid_client", func(f *fake) {
			know(f)
			f.replace("/token", func(w http.ResponseWriter, r *http.Request) {
				f.mu.Lock()
				delete(f.clients, documentURL)
				f.mu.Unlock()
				f.serveToken(w, r)
			})
		}, 2, ""},
		{"the person says no", redirectError(CodeAccessDenied), 1, CodeAccessDenied},
		{"no registration offered", func(f *fake) { delete(f.serverMetadata, "registration_endpoint") }, 0, "offers no registration"},
		{"registration is refused, too", func(f *fake) { f.status("/register", 403) }, 0, documentURL},
		{"nobody is welcome", func(f *fake) {
			know(f)
			f.answer = func(a url.Values) { a.Del("code"); a.Set("error", CodeInvalidClient) }
		}, 2, documentURL},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			f.serverMetadata["client_id_metadata_document_supported"] = true
			tt.refuse(f)
			opened := 0
			c := f.client(func(c *Config) {
				c.ClientMetadataURL = documentURL
				c.OpenURL = func(ctx context.Context, page string) error { opened++; return f.browse(ctx, page) }
			})
			_, err := c.Authenticate(t.Context())
			if opened != tt.opened {
				t.Errorf("%d pages shown, want %d", opened, tt.opened)
			}
			if n := f.count("POST /register"); n > 1 {
				t.Errorf("%d registrations", n)
			}
			if tt.want != "" {
				wantError(t, err, tt.want)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			asked := len(f.asked)
			outdate(t, c)
			if _, err := c.TokenSource(t.Context()).Token(); err != nil {
				t.Errorf("refresh: %v", err)
			}
			if _, err := c.Authenticate(t.Context()); err != nil {
				t.Fatal(err)
			}
			for _, q := range f.asked[asked:] {
				if q.Get("client_id") == documentURL {
					t.Error("the document is shown again")
				}
			}
			if n := f.count("POST /register"); n != 1 {
				t.Errorf("%d registrations", n)
			}
		})
	}
}

// A registration from an earlier refusal that the server has forgotten is
// replaced, too.
func TestC10RefusedDocumentAndForgottenRegistration(t *testing.T) {
	f := newFake(t)
	f.serverMetadata["client_id_metadata_document_supported"] = true
	store := NewMemoryStore()
	with := func(c *Config) { c.ClientMetadataURL, c.Store = documentURL, store }
	for want := range 3 {
		if _, err := f.client(with).Authenticate(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := f.count("POST /register"); n != want+1 {
			t.Errorf("%d registrations, want %d", n, want+1)
		}
		f.forget()
	}
}

// The id is portable: no registration when the authorization server changes.
func TestC13MetadataDocumentIsPortable(t *testing.T) {
	rs, as1, as2 := newFake(t), newFake(t), newFake(t)
	store := NewMemoryStore()
	for _, as := range []*fake{as1, as2} {
		as.serverMetadata["client_id_metadata_document_supported"] = true
		as.clients[documentURL] = ClientMetadata{RedirectURIs: []string{"http://127.0.0.1/callback"}}
		rs.mu.Lock()
		rs.resourceMetadata = map[string]any{"resource": rs.resource(), "authorization_servers": []string{as.URL}}
		rs.mu.Unlock()
		c := rs.client(func(c *Config) { c.Store, c.ClientMetadataURL = store, documentURL })
		if _, err := c.Authenticate(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := as.lastAsked().Get("client_id"); got != documentURL || as.count("POST /register") != 0 {
			t.Errorf("client %s", got)
		}
	}
}

// A client that was registered by hand is not shown to another server.
func TestC13PreRegisteredClientAtAnotherServer(t *testing.T) {
	rs, as1, as2 := newFake(t), newFake(t), newFake(t)
	rs.resourceMetadata["authorization_servers"] = []string{as2.URL}
	c := rs.client(func(c *Config) { c.ClientID, c.AuthServer = "byhand", as1.URL })
	_, err := c.Authenticate(t.Context())
	wantError(t, err, as1.URL, as2.URL)
	if n := len(as2.seen("")); n != 0 {
		t.Errorf("%d requests to the other server", n)
	}
}

// Nor is it when no server is configured, and the resource changes its mind.
func TestC13PreRegisteredClientIsBound(t *testing.T) {
	rs, as1, as2 := newFake(t), newFake(t), newFake(t)
	store := NewMemoryStore()
	login := func(as *fake) error {
		as.clients["byhand"] = ClientMetadata{RedirectURIs: []string{"http://127.0.0.1/callback"}}
		rs.mu.Lock()
		rs.resourceMetadata = map[string]any{"resource": rs.resource(), "authorization_servers": []string{as.URL}}
		rs.mu.Unlock()
		c := rs.client(func(c *Config) { c.Store, c.ClientID, c.ClientSecret = store, "byhand", "hush" })
		_, err := c.Authenticate(t.Context())
		return err
	}
	if err := login(as1); err != nil {
		t.Fatal(err)
	}
	wantError(t, login(as2), as1.URL, as2.URL)
	if len(as2.forms) != 0 || len(as2.asked) != 0 {
		t.Error("the other server got to know the client")
	}
	if err := rs.client(func(c *Config) { c.Store, c.ClientID = store, "byhand" }).Logout(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := login(as2); err != nil || len(store.all) != 2 {
		t.Errorf("after signing out: %v, %v", err, store)
	}
}

func TestC10MetadataHandler(t *testing.T) {
	h, err := NewMetadataHandler(documentURL, ClientMetadata{ClientName: "App"})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(h)
	defer s.Close()
	resp, err := http.Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer drain(resp.Body)
	var m ClientInformation
	if err := json.NewDecoder(resp.Body).Decode(&m); err != nil {
		t.Fatal(err)
	}
	if m.ClientID != documentURL || m.ClientName != "App" || len(m.RedirectURIs) != 2 || m.TokenEndpointAuthMethod != "none" ||
		!slices.Contains(m.GrantTypes, GrantRefreshToken) || !slices.Equal(m.ResponseTypes, []string{"code"}) {
		t.Errorf("document %+v", m.ClientMetadata)
	}
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "application/json" || resp.Header.Get("Cache-Control") == "" {
		t.Errorf("%s, %v", resp.Status, resp.Header)
	}
	for _, tt := range []struct {
		method, name, value string
		status              int
	}{
		{"HEAD", "", "", 200}, {"GET", "If-None-Match", resp.Header.Get("ETag"), 304}, {"POST", "", "", 405},
	} {
		r := httptest.NewRequest(tt.method, documentURL, nil)
		r.Header.Set(tt.name, tt.value)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != tt.status || tt.status != 405 && w.Body.Len() != 0 {
			t.Errorf("%s %s: status %d, %d bytes", tt.method, tt.name, w.Code, w.Body.Len())
		}
	}
}

func TestC10MetadataHandlerRefuses(t *testing.T) {
	good := ClientMetadata{ClientName: "App"}
	with := func(change func(*ClientMetadata)) ClientMetadata { m := good; change(&m); return m }
	tests := []struct {
		name, url string
		m         ClientMetadata
		want      string
	}{
		{"http", "http://app.example/c.json", good, "https"},
		{"no path", "https://app.example", good, "path"},
		{"bare slash", "https://app.example/", good, "path"},
		{"dot segments", "https://app.example/a/../c.json", good, "dot segments"},
		{"user", "https://me:hush@app.example/c.json", good, "user name"},
		{"query", "https://app.example/c.json?a=b", good, "query"},
		{"empty fragment", "https://app.example/c.json#", good, "fragment"},
		{"no name", documentURL, ClientMetadata{}, "ClientName"},
		{"script", documentURL, with(func(m *ClientMetadata) { m.RedirectURIs = []string{"javascript:alert(1)"} }), "redirect URI"},
		{"secret", documentURL, with(func(m *ClientMetadata) { m.TokenEndpointAuthMethod = AuthMethodClientSecretPost }), "secret"},
		{"no keys", documentURL, with(func(m *ClientMetadata) { m.TokenEndpointAuthMethod = AuthMethodPrivateKeyJWT }), "JWKS"},
		{"private key", documentURL, with(func(m *ClientMetadata) { m.JWKS = json.RawMessage(`{"keys":[{"kty":"EC","d":"hush"}]}`) }), "private"},
		{"symmetric key", documentURL, with(func(m *ClientMetadata) { m.JWKS = json.RawMessage(`{"keys":[{"kty":"oct","k":"hush"}]}`) }), "symmetric"},
		{"not keys", documentURL, with(func(m *ClientMetadata) { m.JWKS = json.RawMessage(`"hush"`) }), "JWK set"},
		{"too large", documentURL, with(func(m *ClientMetadata) { m.ClientName = strings.Repeat("x", 6000) }), "bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := NewMetadataHandler(tt.url, tt.m)
			wantError(t, err, tt.want)
			if strings.Contains(err.Error(), "hush") {
				t.Errorf("the error holds a secret: %v", err)
			}
		})
	}
	if _, err := New(Config{Resource: "https://mcp.example/mcp", ClientMetadataURL: "https://app.example"}); err == nil {
		t.Error("New accepts a document without a path")
	}
}
