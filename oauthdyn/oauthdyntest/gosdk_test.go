// SPDX-License-Identifier: Apache-2.0

package oauthdyntest_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/resource"
)

// whoAmI is an MCP server with a tool that tells who calls it.
func whoAmI() http.Handler {
	type none struct{}
	server := mcp.NewServer(&mcp.Implementation{Name: "test", Version: "v0"}, nil)
	mcp.AddTool(server, &mcp.Tool{Name: "whoami"}, func(ctx context.Context, _ *mcp.CallToolRequest, _ none) (*mcp.CallToolResult, none, error) {
		text := "nobody"
		if p, ok := resource.FromContext(ctx); ok {
			text = p.Username
		}
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: text}}}, none{}, nil
	})
	return mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, &mcp.StreamableHTTPOptions{Stateless: true})
}

// TestGoSDK lets a client that we did not write find the authorization server,
// register, sign in and call a tool.
func TestGoSDK(t *testing.T) {
	for _, method := range []string{"none", "client_secret_post", "client_secret_basic"} {
		t.Run(method, func(t *testing.T) {
			srv := oauthdyntest.New(t, &oauthdyntest.Options{Handler: whoAmI(), Scopes: []string{"mcp"}})
			signIns := 0
			handler, err := auth.NewAuthorizationCodeHandler(&auth.AuthorizationCodeHandlerConfig{
				DynamicClientRegistrationConfig: &auth.DynamicClientRegistrationConfig{Metadata: &oauthex.ClientRegistrationMetadata{
					ClientName:              "go-sdk",
					RedirectURIs:            []string{"http://127.0.0.1:4711/callback"},
					GrantTypes:              []string{"authorization_code", "refresh_token"},
					TokenEndpointAuthMethod: method,
				}},
				RequestRefreshToken: true,
				AuthorizationCodeFetcher: func(ctx context.Context, args *auth.AuthorizationArgs) (*auth.AuthorizationResult, error) {
					signIns++
					at, err := srv.Browser().Authorize(ctx, args.URL)
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
			client := mcp.NewClient(&mcp.Implementation{Name: "client", Version: "v0"}, nil)
			session, err := client.Connect(t.Context(), &mcp.StreamableClientTransport{Endpoint: srv.ResourceURL, OAuthHandler: handler, DisableStandaloneSSE: true}, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer session.Close()
			result, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "whoami"})
			if err != nil {
				t.Fatal(err)
			}
			if text, ok := result.Content[0].(*mcp.TextContent); !ok || text.Text != "alice" {
				t.Errorf("whoami: %v", result.Content[0])
			}
			if signIns != 1 {
				t.Errorf("signed in %d times", signIns)
			}
			source, err := handler.TokenSource(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			token, err := source.Token()
			if err != nil {
				t.Fatal(err)
			}
			scope, _ := token.Extra("scope").(string)
			scopes := slices.Sorted(strings.FieldsSeq(scope)) // the SDK sends them in any order
			if token.RefreshToken == "" || !slices.Equal(scopes, []string{"mcp", "offline_access"}) {
				t.Errorf("refresh token %v, scopes %q", token.RefreshToken != "", scopes)
			}
		})
	}
}
