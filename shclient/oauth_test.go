// SPDX-License-Identifier: Apache-2.0

package shclient_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest"
	"github.com/atrawog/mcp-oauth-gateway/shclient"
)

// protected is a real MCP server behind a real authorization server, with a
// person at a browser and a record of what was logged and which tokens flowed.
type protected struct {
	*oauthdyntest.Server
	log    syncBuffer
	logins atomic.Int32
	mu     sync.Mutex
	tokens map[string]bool // mu guards it
}

func newProtected(t *testing.T, handler http.Handler) *protected {
	t.Helper()
	p := &protected{tokens: map[string]bool{}}
	p.Server = oauthdyntest.New(t, &oauthdyntest.Options{Handler: handler})
	t.Cleanup(p.Protected.CloseClientConnections)
	return p
}

// options log in with the browser, and keep what comes of it in store.
func (p *protected) options(store oauthdyn.CredentialStore) shclient.Options {
	browser := p.Browser()
	record := roundTrip(func(r *http.Request) (*http.Response, error) {
		if _, token, ok := strings.Cut(r.Header.Get("Authorization"), "Bearer "); ok {
			p.mu.Lock()
			p.tokens[token] = true
			p.mu.Unlock()
		}
		return http.DefaultTransport.RoundTrip(r)
	})
	return shclient.Options{
		URL:        p.ResourceURL,
		HTTPClient: &http.Client{Transport: record},
		Logger:     slog.New(slog.NewTextHandler(&p.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		OAuth: &oauthdyn.Config{ClientName: "test", Store: store, OpenURL: func(ctx context.Context, url string) error {
			p.logins.Add(1)
			return browser.Open(ctx, url)
		}},
	}
}

// check looks for tokens in the log.
func (p *protected) check(t *testing.T) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.tokens) == 0 {
		t.Error("no token was sent")
	}
	for token := range p.tokens {
		if strings.Contains(p.log.String(), token) {
			t.Error("a token is in the log")
		}
	}
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func TestClientLogsIn(t *testing.T) {
	p := newProtected(t, streamable(toolServer(nil), &mcp.StreamableHTTPOptions{Stateless: true}))
	store := oauthdyn.NewMemoryStore()
	for range 2 { // the second client finds the login of the first
		c := newClient(t, p.options(store))
		result, err := c.CallTool(t.Context(), "echo", map[string]any{"message": "hi"})
		if err != nil {
			t.Fatal(err)
		}
		if got := result.Content[0].(*mcp.TextContent).Text; got != "hi" {
			t.Errorf("echo: %q", got)
		}
	}
	if n := p.logins.Load(); n != 1 {
		t.Errorf("%d logins, want 1", n)
	}
	p.check(t)
}

func TestBridgeLogsIn(t *testing.T) {
	server := toolServer(nil)
	for name, handler := range map[string]http.Handler{
		"Streamable HTTP": streamable(server, nil),
		"HTTP+SSE":        mcp.NewSSEHandler(func(*http.Request) *mcp.Server { return server }, nil),
	} {
		t.Run(name, func(t *testing.T) {
			p := newProtected(t, handler)
			program := startBridge(t, p.options(nil), nil)
			// What follows the first message waits for the login.
			program.send(initializeLine, initializedLine, `{"jsonrpc":"2.0","id":2,"method":"ping"}`)
			if got := program.next(); !strings.Contains(got, `"protocolVersion":"2025-06-18"`) {
				t.Errorf("got %s", got)
			}
			program.want(`{"jsonrpc":"2.0","id":2,"result":{}}`)
			if err := program.wait(); err != nil {
				t.Error(err)
			}
			if n := p.logins.Load(); n != 1 {
				t.Errorf("%d logins, want 1", n)
			}
			p.check(t)
		})
	}
}

func TestLoginFails(t *testing.T) {
	p := newProtected(t, streamable(toolServer(nil), nil))
	browser := p.Browser()
	browser.Deny = true
	o := p.options(nil)
	var opened atomic.Int32
	o.OAuth.OpenURL = func(ctx context.Context, url string) error {
		opened.Add(1)
		return browser.Open(ctx, url)
	}
	_, err := newClient(t, o).ListTools(t.Context())
	auth, ok := errors.AsType[*shclient.AuthError](err)
	if !ok || !errors.Is(auth, &oauthdyn.Error{Code: oauthdyn.CodeAccessDenied}) {
		t.Errorf("err = %v", err)
	}
	if n := opened.Load(); n != 1 {
		t.Errorf("the browser was opened %d times for one login that was denied, want once", n)
	}
	program := startBridge(t, o, nil)
	program.send(callLine)
	if got := program.wantError("1", -32000); !strings.Contains(got, "access_denied") {
		t.Errorf("message %q", got)
	}
}

func TestWrongToken(t *testing.T) {
	p := newProtected(t, streamable(toolServer(nil), nil))
	c := newClient(t, shclient.Options{URL: p.ResourceURL, Header: http.Header{"Authorization": {"Bearer wrong"}}})
	_, err := c.ListTools(t.Context())
	if status, ok := errors.AsType[*shclient.StatusError](err); !ok || status.Status != http.StatusUnauthorized {
		t.Errorf("err = %v", err)
	}
	o := p.options(nil)
	o.Header = http.Header{"Authorization": {"Bearer wrong"}}
	if _, err := shclient.New(o, nil); err == nil {
		t.Error("a token and a login go together")
	}
}

// Requests that wait for the same login share its failure, and only a later one
// makes the person see another.
func TestLoginFailsOnce(t *testing.T) {
	p := newProtected(t, streamable(toolServer(nil), nil))
	browser := p.Browser()
	browser.Deny = true
	o := p.options(nil)
	opened, deny := make(chan struct{}, 10), make(chan struct{})
	o.OAuth.OpenURL = func(ctx context.Context, url string) error {
		opened <- struct{}{}
		<-deny
		return browser.Open(ctx, url)
	}
	program := startBridge(t, o, nil)
	program.send(modern("1", "tools/list", ""), modernFrom(profile(1), "2", "tools/list", ""), "no message")
	program.wantError("null", -32700) // both have set out
	close(deny)
	for range 2 {
		if line := program.next(); !strings.Contains(line, "access_denied") {
			t.Errorf("got %s", line)
		}
	}
	if n := len(opened); n != 1 {
		t.Errorf("%d logins, want 1", n)
	}
	browser.Deny = false
	program.send(modern("3", "tools/list", ""))
	program.wantResult("3")
	if n := len(opened); n != 2 {
		t.Errorf("%d logins, want 2", n)
	}
	if err := program.wait(); err != nil {
		t.Error(err)
	}
}
