// SPDX-License-Identifier: Apache-2.0

package oauthdyn

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
)

func TestC21Scopes(t *testing.T) {
	tests := []struct {
		name      string
		config    []string
		challenge string
		resource  []string
		server    []string
		want      string
	}{
		{"none", nil, "", nil, nil, ""},
		{"metadata", nil, "", []string{"a", "b"}, nil, "a b"},
		{"challenge before metadata", nil, "c", []string{"a", "b"}, nil, "c"},
		{"configuration before all", []string{"d"}, "c", []string{"a"}, []string{"offline_access"}, "d"},
		{"offline access where the server has it", nil, "c", nil, []string{"c", "offline_access"}, "c offline_access"},
		{"offline access where it has not", nil, "c", nil, []string{"c"}, "c"},
		{"offline access is no reason to ask for less", nil, "", nil, []string{"a", "offline_access"}, ""},
		{"offline access once", nil, "offline_access c", nil, []string{"offline_access"}, "offline_access c"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			if tt.challenge != "" {
				f.challenge += `, scope="` + tt.challenge + `"`
			}
			f.resourceMetadata["scopes_supported"] = tt.resource
			f.serverMetadata["scopes_supported"] = tt.server
			c := f.client(func(c *Config) { c.Scopes = tt.config })
			if _, err := c.Authenticate(t.Context()); err != nil {
				t.Fatal(err)
			}
			if q := f.lastAsked(); q.Get("scope") != tt.want || q.Has("scope") != (tt.want != "") {
				t.Errorf("scope %q, want %q", q["scope"], tt.want)
			}
		})
	}
}

// offline_access is announced, and denied to this client or person in some way.
func TestC21OfflineAccessDenied(t *testing.T) {
	atPage := func(code string) func(f *fake) {
		return func(f *fake) {
			f.answer = func(q url.Values) {
				if strings.Contains(f.asked[len(f.asked)-1].Get("scope"), scopeOfflineAccess) {
					q.Del("code")
					q.Set("error", code)
				}
			}
		}
	}
	atToken := func(code string) func(f *fake) {
		return func(f *fake) {
			f.replace("/token", func(w http.ResponseWriter, r *http.Request) {
				if strings.Contains(f.lastAsked().Get("scope"), scopeOfflineAccess) {
					writeJSON(w, 400, &Error{Code: code})
					return
				}
				f.serveToken(w, r)
			})
		}
	}
	for _, tt := range []struct {
		name   string
		deny   func(f *fake)
		scopes []string // configured
		want   string   // scope of the grant; empty: no login
		logins int
	}{
		{"at the page", atPage(CodeInvalidScope), nil, "c", 2},
		{"at the token endpoint", atToken(CodeInvalidScope), nil, "c", 2},
		{"as Keycloak says it", atToken("not_allowed"), nil, "c", 2},
		{"what was configured is not given up", atPage(CodeInvalidScope), []string{"c", scopeOfflineAccess}, "", 1},
		{"a person who says no is not asked again", atPage(CodeAccessDenied), nil, "", 1},
		{"a wrong code is another matter", atToken(CodeInvalidGrant), nil, "", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			f.resourceMetadata["scopes_supported"] = []string{"c"}
			f.serverMetadata["scopes_supported"] = []string{"c", scopeOfflineAccess}
			tt.deny(f)
			var logins atomic.Int64
			c := f.client(counted(f, &logins), func(c *Config) { c.Scopes = tt.scopes })
			_, err := c.Authenticate(t.Context())
			if got := int(logins.Load()); (err == nil) != (tt.want != "") || got != tt.logins {
				t.Fatalf("%d logins, error %v: want %d logins", got, err, tt.logins)
			}
			if err == nil && f.lastAsked().Get("scope") != tt.want {
				t.Errorf("scope %q: want %q", f.lastAsked().Get("scope"), tt.want)
			}
		})
	}
}

func TestScopesAreChecked(t *testing.T) {
	many := make([]string, maxScopes+1)
	for i := range many {
		many[i] = "s" + strconv.Itoa(i)
	}
	for _, scopes := range [][]string{{"a b"}, {""}, {"é"}, {`"`}, {"a\n"}, many, {strings.Repeat("x", maxScopeBytes)}} {
		f := newFake(t)
		cfg := f.config()
		cfg.Scopes = scopes
		if _, err := New(cfg); err == nil {
			t.Errorf("scopes %.20q are accepted by New", scopes)
		}
		f.resourceMetadata["scopes_supported"] = scopes
		if _, err := f.client().Authenticate(t.Context()); err == nil {
			t.Errorf("scopes %.20q are accepted of metadata", scopes)
		}
	}
}

// A registration is for the scopes that were known then, and a server may hold
// the client to them.
func TestC21RegistrationIsWidened(t *testing.T) {
	registered := func(f *fake, id string) string {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.clients[id].Scope
	}
	holdTo := func(f *fake, scope func(id string) string) {
		f.replace("/authorize", func(w http.ResponseWriter, r *http.Request) {
			q := r.URL.Query()
			if coversScopes(strings.Fields(scope(q.Get("client_id"))), strings.Fields(q.Get("scope"))) {
				f.serveAuthorize(w, r)
				return
			}
			to := url.Values{"error": {CodeInvalidScope}, "state": {q.Get("state")}, "iss": {f.URL}}
			http.Redirect(w, r, q.Get("redirect_uri")+"?"+to.Encode(), http.StatusFound)
		})
	}
	for _, tt := range []struct {
		name          string
		server        func(f *fake)
		clients       int  // that were registered in the end
		logins        int  // that a person saw
		denied        bool // in the end
		configuration bool // RFC 7592
	}{
		{"once more", func(f *fake) {
			holdTo(f, func(id string) string { return registered(f, id) })
		}, 2, 2, false, false},
		{"at its configuration endpoint", func(f *fake) {
			e := newConfigurationEndpoint(f)
			holdTo(f, func(string) string {
				f.mu.Lock()
				defer f.mu.Unlock()
				scope, _ := e.members["scope"].(string)
				return scope
			})
		}, 1, 2, false, true},
		{"once more, where that is refused", func(f *fake) {
			f.registration = func(answer map[string]any) {
				answer["registration_client_uri"], answer["registration_access_token"] = f.URL+"/forbidden", "rat"
			}
			f.replace("/forbidden", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
			holdTo(f, func(id string) string { return registered(f, id) })
		}, 2, 2, false, false},
		{"in vain", func(f *fake) {
			holdTo(f, func(string) string { return "read" })
		}, 2, 1, true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			f.challenge += `, scope="read"`
			tt.server(f)
			var logins atomic.Int64
			h := f.client(counted(f, &logins)).HTTPClient()
			for i, needed := range []string{"", "write", "write"} { // the third time there is nothing new to be done
				f.needScope = func(*http.Request) string { return needed }
				resp, err := h.Get(f.resource())
				if err == nil {
					drain(resp.Body)
				}
				if (err != nil) != (tt.denied && needed != "") {
					t.Errorf("request %d: error %v", i, err)
				}
			}
			if got := f.count("POST /register"); got != tt.clients || int(logins.Load()) != tt.logins {
				t.Errorf("%d registrations, %d logins: want %d and %d", got, logins.Load(), tt.clients, tt.logins)
			}
			if tt.configuration && f.count("PUT /manage/2") != 1 {
				t.Error("the registration was not changed")
			}
		})
	}
}
