// SPDX-License-Identifier: Apache-2.0

//go:build unix

package deploy_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// raw sends a request whose target no client library would send.
func (s *stack) raw(target, token, more string) int {
	s.t.Helper()
	config := s.tls()
	config.ServerName = "mcp." + domain
	conn, err := tls.Dial("tcp", "127.0.0.1:"+s.ports["443"], config)
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		s.t.Fatal(err)
	}
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: mcp.%s\r\nAuthorization: Bearer %s\r\n%sConnection: close\r\n\r\n", target, domain, token, more)
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
		"/.well-known/oauth-protected-resource/../../mcp/admin", "/.well-known/oauth-authorization-server/../../mcp/admin",
	} {
		status := s.raw(target, read, "X-Forwarded-Uri: /mcp/echo\r\nX-Forwarded-Host: mcp."+domain+"\r\nX-Original-Url: /mcp/echo\r\n")
		if seen := s.server.take(); status == 200 || len(seen) > 0 {
			s.t.Errorf("%s: %d, %d requests reached the server", target, status, len(seen))
		}
	}
	if status := s.raw("/mcp/echo", "", "X-Forwarded-User: root\r\nX-Forwarded-Method: OPTIONS\r\n"); status != 401 || len(s.server.take()) > 0 {
		s.t.Errorf("without a token: %d", status)
	}
	s.lines.add("17 spellings of a path that is closed", "none reaches the server")
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
	// Names what the proxy is to take away on its way (RFC 9110 section 7.6.1).
	status := s.raw("/mcp/echo", read, "Connection: X-User-Id, X-User-Name\r\n")
	for _, seen := range s.server.take() {
		if seen.Header.Get("X-User-Id") != "local:alice" {
			s.t.Errorf("Connection: X-User-Id: %d, the server sees %q", status, seen.Header)
		}
	}
	if status := s.raw("/mcp/echo?access_token="+read, "x", ""); status != 401 || len(s.server.take()) > 0 {
		s.t.Errorf("token in the query: %d", status)
	}
}

// Caddy before 2.11.2 leaves what the client sent where a header that it copies
// is empty, as the name is in a token of a program.
func TestCaddyDropsWhatItCopies(t *testing.T) {
	config, err := os.ReadFile("caddy/Caddyfile")
	if err != nil {
		t.Fatal(err)
	}
	before, after, _ := strings.Cut(string(config), "forward_auth ")
	_, copied, _ := strings.Cut(after, "copy_headers ")
	copied, _, _ = strings.Cut(copied, "\n")
	if names := strings.Fields(copied); len(names) != 2 {
		t.Errorf("copied are %q", names)
	}
	for name := range strings.FieldsSeq(copied) {
		if !strings.Contains(before, "request_header -"+name+"\n") {
			t.Errorf("%s of the client is still there when it is copied", name)
		}
	}
}
