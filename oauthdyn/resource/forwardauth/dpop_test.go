// SPDX-License-Identifier: Apache-2.0

package forwardauth_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/jose/jwt"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/resource"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/resource/forwardauth"
)

// boundTo is a verifier whose tokens are all bound to a key.
type boundTo struct {
	people
	key *jwt.Key
}

func (b boundTo) Verify(ctx context.Context, token string) (*resource.Principal, error) {
	p, err := b.people.Verify(ctx, token)
	if err == nil {
		p.KeyThumbprint = b.key.Thumbprint()
	}
	return p, err
}

// The proof is for the request that the proxy describes, not for its question.
func TestDPoP(t *testing.T) {
	key, err := jwt.Generate()
	if err != nil {
		t.Fatal(err)
	}
	res, err := resource.New(resource.Options{
		Resource: first, AuthorizationServers: []string{"https://auth.example"}, Verifier: boundTo{key: key},
	})
	if err != nil {
		t.Fatal(err)
	}
	h, err := forwardauth.New(forwardauth.Options{Routes: []forwardauth.Route{{Resource: res}}, TokenHeader: "Authorization"})
	if err != nil {
		t.Fatal(err)
	}
	ask := func(authorization, method, url string) *http.Response {
		t.Helper()
		proof, err := key.DPoP(jwt.Proof{Method: method, URL: url, Token: "good"})
		if err != nil {
			t.Fatal(err)
		}
		r := question("", "POST", "mcp.example", "/mcp?x", nil)
		r.Header.Set("Authorization", authorization)
		r.Header.Set("DPoP", proof)
		return ask(h, r).Result()
	}
	if got := ask("dpop good", "POST", first); got.StatusCode != 200 || got.Header.Get("Authorization") != "DPoP good" || got.Header.Get("X-User-Name") != "alice" {
		t.Errorf("%s %v", got.Status, got.Header)
	}
	for name, got := range map[string]*http.Response{
		"bearer":         ask("Bearer good", "POST", first),
		"of the proxy":   ask("DPoP good", "GET", "http://127.0.0.1/verify"),
		"another method": ask("DPoP good", "GET", first),
	} {
		if got.StatusCode != 401 || !strings.HasPrefix(got.Header.Get("WWW-Authenticate"), "DPoP ") {
			t.Errorf("%s: %s %v", name, got.Status, got.Header)
		}
	}
}
