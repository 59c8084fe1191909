// SPDX-License-Identifier: Apache-2.0

package shproxy

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/testserver"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/sse"
)

// newLegacySSE serves the two endpoints of the old transport beside the new.
func newLegacySSE(t *testing.T, mode string, o *Options) (*Proxy, string) {
	t.Helper()
	proxy, _ := newTestProxy(t, mode, o)
	stream, message := proxy.LegacySSE("/messages")
	mux := http.NewServeMux()
	mux.Handle("/mcp", proxy)
	mux.Handle("/sse", stream)
	mux.Handle("/messages", message)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return proxy, server.URL
}

// legacyClient speaks the transport of 2024-11-05.
type legacyClient struct {
	*client // posts to the address that it was told
	*events
	leave func()
}

func openLegacy(t *testing.T, base string, h http.Header) *legacyClient {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	c := &client{t: t, url: base + "/sse", header: h}
	e := c.events(c.do(c.request(ctx, "GET", "")))
	event, err := e.r.Next()
	if err != nil || event.Type != "endpoint" || event.ID != "" || !strings.HasPrefix(string(event.Data), "/messages?sessionId=") {
		t.Fatalf("the stream begins with %+v, %v", event, err)
	}
	c.url = base + string(event.Data)
	return &legacyClient{c, e, cancel}
}

func (c *legacyClient) send(frame string) {
	c.client.t.Helper()
	if resp := c.post(frame); resp.StatusCode != http.StatusAccepted {
		c.client.t.Fatalf("%s: %s %s", frame, resp.Status, c.body(resp))
	}
}

func (c *legacyClient) wants(want ...string) {
	c.client.t.Helper()
	for _, want := range want {
		event, err := c.r.Next()
		if err != nil || string(event.Data) != want || event.Type != "" || event.ID != "" {
			c.client.t.Fatalf("got %+v %s, %v\nwant %s", event, event.Data, err, want)
		}
	}
}

// The whole conversation of the old transport: everything comes on the one
// stream, and the session ends with it.
func TestLegacySSE(t *testing.T) {
	t.Parallel()
	proxy, url := newLegacySSE(t, testserver.Good, nil)
	c := openLegacy(t, url, nil)
	frame := strings.Replace(initializeFrame, testVersion, "2024-11-05", 1)
	c.send(frame)
	c.wants(`{"jsonrpc":"2.0","id":"init","result":{"protocolVersion":"2024-11-05","capabilities":{"tools":{"listChanged":true},"logging":{}},"serverInfo":{"name":"testserver","version":"1"}}}`)
	c.send(`{"jsonrpc":"2.0","method":"notifications/initialized"}`)
	c.send(toolFrame("1", "echo", map[string]any{"text": "x"}, ""))
	c.wants(textResult("1", "x"))
	c.send(toolFrame("2", "progress", map[string]any{"text": "x", "count": 2}, `{"progressToken":"t"}`))
	c.wants(progressFrame(`"t"`, 1), progressFrame(`"t"`, 2), textResult("2", "x"))
	c.send(toolFrame("3", "ask", nil, ""))
	c.wants(`{"jsonrpc":"2.0","id":1,"method":"sampling/createMessage","params":{"messages":[],"maxTokens":10}}`)
	c.send(`{"jsonrpc":"2.0","id":1,"result":{"role":"assistant"}}`)
	c.wants(textResult("3", `{"role":"assistant"}`))
	c.send(toolFrame("4", "later", map[string]any{"text": "x", "count": 1}, ""))
	c.wants(textResult("4", "x"), logFrame("later 1"))
	c.send(toolFrame("5", "wait", nil, ""))
	c.send(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":5}}`)
	if got := c.next(); !strings.Contains(got, "cancelled") {
		t.Errorf("got %s", got)
	}
	c.send(toolFrame("6", "crash", nil, ""))
	if got := c.next(); !strings.Contains(got, `"id":6,"error":{"code":-32603,"message":"server \"good\" ended (exit status 1)`) {
		t.Errorf("got %s", got)
	}
	c.send(toolFrame("7", "echo", map[string]any{"text": "again"}, ""))
	c.wants(textResult("7", "again"))

	c.leave()
	for proxy.Status().Sessions > 0 {
		time.Sleep(time.Millisecond)
	}
	c.wantError(c.post(toolFrame("8", "echo", nil, "")), 404, "8", codeNoSession, "session")
}

// What is refused here is refused with the same words and codes as elsewhere.
func TestLegacySSERefusals(t *testing.T) {
	t.Parallel()
	_, url := newLegacySSE(t, testserver.Good, &Options{
		MaxMessageBytes: 1000, MaxSessions: 3,
		Identify: func(r *http.Request) string { return r.Header.Get("X-Test-User") },
	})
	alice := openLegacy(t, url, http.Header{"X-Test-User": {"alice"}})
	streamable := &client{t: t, url: url + "/mcp", header: http.Header{"X-Test-User": {"alice"}}}
	id := streamable.post(initializeFrame).Header.Get("Mcp-Session-Id")
	const ping = `{"jsonrpc":"2.0","id":"p","method":"ping"}`
	messages := strings.TrimPrefix(alice.url, url)
	for _, test := range []struct {
		name, method, path, header, body string
		status                           int
		id                               string
		code                             int
		text                             string
	}{
		{"POST to the stream", "POST", "/sse", "", ping, 405, "null", codeTransport, "POST"},
		{"stream without its type", "GET", "/sse", "Accept: application/json", "", 406, "null", codeTransport, "text/event-stream"},
		{"stream for a foreign origin", "GET", "/sse", "Origin: https://evil.example", "", 403, "null", codeTransport, "evil"},
		{"GET of messages", "GET", messages, "", "", 405, "null", codeTransport, "GET"},
		{"message of a foreign origin", "POST", messages, "Origin: https://evil.example", ping, 403, "null", codeTransport, "evil"},
		{"message of another type", "POST", messages, "Content-Type: text/plain", ping, 415, "null", codeTransport, "json"},
		{"no message", "POST", messages, "", "hello", 400, "null", -32700, "JSON"},
		{"batch", "POST", messages, "", "[" + ping + "]", 400, "null", -32600, "batch"},
		{"large message", "POST", messages, "", `{"jsonrpc":"2.0","id":5,"method":"` + strings.Repeat("x", 1000) + `"}`, 413, "null", codeTransport, "1000"},
		{"no session", "POST", "/messages", "", ping, 404, `"p"`, codeNoSession, "session"},
		{"unknown session", "POST", "/messages?sessionId=X", "", ping, 404, `"p"`, codeNoSession, "session"},
		{"session of somebody else", "POST", messages, "X-Test-User: bob", ping, 404, `"p"`, codeNoSession, "session"},
		{"session of the other transport", "POST", "/messages?sessionId=" + id, "", ping, 404, `"p"`, codeNoSession, "session"},
		{"notification to no session", "POST", "/messages", "", `{"jsonrpc":"2.0","method":"n"}`, 404, "null", codeNoSession, "session"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := &client{t: t, url: url + test.path, header: http.Header{"X-Test-User": {"alice"}}}
			if name, value, ok := strings.Cut(test.header, ": "); ok {
				c.header.Set(name, value)
			}
			resp := c.do(c.request(t.Context(), test.method, test.body))
			c.wantError(resp, test.status, test.id, test.code, test.text)
		})
	}
	_, its, _ := strings.Cut(alice.url, "sessionId=")
	streamable.session = its
	streamable.wantError(streamable.post(ping), 404, `"p"`, codeNoSession, "session")
	streamable.wantError(streamable.do(streamable.request(t.Context(), "GET", "")), 404, "null", codeNoSession, "session")
	streamable.wantError(streamable.delete(), 404, "null", codeNoSession, "session")
	openLegacy(t, url, http.Header{"X-Test-User": {"bob"}})
	full := &client{t: t, url: url + "/sse"}
	full.wantError(full.do(full.request(t.Context(), "GET", "")), 503, "null", codeTransport, "too many sessions")
}

// A server that does not work is told on the stream's request, where an answer
// of status 200 would be taken for a stream.
func TestLegacySSEWithoutAServer(t *testing.T) {
	t.Parallel()
	proxy, url := newLegacySSE(t, testserver.Exit, nil)
	for failed := false; !failed; { // until it is not started any more
		c := &client{t: t, url: url + "/sse"}
		resp := c.do(c.request(t.Context(), "GET", ""))
		if resp.Header.Get("Content-Type") == sse.ContentType {
			c.body(resp) // it has ended
			continue
		}
		body := c.body(resp)
		failed = strings.Contains(body, "times in a row")
		resp.Body = io.NopCloser(strings.NewReader(body))
		c.wantError(resp, 503, "null", -32603, "no configuration")
	}
	if n := proxy.Status().Sessions; n != 0 {
		t.Errorf("%d sessions", n)
	}
}

// The client of the official SDK for the old transport.
func TestLegacySSEWithSDK(t *testing.T) {
	t.Parallel()
	_, url := newLegacySSE(t, "sdk", nil)
	client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, &mcp.ClientOptions{
		ElicitationHandler: func(_ context.Context, req *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
			return &mcp.ElicitResult{Action: "accept", Content: map[string]any{"answer": "answer to " + req.Params.Message}}, nil
		},
	})
	session, err := client.Connect(t.Context(), &mcp.SSEClientTransport{Endpoint: url + "/sse"}, &mcp.ClientSessionOptions{ProtocolVersion: "2024-11-05"})
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	for i := range 10 {
		if got := callText(t, session, &mcp.CallToolParams{Name: "echo", Arguments: sdkArgs{fmt.Sprint(i)}}); got != fmt.Sprint(i) {
			t.Errorf("got %q", got)
		}
	}
	if got := callText(t, session, &mcp.CallToolParams{Name: "interact", Arguments: sdkArgs{"question"}}); got != "answer to question" {
		t.Errorf("elicitation: %q", got)
	}
}
