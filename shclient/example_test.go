// SPDX-License-Identifier: Apache-2.0

package shclient_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/shclient"
)

// Typed calls to a remote server. With Options.OAuth the client logs in when
// the server asks for it.
func ExampleClient() {
	server := httptest.NewServer(echoServer(nil))
	defer server.Close()

	c, err := shclient.New(shclient.Options{
		URL:   server.URL, // such as https://mcp.example.com/mcp
		OAuth: &oauthdyn.Config{ClientName: "Example"},
	}, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	ctx := context.Background()
	tools, err := c.ListTools(ctx)
	if err != nil {
		log.Fatal(err)
	}
	result, err := c.CallTool(ctx, tools[0].Name, map[string]any{"message": "hello"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(tools[0].Name, "says", result.Content[0].(*mcp.TextContent).Text)
	// Output: echo says hello
}

// A program on stdin and stdout uses a remote server. Messages pass as they are.
func ExampleBridge() {
	server := httptest.NewServer(echoServer(&mcp.StreamableHTTPOptions{Stateless: true}))
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

// A bridge that lets the program see and call some tools only, and spares the
// question of which kind of server this is.
func ExampleBridgeOptions() {
	server := httptest.NewServer(echoServer(&mcp.StreamableHTTPOptions{Stateless: true}))
	defer server.Close()

	b, err := shclient.NewBridge(shclient.Options{URL: server.URL}, &shclient.BridgeOptions{
		DenyTools: []string{"echo*"},
		ServerEra: shclient.EraLegacy,
	})
	if err != nil {
		log.Fatal(err)
	}
	stdin := strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo"}}` + "\n")
	if err := b.Run(context.Background(), stdin, os.Stdout); err != nil {
		log.Fatal(err)
	}
	// Output:
	// {"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"tool echo is not allowed: the bridge was started with a filter for tools"}}
}

// A server that is a command on this machine, or at the end of any transport of
// the SDK.
func ExampleNewOver() {
	ctx := context.Background()
	ours, theirs := mcp.NewInMemoryTransports() // or &mcp.CommandTransport{Command: exec.Command("my-server")}
	server := mcp.NewServer(&mcp.Implementation{Name: "example", Version: "1"}, nil)
	if _, err := server.Connect(ctx, theirs, nil); err != nil {
		log.Fatal(err)
	}

	c := shclient.NewOver(ours, nil)
	defer c.Close()
	session, err := c.Session(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(session.InitializeResult().ServerInfo.Name)
	// Output: example
}

// The address of a web page, which many a typing error leads to.
func ExampleStatusError() {
	website := httptest.NewServer(http.NotFoundHandler())
	defer website.Close()

	c, err := shclient.New(shclient.Options{URL: website.URL}, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	_, err = c.ListTools(context.Background())
	if wrong := (*shclient.StatusError)(nil); errors.As(err, &wrong) {
		fmt.Println("no MCP server: status", wrong.Status)
	}
	// Output: no MCP server: status 404
}

// Nobody has logged in, and nobody is there who could.
func ExampleAuthError() {
	protected := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("WWW-Authenticate", "Bearer")
		http.Error(w, "who are you?", http.StatusUnauthorized)
	}))
	defer protected.Close()

	httpClient, err := shclient.NewHTTPClient(shclient.Options{
		URL:   protected.URL,
		OAuth: &oauthdyn.Config{ClientName: "Example"},
	})
	if err != nil {
		log.Fatal(err)
	}
	_, err = httpClient.Get(protected.URL)
	failed := (*shclient.AuthError)(nil)
	fmt.Println(errors.As(err, &failed))
	// Output: true
}

// A program that wants the response as it is, with the headers of the options
// at this server and at no other.
func ExampleNewHTTPClient() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "tenant ", r.Header.Get("X-Tenant"))
	}))
	defer server.Close()

	httpClient, err := shclient.NewHTTPClient(shclient.Options{
		URL:    server.URL,
		Header: http.Header{"X-Tenant": {"blue"}},
	})
	if err != nil {
		log.Fatal(err)
	}
	response, err := httpClient.Get(server.URL)
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	fmt.Println(string(body), err)
	// Output: tenant blue <nil>
}

// echoServer is an MCP server with one tool.
func echoServer(o *mcp.StreamableHTTPOptions) http.Handler {
	server := mcp.NewServer(&mcp.Implementation{Name: "example", Version: "1"}, nil)
	type text struct {
		Message string `json:"message"`
	}
	mcp.AddTool(server, &mcp.Tool{Name: "echo"}, func(_ context.Context, _ *mcp.CallToolRequest, in text) (*mcp.CallToolResult, any, error) {
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: in.Message}}}, nil, nil
	})
	return mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, o)
}
