// SPDX-License-Identifier: Apache-2.0

package resource_test

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/resource"
)

// scoped verifies tokens that are their own scopes, joined by "+".
var scoped = verifierFunc(func(token string) *resource.Principal {
	return &resource.Principal{Subject: "alice", Audience: []string{id}, Scopes: strings.Split(token, "+")}
})

// modern sets the headers of an MCP 2026-07-28 call.
func modern(method, name string) http.Header {
	h := http.Header{"Mcp-Protocol-Version": {"2026-07-28"}, "Mcp-Method": {method}}
	if name != "" {
		h.Set("Mcp-Name", name)
	}
	return h
}

// with returns a copy with one more header.
func with(h http.Header, name string, values ...string) http.Header {
	h = h.Clone()
	h[name] = values
	return h
}

func TestR6R7StepUpByRule(t *testing.T) {
	res := newResource(t, func(o *resource.Options) {
		o.Verifier = scoped
		o.Rules = []resource.Rule{
			{Path: "/mcp/admin", Scopes: []string{"admin"}},
			{Methods: []string{"DELETE"}, Scopes: []string{"end", "x"}},
			{MCPMethods: []string{"tools/call"}, Scopes: []string{"call"}},
			{MCPMethods: []string{"tools/call", "prompts/get"}, MCPNames: []string{"deploy", "größe"}, Scopes: []string{"deploy", "call"}},
		}
	})
	call := modern("tools/call", "read")
	all := "mcp call deploy"
	for _, test := range []struct {
		name, method, path string
		header             http.Header
		need               string
	}{
		{"no rule", "GET", "/mcp", nil, "mcp"},
		{"path", "GET", "/mcp/admin", nil, "mcp admin"},
		{"below the path", "GET", "/mcp/admin/x", nil, "mcp admin"},
		{"beside the path", "GET", "/mcp/administrator", nil, "mcp"},
		{"S93 escaped letter", "GET", "/mcp/%61dmin", nil, "mcp admin"},
		{"S93 dots", "GET", "/mcp/x/../admin", nil, "mcp admin"},
		{"S93 escaped dots", "GET", "/mcp/x/%2e%2e/y", nil, "mcp admin"},
		{"S93 slashes", "GET", "/mcp//admin", nil, "mcp admin"},
		{"method", "DELETE", "/mcp", nil, "mcp end x"},
		{"path and method", "DELETE", "/mcp/admin", nil, "mcp admin end x"},
		{"list", "POST", "/mcp", modern("tools/list", ""), "mcp"},
		{"call", "POST", "/mcp", call, "mcp call"},
		{"call by name", "POST", "/mcp", modern("tools/call", "deploy"), all},
		{"encoded name", "POST", "/mcp", modern("tools/call", "=?base64?Z3LDtsOfZQ==?="), all},
		{"encoded other name", "POST", "/mcp", modern("tools/call", "=?base64?cmVhZA==?="), "mcp call"},
		{"prompt by name", "POST", "/mcp", modern("prompts/get", "deploy"), "mcp deploy call"},
		{"other prompt", "POST", "/mcp", modern("prompts/get", "x"), "mcp"},
		{"later revision", "POST", "/mcp", with(modern("tools/list", ""), "Mcp-Protocol-Version", "2027-01-01"), "mcp"},
		// What does not say what it calls could call anything.
		{"no headers", "POST", "/mcp", nil, all},
		{"no method", "POST", "/mcp", with(call, "Mcp-Method"), all},
		{"no name", "POST", "/mcp", modern("tools/call", ""), all},
		{"broken name", "POST", "/mcp", modern("tools/call", "=?base64?!?="), all},
		{"two methods", "POST", "/mcp", with(call, "Mcp-Method", "tools/list", "tools/call"), all},
		{"two names", "POST", "/mcp", with(call, "Mcp-Name", "read", "deploy"), all},
		{"old revision", "POST", "/mcp", with(modern("ping", ""), "Mcp-Protocol-Version", "2025-11-25"), all},
		{"no revision", "POST", "/mcp", with(modern("ping", ""), "Mcp-Protocol-Version"), all},
		{"two revisions", "POST", "/mcp", with(modern("ping", ""), "Mcp-Protocol-Version", "2026-07-28", "2025-03-26"), all},
		{"invented revision", "POST", "/mcp", with(modern("ping", ""), "Mcp-Protocol-Version", "DRAFT-2026"), all},
		{"put", "PUT", "/mcp", nil, all},
	} {
		t.Run(test.name, func(t *testing.T) {
			serve := func(token string) *httptest.ResponseRecorder {
				req := httptest.NewRequest(test.method, test.path, nil)
				maps.Copy(req.Header, test.header)
				if token != "" {
					req.Header.Set("Authorization", "Bearer "+token)
				}
				rec := httptest.NewRecorder()
				res.Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(rec, req)
				return rec
			}
			scopes := strings.Fields(test.need)
			if rec := serve(strings.Join(scopes, "+")); rec.Code != 200 {
				t.Errorf("with all it needs: %d %s", rec.Code, rec.Header().Get("WWW-Authenticate"))
			}
			for i := range scopes {
				fewer := slices.Delete(slices.Clone(scopes), i, i+1)
				rec := serve(strings.Join(append(fewer, "other"), "+"))
				c, _ := oauthdyn.BearerChallenge(rec.Header())
				if rec.Code != 403 || c.Code() != "insufficient_scope" || !slices.Equal(c.Scopes(), scopes) || c.ResourceMetadata() != metadataURL {
					t.Errorf("without %s: %d, challenge %v; want all of %v", scopes[i], rec.Code, c, scopes)
				}
			}
			// R3: the challenge without a token asks for the same.
			rec := serve("")
			if c, _ := oauthdyn.BearerChallenge(rec.Header()); rec.Code != 401 || c.Code() != "" || !slices.Equal(c.Scopes(), scopes) {
				t.Errorf("without a token: %d, %v", rec.Code, c)
			}
		})
	}
}

func TestR8ScopeHierarchy(t *testing.T) {
	res := newResource(t, func(o *resource.Options) {
		o.Verifier = scoped
		o.RequiredScopes = []string{"read"}
		o.Rules = []resource.Rule{{Methods: []string{"POST"}, Scopes: []string{"write"}}}
		o.Implies = map[string][]string{
			"admin": {"write", "audit"}, "write": {"read"},
			"a": {"b"}, "b": {"a"}, // a circle must do no harm
		}
	})
	for _, test := range []struct {
		token, method string
		status        int
	}{
		{"read", "GET", 200},
		{"write", "GET", 200},
		{"admin", "GET", 200}, // through write
		{"audit", "GET", 403}, // does not go upwards
		{"a", "GET", 403},
		{"read", "POST", 403},
		{"write", "POST", 200},
		{"admin", "POST", 200},
		{"audit+read", "POST", 403},
	} {
		req := httptest.NewRequest(test.method, "/mcp", nil)
		req.Header.Set("Authorization", "Bearer "+test.token)
		p, refusal := res.Check(req)
		status := 200
		if refusal != nil {
			status = refusal.Status
			if strings.Contains(refusal.Challenge, "admin") {
				t.Errorf("%s %s: asks for more than it needs: %s", test.method, test.token, refusal.Challenge)
			}
		}
		if status != test.status || (p == nil) == (refusal == nil) {
			t.Errorf("%s with %s: %d, want %d", test.method, test.token, status, test.status)
		}
	}
}

func TestR4OfflineAccessIsNeverAskedFor(t *testing.T) {
	for name, edit := range map[string]func(*resource.Options){
		"metadata":        func(o *resource.Options) { o.Scopes = []string{"mcp", "offline_access"} },
		"required":        func(o *resource.Options) { o.RequiredScopes = []string{"offline_access"} },
		"rule":            func(o *resource.Options) { o.Rules = []resource.Rule{{Scopes: []string{"offline_access"}}} },
		"scope syntax":    func(o *resource.Options) { o.RequiredScopes = []string{`a"b`} },
		"rule of nothing": func(o *resource.Options) { o.Rules = []resource.Rule{{Path: "/mcp"}} },
		"relative path":   func(o *resource.Options) { o.Rules = []resource.Rule{{Path: "mcp", Scopes: []string{"a"}}} },
		"path with dots":  func(o *resource.Options) { o.Rules = []resource.Rule{{Path: "/a/../b", Scopes: []string{"a"}}} },
		"name alone":      func(o *resource.Options) { o.Rules = []resource.Rule{{MCPNames: []string{"x"}, Scopes: []string{"a"}}} },
	} {
		o := resource.Options{Resource: id, AuthorizationServers: []string{"https://auth.example"}, Verifier: list}
		edit(&o)
		if _, err := resource.New(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestR1MetadataNamesAllScopes(t *testing.T) {
	res := newResource(t, func(o *resource.Options) {
		o.Scopes, o.RequiredScopes = []string{"x"}, []string{"mcp"}
		o.Rules = []resource.Rule{{Path: "/mcp", Scopes: []string{"admin", "mcp"}}}
	})
	rec := httptest.NewRecorder()
	res.MetadataHandler().ServeHTTP(rec, httptest.NewRequest("GET", "/", nil))
	for _, want := range []string{`"scopes_supported":["x","mcp","admin"]`, `"authorization_servers":["https://auth.example"]`} {
		if !strings.Contains(rec.Body.String(), want) {
			t.Errorf("%s lacks %s", rec.Body, want)
		}
	}
}

func TestS85OtherAudiences(t *testing.T) {
	verifier := verifierFunc(func(token string) *resource.Principal {
		return &resource.Principal{Subject: "alice", Audience: []string{token}}
	})
	res := newResource(t, func(o *resource.Options) {
		o.Verifier, o.RequiredScopes = verifier, nil
		o.OtherAudiences = []string{id + "/", "api://mcp"}
	})
	for aud, ok := range map[string]bool{id: true, id + "/": true, "api://mcp": true, "api://mcp/": false, id + "//": false, "": false} {
		if _, err := res.Verify(t.Context(), aud); (err == nil) != ok {
			t.Errorf("audience %q: %v", aud, err)
		}
	}
}
