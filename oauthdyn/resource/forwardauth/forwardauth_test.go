// SPDX-License-Identifier: Apache-2.0

package forwardauth_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/resource"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/resource/forwardauth"
)

const (
	first  = "https://mcp.example/mcp"
	second = "https://other.example:8443/a/b"
)

// people is a verifier for which tokens are the beginning of a list.
type people struct{}

func (people) Verify(_ context.Context, token string) (*resource.Principal, error) {
	p := &resource.Principal{
		Subject: "local:alice", Username: "alice", ClientID: "client", Issuer: "https://auth.example", ID: "id",
		Audience: []string{first, second}, Scopes: []string{"mcp", "x"},
	}
	switch token {
	case "good":
	case "narrow":
		p.Scopes = nil
	case "first":
		p.Audience = []string{first}
	case "odd":
		p.Subject, p.Username = " a\r\nX-User-Id: root", "Zoë 100%\x00"
	case "unchecked":
		return nil, errors.New("the database is down")
	default:
		return nil, resource.ErrInvalidToken
	}
	return p, nil
}

func newResource(t testing.TB, id string) *resource.Resource {
	t.Helper()
	res, err := resource.New(resource.Options{
		Resource: id, AuthorizationServers: []string{"https://auth.example"}, Verifier: people{}, RequiredScopes: []string{"mcp"},
		Rules: []resource.Rule{
			{Methods: []string{"DELETE"}, Scopes: []string{"end"}},
			{Path: "/mcp/admin", Scopes: []string{"admin"}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func newHandler(t testing.TB, edits ...func(*forwardauth.Options)) *forwardauth.Handler {
	t.Helper()
	o := forwardauth.Options{Routes: []forwardauth.Route{{Resource: newResource(t, first)}, {Resource: newResource(t, second)}}}
	for _, edit := range edits {
		edit(&o)
	}
	h, err := forwardauth.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// question is what a proxy asks about a request.
func question(token, method, host, uri string, more http.Header) *http.Request {
	r := httptest.NewRequest("GET", "/verify", nil)
	r.Header.Set("X-Forwarded-Method", method)
	r.Header.Set("X-Forwarded-Host", host)
	r.Header.Set("X-Forwarded-Uri", uri)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	maps.Copy(r.Header, more)
	return r
}

func ask(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec
}

func TestS91HeadersOfWhoCalls(t *testing.T) {
	spoofed := http.Header{"X-User-Id": {"root"}, "X-User-Name": {"root"}, "X-Auth-Token": {"x"}, "X-Role": {"admin"}}
	everything := map[string]forwardauth.Field{
		"X-Sub": "sub", "x-name": "preferred_username", "X-Client": "client_id", "X-Iss": "iss", "X-Scope": "scope", "X-Jti": "jti",
	}
	for _, test := range []struct {
		name, token string
		edit        func(*forwardauth.Options)
		want        map[string]string
	}{
		{"default", "good", nil, map[string]string{
			"X-User-Id": "local:alice", "X-User-Name": "alice", "Authorization": "", "X-Auth-Token": "",
		}},
		{"all fields", "good", func(o *forwardauth.Options) { o.Headers = everything }, map[string]string{
			"X-Sub": "local:alice", "X-Name": "alice", "X-Client": "client", "X-Iss": "https://auth.example", "X-Scope": "mcp x",
			"X-Jti": "id", "Authorization": "", "X-Auth-Token": "",
		}},
		{"more is cleared", "good", func(o *forwardauth.Options) { o.Clear = []string{"x-role"} }, map[string]string{
			"X-User-Id": "local:alice", "X-User-Name": "alice", "Authorization": "", "X-Auth-Token": "", "X-Role": "",
		}},
		{"token", "good", func(o *forwardauth.Options) { o.TokenHeader = "x-auth-token" }, map[string]string{
			"X-User-Id": "local:alice", "X-User-Name": "alice", "Authorization": "", "X-Auth-Token": "good",
		}},
		{"token as it came", "good", func(o *forwardauth.Options) { o.TokenHeader = "Authorization" }, map[string]string{
			"X-User-Id": "local:alice", "X-User-Name": "alice", "Authorization": "Bearer good", "X-Auth-Token": "",
		}},
		{"odd names", "odd", nil, map[string]string{
			"X-User-Id": "%20a%0D%0AX-User-Id: root", "X-User-Name": "Zo%C3%AB 100%25%00", "Authorization": "", "X-Auth-Token": "",
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			edits := []func(*forwardauth.Options){}
			if test.edit != nil {
				edits = append(edits, test.edit)
			}
			h := newHandler(t, edits...)
			rec := ask(h, question(test.token, "POST", "mcp.example", "/mcp", spoofed))
			if rec.Code != 200 || rec.Body.Len() != 0 || rec.Header().Get("Cache-Control") != "no-store" {
				t.Fatalf("%d %s %v", rec.Code, rec.Body, rec.Header())
			}
			for name, want := range test.want {
				if got := rec.Header()[name]; !slices.Equal(got, []string{want}) {
					t.Errorf("%s: %q, want %q, there even if empty", name, got, want)
				}
				if !slices.Contains(h.HeaderNames(), name) {
					t.Errorf("%v lacks %s", h.HeaderNames(), name)
				}
			}
			if n := len(rec.Header()) - 1; n != len(test.want) || len(h.HeaderNames()) != n {
				t.Errorf("headers %v, want %d and Cache-Control", rec.Header(), len(test.want))
			}
		})
	}
}

func TestS92S93S94Answers(t *testing.T) {
	metadata := map[string]string{
		"mcp.example":        "https://mcp.example/.well-known/oauth-protected-resource/mcp",
		"other.example:8443": "https://other.example:8443/.well-known/oauth-protected-resource/a/b",
	}
	const (
		here = "mcp.example"
		bare = "Bearer" // a challenge that tells nothing
		none = "none"
	)
	for _, test := range []struct {
		name, token, method, host, uri string
		more                           http.Header
		status                         int
		challenge                      string // error code, bare or none
	}{
		{"good", "good", "POST", here, "/mcp", nil, 200, ""},
		{"below", "good", "POST", here, "/mcp/x?q=/../y", nil, 200, ""},
		{"host in capitals, with a port", "good", "GET", "MCP.example:443", "/mcp", nil, 200, ""},
		{"other resource", "good", "GET", "other.example:8443", "/a/b", nil, 200, ""},
		{"no token", "", "GET", here, "/mcp", nil, 401, ""},
		{"bad token", "bad", "GET", here, "/mcp", nil, 401, "invalid_token"},
		{"token of another resource", "first", "GET", "other.example:8443", "/a/b", nil, 401, "invalid_token"},
		{"scope", "narrow", "GET", here, "/mcp", nil, 403, "insufficient_scope"},
		{"scope of the method", "good", "DELETE", here, "/mcp", nil, 403, "insufficient_scope"},
		{"scope of the path", "good", "GET", here, "/mcp/admin", nil, 403, "insufficient_scope"},
		{"S94 malformed", "", "GET", here, "/mcp", http.Header{"Authorization": {"Bearer a b"}}, 401, "invalid_request"},
		{"S94 unchecked", "unchecked", "GET", here, "/mcp", nil, 403, none},
		{"S92 unknown host", "good", "GET", "evil.example", "/mcp", nil, 401, bare},
		{"S92 dot behind the host", "good", "GET", here + ".", "/mcp", nil, 401, bare},
		{"S92 other port", "good", "GET", "other.example", "/a/b", nil, 401, bare},
		{"S92 unknown path", "good", "GET", here, "/", nil, 401, bare},
		{"S92 beside the path", "good", "GET", here, "/mcp2", nil, 401, bare},
		{"S92 two hosts", "good", "GET", here, "/mcp", http.Header{"X-Forwarded-Host": {here, "evil.example"}}, 403, none},
		{"S92 host list", "good", "GET", here + ", evil.example", "/mcp", nil, 401, bare},
		{"S92 no host", "good", "GET", "", "/mcp", nil, 403, none},
		{"S92 the question's own host", "good", "GET", "", "/mcp", http.Header{"Host": {here}}, 403, none},
		{"S93 no URI", "good", "GET", here, "", nil, 403, none},
		{"S93 two URIs", "good", "GET", here, "/mcp", http.Header{"X-Forwarded-Uri": {"/mcp", "/mcp/admin"}}, 403, none},
		{"S93 two methods", "good", "GET", here, "/mcp", http.Header{"X-Forwarded-Method": {"GET", "DELETE"}}, 403, none},
		{"S93 no method", "good", "", here, "/mcp", nil, 403, none},
		{"S93 dots", "good", "GET", here, "/mcp/../admin", nil, 403, none},
		{"S93 dots into it", "good", "GET", here, "/x/../mcp", nil, 403, none},
		{"S93 escaped dots", "good", "GET", here, "/mcp/%2e%2e/admin", nil, 403, none},
		{"S93 slashes", "good", "GET", here, "//mcp", nil, 403, none},
		{"S93 escaped slash", "good", "GET", here, "/mcp%2f..%2fadmin", nil, 403, none},
		{"S93 fragment", "good", "GET", here, "/mcp#/admin", nil, 403, none},
		{"S93 query with a path", "narrow", "GET", here, "/mcp?/mcp/admin", nil, 403, "insufficient_scope"},
		{"S93 escaped letter", "good", "GET", here, "/mcp/%61dmin", nil, 403, "insufficient_scope"},
		{"S93 absolute URI", "good", "GET", here, "https://mcp.example/mcp", nil, 403, none},
		{"S90 query", "", "GET", here, "/mcp?access_token=good", nil, 401, ""},
		{"S90 cookie", "", "GET", here, "/mcp", http.Header{"Cookie": {"access_token=good"}}, 401, ""},
		{"S90 two headers", "", "GET", here, "/mcp", http.Header{"Authorization": {"Bearer good", "Bearer good"}}, 401, "invalid_request"},
		{"S95 preflight", "", "OPTIONS", here, "/mcp", http.Header{"Origin": {"https://x"}, "Access-Control-Request-Method": {"POST"}}, 401, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			var log bytes.Buffer
			h := newHandler(t, func(o *forwardauth.Options) { o.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
			rec := ask(h, question(test.token, test.method, test.host, test.uri, test.more))
			challenge, ok := oauthdyn.BearerChallenge(rec.Header())
			if rec.Code != test.status {
				t.Errorf("status %d, want %d", rec.Code, test.status)
			}
			if strings.Contains(log.String(), "good") {
				t.Errorf("the log shows the token: %s", &log)
			}
			switch test.challenge {
			case bare:
				if got := rec.Header().Get("WWW-Authenticate"); got != bare || strings.Contains(rec.Body.String(), "example") {
					t.Errorf("challenge %q, body %s", got, rec.Body)
				}
			case none:
				if ok {
					t.Errorf("challenge %v, want none", challenge)
				}
			default:
				if rec.Code == 200 {
					return
				}
				if challenge.Code() != test.challenge || challenge.ResourceMetadata() != metadata[strings.ToLower(test.host)] || !slices.Contains(challenge.Scopes(), "mcp") {
					t.Errorf("challenge %v", challenge)
				}
			}
			if test.status != 200 {
				for _, name := range h.HeaderNames() {
					if rec.Header()[name] != nil {
						t.Errorf("a refusal has the header %s", name)
					}
				}
			}
		})
	}
}

func TestS95Preflight(t *testing.T) {
	h := newHandler(t, func(o *forwardauth.Options) { o.PassPreflight = true })
	preflight := http.Header{"Origin": {"https://x"}, "Access-Control-Request-Method": {"POST"}, "X-User-Id": {"root"}}
	rec := ask(h, question("good", "OPTIONS", "mcp.example", "/mcp", preflight))
	if rec.Code != 200 {
		t.Errorf("preflight: %d", rec.Code)
	}
	for _, name := range h.HeaderNames() {
		if got := rec.Header()[name]; !slices.Equal(got, []string{""}) {
			t.Errorf("preflight: %s is %q, want it empty", name, got)
		}
	}
	for name, r := range map[string]*http.Request{
		"plain OPTIONS": question("", "OPTIONS", "mcp.example", "/mcp", http.Header{"Origin": {"https://x"}}),
		"no origin":     question("", "OPTIONS", "mcp.example", "/mcp", http.Header{"Access-Control-Request-Method": {"POST"}}),
		"POST":          question("", "POST", "mcp.example", "/mcp", preflight),
		"unknown host":  question("", "OPTIONS", "evil.example", "/mcp", preflight),
	} {
		if rec := ask(h, r); rec.Code != 401 {
			t.Errorf("%s: %d, want 401", name, rec.Code)
		}
	}
}

func TestS93FromPath(t *testing.T) {
	h := newHandler(t).FromPath("/ext_authz")
	for _, test := range []struct {
		method, target, host string
		status               int
	}{
		{"POST", "/ext_authz/mcp", "mcp.example", 200},
		{"GET", "/ext_authz/mcp?x=/ext_authz/", "mcp.example:80", 200},
		{"DELETE", "/ext_authz/mcp", "mcp.example", 403},
		{"POST", "/ext_authz/mcp/admin", "mcp.example", 403},
		{"POST", "/ext_authz/mcp/../mcp", "mcp.example", 403},
		{"POST", "/ext_authz//mcp", "mcp.example", 403},
		{"POST", "/ext_authz", "mcp.example", 403},
		{"POST", "/ext_authzmcp", "mcp.example", 403},
		{"POST", "/mcp", "mcp.example", 403},
		{"POST", "/ext_authz/mcp", "evil.example", 401},
	} {
		r := httptest.NewRequest(test.method, test.target, nil)
		r.Host = test.host
		r.Header.Set("Authorization", "Bearer good")
		// What Envoy passes on of the client says nothing here.
		r.Header.Set("X-Forwarded-Host", "other.example:8443")
		r.Header.Set("X-Forwarded-Uri", "/a/b")
		r.Header.Set("X-Forwarded-Method", "GET")
		if rec := ask(h, r); rec.Code != test.status {
			t.Errorf("%s %s at %s: %d, want %d", test.method, test.target, test.host, rec.Code, test.status)
		}
	}
}

func TestS97MetadataByConfigurationOnly(t *testing.T) {
	h := newHandler(t).MetadataHandler()
	for _, test := range []struct {
		host, path string
		want       string // resource of the document
	}{
		{"mcp.example", "/.well-known/oauth-protected-resource/mcp", first},
		{"MCP.example:443", "/.well-known/oauth-protected-resource/mcp", first},
		{"other.example:8443", "/.well-known/oauth-protected-resource/a/b", second},
		{"other.example:8443", "/.well-known/oauth-protected-resource/mcp", ""},
		{"evil.example", "/.well-known/oauth-protected-resource/mcp", ""},
		{"mcp.example", "/.well-known/oauth-protected-resource", ""},
	} {
		r := httptest.NewRequest("GET", test.path, nil)
		r.Host = test.host
		r.Header.Set("X-Forwarded-Host", "evil.example")
		r.Header.Set("X-Forwarded-Proto", "http")
		rec := ask(h, r)
		if body := rec.Body.String(); test.want == "" && rec.Code != 404 || test.want != "" && !strings.Contains(body, `"resource":"`+test.want+`"`) || strings.Contains(body, "evil") {
			t.Errorf("%s%s: %d %s", test.host, test.path, rec.Code, body)
		}
	}
}

func TestS92LongestRouteWins(t *testing.T) {
	h := newHandler(t, func(o *forwardauth.Options) {
		o.Routes = []forwardauth.Route{
			{Resource: newResource(t, first), Host: "a.example", Path: "/"},
			{Resource: newResource(t, second), Host: "a.example", Path: "/second"},
			{Resource: newResource(t, first), Host: "a.example", Path: "/second/not"},
		}
	})
	for uri, want := range map[string]int{"/x": 200, "/second": 401, "/second/x": 401, "/second/not": 200, "/seconds": 200} {
		if rec := ask(h, question("first", "GET", "a.example", uri, nil)); rec.Code != want {
			t.Errorf("%s: %d, want %d", uri, rec.Code, want)
		}
	}
}

func TestNewErrors(t *testing.T) {
	for name, edit := range map[string]func(*forwardauth.Options){
		"no routes":   func(o *forwardauth.Options) { o.Routes = nil },
		"no resource": func(o *forwardauth.Options) { o.Routes = []forwardauth.Route{{Host: "x"}} },
		"same route":  func(o *forwardauth.Options) { o.Routes = append(o.Routes, o.Routes[0]) },
		"same but for a slash": func(o *forwardauth.Options) {
			o.Routes = append(o.Routes, forwardauth.Route{Resource: o.Routes[0].Resource, Path: "/mcp/"})
		},
		"path":  func(o *forwardauth.Options) { o.Routes[0].Path = "/a/../b" },
		"field": func(o *forwardauth.Options) { o.Headers = map[string]forwardauth.Field{"X-User": "email"} },
		"header twice": func(o *forwardauth.Options) {
			o.Headers = map[string]forwardauth.Field{"X-User": "sub", "x-user": "iss"}
		},
		"token twice":   func(o *forwardauth.Options) { o.TokenHeader = "X-User-Id" },
		"header syntax": func(o *forwardauth.Options) { o.Clear = []string{"X User"} },
		"hop by hop":    func(o *forwardauth.Options) { o.Clear = []string{"transfer-encoding"} },
	} {
		o := forwardauth.Options{Routes: []forwardauth.Route{{Resource: newResource(t, first)}}}
		edit(&o)
		if _, err := forwardauth.New(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
