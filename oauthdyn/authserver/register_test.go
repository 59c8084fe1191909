// SPDX-License-Identifier: Apache-2.0

package authserver_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store/memory"
)

const jsonType = "application/json"

func TestS63S68RegistrationReplies(t *testing.T) {
	s := mustServer(t, nil)
	for _, test := range []struct {
		name, in string
		want     map[string]any // members of the reply; nil: absent
	}{
		{"least", `{"redirect_uris":["https://c.example/cb"]}`, map[string]any{
			"redirect_uris": []any{"https://c.example/cb"}, "token_endpoint_auth_method": "client_secret_basic", "client_secret_expires_at": 0.0,
			"grant_types": []any{"authorization_code", "refresh_token"}, "response_types": []any{"code"},
			"client_name": nil, "scope": nil,
		}},
		{"public", `{"redirect_uris":["http://127.0.0.1/cb"],"token_endpoint_auth_method":"none","application_type":"native"}`, map[string]any{
			"client_secret": nil, "client_secret_expires_at": nil, "token_endpoint_auth_method": "none", "application_type": "native",
		}},
		{"S63 nulls", `{"redirect_uris":["https://c.example/cb"],"client_name":null,"grant_types":null,"contacts":null,"jwks":null}`, map[string]any{
			"client_name": nil, "contacts": nil, "jwks": nil, "grant_types": []any{"authorization_code", "refresh_token"},
		}},
		{"S63 unknown members", `{"redirect_uris":["https://c.example/cb"],"x":{"y":[1]},"token_endpoint_auth_methods_supported":["private_key_jwt","none"]}`, map[string]any{"x": nil}},
		{"echoes", `{"redirect_uris":["https://c.example/cb","cursor://anysphere.cursor-mcp/oauth/callback"],"client_name":"Ä <b>","client_uri":"https://c.example","scope":"a b","contacts":["x@y"],"software_id":"s","software_version":"1"}`, map[string]any{
			"client_name": "Ä <b>", "client_uri": "https://c.example", "scope": "a b", "contacts": []any{"x@y"}, "software_id": "s", "software_version": "1",
			"redirect_uris": []any{"https://c.example/cb", "cursor://anysphere.cursor-mcp/oauth/callback"},
		}},
		{"grants of others", `{"redirect_uris":["https://c.example/cb"],"grant_types":["authorization_code","urn:ietf:params:oauth:grant-type:jwt-bearer"]}`, map[string]any{
			"grant_types": []any{"authorization_code"},
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			rec := do(s, "POST", "/register", test.in, "Content-Type", "application/json; charset=utf-8")
			if rec.Code != 201 || rec.Header().Get("Cache-Control") != "no-store" || rec.Header().Get("Access-Control-Allow-Origin") != "*" {
				t.Fatalf("%d %v %s", rec.Code, rec.Header(), rec.Body)
			}
			var got map[string]any
			if err := json.Unmarshal(rec.Body.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			for name, want := range test.want {
				if fmt.Sprint(got[name]) != fmt.Sprint(want) {
					t.Errorf("%s: %v, want %v", name, got[name], want)
				}
			}
			if id, _ := got["client_id"].(string); len(id) < 20 || strings.HasPrefix(id, "https://") || got["client_id_issued_at"] == nil { // S68
				t.Errorf("client id %v issued at %v", got["client_id"], got["client_id_issued_at"])
			}
			if token, _ := got["registration_access_token"].(string); len(token) != 43 || got["registration_client_uri"] != "https://auth.example/register/"+got["client_id"].(string) {
				t.Errorf("registration access token %q, at %v", token, got["registration_client_uri"])
			}
			for name, value := range got {
				if value == nil {
					t.Errorf("member %s is null", name)
				}
			}
		})
	}
}

func TestS2S4S27S63RegistrationRefusals(t *testing.T) {
	s := mustServer(t, nil)
	const uri = `"redirect_uris":["https://c.example/cb"]`
	many := strings.TrimSuffix(strings.Repeat(`"https://c.example/cb",`, 33), ",")
	for _, test := range []struct {
		name, in string
		status   int
		code     string
	}{
		{"no URIs", `{}`, 400, oauthdyn.CodeInvalidRedirectURI},
		{"empty list", `{"redirect_uris":[]}`, 400, oauthdyn.CodeInvalidRedirectURI},
		{"many URIs", `{"redirect_uris":[` + many + `]}`, 400, oauthdyn.CodeInvalidRedirectURI},
		{"S2 one bad URI", `{"redirect_uris":["https://c.example/cb","JavaScript:alert(1)"]}`, 400, oauthdyn.CodeInvalidRedirectURI},
		{"S4 http", `{"redirect_uris":["http://localhost.evil.com/cb"]}`, 400, oauthdyn.CodeInvalidRedirectURI},
		{"S63 URIs are a string", `{"redirect_uris":"https://c.example/cb"}`, 400, oauthdyn.CodeInvalidClientMetadata},
		{"S63 name is a number", `{` + uri + `,"client_name":7}`, 400, oauthdyn.CodeInvalidClientMetadata},
		{"S63 grants are a string", `{` + uri + `,"grant_types":"authorization_code"}`, 400, oauthdyn.CodeInvalidClientMetadata},
		{"S63 scope is an object", `{` + uri + `,"scope":{}}`, 400, oauthdyn.CodeInvalidClientMetadata},
		{"S63 repeated", `{` + uri + `,` + uri + `}`, 400, oauthdyn.CodeInvalidClientMetadata},
		{"S63 array bomb", `{` + uri + `,"x":` + strings.Repeat("[", 5000) + `}`, 400, oauthdyn.CodeInvalidClientMetadata},
		{"S63 long", `{` + uri + `,"client_name":"` + strings.Repeat("x", 16<<10) + `"}`, 413, oauthdyn.CodeInvalidClientMetadata},
		{"S63 not JSON", `redirect_uris=x`, 400, oauthdyn.CodeInvalidClientMetadata},
		{"S63 array", `[]`, 400, oauthdyn.CodeInvalidClientMetadata},
		{"S63 nothing", ``, 400, oauthdyn.CodeInvalidClientMetadata},
		{"no code grant", `{` + uri + `,"grant_types":["client_credentials"]}`, 400, oauthdyn.CodeInvalidClientMetadata},
		{"no code response", `{` + uri + `,"response_types":["token"]}`, 400, oauthdyn.CodeInvalidClientMetadata},
		{"key method", `{` + uri + `,"token_endpoint_auth_method":"private_key_jwt"}`, 400, oauthdyn.CodeInvalidClientMetadata},
		{"application type", `{` + uri + `,"application_type":"toaster"}`, 400, oauthdyn.CodeInvalidClientMetadata},
		{"S27 logo", `{` + uri + `,"logo_uri":"javascript:alert(1)"}`, 400, oauthdyn.CodeInvalidClientMetadata},
		{"S27 home page", `{` + uri + `,"client_uri":"data:text/html,x"}`, 400, oauthdyn.CodeInvalidClientMetadata},
	} {
		t.Run(test.name, func(t *testing.T) {
			rec := do(s, "POST", "/register", test.in, "Content-Type", jsonType)
			var e oauthdyn.Error
			if err := json.Unmarshal(rec.Body.Bytes(), &e); err != nil {
				t.Fatalf("%d %q: %v", rec.Code, rec.Body, err)
			}
			if rec.Code != test.status || e.Code != test.code || e.Description == "" || rec.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("%d %v, want %d %s", rec.Code, &e, test.status, test.code)
			}
		})
	}
	if rec := do(s, "POST", "/register", `{`+uri+`}`, "Content-Type", "text/plain"); rec.Code != 400 {
		t.Errorf("text/plain: %d", rec.Code)
	}
}

func TestS60FullStore(t *testing.T) {
	const limit = 50
	db := memory.New(&memory.Options{Limits: store.Limits{Clients: limit}})
	s := mustServer(t, func(o *authserver.Options) { o.Store = db })
	var codes []int
	for range limit + 20 {
		rec := do(s, "POST", "/register", `{"redirect_uris":["https://c.example/cb"]}`, "Content-Type", jsonType)
		codes = append(codes, rec.Code)
		if rec.Code == http.StatusTooManyRequests && rec.Header().Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	}
	if slices.Contains(codes[:limit], 429) || slices.Contains(codes[limit:], 201) {
		t.Errorf("statuses %v, want %d times 201, then 429", codes, limit)
	}
}

// FuzzRegister looks for input that is neither registered nor refused properly.
func FuzzRegister(f *testing.F) {
	for _, seed := range []string{
		`{"redirect_uris":["https://c.example/cb"]}`, `{"redirect_uris":null}`, `{"redirect_uris":["cursor://a.b/c"],"scope":"a b","jwks":{"keys":[]}}`, `[]`, `{"a":{"a":1,"a":2}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		s := mustServer(t, nil)
		rec := do(s, "POST", "/register", string(body), "Content-Type", jsonType)
		var reply map[string]json.RawMessage
		if err := json.Unmarshal(rec.Body.Bytes(), &reply); err != nil {
			t.Fatalf("%d %q: %v", rec.Code, rec.Body, err)
		}
		if rec.Code == 201 && (reply["client_id"] == nil || reply["redirect_uris"] == nil) || rec.Code != 201 && reply["error"] == nil || rec.Code >= 500 {
			t.Errorf("%d %s", rec.Code, rec.Body)
		}
	})
}
