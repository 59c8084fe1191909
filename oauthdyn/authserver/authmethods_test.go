// SPDX-License-Identifier: Apache-2.0

package authserver_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store/memory"
)

// TestClientAuthMethods turns public clients away: where they register, where
// they ask for tokens, and in what the server tells of itself.
func TestClientAuthMethods(t *testing.T) {
	const metadata = "https://auth.example/.well-known/oauth-authorization-server"
	db := memory.New(nil)
	register := func(s http.Handler, method string) (oauthdyn.ClientInformation, string) {
		t.Helper()
		body := `{"redirect_uris":["https://app.example/cb"]`
		if method != "" {
			body += `,"token_endpoint_auth_method":"` + method + `"`
		}
		res := do(s, http.MethodPost, "https://auth.example/register", body+"}", "Content-Type", "application/json")
		var info oauthdyn.ClientInformation
		if res.Code == http.StatusCreated {
			if err := json.Unmarshal(res.Body.Bytes(), &info); err != nil {
				t.Fatal(err)
			}
		}
		return info, res.Body.String()
	}
	open := mustServer(t, func(o *authserver.Options) { o.Store = db })
	before, body := register(open, oauthdyn.AuthMethodNone)
	if before.ClientID == "" {
		t.Fatal(body)
	}

	s := mustServer(t, func(o *authserver.Options) {
		o.Store, o.ClientAuthMethods = db, []string{oauthdyn.AuthMethodClientSecretPost}
	})
	var md oauthdyn.ServerMetadata
	if err := json.Unmarshal(get(s, metadata).Body.Bytes(), &md); err != nil {
		t.Fatal(err)
	}
	if want := []string{"client_secret_post"}; !slices.Equal(md.TokenEndpointAuthMethodsSupported, want) ||
		!slices.Equal(md.RevocationEndpointAuthMethodsSupported, want) {
		t.Errorf("the metadata lists %q and %q, want %q", md.TokenEndpointAuthMethodsSupported, md.RevocationEndpointAuthMethodsSupported, want)
	}
	if md.ClientIDMetadataDocumentSupported {
		t.Error("documents are announced, whose clients could not authenticate")
	}
	for _, method := range []string{oauthdyn.AuthMethodNone, oauthdyn.AuthMethodClientSecretBasic} {
		if info, body := register(s, method); info.ClientID != "" || !strings.Contains(body, "must be one of client_secret_post") {
			t.Errorf("%s: %s", method, body)
		}
	}
	if info, body := register(s, ""); info.TokenEndpointAuthMethod != oauthdyn.AuthMethodClientSecretPost || info.ClientSecret == "" {
		t.Errorf("no method: %s", body)
	}
	res := do(s, http.MethodPost, "https://auth.example/token", "grant_type=authorization_code&code=x&client_id="+before.ClientID,
		"Content-Type", "application/x-www-form-urlencoded")
	if res.Code != http.StatusUnauthorized || !strings.Contains(res.Body.String(), "by one of client_secret_post") {
		t.Errorf("a public client of earlier: %d %s", res.Code, res.Body)
	}

	if _, err := newServer(t, func(o *authserver.Options) { o.ClientAuthMethods = []string{"password"} }); err == nil ||
		!strings.Contains(err.Error(), `"password"; there are none, `) {
		t.Errorf("unknown method: %v", err)
	}
}
