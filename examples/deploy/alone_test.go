// SPDX-License-Identifier: Apache-2.0

//go:build unix

package deploy_test

import "testing"

// TestAlone has no proxy: shproxy has the certificates, signs people in, and
// passes the requests for fetchserver on.
func TestAlone(t *testing.T) {
	if testing.Short() {
		t.Skip("starts servers; run without -short")
	}
	for _, test := range []struct {
		name  string
		certs func(*stack) []string
	}{
		{"own certificates", ownCertificates},
		{"ACME", orderedCertificates},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newStack(t, deployment{name: "alone", certs: test.certs})
			s.run("a client that knows nothing but the address", (*stack).walk)
			s.run("MCP client signs in and streams", (*stack).client)
			mcp, fetch := s.token(s.mcp), s.token(s.fetch)
			s.run("refusals", func(s *stack) { s.refusals(mcp, fetch) })
			s.run("fetchserver", func(s *stack) { s.fetches(fetch) })
			if _, status := s.end(); status != 0 {
				t.Errorf("up ended with status %d", status)
			}
			s.run("logs", func(s *stack) { s.secretsInLogs(mcp, fetch) })
			t.Logf("transcript without a proxy, %s:\n%s", test.name, s.lines)
		})
	}
}

// refusals are those of shproxy, which no proxy stands before.
func (s *stack) refusals(mcp, fetch string) {
	s.wantRefusal("no token", s.send("POST", "/mcp", ""), 401, "", "mcp")
	s.wantRefusal("bad token", s.send("GET", "/mcp", "abc.def.ghi"), 401, "invalid_token", "mcp")
	s.wantRefusal("spoofed user", s.send("GET", "/mcp", "", "X-User-Id: root", "X-Forwarded-User: root"), 401, "", "mcp")
	s.lines.add("no token, a bad one, X-User-Id: root", "401")
	s.wantRefusal("token for fetch", s.send("GET", "/mcp", fetch, "X-Forwarded-Uri: /fetch/mcp"), 401, "invalid_token", "mcp")
	if res := s.sendTo("POST", s.fetch, mcp); res.StatusCode != 401 {
		s.t.Errorf("token for mcp at fetch: %s", res.Status)
	}
	s.lines.add("the token of one server at the other", "401 invalid_token")
	s.otherName(mcp)
	if res := s.send("POST", "/mcp", "", "Origin: "+origin); res.Header.Get("Access-Control-Allow-Origin") != origin {
		s.t.Errorf("a web page that may call: %v", res.Header)
	}
	if res := s.send("POST", "/mcp", mcp, "Origin: https://evil.gateway.test"); res.StatusCode != 403 {
		s.t.Errorf("a web page that may not call: %s", res.Status)
	}
	s.lines.add("a web page of "+origin, "reads answers; another gets 403, and so do other hosts")
}
