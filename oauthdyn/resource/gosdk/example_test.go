// SPDX-License-Identifier: Apache-2.0

package gosdk_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/resource"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/resource/gosdk"
)

// A server of the SDK with a tool that tells who calls it.
func ExampleMiddleware() {
	type none struct{}
	server := mcp.NewServer(&mcp.Implementation{Name: "example", Version: "v1.0.0"}, nil)
	mcp.AddTool(server, &mcp.Tool{Name: "whoami"}, func(_ context.Context, req *mcp.CallToolRequest, _ none) (*mcp.CallToolResult, none, error) {
		p, _ := gosdk.Principal(req.GetExtra().TokenInfo)
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: p.Subject}}}, none{}, nil
	})
	res, err := resource.New(resource.Options{
		Resource:             "https://mcp.example/mcp",
		AuthorizationServers: []string{"https://auth.example"},
		Verifier:             names{}, // leave it out to accept JWTs of https://auth.example
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	handler := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, nil)
	ts := httptest.NewServer(gosdk.Middleware(res, handler))
	defer ts.Close()

	ctx := context.Background()
	client := mcp.NewClient(&mcp.Implementation{Name: "client", Version: "v1.0.0"}, nil)
	session, err := client.Connect(ctx, &mcp.StreamableClientTransport{
		Endpoint: ts.URL, HTTPClient: &http.Client{Transport: as("alice")}, DisableStandaloneSSE: true,
	}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer session.Close()
	result, err := session.CallTool(ctx, &mcp.CallToolParams{Name: "whoami"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(result.Content[0].(*mcp.TextContent).Text)
	// Output:
	// alice
}

// A server that keeps the SDK's own middleware.
func ExampleTokenVerifier() {
	protected := auth.RequireBearerToken(gosdk.TokenVerifier(names{}), &auth.RequireBearerTokenOptions{
		ResourceMetadataURL: "https://mcp.example/.well-known/oauth-protected-resource/mcp",
	})(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, _ := gosdk.Principal(auth.TokenInfoFromContext(r.Context()))
		fmt.Fprintln(w, "hello", p.Subject)
	}))
	ts := httptest.NewServer(protected)
	defer ts.Close()

	for _, token := range []as{"alice", "mallory"} {
		answer, err := (&http.Client{Transport: token}).Get(ts.URL)
		if err != nil {
			fmt.Println(err)
			return
		}
		defer answer.Body.Close()
		fmt.Println(token, answer.StatusCode)
	}
	// Output:
	// alice 200
	// mallory 401
}

// names is a verifier for which the token is the name of the person.
type names struct{}

// Verify implements resource.Verifier.
func (names) Verify(_ context.Context, token string) (*resource.Principal, error) {
	if token != "alice" {
		return nil, resource.ErrInvalidToken
	}
	return &resource.Principal{
		Issuer: "https://auth.example", Subject: token, Audience: []string{"https://mcp.example/mcp"},
		Expires: time.Now().Add(time.Minute),
	}, nil
}

// as makes requests with a token.
type as string

func (token as) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Set("Authorization", "Bearer "+string(token))
	return http.DefaultTransport.RoundTrip(req)
}
