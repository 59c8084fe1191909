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

// A Go program reads a page as the tools do, under the same rules.
func ExampleServer_Fetch() {
	website := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<title>Greeting</title><p>from a <b>page</b>.")
	}))
	defer website.Close()

	server, err := fetchserver.New(&fetchserver.Options{
		AllowAddresses: []netip.AddrPort{netip.MustParseAddrPort(website.Listener.Addr().String())}, // it is on loopback
	})
	if err != nil {
		panic(err)
	}
	defer server.Close()

	// The site answers every request with the page: its robots.txt has no rules.
	page, err := server.Fetch(context.Background(), &fetchserver.Request{URL: website.URL})
	if err != nil {
		panic(err)
	}
	fmt.Println(page.Text)

	_, err = server.Fetch(context.Background(), &fetchserver.Request{URL: "http://169.254.169.254/latest/meta-data/"})
	fmt.Println(fetchserver.Explain(err))
	// Output:
	// from a **page**.
	// Failed to fetch: the host leads to 169.254.169.254, which is not an address of the public Internet. This server fetches public web pages only. Do not retry; use a public URL, or ask the operator to allow this address.
}
