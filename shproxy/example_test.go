// SPDX-License-Identifier: Apache-2.0

package shproxy_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/atrawog/mcp-oauth-gateway/shproxy"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/testserver"
)

func Example() {
	ctx := context.Background()
	proxy, err := shproxy.New(stdioServer(), &shproxy.Options{MaxSessions: 10})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer proxy.Shutdown(ctx)
	if err := proxy.Probe(ctx); err != nil { // is it an MCP server at all?
		fmt.Println(err)
		return
	}

	mux := http.NewServeMux()
	mux.Handle("/mcp", proxy)
	mux.Handle("/healthz", proxy.Health())
	server := httptest.NewServer(mux)
	defer server.Close()

	client := mcp.NewClient(&mcp.Implementation{Name: "example", Version: "1"}, nil)
	session, err := client.Connect(ctx, &mcp.StreamableClientTransport{Endpoint: server.URL + "/mcp"}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer session.Close()
	result, err := session.CallTool(ctx, &mcp.CallToolParams{Name: "echo", Arguments: map[string]any{"text": "hello"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(result.Content[0].(*mcp.TextContent).Text)
	// Output: hello
}

// stdioServer stands for something like
//
//	shproxy.Server{Command: "npx", Args: []string{"-y", "@modelcontextprotocol/server-everything"}}
//
// It is this test binary, which is an MCP server when the variable is set.
func stdioServer() shproxy.Server {
	exe, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return shproxy.Server{Command: exe, Env: append(os.Environ(), testserver.Env+"="+testserver.Good)}
}
