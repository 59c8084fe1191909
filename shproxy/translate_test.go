// SPDX-License-Identifier: Apache-2.0

package shproxy

import (
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/testserver"
)

// A server that speaks the older versions alone serves clients of MCP
// 2026-07-28, by the process that was asked what it speaks; and clients of its
// own era as before.
func TestModernClientLegacyServer(t *testing.T) {
	t.Parallel()
	proxy, url := newTestProxy(t, testserver.Good, nil)
	c := modernClient(t, url)
	for range 3 {
		c.want(c.modern(t.Context(), modernFrame("1", "server/discover", "", "")), 200, discoveredGood)
	}
	if n := proxy.Status().Started; n != 1 {
		t.Errorf("%d processes", n)
	}
	legacy := connect(t, url)
	legacy.want(legacy.tool("1", "echo", map[string]any{"text": "x"}), 200, textResult("1", "x"))
}

const discoveredGood = `{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{"listChanged":true},"logging":{}},"ttlMs":0,"cacheScope":"private","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"testserver","version":"1"}}}}`

// A server that refuses initialize says to modern clients what it says to
// others.
func TestModernClientRefusingServer(t *testing.T) {
	t.Parallel()
	_, url := newTestProxy(t, testserver.Refusing, nil)
	c := modernClient(t, url)
	c.wantError(c.modern(t.Context(), modernFrame("1", "server/discover", "", "")), 200, "1", -32602, "go away")
}

// The SDK's client uses a server of the older versions in the newest.
func TestSDKModernClientLegacyServer(t *testing.T) {
	t.Parallel()
	_, url := newTestProxy(t, testserver.Good, nil)
	client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil)
	session, err := client.Connect(t.Context(), &mcp.StreamableClientTransport{Endpoint: url}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	if got := session.InitializeResult().ProtocolVersion; got != "2026-07-28" {
		t.Errorf("version %q", got)
	}
	if got := callText(t, session, &mcp.CallToolParams{Name: "echo", Arguments: sdkArgs{"x"}}); got != "x" {
		t.Errorf("got %q", got)
	}
}
