// SPDX-License-Identifier: Apache-2.0

//go:build unix

package observability_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	trace "go.opentelemetry.io/proto/slim/otlp/trace/v1"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// All programs of a gateway are watched while people and attackers use it.
func TestGateway(t *testing.T) {
	if testing.Short() {
		t.Skip("starts the whole gateway; run without -short")
	}
	c, site := newCollector(t), newSite(t)
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
	g := newGateway(t, site.URL, "--otlp-endpoint", c.url)
	g.use()
	seen := map[string]bool{}
	t.Run("metrics", func(t *testing.T) { seen = testMetrics(t, g) })
	t.Run("names", func(t *testing.T) { testNames(t, seen) })
	t.Run("traces", func(t *testing.T) { testTraces(t, g, c) })
	t.Run("status", func(t *testing.T) { testStatus(t, g) })
	t.Run("Prometheus", func(t *testing.T) { testPrometheus(t, g) })
}

// testTraces follows one call from the client's HTTP request to the page that was
// fetched, over the processes of shproxy and of the server that it wraps.
func testTraces(t *testing.T, g *gateway, c *collector) {
	const traceID, clientSpan = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	signedIn := g.signedIn()
	header := http.Header{}
	session := g.connect(g.endpoint, &http.Client{Transport: traced{signedIn.Transport, header}})
	defer session.Close()
	header["Traceparent"] = []string{"00-" + traceID + "-" + clientSpan + "-01"}
	header["Tracestate"] = []string{"vendor=1"}
	result, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "fetch", Arguments: map[string]any{"url": g.site + "/" + hidden + "?page=" + secret}})
	if err != nil || result.IsError {
		t.Fatal(err, result)
	}
	request := c.find(traceID, "shproxy", "POST /mcp")
	call := c.find(traceID, "shproxy", "tools/call fetch")
	served := c.find(traceID, "fetchserver", "tools/call fetch")
	fetched := c.find(traceID, "fetchserver", "fetch")
	for _, edge := range []struct {
		what         string
		parent       string
		child        span
		kind         trace.Span_SpanKind
		key, value   string
		key2, value2 string
	}{
		{"the client's HTTP request", clientSpan, request, trace.Span_SPAN_KIND_SERVER, "http.route", "/mcp", "http.response.status_code", "200"},
		{"the call of the server", request.id, call, trace.Span_SPAN_KIND_CLIENT, "mcp.method.name", "tools/call", "gen_ai.tool.name", "fetch"},
		{"the call in the server", call.id, served, trace.Span_SPAN_KIND_SERVER, "network.transport", "pipe", "gen_ai.operation.name", "execute_tool"},
		{"the fetch", served.id, fetched, trace.Span_SPAN_KIND_CLIENT, "server.address", "127.0.0.1", "fetchserver.result", "ok"},
		{"robots.txt", fetched.id, c.find(traceID, "fetchserver", "robots"), trace.Span_SPAN_KIND_CLIENT, "url.scheme", "http", "", ""},
		{"the text", fetched.id, c.find(traceID, "fetchserver", "extract"), trace.Span_SPAN_KIND_INTERNAL, "fetchserver.content_type", "text/html", "", ""},
	} {
		if edge.child.parent != edge.parent || edge.child.kind != edge.kind || edge.child.attrs[edge.key] != edge.value || edge.child.attrs[edge.key2] != edge.value2 {
			t.Errorf("%s: want the parent %s, got %+v", edge.what, edge.parent, edge.child)
		}
	}
	// A context in the message itself wins, and the HTTP request is linked to.
	const inner, innerSpan = "11111111111111111111111111111111", "2222222222222222"
	_, err = session.CallTool(t.Context(), &mcp.CallToolParams{Name: "fetch", Arguments: map[string]any{"url": "http://10.0.0.1/"},
		Meta: mcp.Meta{"traceparent": "00-" + inner + "-" + innerSpan + "-01", "other": "kept"}})
	if err != nil {
		t.Fatal(err)
	}
	call, served = c.find(inner, "shproxy", "tools/call fetch"), c.find(inner, "fetchserver", "tools/call fetch")
	if call.parent != innerSpan || len(call.links) != 1 || served.parent != call.id {
		t.Errorf("%+v\n%+v", call, served)
	}
	for _, failed := range []span{call, served, c.find(inner, "fetchserver", "fetch")} {
		if failed.status != trace.Status_STATUS_CODE_ERROR || failed.attrs["error.type"] == "" {
			t.Errorf("no failure: %+v", failed)
		}
	}

	// The token endpoint, with what it asks the store for.
	const login = "33333333333333333333333333333333"
	g.sendWith(http.DefaultClient, "POST", g.issuer+"/token", "grant_type=authorization_code&code=x&client_id=y",
		http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Traceparent": {"00-" + login + "-" + clientSpan + "-01"}})
	token, stored := c.find(login, "oauthdyn", "POST /token"), c.find(login, "oauthdyn", "store client")
	if token.parent != clientSpan || token.kind != trace.Span_SPAN_KIND_SERVER || stored.parent != token.id {
		t.Errorf("%+v\n%+v", token, stored)
	}
}

// testStatus looks at the page of the whole gateway.
func testStatus(t *testing.T, g *gateway) {
	var status struct {
		Program string
		Servers []struct{ State string }
		Peers   []struct{ Name, Status, Program string }
	}
	text := get(t, g.admin["shproxy"]+"/status", "Accept", "application/json")
	if err := json.Unmarshal([]byte(text), &status); err != nil || status.Program != "shproxy" || len(status.Servers) != 1 || len(status.Peers) != 3 {
		t.Fatal(err, text)
	}
	for i, name := range []string{"oauthdyn", "verify", "fetchserver"} {
		if p := status.Peers[i]; p.Name != name || p.Status != "ok" || p.Program != strings.Replace(name, "verify", "oauthdyn", 1) {
			t.Errorf("%+v", p)
		}
	}
	page := get(t, g.admin["shproxy"]+"/status", "Accept", "text/html")
	for _, want := range []string{"The rest of the gateway", `/status">oauthdyn</a>`, "state ok"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s:\n%s", want, page)
		}
	}
	for _, name := range names {
		for _, accept := range []string{"text/html", "application/json"} {
			if text := get(t, g.admin[name]+"/status", "Accept", accept); strings.Contains(text, secret) || strings.Contains(text, "<script") {
				t.Errorf("the status of %s:\n%s", name, text)
			}
		}
		for _, path := range []string{"/healthz", "/readyz"} {
			if text := get(t, g.admin[name]+path); !strings.Contains(text, `"ok"`) {
				t.Errorf("%s of %s: %s", path, name, text)
			}
		}
	}
}
