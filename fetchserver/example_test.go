// SPDX-License-Identifier: Apache-2.0

package fetchserver_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver"
	"github.com/atrawog/mcp-oauth-gateway/fetchserver/fetch"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/resource"
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

// Any authentication fits into Options.Middleware. This one is package resource
// of oauthdyn.
func Example_protected() {
	res, err := resource.New(resource.Options{
		Resource:             "https://fetch.example.com/mcp",
		AuthorizationServers: []string{"https://auth.example.com"},
	})
	if err != nil {
		panic(err)
	}
	server, err := fetchserver.New(&fetchserver.Options{
		AllowedHosts: []string{"fetch.example.com"},
		Middleware:   res.Middleware,
	})
	if err != nil {
		panic(err)
	}
	defer server.Close()
	mux := http.NewServeMux()
	mux.Handle("/mcp", server.Handler())
	mux.Handle(res.MetadataPath(), res.MetadataHandler())

	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("POST", "https://fetch.example.com/mcp", nil))
	fmt.Println(w.Code, w.Header().Get("WWW-Authenticate"))
	// Output:
	// 401 Bearer resource_metadata="https://fetch.example.com/.well-known/oauth-protected-resource/mcp"
}

// A program that counts what became of documents, and looks at the load.
func ExampleOutcome() {
	website := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/page" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Cache-Control", "max-age=60")
		fmt.Fprint(w, "hello")
	}))
	defer website.Close()

	counts := map[fetchserver.Result]int{}
	server, err := fetchserver.New(&fetchserver.Options{
		AllowAddresses: []netip.AddrPort{netip.MustParseAddrPort(website.Listener.Addr().String())}, // it is on loopback
		Observe: func(o fetchserver.Outcome) { // this example asks for one document after the other
			counts[o.Result]++
			if o.Cache == fetchserver.CacheHit {
				fmt.Println("from the cache:", o.Received, "bytes received")
			}
		},
	})
	if err != nil {
		panic(err)
	}
	defer server.Close()
	for _, path := range []string{"/page", "/page", "/absent"} {
		page, err := server.Fetch(context.Background(), &fetchserver.Request{URL: website.URL + path})
		if err == nil {
			fmt.Println(page.Text, page.Robots == fetchserver.RobotsAllowed)
		}
	}
	fmt.Println("ok:", counts[fetchserver.ResultOK], "status:", counts[fetchserver.ResultStatus])
	fmt.Println("at work:", server.Load().Working)
	// Output:
	// hello true
	// from the cache: 0 bytes received
	// hello true
	// ok: 2 status: 1
	// at work: 0
}

// A media type of one's own becomes text that a model can read; an archive is
// left where it is.
func ExampleConverter() {
	website := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/x-recipe")
		fmt.Fprint(w, "2 eggs|salt")
	}))
	defer website.Close()

	recipes := func(_ context.Context, r *fetch.Response) (*fetchserver.Content, error) {
		if len(r.Body) > 1<<20 {
			return &fetchserver.Content{Link: &fetchserver.Link{Name: "recipe", Size: int64(len(r.Body))}}, nil
		}
		text := "- " + strings.ReplaceAll(string(r.Body), "|", "\n- ")
		return &fetchserver.Content{Text: text, Markdown: true}, nil
	}
	server, err := fetchserver.New(&fetchserver.Options{
		IgnoreRobots:   true,
		AllowAddresses: []netip.AddrPort{netip.MustParseAddrPort(website.Listener.Addr().String())}, // it is on loopback
		Converters:     map[string]fetchserver.Converter{"application/x-recipe": recipes},
	})
	if err != nil {
		panic(err)
	}
	defer server.Close()
	page, err := server.Fetch(context.Background(), &fetchserver.Request{URL: website.URL})
	if err != nil {
		panic(err)
	}
	fmt.Println(page.Text)
	// Output:
	// - 2 eggs
	// - salt
}

// prerendered gets pages from a service that runs their scripts.
type prerendered struct{ service string }

// Render implements fetchserver.Renderer.
func (p prerendered) Render(_ context.Context, r *fetch.Request) (*fetch.Response, error) {
	at, err := url.Parse(r.URL)
	if err != nil {
		return nil, err
	}
	body := "<title>App</title><p>The text that scripts have written." // of p.service
	return &fetch.Response{
		URL: at, Status: 200, Header: http.Header{"Content-Type": {"text/html"}}, Body: []byte(body),
	}, nil
}

// Package render has a Renderer that uses a Chromium; this one is somebody
// else's.
func ExampleRenderer() {
	website := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, `<title>App</title><div id="root"></div><script src="app.js"></script>`)
	}))
	defer website.Close()

	var renderer fetchserver.Renderer = prerendered{service: "https://render.example.com"}
	server, err := fetchserver.New(&fetchserver.Options{
		IgnoreRobots:   true,
		AllowAddresses: []netip.AddrPort{netip.MustParseAddrPort(website.Listener.Addr().String())}, // it is on loopback
		Renderer:       renderer,
	})
	if err != nil {
		panic(err)
	}
	defer server.Close()
	page, err := server.Fetch(context.Background(), &fetchserver.Request{URL: website.URL})
	if err != nil {
		panic(err)
	}
	fmt.Println(page.Text)
	// Output: The text that scripts have written.
}
