// SPDX-License-Identifier: Apache-2.0

package gosdk_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/gosdk"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest"
)

func TestHandler(t *testing.T) {
	srv := oauthdyntest.New(t, &oauthdyntest.Options{Handler: whoAmI(), Scopes: []string{"mcp"}})
	var logins atomic.Int32
	client, err := oauthdyn.New(oauthdyn.Config{
		Resource: srv.ResourceURL, ClientName: "gosdk test",
		OpenURL: func(ctx context.Context, page string) error { logins.Add(1); return srv.Browser().Open(ctx, page) },
	})
	if err != nil {
		t.Fatal(err)
	}
	session, err := mcp.NewClient(&mcp.Implementation{Name: "client", Version: "v0"}, nil).Connect(t.Context(),
		&mcp.StreamableClientTransport{Endpoint: srv.ResourceURL, OAuthHandler: gosdk.Handler(client), DisableStandaloneSSE: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	whoami := func() {
		t.Helper()
		result, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "whoami"})
		if err != nil {
			t.Fatal(err)
		}
		if text, ok := result.Content[0].(*mcp.TextContent); !ok || text.Text != oauthdyntest.Username {
			t.Errorf("whoami: %v", result.Content[0])
		}
	}
	whoami()
	whoami()
	if n := logins.Load(); n != 1 {
		t.Errorf("%d logins, want 1", n)
	}
	// The session goes on when the person has to sign in again.
	if err := client.Logout(t.Context()); err != nil {
		t.Fatal(err)
	}
	whoami()
	if n := logins.Load(); n != 2 {
		t.Errorf("%d logins, want 2", n)
	}
	token, err := client.TokenSource(t.Context()).Token()
	if err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprintf("%v %+v %#v", gosdk.Handler(client), gosdk.Handler(client), gosdk.Handler(client)); strings.Contains(text, token.AccessToken) {
		t.Errorf("prints as %s", text)
	}
}
