// SPDX-License-Identifier: Apache-2.0

package shproxy

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/testserver"
)

// Every refusal is a JSON-RPC error response, with the status that the
// specification of the session's version wants.
func TestRefusals(t *testing.T) {
	t.Parallel()
	_, url := newTestProxy(t, testserver.Good, &Options{MaxMessageBytes: 1000})
	for _, version := range legacyVersions {
		t.Run(version, func(t *testing.T) { testRefusals(t, connectAs(t, url, version)) })
	}
}

func testRefusals(t *testing.T, c *client) {
	ping := `{"jsonrpc":"2.0","id":"p\u0069","method":"ping"}`
	long := `{"jsonrpc":"2.0","id":5,"method":"` + strings.Repeat("x", 1000) + `"}`
	tests := []struct {
		name   string
		method string
		header string // "Name: value" to set, or "Name:" to remove; several by |
		body   string
		status int
		id     string
		code   int
		text   string
	}{
		{"put", "PUT", "", ping, 405, "null", codeTransport, "PUT"},
		{"options", "OPTIONS", "", "", 405, "null", codeTransport, ""},
		{"foreign origin", "POST", "Origin: https://evil.example", ping, 403, "null", codeTransport, "evil.example"},
		{"null origin", "POST", "Origin: null", ping, 403, "null", codeTransport, "null"},
		{"foreign origin of GET", "GET", "Origin: http://evil.example", "", 403, "null", codeTransport, "evil.example"},
		{"foreign host", "POST", "Host: evil.example:80", ping, 403, "null", codeTransport, "evil.example"},
		{"no content type", "POST", "Content-Type:", ping, 415, "null", codeTransport, "application/json"},
		{"wrong content type", "POST", "Content-Type: text/plain", ping, 415, "null", codeTransport, "application/json"},
		{"wrong accept", "POST", "Accept: text/html", ping, 406, `"p\u0069"`, codeTransport, "Accept"},
		{"wrong accept of GET", "GET", "Accept: application/json", "", 406, "null", codeTransport, "text/event-stream"},
		{"too large", "POST", "", long, 413, "null", codeTransport, "1000"},
		{"too large, length unknown", "POST", "Content-Length: -1", long, 413, "null", codeTransport, "1000"},
		{"empty", "POST", "", "", 400, "null", -32700, "empty"},
		{"no JSON", "POST", "", "hello", 400, "null", -32700, "JSON"},
		{"cut off", "POST", "", ping[:len(ping)-1], 400, `"p\u0069"`, -32700, "byte"},
		{"no message", "POST", "", `{"jsonrpc":"2.0","id":5}`, 400, "5", -32600, "method"},
		{"duplicate", "POST", "", `{"jsonrpc":"2.0","id":5,"method":"a","method":"b"}`, 400, "5", -32600, "duplicate"},
		{"null id", "POST", "", `{"jsonrpc":"2.0","id":null,"method":"a"}`, 400, "null", -32600, "id"},
		{"no session", "POST", "Mcp-Session-Id:", ping, 400, `"p\u0069"`, codeTransport, "Mcp-Session-Id"},
		{"no session of GET", "GET", "Mcp-Session-Id:", "", 400, "null", codeTransport, "Mcp-Session-Id"},
		{"no session of DELETE", "DELETE", "Mcp-Session-Id:", "", 400, "null", codeTransport, "Mcp-Session-Id"},
		{"unknown session", "POST", "Mcp-Session-Id: X", ping, 404, `"p\u0069"`, codeNoSession, "session"},
		{"unknown session of a notification", "POST", "Mcp-Session-Id: X", `{"jsonrpc":"2.0","method":"n"}`, 404, "null", codeNoSession, "session"},
		{"unknown session of a response", "POST", "Mcp-Session-Id: X", `{"jsonrpc":"2.0","id":1,"result":{}}`, 404, "null", codeNoSession, "session"},
		{"unknown session of GET", "GET", "Mcp-Session-Id: X", "", 404, "null", codeNoSession, "session"},
		{"unknown session of DELETE", "DELETE", "Mcp-Session-Id: X", "", 404, "null", codeNoSession, "session"},
		{"unknown version", "POST", "Mcp-Protocol-Version: 1999-01-01", ping, 400, `"p\u0069"`, -32022, "1999-01-01"},
		{"modern version", "POST", "Mcp-Protocol-Version: 2026-07-28", ping, 400, `"p\u0069"`, -32602, "params._meta must hold"},
		{"modern version of GET", "GET", "Mcp-Protocol-Version: 2026-07-28", "", 405, "null", codeTransport, "GET"},
		{"modern version of DELETE", "DELETE", "Mcp-Protocol-Version: 2026-07-28", "", 405, "null", codeTransport, "DELETE"},
		{"modern version without session of GET", "GET", "Mcp-Session-Id:|Mcp-Protocol-Version: 2099-01-01", "", 405, "null", codeTransport, "GET"},
		{"modern version of GET for JSON", "GET", "Accept: application/json|Mcp-Protocol-Version: 2026-07-28", "", 405, "null", codeTransport, "GET"},
		{"no version of GET", "GET", "Mcp-Protocol-Version: some", "", 400, "null", -32022, "some"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := &client{t: t, url: c.url, session: c.session, version: c.version}
			r := c.request(context.Background(), test.method, test.body)
			for header := range strings.SplitSeq(test.header, "|") {
				name, value, _ := strings.Cut(header, ":")
				switch value = strings.TrimSpace(value); {
				case name == "Host":
					r.Host = value
				case name == "Content-Length":
					r.ContentLength = -1
				case value == "":
					r.Header.Del(name)
				default:
					r.Header.Set(name, value)
				}
			}
			resp := c.do(r)
			c.wantError(resp, test.status, test.id, test.code, test.text)
			allow := "GET, POST, DELETE"
			if strings.HasPrefix(test.name, "modern version") {
				allow = "POST"
			}
			if test.status == 405 && resp.Header.Get("Allow") != allow {
				t.Errorf("Allow = %q", resp.Header.Get("Allow"))
			}
		})
	}
	// After all this the session still works.
	c.want(c.post(ping), 200, `{"jsonrpc":"2.0","id":"p\u0069","result":{}}`)
}

func TestAccepted(t *testing.T) {
	_, url := newTestProxy(t, testserver.Good, &Options{AllowedHosts: []string{"mcp.example.com", "other.example:8443"}, AllowedOrigins: []string{"https://app.example"}})
	for _, test := range []struct{ name, value string }{
		{"Accept", ""}, {"Accept", "*/*"}, {"Accept", "application/json"}, {"Accept", "application/json;q=0.9, text/event-stream"},
		{"Content-Type", "application/json; charset=utf-8"}, {"Content-Type", "Application/JSON"},
		{"Origin", "http://localhost:3000"}, {"Origin", "http://127.0.0.1"}, {"Origin", "https://app.example"}, {"Origin", url},
		{"Host", "MCP.example.com"}, {"Host", "mcp.example.com:99"}, {"Host", "other.example:8443"}, {"Host", "192.0.2.1:80"}, {"Host", "[::1]:80"}, {"Host", "a.localhost"}, {"Host", "LocalHost:80"},
		{"Mcp-Protocol-Version", "2024-11-05"}, {"Mcp-Protocol-Version", "2025-03-26"}, {"Mcp-Protocol-Version", "2025-11-25"}, {"Mcp-Protocol-Version", ""},
	} {
		t.Run(test.name+" "+test.value, func(t *testing.T) {
			c := connect(t, url)
			r := c.request(context.Background(), "POST", `{"jsonrpc":"2.0","id":1,"method":"ping"}`)
			switch {
			case test.name == "Host":
				r.Host = test.value
			case test.value == "":
				r.Header.Del(test.name)
			default:
				r.Header.Set(test.name, test.value)
			}
			c.want(c.do(r), 200, `{"jsonrpc":"2.0","id":1,"result":{}}`)
		})
	}
}

// A client that takes event streams alone gets one.
func TestEventStreamOnly(t *testing.T) {
	_, url := newTestProxy(t, testserver.Good, nil)
	c := connect(t, url)
	c.header = http.Header{"Accept": {"text/event-stream"}}
	e := c.events(c.post(`{"jsonrpc":"2.0","id":1,"method":"ping"}`))
	if got := e.next(); got != `{"jsonrpc":"2.0","id":1,"result":{}}` {
		t.Errorf("got %s", got)
	}
	if got := e.next(); got != "EOF" {
		t.Errorf("after the answer: %s", got)
	}
}

// Requests that are modern by halves are refused: what is said in the header
// has to be said in the body, and the other way round.
func TestModernByHalves(t *testing.T) {
	_, url := newTestProxy(t, testserver.Good, nil)
	for _, test := range []struct {
		name, header, frame string
		code                int
	}{
		{"header", "2026-07-28", `{"jsonrpc":"2.0","id":9,"method":"server/discover"}`, -32602},
		{"body", "", `{"jsonrpc":"2.0","id":9,"method":"server/discover","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}`, -32020},
		{"initialize", "2026-07-28", strings.Replace(initializeFrame, `"init"`, "9", 1), -32022},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := &client{t: t, url: url, header: http.Header{}}
			if test.header != "" {
				c.header.Set("MCP-Protocol-Version", test.header)
			}
			c.wantError(c.post(test.frame), 400, "9", test.code, "")
		})
	}
}

// A session belongs to the caller who started it.
func TestSessionIsBoundToItsCaller(t *testing.T) {
	_, url := newTestProxy(t, testserver.Good, &Options{Identify: func(r *http.Request) string { return r.Header.Get("X-Test-User") }})
	c := &client{t: t, url: url, header: http.Header{"X-Test-User": {"alice"}}}
	c.session = c.post(initializeFrame).Header.Get("Mcp-Session-Id")
	for _, user := range []string{"bob", ""} {
		other := &client{t: t, url: url, session: c.session, header: http.Header{"X-Test-User": {user}}}
		other.wantError(other.post(`{"jsonrpc":"2.0","id":1,"method":"ping"}`), 404, "1", codeNoSession, "session")
		other.wantError(other.delete(), 404, "null", codeNoSession, "session")
		other.wantError(other.do(other.request(context.Background(), "GET", "")), 404, "null", codeNoSession, "session")
	}
	c.want(c.post(`{"jsonrpc":"2.0","id":1,"method":"ping"}`), 200, `{"jsonrpc":"2.0","id":1,"result":{}}`)
}

func TestDelete(t *testing.T) {
	proxy, url := newTestProxy(t, testserver.Good, nil)
	c := connect(t, url)
	if resp := c.delete(); resp.StatusCode != http.StatusNoContent {
		t.Errorf("DELETE: %s", resp.Status)
	}
	c.wantError(c.post(`{"jsonrpc":"2.0","id":1,"method":"ping"}`), 404, "1", codeNoSession, "session")
	c.wantError(c.delete(), 404, "null", codeNoSession, "session")
	if n := proxy.sessions.Stats().Sessions; n != 0 {
		t.Errorf("%d sessions left", n)
	}
}

func TestHealth(t *testing.T) {
	proxy, url := newTestProxy(t, testserver.Good, nil)
	ask := func() (int, health) {
		t.Helper()
		w := httptest.NewRecorder()
		proxy.Health().ServeHTTP(w, httptest.NewRequest("GET", "/healthz", nil))
		var h health
		if err := json.Unmarshal(w.Body.Bytes(), &h); err != nil {
			t.Fatal(err)
		}
		return w.Code, h
	}
	if code, h := ask(); code != 200 || h != (health{Status: "ok", Server: "good"}) {
		t.Errorf("before: %d %+v", code, h)
	}
	connect(t, url)
	connect(t, url)
	if code, h := ask(); code != 200 || h != (health{Status: "ok", Server: "good", Sessions: 2, Children: 2, Started: 2}) {
		t.Errorf("with sessions: %d %+v", code, h)
	}
	if err := proxy.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	if code, h := ask(); code != 503 || h != (health{Status: "stopping", Server: "good", Started: 2}) {
		t.Errorf("after: %d %+v", code, h)
	}
	c := &client{t: t, url: url}
	c.wantError(c.post(initializeFrame), 503, `"init"`, codeTransport, "shutting down")
}

func TestNewRefuses(t *testing.T) {
	for _, test := range []struct {
		name    string
		server  Server
		options *Options
		want    string
	}{
		{"no command", Server{}, nil, "shproxy: no command"},
		{"unknown command", Server{Command: "no-such-command-anywhere"}, nil, `shproxy: command "no-such-command-anywhere": executable file not found in $PATH`},
		{"unknown path", Server{Command: "./no/such"}, nil, `shproxy: command "./no/such": no such file or directory`},
		{"negative limit", Server{Command: "true"}, &Options{MaxSessions: -1}, "shproxy: a limit in Options is negative"},
		{"more warm than sessions", Server{Command: "true"}, &Options{Warm: 101}, "shproxy: Warm in Options is more than MaxSessions"},
		{"host with scheme", Server{Command: "true"}, &Options{AllowedHosts: []string{"https://x"}}, `shproxy: allowed host "https://x": want a name like mcp.example.com, with or without a port`},
		{"origin without scheme", Server{Command: "true"}, &Options{AllowedOrigins: []string{"x"}}, `shproxy: allowed origin "x": want scheme://host like https://app.example.com`},
		{"origin with path", Server{Command: "true"}, &Options{AllowedOrigins: []string{"https://x/y"}}, `shproxy: allowed origin "https://x/y": want scheme://host like https://app.example.com`},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := New(test.server, test.options)
			if fmt.Sprint(err) != test.want {
				t.Errorf("err = %v\nwant  %s", err, test.want)
			}
		})
	}
}

// A body that does not come holds its connection for a minute and no longer,
// even when it is not wanted.
func TestStalledBody(t *testing.T) {
	for contentType, status := range map[string]int{"application/json": 400, "text/plain": 415} {
		synctest.Test(t, func(t *testing.T) {
			proxy, err := New(testServer(testserver.Good), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer proxy.Shutdown(t.Context())
			theirs, ours := net.Pipe()
			defer theirs.Close()
			server := &http.Server{Handler: proxy}
			listener := make(pipeListener, 1)
			listener <- ours
			go server.Serve(listener)
			defer server.Close()
			_ = theirs.SetDeadline(time.Now().Add(2 * bodyTimeout))
			fmt.Fprintf(theirs, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\nContent-Length: 10\r\n\r\n{", contentType)
			resp, err := http.ReadResponse(bufio.NewReader(theirs), nil)
			if err != nil || resp.StatusCode != status || !resp.Close {
				t.Errorf("%s: %+v, %v", contentType, resp, err)
			}
		})
	}
}

// pipeListener hands out connections that are there already.
type pipeListener chan net.Conn

func (l pipeListener) Accept() (net.Conn, error) {
	if conn, ok := <-l; ok {
		return conn, nil
	}
	return nil, net.ErrClosed
}

func (l pipeListener) Close() error   { close(l); return nil }
func (l pipeListener) Addr() net.Addr { return &net.TCPAddr{} }
