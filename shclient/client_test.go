// SPDX-License-Identifier: Apache-2.0

package shclient_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/atrawog/mcp-oauth-gateway/shclient"
)

func newClient(t testing.TB, o shclient.Options) *shclient.Client {
	t.Helper()
	c, err := shclient.New(o, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestClient(t *testing.T) {
	for name, options := range map[string]*mcp.StreamableHTTPOptions{
		"stateful":               {},
		"stateful, JSON answers": {JSONResponse: true},
		"stateless":              {Stateless: true},
	} {
		t.Run(name, func(t *testing.T) {
			var keys []string
			server := streamable(toolServer(nil), options)
			url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				keys = append(keys, r.Header.Get("X-Key"))
				server.ServeHTTP(w, r)
			}))
			c := newClient(t, shclient.Options{URL: url, Header: http.Header{"x-key": {"k"}}})
			tools, err := c.ListTools(t.Context())
			if err != nil || len(tools) != 6 {
				t.Fatalf("%d tools, %v", len(tools), err)
			}
			result, err := c.CallTool(t.Context(), "echo", json.RawMessage(`{"message":"hi"}`))
			if err != nil {
				t.Fatal(err)
			}
			if got := result.Content[0].(*mcp.TextContent).Text; got != "hi" {
				t.Errorf("echo: %q", got)
			}
			result, err = c.CallTool(t.Context(), "fail", nil)
			if err != nil || !result.IsError {
				t.Errorf("fail: %+v, %v", result, err)
			}
			_, err = c.CallTool(t.Context(), "none", nil)
			if _, ok := errors.AsType[*jsonrpc.Error](err); !ok {
				t.Errorf("unknown tool: %v", err)
			}
			if _, err = c.CallTool(t.Context(), "echo", map[string]any{"message": "after an error"}); err != nil {
				t.Error(err)
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
			if _, err := c.ListTools(t.Context()); err == nil {
				t.Error("a closed client works")
			}
			if all := strings.Join(keys, ""); all != strings.Repeat("k", len(keys)) {
				t.Errorf("custom header: %q", keys)
			}
		})
	}
}

// What is no MCP server is named for what it is.
func TestClientStatusError(t *testing.T) {
	tests := []struct {
		name    string
		handler http.HandlerFunc
		status  int
		detail  string
	}{
		{"nothing there", http.NotFound, 404, "404 page not found"},
		{"login wanted", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) }, 401, ""},
		{"web page", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>hello</html>") }, 200, "not an MCP answer but text/html"},
		{"other API", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, 200, `{"ok":true}`) }, 200, "not an MCP answer: jsonrpc: "},
		{"server down", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no upstream", http.StatusBadGateway) }, 502, "no upstream"},
		{"error page", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, 400, `{"error":"bad"}`) }, 400, `{"error":"bad"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newClient(t, shclient.Options{URL: serve(t, tt.handler) + "?key=secret"})
			_, err := c.ListTools(t.Context())
			status, ok := errors.AsType[*shclient.StatusError](err)
			if !ok {
				t.Fatalf("err = %v", err)
			}
			if status.Status != tt.status || !strings.HasPrefix(status.Detail, tt.detail) {
				t.Errorf("status %d, detail %q; want %d, %q", status.Status, status.Detail, tt.status, tt.detail)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("the error shows the query: %v", err)
			}
		})
	}
}

func TestClientCannotReachServer(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	s.Close()
	_, err := newClient(t, shclient.Options{URL: s.URL}).ListTools(t.Context())
	if _, ok := errors.AsType[net.Error](err); !ok {
		t.Errorf("err = %v", err)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A server that never answers the question for the modern protocol is taken
// for a legacy one.
func TestClientBoundsTheProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		transport := roundTrip(func(r *http.Request) (*http.Response, error) {
			body, _ := io.ReadAll(r.Body)
			answer := &http.Response{StatusCode: 202, Header: http.Header{}, Body: http.NoBody, Request: r}
			switch text := string(body); {
			case strings.Contains(text, "server/discover"):
				<-r.Context().Done()
				return nil, r.Context().Err()
			case strings.Contains(text, `"initialize"`):
				var m struct{ ID json.RawMessage }
				json.Unmarshal(body, &m)
				answer.StatusCode = 200
				answer.Header.Set("Content-Type", "application/json")
				answer.Body = io.NopCloser(strings.NewReader(fmt.Sprintf(
					`{"jsonrpc":"2.0","id":%s,"result":{"protocolVersion":"2025-06-18","capabilities":{},"serverInfo":{"name":"old","version":"1"}}}`, m.ID)))
			}
			return answer, nil
		})
		c := newClient(t, shclient.Options{URL: "http://old.example/mcp", HTTPClient: &http.Client{Transport: transport}})
		session, err := c.Session(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got := session.InitializeResult().ProtocolVersion; got != "2025-06-18" {
			t.Errorf("version %q", got)
		}
		c.Close()
	})
}

func TestOptionsAreChecked(t *testing.T) {
	tests := []struct{ url, want string }{
		{"", "not an http or https URL"},
		{"example.com/mcp", "not an http or https URL"},
		{"ftp://example.com", "not an http or https URL"},
		{"https://", "not an http or https URL"},
		{"https://user:pw@example.com/", "user name or password"},
		{"https://a b/", "not a URL"},
	}
	for _, tt := range tests {
		_, err := shclient.New(shclient.Options{URL: tt.url}, nil)
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "pw") {
			t.Errorf("%q: err = %v, want %s", tt.url, err, tt.want)
		}
		if _, err := shclient.NewBridge(shclient.Options{URL: tt.url}, nil); err == nil {
			t.Errorf("%q: no error from NewBridge", tt.url)
		}
	}
}

func TestCancelledCall(t *testing.T) {
	cancelled := make(chan struct{})
	running := make(chan struct{}, 1)
	server := streamable(toolServer(cancelled), nil)
	c := newClient(t, shclient.Options{URL: serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		server.ServeHTTP(&spy{w, running}, r)
	}))})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-running
		cancel()
	}()
	if _, err := c.CallTool(ctx, "wait", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v", err)
	}
	<-cancelled
}

// spy reports the first event of the tool that waits.
type spy struct {
	http.ResponseWriter
	running chan<- struct{}
}

func (s *spy) Write(b []byte) (int, error) {
	if strings.Contains(string(b), "notifications/progress") {
		s.running <- struct{}{}
	}
	return s.ResponseWriter.Write(b)
}

func (s *spy) Flush() { s.ResponseWriter.(http.Flusher).Flush() }

func TestClientOverATransport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, silent := range []bool{false, true} {
			near, far := mcp.NewInMemoryTransports()
			s := toolServer(nil)
			if silent {
				s.AddReceivingMiddleware(func(next mcp.MethodHandler) mcp.MethodHandler {
					return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
						if method == "server/discover" {
							<-ctx.Done()
							return nil, ctx.Err()
						}
						return next(ctx, method, req)
					}
				})
			}
			server, err := s.Connect(t.Context(), far, nil)
			if err != nil {
				t.Fatal(err)
			}
			c := shclient.NewOver(near, nil)
			tools, err := c.ListTools(t.Context())
			if err != nil || len(tools) != 6 {
				t.Fatalf("silent %t: %d tools, %v", silent, len(tools), err)
			}
			session, err := c.Session(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got, want := session.InitializeResult().ProtocolVersion >= "2026-07-28", !silent; got != want {
				t.Errorf("silent %t: modern %t", silent, got)
			}
			_, err = session.CallTool(t.Context(), &mcp.CallToolParams{Name: "none"})
			if rpc, ok := errors.AsType[*jsonrpc.Error](err); !ok || rpc.Code != jsonrpc.CodeInvalidParams {
				t.Errorf("silent %t: unknown tool: %v", silent, err)
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
			if _, err := c.Session(t.Context()); err == nil {
				t.Error("a closed client connects")
			}
			_ = server.Wait()
		}
	})
}
