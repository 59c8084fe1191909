// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

const initialize = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`

// send sends a request, and returns the response without its body.
func send(t *testing.T, method, url, body string, header fields) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	for name, value := range header {
		if name == "Host" {
			req.Host = value
		}
		req.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		t.Fatal(err)
	}
	return res
}

// Web pages of strangers get nothing, and names that somebody pointed at this
// machine lead nowhere.
func TestGuard(t *testing.T) {
	url := start(t, nil, "-allow-host", "mcp.example", "-allow-origin", "https://app.example")
	for _, test := range []struct {
		header fields
		status int
		allow  string
	}{
		{nil, 200, ""},
		{fields{"Origin": "https://evil.example"}, 403, ""},
		{fields{"Origin": "null"}, 403, ""},
		{fields{"Origin": strings.TrimSuffix(url, endpoint)}, 200, ""},
		{fields{"Origin": "https://app.example"}, 200, "https://app.example"},
		{fields{"Host": "evil.example"}, 403, ""},
		{fields{"Host": "mcp.example"}, 200, ""},
		{fields{"Host": "MCP.example:443", "Origin": "https://evil.example"}, 403, ""},
	} {
		res := send(t, http.MethodPost, url, initialize, test.header)
		if res.StatusCode != test.status || res.Header.Get("Access-Control-Allow-Origin") != test.allow {
			t.Errorf("%v: %s, allowed %q", test.header, res.Status, res.Header.Get("Access-Control-Allow-Origin"))
		}
	}
	res := send(t, http.MethodOptions, url, "", fields{"Origin": "https://app.example"})
	if res.StatusCode != http.StatusNoContent || !strings.Contains(res.Header.Get("Access-Control-Allow-Headers"), "Authorization") {
		t.Errorf("preflight: %s, %v", res.Status, res.Header)
	}
}

// Sessions are ended by DELETE, unknown ones are 404, and there are not
// arbitrarily many.
func TestSessionsOverHTTP(t *testing.T) {
	o, err := parse([]string{"-stateful", "-max-sessions", "5"}, nil, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(o)
	web := httptest.NewServer(s.handler(slog.New(slog.DiscardHandler)))
	t.Cleanup(web.Close)
	url := web.URL + endpoint
	id := send(t, http.MethodPost, url, initialize, nil).Header.Get("Mcp-Session-Id")
	for _, want := range []int{http.StatusNoContent, http.StatusNotFound} {
		if res := send(t, http.MethodDelete, url, "", fields{"Mcp-Session-Id": id}); res.StatusCode != want {
			t.Errorf("DELETE: %s, want %d", res.Status, want)
		}
	}
	if res := send(t, http.MethodPost, url, `{"jsonrpc":"2.0","id":1,"method":"ping"}`, fields{"Mcp-Session-Id": id}); res.StatusCode != http.StatusNotFound {
		t.Errorf("ping in a session that has ended: %s", res.Status)
	}
	for s.count() < 5 {
		if res := send(t, http.MethodPost, url, initialize, nil); res.StatusCode != http.StatusOK {
			t.Fatalf("session %d: %s", s.count(), res.Status)
		}
	}
	res := send(t, http.MethodPost, url, initialize, nil)
	if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" {
		t.Errorf("one session too many: %s", res.Status)
	}
	s.endSessions()
	if res := send(t, http.MethodPost, url, initialize, nil); res.StatusCode != http.StatusOK {
		t.Errorf("after the others: %s", res.Status)
	}
	s.endSessions()
	if res := send(t, http.MethodPost, url, initialize[:20]+strings.Repeat(" ", maxBodyBytes)+initialize[20:], nil); res.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("a large body: %s", res.Status)
	}
	if res := send(t, http.MethodGet, web.URL+"/healthz", "", nil); res.StatusCode != http.StatusOK {
		t.Errorf("healthz: %s", res.Status)
	}
}

// The variables of the original are understood, flags win, and mistakes are
// named.
func TestParse(t *testing.T) {
	o, err := parse([]string{"--port", "3001", "-protocol-versions", "2025-06-18, 2025-11-25"}, []string{
		"MCP_ECHO_HOST=0.0.0.0", "MCP_ECHO_PORT=3000", "MCP_ECHO_DEBUG=true", "MCP_SESSION_TIMEOUT=1800", "MCP_PROTOCOL_VERSIONS_SUPPORTED=2025-06-18,2025-03-26,2024-11-05",
	}, io.Discard)
	if err != nil || o.host != "0.0.0.0" || o.port != 3001 || !o.debug || o.sessionTimeout != 30*time.Minute || strings.Join(o.versions, " ") != "2025-06-18 2025-11-25" {
		t.Errorf("%+v, %v", o, err)
	}
	for _, test := range []struct{ arg, env, want string }{
		{"-port=70000", "", "want a number up to 65535"},
		{"", "MCP_ECHO_PORT=x", "MCP_ECHO_PORT: want a number"},
		{"", "MCP_SESSION_TIMEOUT=-1", "MCP_SESSION_TIMEOUT: want a time such as 30m"},
		{"-protocol-versions=1.0", "", "want some of 2026-07-28"},
		{"-show-env=[", "", "want the name of a variable"},
		{"-allow-host=", "", "it is empty"},
		{"-max-sessions=0", "", "want a number above 0"},
		{"extra", "", `unexpected argument "extra"`},
	} {
		var args, environ []string
		if test.arg != "" {
			args = []string{test.arg}
		}
		if test.env != "" {
			environ = []string{test.env}
		}
		if _, err := parse(args, environ, io.Discard); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v %v: %v, want %q", args, environ, err, test.want)
		}
	}
}

// A version that is left out is not spoken.
func TestVersions(t *testing.T) {
	url := start(t, []string{"MCP_PROTOCOL_VERSIONS_SUPPORTED=2025-06-18"})
	session := connect(t, url, "", nil, nil)
	if got := session.InitializeResult().ProtocolVersion; got != "2025-06-18" {
		t.Errorf("they agree on %s", got)
	}
}

func FuzzDecodeJWT(f *testing.F) {
	for _, seed := range []string{jwtOf(`{"exp":1}`), "a.b.c", "..", "e30.e30.", "e30=.e30=.x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		decoded, err := decodeJWT(token)
		if err != nil {
			return
		}
		p := newPage("x")
		for name, value := range showClaims(p, decoded.claims, []claimLabel{{"sub", "Subject"}}) {
			p.line(shown(name), "%s", moment(name, value))
		}
		if strings.Count(p.String(), "\n") > 2+len(decoded.claims) || len(p.String()) > 100+len(decoded.claims)*3*maxShown {
			t.Errorf("%q becomes %q", token, p.String())
		}
	})
}

// What is shown is one line of bounded length.
func FuzzShown(f *testing.F) {
	f.Add("a\r\nb\x00\xff")
	f.Add(strings.Repeat("é", maxShown))
	f.Fuzz(func(t *testing.T, value string) {
		got := shown(value)
		if len(got) > maxShown+50 || strings.ContainsAny(got, "\r\n\x1b\x00") || !bytes.Equal([]byte(got), bytes.ToValidUTF8([]byte(got), nil)) {
			t.Errorf("%q", got)
		}
	})
}
