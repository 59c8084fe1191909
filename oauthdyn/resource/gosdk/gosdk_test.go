// SPDX-License-Identifier: Apache-2.0

package gosdk_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/resource"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/resource/gosdk"
)

const id = "https://mcp.example/mcp"

// people is a verifier for which the token is the name of the person.
type people struct{}

func (people) Verify(_ context.Context, token string) (*resource.Principal, error) {
	switch token {
	case "alice", "bob":
		return &resource.Principal{
			Issuer: "https://auth.example", Subject: token, Audience: []string{id}, Scopes: []string{"mcp"},
			Expires: time.Now().Add(time.Minute),
		}, nil
	case "bound":
		return &resource.Principal{Subject: token, Audience: []string{id}, KeyThumbprint: "thumbprint"}, nil
	case "down":
		return nil, errors.New("the password of the database is hunter2")
	}
	return nil, fmt.Errorf("%w: not on the list", resource.ErrInvalidToken)
}

func newResource(t *testing.T) *resource.Resource {
	t.Helper()
	res, err := resource.New(resource.Options{
		Resource: id, AuthorizationServers: []string{"https://auth.example"}, Verifier: people{}, RequiredScopes: []string{"mcp"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// handler is a server of the SDK with sessions and a tool that tells who calls.
func handler() http.Handler {
	type none struct{}
	server := mcp.NewServer(&mcp.Implementation{Name: "test", Version: "v0"}, nil)
	mcp.AddTool(server, &mcp.Tool{Name: "whoami"}, func(_ context.Context, req *mcp.CallToolRequest, _ none) (*mcp.CallToolResult, none, error) {
		text := "nobody"
		if p, ok := gosdk.Principal(req.GetExtra().TokenInfo); ok {
			text = p.Subject
		}
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: text}}}, none{}, nil
	})
	return mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, nil)
}

// TestR9SessionsBelongToAPerson lets bob try the session id of alice, with the
// SDK's middleware and with ours.
func TestR9SessionsBelongToAPerson(t *testing.T) {
	res := newResource(t)
	for name, protected := range map[string]http.Handler{
		"SDK":  auth.RequireBearerToken(gosdk.TokenVerifier(res), nil)(handler()),
		"ours": gosdk.Middleware(res, handler()),
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(protected)
			defer server.Close()
			client := mcp.NewClient(&mcp.Implementation{Name: "client", Version: "v0"}, nil)
			session, err := client.Connect(t.Context(), &mcp.StreamableClientTransport{
				Endpoint: server.URL, HTTPClient: &http.Client{Transport: as("alice")}, DisableStandaloneSSE: true,
			}, &mcp.ClientSessionOptions{ProtocolVersion: "2025-11-25"})
			if err != nil {
				t.Fatal(err)
			}
			defer session.Close()
			result, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "whoami"})
			if err != nil {
				t.Fatal(err)
			}
			if text, ok := result.Content[0].(*mcp.TextContent); !ok || text.Text != "alice" {
				t.Errorf("whoami: %v", result.Content[0])
			}
			if session.ID() == "" {
				t.Fatal("no session id: nothing to steal")
			}
			for token, want := range map[as]int{"alice": http.StatusOK, "bob": http.StatusForbidden, "eve": http.StatusUnauthorized} {
				req, err := http.NewRequestWithContext(t.Context(), "POST", server.URL,
					strings.NewReader(`{"jsonrpc":"2.0","id":9,"method":"tools/list"}`))
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("Content-Type", "application/json")
				req.Header.Set("Accept", "application/json, text/event-stream")
				req.Header.Set("Mcp-Session-Id", session.ID())
				req.Header.Set("Mcp-Protocol-Version", "2025-11-25")
				reply, err := (&http.Client{Transport: token}).Do(req)
				if err != nil {
					t.Fatal(err)
				}
				reply.Body.Close()
				if reply.StatusCode != want {
					t.Errorf("%s with the session of alice: %s, want %d", token, reply.Status, want)
				}
			}
		})
	}
}

func TestErrorsDoNotReachClients(t *testing.T) {
	verify := gosdk.TokenVerifier(newResource(t))
	_, err := verify(t.Context(), "eve", nil)
	if !errors.Is(err, auth.ErrInvalidToken) {
		t.Errorf("unknown token: %v", err)
	}
	_, err = verify(t.Context(), "down", nil)
	if err == nil || errors.Is(err, auth.ErrInvalidToken) || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("token that cannot be checked: %v", err)
	}
	if _, ok := gosdk.Principal(nil); ok {
		t.Error("somebody calls without a token")
	}
}

// The SDK cannot ask for a proof, so that it must not get a token that needs
// one.
func TestBoundTokensAreRefused(t *testing.T) {
	for name, v := range map[string]resource.Verifier{"resource": newResource(t), "verifier": people{}} {
		if info, err := gosdk.TokenVerifier(v)(t.Context(), "bound", nil); !errors.Is(err, auth.ErrInvalidToken) {
			t.Errorf("%s: %+v, %v", name, info, err)
		}
		if _, err := gosdk.TokenVerifier(v)(t.Context(), "alice", nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
