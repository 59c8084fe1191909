// SPDX-License-Identifier: Apache-2.0

package shclient_test

import (
	"context"
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

// Two bridges in a row, as users have them: a stdio program, shclient, HTTP,
// shproxy, a stdio server.
func TestBridgeToShproxy(t *testing.T) {
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
	h := connectHost(t, serve(t, proxy), "2025-11-25")
	if got := h.call(t, "echo", map[string]any{"message": "grüße"}); got != "grüße" {
		t.Errorf("echo: %q", got)
	}
	h.checkProgress(t)
	if got := h.call(t, "sample", map[string]any{"message": "hi"}); got != "re: hi" {
		t.Errorf("sample: %q", got)
	}
	if got := h.call(t, "elicit", map[string]any{"message": "who?"}); got != "accept Ada" {
		t.Errorf("elicit: %q", got)
	}
	h.leave(t)
}
