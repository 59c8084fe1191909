// SPDX-License-Identifier: Apache-2.0

//go:build unix

package logins_test

import (
	"context"
	"io"
	"net/http"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"
	"golang.org/x/oauth2"

	"github.com/atrawog/mcp-oauth-gateway/examples/internal/servetest"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
)

// Nobody listens there: the person's browser ends at it.
const goCallback = "http://127.0.0.1:4711/callback"

// requireServer skips the test where it cannot run. It needs nothing but Go.
func requireServer(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("builds and starts the server; run without -short")
	}
}

// TestGoSDK is the SDK for Go, with each way to authenticate.
func TestGoSDK(t *testing.T) {
	requireServer(t)
	s := newSite(t)
	for _, method := range authMethods {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			logins := 0
			handler, err := auth.NewAuthorizationCodeHandler(&auth.AuthorizationCodeHandlerConfig{
				DynamicClientRegistrationConfig: &auth.DynamicClientRegistrationConfig{Metadata: &oauthex.ClientRegistrationMetadata{
					ClientName: "Go SDK", RedirectURIs: []string{goCallback}, TokenEndpointAuthMethod: method,
					GrantTypes: []string{"authorization_code", "refresh_token"},
				}},
				RequestRefreshToken: true,
				AuthorizationCodeFetcher: func(ctx context.Context, args *auth.AuthorizationArgs) (*auth.AuthorizationResult, error) {
					logins++
					at, err := servetest.Person().Authorize(ctx, args.URL)
					if err != nil {
						return nil, err
					}
					q := at.Query()
					return &auth.AuthorizationResult{Code: q.Get("code"), State: q.Get("state"), Iss: q.Get("iss")}, nil
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			client := mcp.NewClient(&mcp.Implementation{Name: "logins", Version: "v1.0.0"}, nil)
			session, err := client.Connect(t.Context(), &mcp.StreamableClientTransport{Endpoint: s.url, OAuthHandler: handler, DisableStandaloneSSE: true}, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer session.Close()
			result, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "whoami"})
			if err != nil {
				t.Fatal(err)
			}
			if who := toolText(t, result); who != subject || logins != 1 {
				t.Errorf("called by %q after %d logins", who, logins)
			}
		})
	}
}

// TestXOAuth2 is golang.org/x/oauth2 with PKCE, and no MCP in it.
func TestXOAuth2(t *testing.T) {
	requireServer(t)
	s := newSite(t)
	for _, method := range authMethods {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			client := servetest.Register(t, s.issuer, oauthdyn.ClientMetadata{
				ClientName: "x/oauth2", RedirectURIs: []string{goCallback}, TokenEndpointAuthMethod: method,
			})
			config := &oauth2.Config{
				ClientID: client.ClientID, ClientSecret: client.ClientSecret, RedirectURL: goCallback, Scopes: []string{"mcp:read"},
				Endpoint: oauth2.Endpoint{AuthURL: s.issuer + "/authorize", TokenURL: s.issuer + "/token"}, // it finds out how to authenticate
			}
			verifier := oauth2.GenerateVerifier()
			state := oauth2.GenerateVerifier()
			at, err := servetest.Person().Authorize(t.Context(), config.AuthCodeURL(state, oauth2.S256ChallengeOption(verifier)))
			if err != nil {
				t.Fatal(err)
			}
			if at.Query().Get("state") != state {
				t.Fatalf("another state came back: %s", at.Query().Get("state"))
			}
			token, err := config.Exchange(t.Context(), at.Query().Get("code"), oauth2.VerifierOption(verifier))
			if err != nil {
				t.Fatal(err)
			}
			wantCaller(t, config.Client(t.Context(), token), s)
			refreshed, err := config.TokenSource(t.Context(), &oauth2.Token{RefreshToken: token.RefreshToken}).Token()
			if err != nil {
				t.Fatal(err)
			}
			if refreshed.RefreshToken == token.RefreshToken || refreshed.AccessToken == token.AccessToken {
				t.Error("the tokens are the same as before")
			}
			wantCaller(t, config.Client(t.Context(), refreshed), s)
		})
	}
}

// wantCaller calls the MCP server's plain page with a client that adds the token.
func wantCaller(t *testing.T, client *http.Client, s site) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.origin()+"/whoami", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	who, err := io.ReadAll(res.Body)
	if err != nil || string(who) != subject {
		t.Errorf("%s, called by %q, %v", res.Status, who, err)
	}
}
