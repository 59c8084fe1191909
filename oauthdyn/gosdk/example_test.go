// SPDX-License-Identifier: Apache-2.0

package gosdk_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/gosdk"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/resource"
)

// A client of the SDK that signs in at the first 401. The server of this
// example is open to everybody, so that nobody has to.
func ExampleHandler() {
	ts := httptest.NewServer(whoAmI())
	defer ts.Close()

	client, err := oauthdyn.New(oauthdyn.Config{Resource: ts.URL, ClientName: "Example"})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	session, err := mcp.NewClient(&mcp.Implementation{Name: "example", Version: "v1.0.0"}, nil).Connect(ctx,
		&mcp.StreamableClientTransport{Endpoint: ts.URL, OAuthHandler: gosdk.Handler(client)}, nil)
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
	// nobody
}

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
