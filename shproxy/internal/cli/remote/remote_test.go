// SPDX-License-Identifier: Apache-2.0

package remote

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/guard"
)

// offer starts a remote server and a proxy before it. change may be nil.
func offer(t *testing.T, h http.HandlerFunc, change func(*Config)) *httptest.Server {
	t.Helper()
	there := httptest.NewServer(h)
	t.Cleanup(there.Close)
	cfg := Config{Name: "there", URL: there.URL + "/mcp?key=1", MaxMessageBytes: 1 << 10}
	if change != nil {
		change(&cfg)
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	here := httptest.NewServer(s)
	t.Cleanup(s.Close)
	t.Cleanup(here.Close)
	return here
}

func do(t *testing.T, method, url, body string, header ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
		}
		r.Header.Add(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(text)
}

// What belongs to MCP arrives; credentials and cookies of this origin do not.
func TestHeaders(t *testing.T) {
	var got *http.Request
	h := func(w http.ResponseWriter, r *http.Request) {
		got = r
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Set-Cookie", "a=b")
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("Mcp-Session-Id", "s1")
		fmt.Fprintf(w, "%s", body)
	}
	here := offer(t, h, func(c *Config) { c.Headers = map[string]string{"X-Key": "secret"} })
	resp, body := do(t, "POST", here.URL+"/there/mcp?x=y", `{"id":1}`,
		"Authorization", "Bearer mine", "Cookie", "c=d", "Origin", here.URL, "X-Key", "forged",
		"Mcp-Method", "tools/call", "Mcp-Param-A", "b", "Mcp-Session-Id", "s1", "Connection", "Upgrade", "Upgrade", "websocket")
	if resp.StatusCode != 200 || body != `{"id":1}` {
		t.Fatalf("%s %s", resp.Status, body)
	}
	for name, want := range map[string]string{
		"Authorization": "", "Cookie": "", "Origin": "", "Upgrade": "", "X-Forwarded-For": "",
		"X-Key": "secret", "Mcp-Method": "tools/call", "Mcp-Param-A": "b", "Mcp-Session-Id": "s1",
	} {
		if value := got.Header.Get(name); value != want {
			t.Errorf("%s: %q, want %q", name, value, want)
		}
	}
	if got.URL.String() != "/mcp?key=1" || "http://"+got.Host == here.URL {
		t.Errorf("the server was asked for %s at %s", got.URL, got.Host)
	}
	if resp.Header.Get("Set-Cookie")+resp.Header.Get("Access-Control-Allow-Origin") != "" || resp.Header.Get("Mcp-Session-Id") != "s1" {
		t.Errorf("reply with %v", resp.Header)
	}

	here = offer(t, h, func(c *Config) { c.PassAuthorization = true })
	do(t, "DELETE", here.URL, "", "Authorization", "Bearer mine")
	if auth := got.Header.Get("Authorization"); auth != "Bearer mine" {
		t.Errorf("passed on: %q", auth)
	}
}

// Events arrive while the stream is open, and its end ends the request there.
func TestStream(t *testing.T) {
	left := make(chan struct{})
	here := offer(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "data: 1\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		close(left)
	}, nil)
	ctx, cancel := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, here.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	line, err := bufio.NewReader(resp.Body).ReadString('\n')
	if line != "data: 1\n" || err != nil {
		t.Fatalf("%q, %v", line, err)
	}
	cancel()
	<-left
}

func TestRefusals(t *testing.T) {
	status := 200
	here := offer(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Location", "https://elsewhere.example/mcp")
		w.Header().Set("WWW-Authenticate", "Bearer")
		w.WriteHeader(status)
	}, nil)
	for _, test := range []struct {
		name, method, body string
		header             []string
		there, status      int
		want               string
	}{
		{"fine", "POST", "{}", nil, 202, 202, ""},
		{"unknown session", "POST", "{}", nil, 404, 404, ""},
		{"method", "PUT", "", nil, 200, 405, "method PUT is not allowed"},
		{"host", "POST", "{}", []string{"Host", "evil.example"}, 200, 403, "host"},
		{"origin", "POST", "{}", []string{"Origin", "http://evil.example"}, 200, 403, "origin"},
		{"large", "POST", strings.Repeat("x", 1<<10+1), nil, 200, 413, "larger than 1024 bytes"},
		{"redirect", "POST", "{}", nil, 307, 502, `server \"there\" is not set up correctly`},
		{"credentials", "POST", "{}", nil, 401, 502, `is not set up correctly`},
	} {
		t.Run(test.name, func(t *testing.T) {
			status = test.there
			resp, body := do(t, test.method, here.URL, test.body, test.header...)
			if resp.StatusCode != test.status || !strings.Contains(body, test.want) {
				t.Errorf("%s %s, want %d %s", resp.Status, body, test.status, test.want)
			}
			if test.want != "" && (!strings.HasPrefix(body, `{"jsonrpc":"2.0","id":null,"error":`) || resp.Header.Get("Content-Type") != "application/json") {
				t.Errorf("not a JSON-RPC error: %s", body)
			}
		})
	}
}

// A body of unknown length is cut off as well.
func TestChunkedBody(t *testing.T) {
	here := offer(t, func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }, nil)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, here.URL, io.LimitReader(endless{}, 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("%s", resp.Status)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestUnreachable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() // it accepts nothing
	here := offer(t, nil, func(c *Config) {
		c.URL = "http://" + l.Addr().String()
		c.ResponseTimeout = 50 * time.Millisecond
	})
	if resp, body := do(t, "POST", here.URL, "{}"); resp.StatusCode != http.StatusGatewayTimeout {
		t.Errorf("silent: %s %s", resp.Status, body)
	}
	l.Close()
	if resp, body := do(t, "POST", here.URL, "{}"); resp.StatusCode != http.StatusBadGateway || !strings.Contains(body, "cannot be reached") {
		t.Errorf("gone: %s %s", resp.Status, body)
	}
}

// A session serves nobody but the caller who started it.
func TestSessionsBelongToCallers(t *testing.T) {
	var got []string
	here := offer(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.Header["Mcp-Session-Id"]
		w.Header().Set("Mcp-Session-Id", "s.1")
	}, func(c *Config) { c.Identify = func(r *http.Request) string { return r.Header.Get("X-User") } })
	resp, _ := do(t, "POST", here.URL, "{}", "X-User", "alice")
	id := resp.Header.Get("Mcp-Session-Id")
	if !strings.HasPrefix(id, "s.1.") {
		t.Fatalf("session %q", id)
	}
	if resp, _ := do(t, "POST", here.URL, "{}", "X-User", "alice", "Mcp-Session-Id", id); resp.StatusCode != 200 || len(got) != 1 || got[0] != "s.1" {
		t.Errorf("alice: %s, session %q there", resp.Status, got)
	}
	for _, header := range [][]string{
		{"X-User", "bob", "Mcp-Session-Id", id},
		{"X-User", "alice", "Mcp-Session-Id", "s.1"},
		{"X-User", "alice", "Mcp-Session-Id", "none"},
		{"X-User", "bob", "Mcp-Session-Id", "", "Mcp-Session-Id", "s.1"},
	} {
		if resp, body := do(t, "POST", here.URL, "{}", header...); resp.StatusCode != 404 || !strings.Contains(body, "-32001") {
			t.Errorf("%v: %s %s", header, resp.Status, body)
		}
	}
}

// Replicas that have the same key take each other's sessions.
func TestSessionsOfReplicas(t *testing.T) {
	there := func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Mcp-Session-Id", "s.1") }
	replica := func(key string) *httptest.Server {
		return offer(t, there, func(c *Config) {
			c.Identify, c.SealKey = func(r *http.Request) string { return r.Header.Get("X-User") }, []byte(key)
		})
	}
	key := strings.Repeat("k", 32)
	resp, _ := do(t, "POST", replica(key).URL, "{}", "X-User", "alice")
	id := resp.Header.Get("Mcp-Session-Id")
	for other, want := range map[string]int{key: 200, strings.Repeat("o", 32): 404, key[1:]: 404, "": 404} {
		if resp, _ := do(t, "POST", replica(other).URL, "{}", "X-User", "alice", "Mcp-Session-Id", id); resp.StatusCode != want {
			t.Errorf("key %.2q of %d: %s", other, len(other), resp.Status)
		}
	}
	if resp, _ := do(t, "POST", replica(key).URL, "{}", "X-User", "bob", "Mcp-Session-Id", id); resp.StatusCode != 404 {
		t.Errorf("bob: %s", resp.Status)
	}
}

func TestNewErrors(t *testing.T) {
	for _, cfg := range []Config{
		{URL: "mcp.example.com"}, {URL: "ftp://x"}, {URL: "https://me:secret@x/"}, {URL: "https://x/#y"},
		{URL: "https://x", Headers: map[string]string{"a b": ""}},
		{URL: "https://x", Headers: map[string]string{"a@b": ""}},
		{URL: "https://x", Headers: map[string]string{"A": "b\x01"}},
		{URL: "https://x", Headers: map[string]string{"host": "y"}},
		{URL: "https://x", Headers: map[string]string{"A": "b\r\nc: d"}},
	} {
		if _, err := New(cfg); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
	if _, err := New(Config{URL: "https://x", Guard: &guard.Guard{}}); err != nil {
		t.Error(err)
	}
}
