// SPDX-License-Identifier: Apache-2.0

package shproxy

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/testserver"
)

const modernVersion = "2026-07-28"

const modernMeta = `"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"test","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}`

// modernFrame is a request with its metadata; params and meta are further
// members.
func modernFrame(id, method, params, meta string) string {
	if params != "" {
		params = "," + params
	}
	if meta != "" {
		meta = "," + meta
	}
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"method":%q,"params":{"_meta":{%s%s}%s}}`, id, method, modernMeta, meta, params)
}

// modernClient sends requests of MCP 2026-07-28. More headers are "Name:
// value", or "Name:" to leave one out.
func modernClient(t *testing.T, url string) *client {
	return &client{t: t, url: url, header: http.Header{}}
}

func (c *client) modern(ctx context.Context, frame string, headers ...string) *http.Response {
	c.t.Helper()
	return c.do(c.modernRequest(ctx, frame, headers...))
}

func (c *client) modernRequest(ctx context.Context, frame string, headers ...string) *http.Request {
	c.t.Helper()
	r := c.request(ctx, http.MethodPost, frame)
	var m struct {
		Method string
		Params struct{ Name, URI string }
	}
	if err := json.Unmarshal([]byte(frame), &m); err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("MCP-Protocol-Version", modernVersion)
	r.Header.Set("Mcp-Method", m.Method)
	if name := m.Params.Name + m.Params.URI; name != "" {
		r.Header.Set("Mcp-Name", name)
	}
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ":")
		r.Header.Del(name)
		if value = strings.TrimSpace(value); value != "" {
			r.Header.Set(name, value)
		}
	}
	return r
}

func modernTool(id, name, args, meta string) string {
	return modernFrame(id, "tools/call", fmt.Sprintf(`"name":%q,"arguments":{%s}`, name, args), meta)
}

func modernResult(id, text string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":{"resultType":"complete","content":[{"type":"text","text":%q}]}}`, id, text)
}

// The headers must say what the body says, and what the server or the proxy
// refuses has the status that the specification wants.
func TestModernStatus(t *testing.T) {
	t.Parallel()
	_, url := newTestProxy(t, testserver.Modern, nil)
	c := modernClient(t, url)
	ok := modernFrame("1", "acme/x", "", "")
	echo := modernTool("2", "query", `"x":1`, "")
	named := strings.Replace(echo, "query", "qué ry", 1)
	for _, test := range []struct {
		name, frame, headers string // headers are separated by |
		status               int
		code                 int // of the error; 0: a result
		text                 string
	}{
		{"as it should be", ok, "", 200, 0, "frame"},
		{"session id is ignored", ok, "Mcp-Session-Id: nonsense", 200, 0, "frame"},
		{"tool", echo, "", 200, 0, "query"},
		{"encoded name", named, "Mcp-Name: =?base64?cXXDqSByeQ==?=", 200, -32602, "unknown tool"},
		{"no version header", ok, "Mcp-Protocol-Version:", 400, -32020, "Mcp-Protocol-Version"},
		{"another version header", ok, "Mcp-Protocol-Version: 2025-11-25", 400, -32020, "Mcp-Protocol-Version"},
		{"no method header", ok, "Mcp-Method:", 400, -32020, "Mcp-Method"},
		{"another method header", ok, "Mcp-Method: acme/y", 400, -32020, "Mcp-Method"},
		{"method in another case", ok, "Mcp-Method: Acme/x", 400, -32020, "Mcp-Method"},
		{"no name header", echo, "Mcp-Name:", 400, -32020, "Mcp-Name"},
		{"another name header", echo, "Mcp-Name: echo", 400, -32020, "Mcp-Name"},
		{"bad encoding of the name", named, "Mcp-Name: =?base64?cXXDqSByeQ?=", 400, -32020, "Mcp-Name"},
		{"no uri header", modernFrame("3", "resources/read", `"uri":"file:///x"`, ""), "Mcp-Name:", 400, -32020, "Mcp-Name"},
		{"no version in the body", strings.Replace(ok, "protocolVersion", "another", 1), "", 400, -32602, "protocolVersion"},
		{"no _meta", `{"jsonrpc":"2.0","id":1,"method":"acme/x"}`, "", 400, -32602, "protocolVersion"},
		{"a version of the future", strings.Replace(ok, modernVersion, "2099-01-01", 1), "Mcp-Protocol-Version: 2099-01-01", 400, -32022, "speaks 2026-07-28"},
		{"unknown method", modernFrame("1", "no/such", "", ""), "", 404, -32601, "unknown method"},
		{"a method of the past", modernFrame("1", "ping", "", ""), "", 404, -32601, "unknown method"},
		{"not accepted", ok, "Accept: text/html", 406, codeTransport, "Accept"},
		{"no JSON type", ok, "Content-Type: text/plain", 415, codeTransport, "json"},
		{"a foreign origin", ok, "Origin: https://evil.example", 403, codeTransport, "evil"},
		{"listen without event streams", modernFrame("1", "subscriptions/listen", `"notifications":{}`, ""), "Accept: application/json", 406, codeTransport, "event-stream"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := modernClient(t, c.url)
			var headers []string
			if test.headers != "" {
				headers = strings.Split(test.headers, "|")
			}
			resp := c.modern(t.Context(), test.frame, headers...)
			body := c.body(resp)
			var answer struct {
				ID     json.RawMessage
				Result json.RawMessage
				Error  struct {
					Code    int
					Message string
				}
			}
			if err := json.Unmarshal([]byte(body), &answer); err != nil {
				t.Fatalf("%s %s: %v", resp.Status, body, err)
			}
			said := answer.Error.Message + string(answer.Result)
			if resp.StatusCode != test.status && test.code != -32602 || answer.Error.Code != test.code || !strings.Contains(said, test.text) {
				t.Errorf("got %d %s\nwant %d, code %d, %q", resp.StatusCode, body, test.status, test.code, test.text)
			}
			if test.status != 415 && test.status != 403 && string(answer.ID) == "null" {
				t.Errorf("the answer has no id: %s", body)
			}
			if resp.Header.Get("Mcp-Session-Id") != "" {
				t.Error("a session id")
			}
		})
	}
	// There are no responses, batches and streams by GET.
	c.wantError(c.modern(t.Context(), `{"jsonrpc":"2.0","id":1,"result":{}}`, "Mcp-Method:"), 400, "null", -32600, "responses")
	r := c.request(t.Context(), "GET", "")
	r.Header.Set("MCP-Protocol-Version", modernVersion)
	c.wantError(c.do(r), 405, "null", codeTransport, "GET")
	resp := c.modern(t.Context(), `{"jsonrpc":"2.0","method":"acme/note","params":{"_meta":{`+modernMeta+`}}}`)
	if body := c.body(resp); resp.StatusCode != http.StatusAccepted || body != "" {
		t.Errorf("a notification: %s %s", resp.Status, body)
	}
}

// Tool parameters that the schema wants in headers have to be there, as they
// are; when the tools change, so does what is wanted.
func TestModernParams(t *testing.T) {
	t.Parallel()
	_, url := newTestProxy(t, testserver.Modern, nil)
	c := modernClient(t, url)
	call := func(args string, headers ...string) (int, string) {
		t.Helper()
		resp := c.modern(t.Context(), modernTool("1", "query", args, ""), headers...)
		return resp.StatusCode, c.body(resp)
	}
	for _, test := range []struct {
		name, args string
		headers    []string
		status     int
	}{
		{"nothing there", ``, nil, 200},
		{"null", `"region":null`, nil, 200},
		{"both", `"region":"eu","limit":5`, []string{"Mcp-Param-Region: eu", "Mcp-Param-Limit: 5"}, 200},
		{"numbers are compared as such", `"limit":5`, []string{"Mcp-Param-Limit: 5.0"}, 200},
		{"encoded", `"region":"Ωmega"`, []string{"Mcp-Param-Region: =?base64?zqltZWdh?="}, 200},
		{"unknown headers", ``, []string{"Mcp-Param-Other: x"}, 200},
		{"one is missing", `"region":"eu","limit":5`, []string{"Mcp-Param-Region: eu"}, 400},
		{"another value", `"region":"eu"`, []string{"Mcp-Param-Region: us"}, 400},
		{"bad encoding", `"region":"eu"`, []string{"Mcp-Param-Region: =?base64?!?="}, 400},
		{"header without a value", ``, []string{"Mcp-Param-Region: eu"}, 400},
	} {
		status, body := call(test.args, test.headers...)
		if status != test.status || (status == 400) != strings.Contains(body, `"code":-32020`) {
			t.Errorf("%s: %d %s", test.name, status, body)
		}
	}
	// Another tool wants nothing.
	if resp := c.modern(t.Context(), modernTool("1", "echo", `"region":"eu","text":"x"`, "")); resp.StatusCode != 200 {
		t.Errorf("echo: %s", resp.Status)
	}
	if status, _ := call(`"zone":"a"`, "Mcp-Param-Zone: b"); status != 200 {
		t.Errorf("a header that nobody wants: %d", status)
	}
	c.body(c.modern(t.Context(), modernTool("1", "change", "", "")))
	// A client that knows the new schema is served at once: before a refusal
	// the proxy looks whether it knows it, too.
	if status, body := call(`"zone":"a","region":"eu"`, "Mcp-Param-Zone: a", "Mcp-Param-Region: us"); status != 400 {
		t.Errorf("%d %s", status, body)
	}
	if status, body := call(`"zone":"a"`, "Mcp-Param-Zone: b"); status != 400 {
		t.Errorf("after the change: %d %s", status, body)
	}
	if status, body := call(`"zone":"a"`, "Mcp-Param-Zone: a"); status != 200 {
		t.Errorf("after the change: %d %s", status, body)
	}
}

// A tool list that lists_changed announces is asked for again before the next
// call.
func TestModernParamsAfterListChanged(t *testing.T) {
	t.Parallel()
	_, url := newTestProxy(t, testserver.Modern, nil)
	c := modernClient(t, url)
	listen := c.events(c.modern(t.Context(), modernFrame("9", "subscriptions/listen", `"notifications":{"toolsListChanged":true}`, "")))
	listen.next()
	if resp := c.modern(t.Context(), modernTool("1", "query", `"zone":"a"`, "")); resp.StatusCode != 200 {
		t.Fatal(resp.Status)
	}
	c.body(c.modern(t.Context(), modernTool("1", "change", "", "")))
	if got := listen.next(); !strings.Contains(got, "list_changed") {
		t.Fatalf("got %s", got)
	}
	resp := c.modern(t.Context(), modernTool("1", "query", `"zone":"a"`, ""))
	c.wantError(resp, 400, "1", -32020, "Zone")
}

// An answer alone is JSON; with something before it, it is an event stream,
// without ids, since nothing can be resumed.
func TestModernStreams(t *testing.T) {
	t.Parallel()
	_, url := newTestProxy(t, testserver.Modern, nil)
	c := modernClient(t, url)
	c.want(c.modern(t.Context(), modernTool("1", "log", `"text":"x"`, "")), 200, modernResult("1", "x"))
	body := c.body(c.modern(t.Context(), modernTool(`"a\u0062"`, "log", `"text":"x"`, `"io.modelcontextprotocol/logLevel":"debug"`)))
	if want := "data: " + strings.Replace(logFrame("x"), "info", "debug", 1) + "\n\ndata: " + modernResult(`"a\u0062"`, "x") + "\n\n"; body != want {
		t.Errorf("got %q\nwant %q", body, want)
	}
	e := c.events(c.modern(t.Context(), modernTool("1", "progress", `"text":"x","count":2`, `"progressToken":7`)))
	for _, want := range []string{progressFrame("7", 1), progressFrame("7", 2), textResult("1", "x"), "EOF"} {
		if got := e.next(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	// A client that takes JSON alone gets the answer.
	c.want(c.modern(t.Context(), modernTool("1", "progress", `"text":"x","count":2`, `"progressToken":7`), "Accept: application/json"), 200, textResult("1", "x"))
	// One that takes event streams alone gets one, and an error is an event in it.
	resp := c.modern(t.Context(), modernFrame("1", "no/such", "", ""), "Accept: text/event-stream")
	if got := c.events(resp).next(); resp.StatusCode != 200 || !strings.Contains(got, "-32601") {
		t.Errorf("%s %s", resp.Status, got)
	}
}

// A subscription is an event stream at once, with signs of life, and its
// client finds its own id in it; to leave it ends it at the server, too.
func TestModernListen(t *testing.T) {
	t.Parallel()
	proxy, url := newTestProxy(t, testserver.Modern, &Options{KeepAlive: 20 * time.Millisecond})
	proxy.patience = time.Hour
	c := modernClient(t, url)
	ctx, leave := context.WithCancel(t.Context())
	first := c.modern(ctx, modernFrame("1", "subscriptions/listen", `"notifications":{"toolsListChanged":true}`, ""))
	second := c.events(c.modern(t.Context(), modernFrame("1", "subscriptions/listen", `"notifications":{"n":1.0}`, "")))
	alive := make([]byte, 4096)
	var seen strings.Builder
	for !strings.Contains(seen.String(), ": keep-alive\n\n") || !strings.Contains(seen.String(), "data: ") {
		n, err := first.Body.Read(alive)
		if err != nil {
			t.Fatal(err)
		}
		seen.Write(alive[:n])
	}
	ack := `{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":1},"notifications":{"toolsListChanged":true}}}`
	if !strings.HasPrefix(strings.ReplaceAll(seen.String(), ": keep-alive\n\n", ""), "data: "+ack+"\n\n") {
		t.Errorf("the stream begins with %q", seen.String())
	}
	if got := second.next(); got != strings.Replace(ack, `{"toolsListChanged":true}`, `{"n":1.0}`, 1) {
		t.Errorf("got %s", got)
	}
	c.want(c.modern(t.Context(), modernTool("1", "touch", `"text":"file:///x"`, "")), 200, modernResult("1", "2"))
	if got := second.next(); got != `{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":1},"uri":"file:///x"}}` {
		t.Errorf("got %s", got)
	}
	leave()
	for c.body(c.modern(t.Context(), modernTool("1", "count", "", ""))) != modernResult("1", "1") {
	}
}

// Input that the server asks for, and the request that brings it, pass byte
// for byte.
func TestModernInput(t *testing.T) {
	t.Parallel()
	_, url := newTestProxy(t, testserver.Modern, nil)
	c := modernClient(t, url)
	c.want(c.modern(t.Context(), modernTool("1", "input", `"text":"who?"`, "")), 200,
		`{"jsonrpc":"2.0","id":1,"result":{"resultType":"input_required","inputRequests":{"q":{"method":"elicitation/create","params":{"message":"who?","n":1.0}}},"requestState":"st\u0061te"}}`)
	retry := modernFrame("2", "tools/call", `"name":"input","arguments":{"text":"who?"},"requestState":"state","inputResponses":{"q":{"action":"accept", "content":{"n":1.0}}}`, "")
	c.want(c.modern(t.Context(), retry), 200, modernResult("2", `state {"q":{"action":"accept", "content":{"n":1.0}}}`))
}

// A crash ends subscriptions without an answer and fails calls with what the
// client has to know; the next request is served.
func TestModernCrash(t *testing.T) {
	t.Parallel()
	proxy, url := newTestProxy(t, testserver.Modern, nil)
	c := modernClient(t, url)
	listen := c.events(c.modern(t.Context(), modernFrame("1", "subscriptions/listen", `"notifications":{}`, "")))
	listen.next()
	c.modern(t.Context(), modernTool("1", "echo", "", "")) // then the proxy knows the tools
	var waiting sync.WaitGroup
	for i := range 5 {
		waiting.Go(func() {
			id := fmt.Sprint(100 + i)
			body := c.body(c.modern(t.Context(), modernTool(id, "wait", "", "")))
			if !strings.Contains(body, `"id":`+id+`,"error":{"code":-32603`) || !strings.Contains(body, `"data":{"status":"exit status 1","written":true,"retryable":false,"stderr":["error: boom"]}`) {
				t.Errorf("got %s", body)
			}
		})
	}
	for proxy.Status().Calls < 6 {
		time.Sleep(time.Millisecond)
	}
	c.wantError(c.modern(t.Context(), modernTool("1", "crash", "", "")), 200, "1", -32603, `server "modern" ended (exit status 1)`)
	waiting.Wait()
	if got := listen.next(); got != "EOF" {
		t.Errorf("the subscription got %s", got)
	}
	c.want(c.modern(t.Context(), modernTool("2", "count", "", "")), 200, modernResult("2", "0"))
}

// A client that leaves a call cancels it: the server has nothing to do any
// more.
func TestModernDisconnect(t *testing.T) {
	t.Parallel()
	proxy, url, stage := newStage(t, nil)
	c := modernClient(t, url)
	ctx, leave := context.WithCancel(t.Context())
	gone := make(chan struct{})
	frame := modernFrame("1", "acme/x", "", "")
	go func() {
		defer close(gone)
		if resp, err := testClient.Do(c.modernRequest(ctx, frame)); err == nil {
			resp.Body.Close()
			t.Errorf("got %s", resp.Status)
		}
	}()
	child := stage.Next()
	child.Hears()
	child.Says(`{"jsonrpc":"2.0","id":1,"result":{"supportedVersions":["2026-07-28"]}}`)
	child.Expect(strings.Replace(frame, `"id":1`, `"id":2`, 1))
	leave()
	<-gone
	child.Expect(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":2,"reason":"the client closed the stream"}}`)
	child.Says(`{"jsonrpc":"2.0","id":2,"result":{}}`)
	for proxy.Status().Dropped == 0 {
		time.Sleep(time.Millisecond)
	}
	if n := proxy.Status().Calls; n != 0 {
		t.Errorf("%d calls in flight", n)
	}
}

// A server that goes ends subscriptions as the protocol wants it.
func TestModernShutdown(t *testing.T) {
	t.Parallel()
	proxy, url := newTestProxy(t, testserver.Modern, nil)
	c := modernClient(t, url)
	listen := c.events(c.modern(t.Context(), modernFrame(`"s"`, "subscriptions/listen", `"notifications":{}`, "")))
	listen.next()
	if err := proxy.Drain(t.Context()); err != nil { // which does not wait for it
		t.Error(err)
	}
	c.wantError(c.modern(t.Context(), modernFrame("1", "acme/x", "", "")), 503, "1", codeTransport, "shutting down")
	if err := proxy.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	want := []string{`{"jsonrpc":"2.0","id":"s","result":{"resultType":"complete","_meta":{"io.modelcontextprotocol/subscriptionId":"s"}}}`}
	if got := listen.all(); !slices.Equal(got, want) {
		t.Errorf("got %s", got)
	}
}
