// SPDX-License-Identifier: Apache-2.0

//go:build unix

package logins_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/atrawog/mcp-oauth-gateway/examples/internal/servetest"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/resource"
)

// The person as tokens name it.
const subject = "local:" + servetest.Username

// The resource server that may ask about tokens (RFC 7662).
const (
	askerID     = "mcp-server"
	askerSecret = "the secret of the MCP server"
)

// A site is an MCP server with a tool that tells who calls it, and the
// authorization server before it.
type site struct {
	url    string // of the MCP server
	issuer string
}

// newSite starts both until the test ends.
func newSite(t *testing.T, flags ...string) site {
	t.Helper()
	program, err := buildOauthdyn()
	if err != nil {
		t.Fatal(err)
	}
	var handler http.Handler // set before anybody knows the address
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	s := site{url: "http://" + server.Listener.Addr().String() + "/mcp"}
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte(askerSecret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.issuer = servetest.Start(t, program, append([]string{
		"--resource", s.url + "=mcp:read,mcp:write", "--resource-server", "id=" + askerID + " secret-file=" + secret,
	}, flags...)...)
	handler = protect(t, s)
	server.Start()
	t.Cleanup(server.Close)
	return s
}

func protect(t *testing.T, s site) http.Handler {
	t.Helper()
	res, err := resource.New(resource.Options{
		Resource: s.url, AuthorizationServers: []string{s.issuer}, RequiredScopes: []string{"mcp:read"}, Scopes: []string{"mcp:read", "mcp:write"},
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/mcp", res.Middleware(whoAmI()))
	mux.Handle("/whoami", res.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, caller(r.Context())) })))
	mux.Handle(res.MetadataPath(), res.MetadataHandler())
	return mux
}

func whoAmI() http.Handler {
	type none struct{}
	server := mcp.NewServer(&mcp.Implementation{Name: "logins", Version: "v1.0.0"}, nil)
	mcp.AddTool(server, &mcp.Tool{Name: "whoami", Description: "Tells who calls it"}, func(ctx context.Context, _ *mcp.CallToolRequest, _ none) (*mcp.CallToolResult, none, error) {
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: caller(ctx)}}}, none{}, nil
	})
	return mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, &mcp.StreamableHTTPOptions{Stateless: true})
}

func caller(ctx context.Context) string {
	p, ok := resource.FromContext(ctx)
	if !ok {
		return "nobody"
	}
	return p.Subject
}

// origin is that of the MCP server.
func (s site) origin() string { return strings.TrimSuffix(s.url, "/mcp") }
