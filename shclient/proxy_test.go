// SPDX-License-Identifier: Apache-2.0

package shclient_test

import (
	"context"
	"net/http"
	"os"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/atrawog/mcp-oauth-gateway/shproxy"
)

// childEnv makes the test binary the stdio server that shproxy wraps.
const childEnv = "SHCLIENT_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		_ = toolServer(make(chan struct{})).Run(context.Background(), &mcp.StdioTransport{}) // ends with stdin
		return
	}
	os.Exit(m.Run())
}

// newProxy is shproxy around the test server.
func newProxy(t *testing.T) *shproxy.Proxy {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	proxy, err := shproxy.New(shproxy.Server{Command: self, Env: append(os.Environ(), childEnv+"=1")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := proxy.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
	return proxy
}

// Two bridges in a row, as users have them: a stdio program, shclient, HTTP,
// shproxy, a stdio server.
func TestBridgeToShproxy(t *testing.T) {
	h := connectHost(t, serve(t, newProxy(t)), "2025-11-25")
	checkEverything(t, h, nil)
}

// The same over HTTP+SSE.
func TestBridgeToShproxyOverHTTPSSE(t *testing.T) {
	stream, message := newProxy(t).LegacySSE("/messages")
	mux := http.NewServeMux()
	mux.Handle("/mcp", stream)
	mux.Handle("/messages", message)
	for _, version := range []string{"2024-11-05", "2025-11-25"} {
		t.Run(version, func(t *testing.T) { checkEverything(t, connectHost(t, serve(t, mux), version), nil) })
	}
}
