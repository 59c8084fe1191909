// SPDX-License-Identifier: Apache-2.0

package resource_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/resource"
)

const (
	id          = "https://mcp.example/mcp"
	metadataURL = "https://mcp.example/.well-known/oauth-protected-resource/mcp"
)

// tokens is a verifier with a list: what an opaque token can be.
type tokens map[string]*resource.Principal

func (t tokens) Verify(_ context.Context, token string) (*resource.Principal, error) {
	if token == "unchecked" {
		return nil, errors.New("the database is down")
	}
	if p := t[token]; p != nil {
		return p, nil
	}
	return nil, fmt.Errorf("%w: not on the list", resource.ErrInvalidToken)
}

// verifierFunc makes a principal for every token, or none.
type verifierFunc func(token string) *resource.Principal

func (f verifierFunc) Verify(_ context.Context, token string) (*resource.Principal, error) {
	if p := f(token); p != nil {
		return p, nil
	}
	return nil, resource.ErrInvalidToken
}

var list = tokens{
	"good":    {Subject: "alice", Audience: []string{id}, Scopes: []string{"mcp", "x"}},
	"narrow":  {Subject: "alice", Audience: []string{id}, Scopes: []string{"x"}},
	"foreign": {Subject: "alice", Audience: []string{id + "2"}, Scopes: []string{"mcp"}},
	"stale":   {Subject: "alice", Audience: []string{id}, Scopes: []string{"mcp"}, Expires: time.Now().Add(-time.Hour)},
	"a-._~+/": {Subject: "alice", Audience: []string{id}, Scopes: []string{"mcp"}},
}

func newResource(t *testing.T, edit func(*resource.Options)) *resource.Resource {
	t.Helper()
	o := resource.Options{
		Resource:             id,
		AuthorizationServers: []string{"https://auth.example"},
		Name:                 "Test",
		Scopes:               []string{"mcp", "x"},
		RequiredScopes:       []string{"mcp"},
		Verifier:             list,
	}
	if edit != nil {
		edit(&o)
	}
	r, err := resource.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestR2R5R6S90Middleware(t *testing.T) {
	res := newResource(t, nil)
	inner := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, ok := resource.FromContext(r.Context())
		if !ok || r.Header.Get("Authorization") != "" || r.Header.Get("X-Other") != "kept" {
			t.Errorf("inner handler: principal %v, headers %v", p, r.Header)
		}
		fmt.Fprint(w, p.Subject)
	})
	for _, test := range []struct {
		name    string
		headers []string // of Authorization
		status  int
		code    string // of the challenge
	}{
		{"good", []string{"Bearer good"}, 200, ""},
		{"S90 lower case", []string{"bearer good"}, 200, ""},
		{"S90 upper case", []string{"BEARER good"}, 200, ""},
		{"all characters", []string{"Bearer a-._~+/"}, 200, ""},
		{"spaces", []string{"Bearer   good "}, 200, ""},
		{"none", nil, 401, ""},
		{"empty header", []string{""}, 401, ""},
		{"basic", []string{"Basic Z29vZDo="}, 401, ""},
		{"scheme only", []string{"Bearer"}, 400, "invalid_request"},
		{"empty token", []string{"Bearer "}, 400, "invalid_request"},
		{"S90 two headers", []string{"Bearer good", "Bearer good"}, 400, "invalid_request"},
		{"S90 two tokens", []string{"Bearer good, Bearer good"}, 400, "invalid_request"},
		{"quoted", []string{`Bearer "good"`}, 400, "invalid_request"},
		{"parameters", []string{"Bearer good; x=y"}, 400, "invalid_request"},
		{"unknown", []string{"Bearer bad"}, 401, "invalid_token"},
		{"long", []string{"Bearer " + strings.Repeat("a", 9000)}, 401, "invalid_token"},
		{"foreign audience", []string{"Bearer foreign"}, 401, "invalid_token"},
		{"stale", []string{"Bearer stale"}, 401, "invalid_token"},
		{"scope", []string{"Bearer narrow"}, 403, "insufficient_scope"},
		{"unchecked", []string{"Bearer unchecked"}, 503, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			// Tokens in other places do not count.
			req := httptest.NewRequest("POST", "/mcp?access_token=good", strings.NewReader("access_token=good"))
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			req.Header.Set("Cookie", "access_token=good")
			req.Header.Set("X-Other", "kept")
			req.Header["Authorization"] = test.headers
			rec := httptest.NewRecorder()
			res.Middleware(inner).ServeHTTP(rec, req)
			if rec.Code != test.status {
				t.Fatalf("status %d, want %d", rec.Code, test.status)
			}
			if !slices.Equal(req.Header["Authorization"], test.headers) {
				t.Error("the caller's request was changed")
			}
			if test.status == 200 {
				return
			}
			checkRefusal(t, rec, test.code)
		})
	}
}

// checkRefusal checks body, headers and challenge of a refusal.
func checkRefusal(t *testing.T, rec *httptest.ResponseRecorder, code string) {
	t.Helper()
	var body oauthdyn.Error
	if err := json.Unmarshal(rec.Body.Bytes(), &body); err != nil || body.Code == "" || body.Description == "" {
		t.Errorf("body %q: %v", rec.Body, err)
	}
	if rec.Header().Get("Cache-Control") != "no-store" || rec.Header().Get("Content-Type") != "application/json" {
		t.Errorf("headers %v", rec.Header())
	}
	challenge, ok := oauthdyn.BearerChallenge(rec.Header())
	if rec.Code == 503 {
		if ok || rec.Header().Get("Retry-After") == "" {
			t.Errorf("503 with headers %v", rec.Header())
		}
		return
	}
	if !ok || challenge.ResourceMetadata() != metadataURL || challenge.Code() != code || !slices.Equal(challenge.Scopes(), []string{"mcp"}) {
		t.Errorf("challenge %q", rec.Header().Get("WWW-Authenticate"))
	}
}

func TestR3NoScopesInChallengeWhenNoneIsRequired(t *testing.T) {
	res := newResource(t, func(o *resource.Options) { o.RequiredScopes = nil })
	rec := httptest.NewRecorder()
	res.Middleware(http.NotFoundHandler()).ServeHTTP(rec, httptest.NewRequest("GET", "/mcp", nil))
	if got, want := rec.Header().Get("WWW-Authenticate"), `Bearer resource_metadata="`+metadataURL+`"`; got != want {
		t.Errorf("challenge %s, want %s", got, want)
	}
}

func TestMetadata(t *testing.T) {
	res := newResource(t, nil)
	if got := res.MetadataPath(); got != "/.well-known/oauth-protected-resource/mcp" {
		t.Errorf("path %s", got)
	}
	rec := httptest.NewRecorder()
	req := httptest.NewRequest("GET", "http://evil.example/whatever", nil) // S97: nothing comes from the request
	req.Header.Set("X-Forwarded-Host", "evil.example")
	res.MetadataHandler().ServeHTTP(rec, req)
	want := `{"resource":"https://mcp.example/mcp","authorization_servers":["https://auth.example"],"scopes_supported":["mcp","x"],"bearer_methods_supported":["header"],"resource_name":"Test","dpop_signing_alg_values_supported":["ES256","ES384","ES512","EdDSA","RS256","PS256"]}`
	if rec.Code != 200 || rec.Body.String() != want {
		t.Errorf("%d %s, want %s", rec.Code, rec.Body, want)
	}
	h := rec.Header()
	if h.Get("Content-Type") != "application/json" || h.Get("Access-Control-Allow-Origin") != "*" || h.Get("Access-Control-Allow-Credentials") != "" || h.Get("ETag") == "" {
		t.Errorf("headers %v", h)
	}

	for method, status := range map[string]int{"HEAD": 200, "OPTIONS": 204, "POST": 405, "DELETE": 405} {
		rec := httptest.NewRecorder()
		res.MetadataHandler().ServeHTTP(rec, httptest.NewRequest(method, "/", nil))
		if rec.Code != status {
			t.Errorf("%s: %d, want %d", method, rec.Code, status)
		}
	}
	req = httptest.NewRequest("GET", "/", nil)
	req.Header.Set("If-None-Match", h.Get("ETag"))
	rec = httptest.NewRecorder()
	res.MetadataHandler().ServeHTTP(rec, req)
	if rec.Code != 304 {
		t.Errorf("same ETag: %d", rec.Code)
	}
}

func TestMetadataPaths(t *testing.T) {
	for uri, want := range map[string]string{
		"https://mcp.example":      "/.well-known/oauth-protected-resource",
		"https://mcp.example/":     "/.well-known/oauth-protected-resource",
		"https://mcp.example/a/b":  "/.well-known/oauth-protected-resource/a/b",
		"https://mcp.example/a/b/": "/.well-known/oauth-protected-resource/a/b",
	} {
		res := newResource(t, func(o *resource.Options) { o.Resource = uri })
		if got := res.MetadataPath(); got != want {
			t.Errorf("%s: %s, want %s", uri, got, want)
		}
	}
}

func TestNewErrors(t *testing.T) {
	for name, edit := range map[string]func(*resource.Options){
		"no resource":       func(o *resource.Options) { o.Resource = "" },
		"relative resource": func(o *resource.Options) { o.Resource = "/mcp" },
		"fragment":          func(o *resource.Options) { o.Resource += "#x" },
		"no server":         func(o *resource.Options) { o.AuthorizationServers = nil },
		"http server":       func(o *resource.Options) { o.Verifier = nil; o.AuthorizationServers = []string{"http://auth.example"} },
	} {
		o := resource.Options{Resource: id, AuthorizationServers: []string{"https://auth.example"}, Verifier: list}
		edit(&o)
		if _, err := resource.New(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
