// SPDX-License-Identifier: Apache-2.0

package fetchserver_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver"
)

func ExampleServer() {
	website := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<title>Greeting</title><h1>Hello</h1><p>from a <b>page</b>.")
	}))
	defer website.Close()

	server, err := fetchserver.New(&fetchserver.Options{
		IgnoreRobots:   true,
		AllowAddresses: []netip.AddrPort{netip.MustParseAddrPort(website.Listener.Addr().String())}, // it is on loopback
	})
	if err != nil {
		panic(err)
	}
	defer server.Close()
	endpoint := httptest.NewServer(server.Handler())
	defer endpoint.Close()

	ctx := context.Background()
	client := mcp.NewClient(&mcp.Implementation{Name: "example", Version: "1"}, nil)
	session, err := client.Connect(ctx, &mcp.StreamableClientTransport{Endpoint: endpoint.URL}, nil)
	if err != nil {
		panic(err)
	}
	defer session.Close()
	result, err := session.CallTool(ctx, &mcp.CallToolParams{Name: "fetch", Arguments: map[string]any{"url": website.URL, "max_length": 1000}})
	if err != nil {
		panic(err)
	}
	fmt.Println(result.StructuredContent.(map[string]any)["title"])
	// Output: Greeting
}
