// SPDX-License-Identifier: Apache-2.0

package oauthdyn

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"
)

// configurationEndpoint is that of RFC 7592, for one client. Its access token
// is good for one request, and each answer moves the endpoint.
type configurationEndpoint struct {
	f       *fake
	members map[string]any // what is registered
	serial  int
	updates []map[string]any
	omit    []string // members that answers leave out
}

func newConfigurationEndpoint(f *fake) *configurationEndpoint {
	e := &configurationEndpoint{f: f}
	f.registration = func(answer map[string]any) {
		answer["x_tenant"], answer["client_name#de"], answer["policy_uri"] = "blue", "Prüfung", nil
		e.members = answer
		e.rotate(answer)
	}
	return e
}

func (e *configurationEndpoint) path() string  { return fmt.Sprintf("/manage/%d", e.serial) }
func (e *configurationEndpoint) token() string { return fmt.Sprintf("rat-%d", e.serial) }

func (e *configurationEndpoint) rotate(answer map[string]any) {
	e.serial++
	answer["registration_client_uri"], answer["registration_access_token"] = e.f.URL+e.path(), e.token()
	e.f.replaced[e.path()] = e.serve
}

func (e *configurationEndpoint) serve(w http.ResponseWriter, r *http.Request) {
	e.f.mu.Lock()
	defer e.f.mu.Unlock()
	if r.URL.Path != e.path() || r.Header.Get("Authorization") != "Bearer "+e.token() {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	switch r.Method {
	case http.MethodDelete:
		delete(e.f.clients, e.members["client_id"].(string))
		w.WriteHeader(http.StatusNoContent)
		return
	case http.MethodPut:
		body, _ := io.ReadAll(r.Body)
		var sent map[string]any
		if json.Unmarshal(body, &sent) != nil || sent["client_id"] != e.members["client_id"] {
			writeJSON(w, 400, &Error{Code: CodeInvalidClientMetadata})
			return
		}
		e.updates = append(e.updates, sent)
		e.members = sent
	}
	e.rotate(e.members)
	answer := map[string]any{}
	maps.Copy(answer, e.members)
	for _, name := range e.omit {
		delete(answer, name)
	}
	writeJSON(w, 200, answer)
}

func TestManageRegistration(t *testing.T) {
	f := newFake(t)
	f.serverMetadata["token_endpoint_auth_methods_supported"] = []string{AuthMethodClientSecretBasic}
	e := newConfigurationEndpoint(f)
	store := NewMemoryStore()
	c := f.client(func(c *Config) { c.Store = store })
	if _, err := c.Authenticate(t.Context()); err != nil {
		t.Fatal(err)
	}
	first, err := c.ReadRegistration(t.Context())
	if err != nil || first.ClientName != "test" || first.ClientSecret == "" {
		t.Fatalf("%v, %v", first, err)
	}
	// A server that leaves out what it need not repeat.
	e.omit = []string{"client_secret", "client_secret_expires_at", "token_endpoint_auth_method"}
	info, err := f.client(func(c *Config) { c.Store = store }).UpdateRegistration(t.Context(), func(m *ClientMetadata) {
		m.ClientName, m.Contacts, m.Scope = "renamed", []string{"me@app.example"}, ""
	})
	if err != nil || info.ClientName != "renamed" || info.ClientSecret != first.ClientSecret ||
		info.TokenEndpointAuthMethod != AuthMethodClientSecretBasic || info.ClientID != first.ClientID {
		t.Fatalf("%v, %v", info, err)
	}
	sent := e.updates[0]
	if sent["client_name"] != "renamed" || sent["x_tenant"] != "blue" || sent["client_name#de"] != "Prüfung" || sent["contacts"] == nil {
		t.Errorf("sent %v", sent)
	}
	for _, name := range []string{"policy_uri", "registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at"} {
		if _, ok := sent[name]; ok && name != "registration_access_token" && name != "registration_client_uri" {
			t.Errorf("sent %s", name) // the fake adds the other two afterwards
		}
	}
	// The grant still works, and a new login uses what was stored.
	outdate(t, c)
	if _, err := c.TokenSource(t.Context()).Token(); err != nil {
		t.Error(err)
	}
	if err := c.DeleteRegistration(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(store.all) != 0 {
		t.Errorf("left behind: %v", store)
	}
	if _, err := c.TokenSource(t.Context()).Token(); !errors.Is(err, ErrNotSignedIn) {
		t.Errorf("got %v", err)
	}
	if n := f.count("POST /register"); n != 1 {
		t.Errorf("%d registrations", n)
	}
	if _, err := c.ReadRegistration(t.Context()); !errors.Is(err, ErrNoRegistration) {
		t.Errorf("got %v", err)
	}
}

func TestEditMetadataSendsNoForbiddenMember(t *testing.T) {
	body, err := editMetadata([]byte(`{"client_id":"a","client_secret":"s","registration_access_token":"x","registration_client_uri":"y",
		"client_secret_expires_at":0,"client_id_issued_at":1,"logo_uri":null,"scope":["odd"],"tos_uri":"https://t.example"}`),
		func(m *ClientMetadata) { m.TOSURI = "" })
	if want := `{"client_id":"a","client_secret":"s","scope":["odd"]}`; err != nil || string(body) != want {
		t.Errorf("%s, %v; want %s", body, err, want)
	}
}

func TestManageRegistrationFails(t *testing.T) {
	tests := []struct {
		name string
		set  func(*fake, *configurationEndpoint)
		want string
	}{
		{"gone", func(f *fake, e *configurationEndpoint) { e.serial++ }, CodeInvalidToken},
		{"forbidden", func(f *fake, e *configurationEndpoint) { f.status(e.path(), 403) }, "Forbidden"},
		{"not supported", func(f *fake, e *configurationEndpoint) { f.status(e.path(), 405) }, "does not support"},
		{"another client", func(f *fake, e *configurationEndpoint) {
			f.json(e.path(), map[string]any{"client_id": "other", "registration_access_token": "hush"})
		}, "another client"},
		{"redirect", func(f *fake, e *configurationEndpoint) {
			f.replace(e.path(), func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, f.URL+"/stolen", http.StatusFound) })
		}, "Found"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			e := newConfigurationEndpoint(f)
			c := f.client()
			if _, err := c.Register(t.Context()); err != nil {
				t.Fatal(err)
			}
			tt.set(f, e)
			_, err := c.ReadRegistration(t.Context())
			wantError(t, err, tt.want)
			if strings.Contains(err.Error(), "rat-") || strings.Contains(err.Error(), "hush") {
				t.Errorf("the error holds a secret: %v", err)
			}
			if f.count("GET /stolen") != 0 {
				t.Error("the registration access token followed a redirect")
			}
			if _, err := c.Register(t.Context()); err != nil || f.count("POST /register") != 1 {
				t.Errorf("the registration is lost: %v", err)
			}
		})
	}
	t.Run("not offered", func(t *testing.T) {
		f := newFake(t)
		c := f.client()
		if err := c.DeleteRegistration(t.Context()); !errors.Is(err, ErrNoRegistration) {
			t.Errorf("got %v", err)
		}
		if _, err := c.Register(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := c.DeleteRegistration(t.Context()); !errors.Is(err, ErrNoRegistration) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("plain http elsewhere", func(t *testing.T) {
		f := newFake(t)
		f.registration = func(a map[string]any) {
			a["registration_client_uri"], a["registration_access_token"] = "http://evil.example/x", "rat"
		}
		c := f.client()
		if _, err := c.Register(t.Context()); err != nil {
			t.Fatal(err)
		}
		_, err := c.ReadRegistration(t.Context())
		wantError(t, err, "registration_client_uri", "refused")
	})
}
