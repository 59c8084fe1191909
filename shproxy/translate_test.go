// SPDX-License-Identifier: Apache-2.0

package shproxy

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/testserver"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
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

// A server that speaks 2026-07-28 alone serves clients of the older versions:
// what it needs is asked on the stream of the call that needs it.
func TestLegacyClientModernServer(t *testing.T) {
	t.Parallel()
	proxy, url := newTestProxy(t, testserver.Modern, nil)
	for i := range 2 {
		c := connect(t, url)
		c.want(c.tool("1", "echo", map[string]any{"text": "x"}), 200, textResult("1", "x"))
		c.want(c.post(`{"jsonrpc":"2.0","id":2,"method":"ping"}`), 200, `{"jsonrpc":"2.0","id":2,"result":{}}`)
		if resp := c.do(c.request(t.Context(), http.MethodDelete, "")); resp.StatusCode != 204 {
			t.Errorf("DELETE: %s", resp.Status)
		}
		if n := proxy.Status().Started; n != int64(i+1) {
			t.Errorf("%d processes for %d sessions", n, i+1)
		}
	}
	if err := proxy.Probe(t.Context()); err != nil {
		t.Errorf("Probe: %v", err)
	}
}

func TestLegacyClientIsAsked(t *testing.T) {
	t.Parallel()
	_, url := newTestProxy(t, testserver.Modern, nil)
	c := &client{t: t, url: url, header: http.Header{}}
	resp := c.post(strings.Replace(initializeFrame, `"capabilities":{}`, `"capabilities":{"elicitation":{}}`, 1))
	c.session = resp.Header.Get("Mcp-Session-Id")
	c.body(resp)
	c.post(`{"jsonrpc":"2.0","method":"notifications/initialized"}`)
	listening := c.listen(t.Context())
	for i := range 3 {
		id := fmt.Sprint(i)
		events := c.events(c.tool(id, "input", map[string]any{"text": "who?"}))
		ask := events.message()
		m, err := jsonrpc.Scan([]byte(ask))
		if err != nil || m.Kind != jsonrpc.Request || !strings.Contains(ask, `"params":{"message":"who?","n":1.0}`) {
			t.Fatalf("asked %s", ask)
		}
		c.post(fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":{"action":"accept","content":{"n":%d.0}}}`, m.ID.Of([]byte(ask)), i))
		if got, want := events.message(), textResult(id, fmt.Sprintf(`state {"q":{"action":"accept","content":{"n":%d.0}}}`, i)); got != want {
			t.Errorf("got %s\nwant %s", got, want)
		}
	}
	c.want(c.tool("9", "change", nil), 200, textResult("9", "1"))
	if got := listening.message(); got != `{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{}}` {
		t.Errorf("heard %s", got)
	}
}

// What is said of the eras is not asked, and whom the proxy does not serve it
// tells what it does.
func TestErasAreChosen(t *testing.T) {
	t.Parallel()
	server := testServer(testserver.Good)
	server.Era = EraLegacy
	_, url := serveProxy(t, server, &Options{Clients: EraModern})
	c := modernClient(t, url)
	c.want(c.modern(t.Context(), modernFrame("1", "server/discover", "", "")), 200, discoveredGood)
	c.wantError(c.post(initializeFrame), 400, `"init"`, -32022, `supported are 2026-07-28`)
	if resp := c.do(c.request(t.Context(), http.MethodGet, "")); resp.StatusCode != 405 {
		t.Errorf("GET: %s", resp.Status)
	}

	proxy, err := New(server, &Options{Clients: EraModern})
	if err != nil {
		t.Fatal(err)
	}
	defer proxy.Shutdown(t.Context())
	stream, _ := proxy.LegacySSE("/messages")
	refused := httptest.NewRecorder()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost/sse", nil)
	request.Header.Set("Accept", "text/event-stream")
	stream.ServeHTTP(refused, request)
	if text := refused.Body.String(); refused.Code != 400 || !strings.Contains(text, "supported are 2026-07-28") {
		t.Errorf("HTTP+SSE: %d %s", refused.Code, text)
	}

	server = testServer(testserver.Modern)
	server.Era = EraModern
	_, url = serveProxy(t, server, &Options{Clients: EraLegacy})
	legacy := connect(t, url)
	legacy.want(legacy.tool("1", "echo", map[string]any{"text": "x"}), 200, textResult("1", "x"))
	c = modernClient(t, url)
	c.wantError(c.modern(t.Context(), modernFrame("1", "server/discover", "", "")), 400, "1", -32022, `supported are 2025-11-25, 2025-06-18, 2025-03-26, 2024-11-05`)

	for _, wrong := range []struct {
		Server
		Options
	}{{Server{Command: "true", Era: 3}, Options{}}, {Server{Command: "true"}, Options{Clients: 3}}} {
		if _, err := New(wrong.Server, &wrong.Options); err == nil {
			t.Errorf("New takes %+v", wrong)
		}
	}
}
