// SPDX-License-Identifier: Apache-2.0

//go:build unix

package deploy_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest/browser"
)

// A proxy is one of the programs, and how to start it in the directory of its
// configuration.
type proxy struct {
	name, program string
	find          func(*testing.T, string) string
	args          []string
}

var proxies = []proxy{
	{"traefik", "traefik", fromPyPI, []string{"--configFile=traefik.yml"}},
	{"caddy", "caddy", fromPyPI, []string{"run", "--config", "Caddyfile", "--adapter", "caddyfile"}},
	{"nginx", "nginx", fromSystem, []string{"-p", ".", "-c", "nginx.conf", "-e", "stderr", "-g", "daemon off;"}},
	{"envoy", "envoy", fromPyPI, []string{"-c", "envoy.yaml", "--use-dynamic-base-id", "--concurrency", "1", "--log-level", "warn"}},
}

func TestProxies(t *testing.T) {
	if testing.Short() {
		t.Skip("starts reverse proxies; run without -short")
	}
	for _, p := range proxies {
		t.Run(p.name, func(t *testing.T) {
			s := newStack(t, p)
			t.Run("no token", func(t *testing.T) { s.at(t).noToken() })
			t.Run("client signs in, streams and steps up", func(t *testing.T) { s.at(t).client() })
			read, write := s.token("mcp:read"), s.token("mcp:read", "mcp:write")
			t.Run("S91 spoofed headers", func(t *testing.T) { s.at(t).spoofed(read) })
			t.Run("stream", func(t *testing.T) { s.at(t).stream("/mcp/stream", read) })
			if p.name != "traefik" { // whose fastProxy holds the answer back; see the README
				t.Run("stream without chunks", func(t *testing.T) { s.at(t).stream("/mcp/plain-stream", read) })
			}
			t.Run("scopes by path", func(t *testing.T) { s.at(t).scopes(read, write) })
			t.Run("S93 path tricks", func(t *testing.T) { s.at(t).tricks(read) })
			t.Run("S90 odd headers", func(t *testing.T) { s.at(t).oddHeaders(read) })
			t.Run("S94 closed while the service is down", func(t *testing.T) { s.at(t).down(read) })
		})
	}
}

// at is the stack in a subtest.
func (s *stack) at(t *testing.T) *stack {
	s.server.take()
	inner := *s
	inner.t = t
	return &inner
}

// send makes a request through the proxy, as it is.
func (s *stack) send(method, path, token string, headers ...string) *http.Response {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, "http://"+s.proxy+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		req.Header.Add(name, value)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		s.t.Error(err)
	}
	res.Body.Close()
	return res
}

// wantRefusal checks a refusal and its challenge, of which there must be one.
func (s *stack) wantRefusal(what string, res *http.Response, status int, code string, scopes ...string) {
	s.t.Helper()
	c, _ := oauthdyn.BearerChallenge(res.Header)
	metadata := "http://" + s.proxy + "/.well-known/oauth-protected-resource/mcp"
	if res.StatusCode != status || len(res.Header["Www-Authenticate"]) != 1 || c.Code() != code || c.ResourceMetadata() != metadata || !slices.Equal(c.Scopes(), scopes) {
		s.t.Errorf("%s: %s with challenges %q, want %d, %s, %v", what, res.Status, res.Header["Www-Authenticate"], status, code, scopes)
	}
	if seen := s.server.take(); len(seen) > 0 {
		s.t.Errorf("%s: reached the server: %s %s", what, seen[0].Method, seen[0].URL)
	}
}

func (s *stack) noToken() {
	s.wantRefusal("no token", s.send("POST", "/mcp", ""), 401, "", "mcp:read", "mcp:write")
	s.wantRefusal("no token", s.send("GET", "/mcp", ""), 401, "", "mcp:read")
	s.wantRefusal("bad token", s.send("GET", "/mcp", "abc.def.ghi"), 401, "invalid_token", "mcp:read")
	s.wantRefusal("spoofed user", s.send("GET", "/mcp", "", "X-User-Id: root"), 401, "", "mcp:read")
}

// person signs in with what a client asks for.
func person() *browser.Browser { return &browser.Browser{Username: username, Password: password} }

// token signs in for some scopes.
func (s *stack) token(scopes ...string) string {
	s.t.Helper()
	client, err := oauthdyn.New(oauthdyn.Config{Resource: "http://" + s.proxy + "/mcp", Scopes: scopes, OpenURL: person().Open})
	if err != nil {
		s.t.Fatal(err)
	}
	token, err := client.Authenticate(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return token.AccessToken
}

// client is an ordinary MCP client that knows the address and nothing else: it
// finds the way from the 401, sees a stream as it comes, and asks for a further
// scope when a tool needs it.
func (s *stack) client() {
	signIns := 0
	auth, err := oauthdyn.New(oauthdyn.Config{
		Resource: "http://" + s.proxy + "/mcp",
		OpenURL: func(ctx context.Context, url string) error {
			signIns++
			return person().Open(ctx, url)
		},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	gate := filepath.Join(s.t.TempDir(), "gate")
	client := mcp.NewClient(&mcp.Implementation{Name: "client", Version: "v0"}, &mcp.ClientOptions{
		ProgressNotificationHandler: func(context.Context, *mcp.ProgressNotificationClientRequest) {
			// The tool waits for this: a proxy that buffers would wait for it.
			if err := os.WriteFile(gate, nil, 0o600); err != nil {
				s.t.Error(err)
			}
		},
	})
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	session, err := client.Connect(ctx, &mcp.StreamableClientTransport{
		Endpoint: "http://" + s.proxy + "/mcp", HTTPClient: auth.HTTPClient(), DisableStandaloneSSE: true,
	}, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	defer session.Close()
	call := &mcp.CallToolParams{Name: "count", Arguments: map[string]any{"gate": gate}}
	call.SetProgressToken("p")
	s.wantCall(session, call, "counted")
	for _, r := range s.server.take() {
		if r.Header.Get("X-User-Id") != "local:alice" || r.Header.Get("X-User-Name") != "alice" || r.Header.Get("Authorization") != "" {
			s.t.Errorf("%s %s reached the server with %v", r.Method, r.URL, r.Header)
		}
	}
	before := signIns
	s.wantCall(session, &mcp.CallToolParams{Name: "wipe"}, "wiped")
	if before != 1 || signIns > 2 {
		s.t.Errorf("signed in %d times, then %d", before, signIns)
	}
}

func (s *stack) wantCall(session *mcp.ClientSession, call *mcp.CallToolParams, want string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	result, err := session.CallTool(ctx, call)
	if err != nil {
		s.t.Fatalf("%s: %v", call.Name, err)
	}
	if text, ok := result.Content[0].(*mcp.TextContent); !ok || text.Text != want {
		s.t.Errorf("%s: %v", call.Name, result.Content[0])
	}
}

// stream wants each event when it is sent.
func (s *stack) stream(path, token string) {
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", "http://"+s.proxy+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	for _, want := range []string{"data: 1\n\n", "data: 2\n\n"} {
		event := make([]byte, len(want))
		if _, err := io.ReadFull(res.Body, event); err != nil || string(event) != want {
			s.t.Fatalf("%s, event %q, error %v", res.Status, event, err)
		}
		if want == "data: 1\n\n" {
			select {
			case s.server.more <- struct{}{}:
			case <-ctx.Done():
				s.t.Fatal("the stream is not open at the server any more")
			}
		}
	}
}

func (s *stack) spoofed(token string) {
	res := s.send("GET", "/mcp/echo", token, "X-User-Id: root", "X-User-Id: admin", "X-User-Name: root", "x-auth-token: t", "X-Other: kept")
	seen := s.server.take()
	if res.StatusCode != 200 || len(seen) != 1 {
		s.t.Fatalf("%s, %d requests", res.Status, len(seen))
	}
	for name, want := range map[string]string{"X-User-Id": "local:alice", "X-User-Name": "alice", "X-Other": "kept"} {
		if got := seen[0].Header[name]; !slices.Equal(got, []string{want}) {
			s.t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	for name, values := range seen[0].Header {
		if text := strings.Join(values, ""); strings.Contains(text, token) || strings.Contains(text, "root") || name == "X-Auth-Token" && text != "" {
			s.t.Errorf("%s: %q", name, values)
		}
	}
}

func (s *stack) scopes(read, write string) {
	s.wantRefusal("scope", s.send("GET", "/mcp/admin", read), 403, "insufficient_scope", "mcp:read", "mcp:write")
	s.wantRefusal("tool", s.send("POST", "/mcp", read, "Mcp-Protocol-Version: 2026-07-28", "Mcp-Method: tools/call", "Mcp-Name: wipe"),
		403, "insufficient_scope", "mcp:read", "mcp:write")
	// Only who says what it calls gets by with less.
	if res := s.send("POST", "/mcp/echo", read, "Mcp-Protocol-Version: 2026-07-28", "Mcp-Method: tools/call", "Mcp-Name: count"); res.StatusCode != 200 || len(s.server.take()) != 1 {
		s.t.Errorf("another tool: %s", res.Status)
	}
	if res := s.send("GET", "/mcp/admin", write); res.StatusCode != 200 || len(s.server.take()) != 1 {
		s.t.Errorf("with the scope: %s", res.Status)
	}
}

// raw sends a request whose target no client library would send.
func (s *stack) raw(target, token, more string) int {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.proxy)
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		s.t.Fatal(err)
	}
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n%sConnection: close\r\n\r\n", target, s.proxy, token, more)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		s.t.Fatalf("%s: %v", target, err)
	}
	res.Body.Close()
	return res.StatusCode
}

func (s *stack) tricks(read string) {
	if status := s.raw("/mcp/echo", read, ""); status != 200 {
		s.t.Errorf("control: %d", status)
	}
	s.server.take()
	for _, target := range []string{
		"/mcp/x/../admin", "/mcp/x/%2e%2e/admin", "/mcp//admin", "/mcp/./admin", "/mcp/%61dmin", "/mcp/x/..%2fadmin", "/mcp%2fadmin",
		"/mcp/x/%252e%252e/admin", "/mcp/admin;x", "/mcp/..;/mcp/admin", "/mcp\\admin", "//mcp/admin", "/mcp/admin?x=/mcp/echo", "/mcp/admin/", "/mcp/admin%3f",
	} {
		status := s.raw(target, read, "X-Forwarded-Uri: /mcp/echo\r\nX-Forwarded-Host: "+s.proxy+"\r\nX-Original-Url: /mcp/echo\r\n")
		if seen := s.server.take(); status == 200 || len(seen) > 0 {
			s.t.Errorf("%s: %d, %d requests reached the server", target, status, len(seen))
		}
	}
	if status := s.raw("/mcp/echo", "", "X-Forwarded-User: root\r\nX-Forwarded-Method: OPTIONS\r\n"); status != 401 || len(s.server.take()) > 0 {
		s.t.Errorf("without a token: %d", status)
	}
}

func (s *stack) oddHeaders(read string) {
	for name, more := range map[string]string{
		"a second token":       "Authorization: Bearer " + read + "\r\n",
		"another scheme":       "Authorization: Basic YTpi\r\n",
		"twice the same field": "authorization: bearer " + read + "\r\n",
	} {
		if status := s.raw("/mcp/echo", read, more); status == 200 || len(s.server.take()) > 0 {
			s.t.Errorf("%s: %d", name, status)
		}
	}
	if status := s.raw("/mcp/echo?access_token="+read, "x", ""); status != 401 || len(s.server.take()) > 0 {
		s.t.Errorf("token in the query: %d", status)
	}
}

// down is last: it ends the service.
func (s *stack) down(read string) {
	if res := s.send("GET", "/mcp/echo", read); res.StatusCode != 200 {
		s.t.Fatalf("control: %s", res.Status)
	}
	s.server.take()
	s.endAuth()
	for range 3 {
		if res := s.send("GET", "/mcp/echo", read); res.StatusCode < 400 || len(s.server.take()) > 0 {
			s.t.Errorf("service is down: %s", res.Status)
		}
	}
}
