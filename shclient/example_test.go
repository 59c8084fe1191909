// SPDX-License-Identifier: Apache-2.0

package shclient_test

import (
	"context"
	"fmt"
	"log"
	"net/http/httptest"
	"os"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/atrawog/mcp-oauth-gateway/shclient"
)

func ExampleClient() {
	server := httptest.NewServer(streamable(toolServer(nil), nil))
	defer server.Close()

	c, err := shclient.New(shclient.Options{URL: server.URL}, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	result, err := c.CallTool(context.Background(), "echo", map[string]any{"message": "hello"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(result.Content[0].(*mcp.TextContent).Text)
	// Output: hello
}

func ExampleBridge() {
	server := httptest.NewServer(streamable(toolServer(nil), &mcp.StreamableHTTPOptions{Stateless: true}))
	defer server.Close()

	b, err := shclient.NewBridge(shclient.Options{URL: server.URL}, nil)
	if err != nil {
		log.Fatal(err)
	}
	// A program's stdin and stdout; here one message and the terminal.
	stdin := strings.NewReader(`{"jsonrpc":"2.0","id":"first","method":"ping"}` + "\n")
	if err := b.Run(context.Background(), stdin, os.Stdout); err != nil {
		log.Fatal(err)
	}
	// Output: {"jsonrpc":"2.0","id":"first","result":{}}
}
