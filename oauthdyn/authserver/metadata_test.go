// SPDX-License-Identifier: Apache-2.0

package authserver_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/local"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store/memory"
)

// newServer makes a server that is asked without a network.
func newServer(t *testing.T, edit func(*authserver.Options)) (*authserver.Server, error) {
	t.Helper()
	o := authserver.Options{
		Issuer:    "https://auth.example",
		Store:     memory.New(nil),
		Login:     local.New(),
		Resources: []authserver.Resource{{URI: "https://mcp.example/mcp", Scopes: []string{"b", "a"}}, {URI: "https://auth.example/other", Scopes: []string{"a", "c"}}},
	}
	if edit != nil {
		edit(&o)
	}
	s, err := authserver.New(t.Context(), o)
	if err == nil {
		t.Cleanup(s.Close)
	}
	return s, err
}

func mustServer(t *testing.T, edit func(*authserver.Options)) *authserver.Server {
	t.Helper()
	s, err := newServer(t, edit)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func get(h http.Handler, target string, headers ...string) *httptest.ResponseRecorder {
	return do(h, http.MethodGet, target, "", headers...)
}

func do(h http.Handler, method, target, body string, headers ...string) *httptest.ResponseRecorder {
	req := httptest.NewRequest(method, target, strings.NewReader(body))
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, req)
	return rec
}

// TestS97Metadata asks under wrong names. A2 and A4 tell what must be there.
func TestS97Metadata(t *testing.T) {
	s := mustServer(t, nil)
	rec := get(s, "http://evil.example/.well-known/oauth-authorization-server", "X-Forwarded-Host", "evil.example", "X-Forwarded-Proto", "http")
	algorithms := []any{"ES256", "ES384", "ES512", "EdDSA", "RS256", "PS256"}
	want := map[string]any{
		"issuer":                                                "https://auth.example",
		"authorization_endpoint":                                "https://auth.example/authorize",
		"token_endpoint":                                        "https://auth.example/token",
		"registration_endpoint":                                 "https://auth.example/register",
		"revocation_endpoint":                                   "https://auth.example/revoke",
		"jwks_uri":                                              "https://auth.example/jwks",
		"scopes_supported":                                      []any{"b", "a", "c", "offline_access"},
		"response_types_supported":                              []any{"code"},
		"response_modes_supported":                              []any{"query"},
		"grant_types_supported":                                 []any{"authorization_code", "refresh_token"},
		"token_endpoint_auth_methods_supported":                 []any{"none", "private_key_jwt", "client_secret_basic", "client_secret_post"},
		"revocation_endpoint_auth_methods_supported":            []any{"none", "private_key_jwt", "client_secret_basic", "client_secret_post"},
		"code_challenge_methods_supported":                      []any{"S256"},
		"dpop_signing_alg_values_supported":                     algorithms,
		"token_endpoint_auth_signing_alg_values_supported":      algorithms,
		"revocation_endpoint_auth_signing_alg_values_supported": algorithms,
		"authorization_response_iss_parameter_supported":        true,
		"client_id_metadata_document_supported":                 true,
	}
	var got map[string]any
	if err := json.Unmarshal(rec.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	h := rec.Header()
	if h.Get("Content-Type") != "application/json" || h.Get("Access-Control-Allow-Origin") != "*" || !strings.Contains(h.Get("Cache-Control"), "max-age=") {
		t.Errorf("headers %v", h)
	}
	// Introspection is announced only where somebody may ask.
	asking := authserver.ResourceServer{ID: "mcp", Secret: "0123456789abcdef"}
	rec = get(mustServer(t, func(o *authserver.Options) { o.ResourceServers = []authserver.ResourceServer{asking} }), "/.well-known/oauth-authorization-server")
	want["introspection_endpoint"] = "https://auth.example/introspect"
	want["introspection_endpoint_auth_methods_supported"] = []any{"client_secret_basic", "client_secret_post"}
	got = nil
	if err := json.Unmarshal(rec.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("with introspection: got  %v\nwant %v", got, want)
	}
	if rec := get(s, "/.well-known/oauth-authorization-server", "If-None-Match", h.Get("ETag")); rec.Code != http.StatusNotModified {
		t.Errorf("same ETag: %d", rec.Code)
	}
}

func TestA2MetadataAddresses(t *testing.T) {
	for _, test := range []struct {
		issuer string
		paths  map[string]int
	}{
		{"https://auth.example", map[string]int{
			"/.well-known/oauth-authorization-server":       200,
			"/.well-known/openid-configuration":             200,
			"/.well-known/oauth-authorization-server/other": 200, // a resource at this origin
			"/.well-known/oauth-authorization-server/mcp":   404, // one elsewhere
			"/.well-known/oauth-authorization-server/":      404,
			"/.well-known/jwks.json":                        404,
			"/jwks":                                         200,
			"/":                                             404,
		}},
		{"https://auth.example/tenant/1", map[string]int{
			"/.well-known/oauth-authorization-server/tenant/1": 200,
			"/.well-known/openid-configuration/tenant/1":       200,
			"/tenant/1/.well-known/openid-configuration":       200,
			"/.well-known/oauth-authorization-server":          200,
			"/tenant/1/jwks":      200,
			"/jwks":               404,
			"/tenant/1/authorize": 400,
			"/authorize":          404,
		}},
	} {
		s := mustServer(t, func(o *authserver.Options) { o.Issuer = test.issuer })
		for path, want := range test.paths {
			rec := get(s, path)
			if rec.Code != want {
				t.Errorf("%s %s: %d, want %d", test.issuer, path, rec.Code, want)
			}
			var md oauthdyn.ServerMetadata
			if strings.Contains(path, "well-known") && want == 200 {
				if err := json.Unmarshal(rec.Body.Bytes(), &md); err != nil || md.Issuer != test.issuer || md.TokenEndpoint != test.issuer+"/token" {
					t.Errorf("%s %s: %+v, %v", test.issuer, path, md, err)
				}
			}
			if want == 404 {
				var e oauthdyn.Error
				if err := json.Unmarshal(rec.Body.Bytes(), &e); err != nil || e.Code == "" {
					t.Errorf("%s %s: body %q is not a JSON error", test.issuer, path, rec.Body)
				}
			}
		}
	}
}

func TestCrossOrigin(t *testing.T) {
	s := mustServer(t, nil)
	for _, path := range []string{"/register", "/token", "/revoke", "/jwks", "/.well-known/oauth-authorization-server"} {
		rec := do(s, "OPTIONS", path, "", "Origin", "https://inspector.example", "Access-Control-Request-Method", "POST")
		h := rec.Header()
		if rec.Code != 204 || h.Get("Access-Control-Allow-Origin") != "*" || h.Get("Access-Control-Allow-Methods") == "" || h.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: %d %v", path, rec.Code, h)
		}
	}
	for _, path := range []string{"/authorize", "/consent", "/login", "/introspect"} {
		if h := do(s, "OPTIONS", path, "").Header(); h.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s can be read by other origins: %v", path, h)
		}
	}
	for path, method := range map[string]string{"/token": "GET", "/revoke": "GET", "/register": "PUT", "/jwks": "POST"} {
		if rec := do(s, method, path, ""); rec.Code != 405 || rec.Header().Get("Allow") == "" {
			t.Errorf("%s %s: %d %v", method, path, rec.Code, rec.Header())
		}
	}
}

const longSecret = "0123456789abcdef"

func TestOptions(t *testing.T) {
	for _, test := range []struct {
		name string
		edit func(*authserver.Options)
		want string
	}{
		{"no issuer", func(o *authserver.Options) { o.Issuer = "" }, "no issuer"},
		{"http", func(o *authserver.Options) { o.Issuer = "http://auth.example" }, "must use https"},
		{"other scheme", func(o *authserver.Options) { o.Issuer = "ftp://auth.example" }, "must use https"},
		{"relative", func(o *authserver.Options) { o.Issuer = "auth.example" }, "not an absolute URL"},
		{"slash", func(o *authserver.Options) { o.Issuer += "/" }, "ends in a slash"},
		{"query", func(o *authserver.Options) { o.Issuer += "?x" }, "query or fragment"},
		{"fragment", func(o *authserver.Options) { o.Issuer += "#" }, "query or fragment"},
		{"upper case", func(o *authserver.Options) { o.Issuer = "https://Auth.example" }, "lower case"},
		{"user", func(o *authserver.Options) { o.Issuer = "https://me@auth.example" }, "not an absolute URL"},
		{"no store", func(o *authserver.Options) { o.Store = nil }, "no store"},
		{"no login", func(o *authserver.Options) { o.Login = nil }, "no login"},
		{"no resource", func(o *authserver.Options) { o.Resources = nil }, "no resource"},
		{"bad resource", func(o *authserver.Options) { o.Resources[0].URI = "x" }, "absolute http"},
		{"bad scope", func(o *authserver.Options) { o.Resources[0].Scopes = []string{"a b"} }, "scopes cannot have"},
		{"long tokens", func(o *authserver.Options) { o.AccessTokenTTL = 25 * time.Hour }, "access tokens must not live"},
		{"resource server without id", func(o *authserver.Options) { o.ResourceServers = []authserver.ResourceServer{{Secret: longSecret}} }, "its id"},
		{"two of them", func(o *authserver.Options) {
			o.ResourceServers = []authserver.ResourceServer{{ID: "a", Secret: longSecret}, {ID: "a", Secret: longSecret}}
		}, "its id"},
		{"weak secret", func(o *authserver.Options) {
			o.ResourceServers = []authserver.ResourceServer{{ID: "a", Secret: longSecret[:15]}}
		}, "16 characters"},
		{"other resource", func(o *authserver.Options) {
			o.ResourceServers = []authserver.ResourceServer{{ID: "a", Secret: longSecret, Resources: []string{"https://third.example"}}}
		}, "no tokens are issued"},
		{"signing algorithm", func(o *authserver.Options) { o.SigningAlgorithm = "HS256" }, `"HS256" is not ES256, RS256, EdDSA`},
		{"hasty rotation", func(o *authserver.Options) { o.KeyRotation = time.Hour }, "24h0m0s at least"},
		{"short sealing key", func(o *authserver.Options) { o.SealingKey = make([]byte, 31) }, "31 bytes, not 32"},
		{"long codes", func(o *authserver.Options) { o.CodeTTL = 3600e9 }, "codes must not live"},
	} {
		_, err := newServer(t, test.edit)
		if err == nil || !strings.HasPrefix(err.Error(), "authserver: ") || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want %q", test.name, err, test.want)
		}
	}
}

func TestKeysSurviveARestart(t *testing.T) {
	db := memory.New(nil)
	jwks := func() string {
		return get(mustServer(t, func(o *authserver.Options) { o.Store = db }), "/jwks").Body.String()
	}
	first := jwks()
	if second := jwks(); first != second || !strings.Contains(first, `"alg":"ES256"`) || strings.Contains(first, `"d"`) {
		t.Errorf("keys %s, then %s", first, second)
	}
}
