// SPDX-License-Identifier: Apache-2.0

package shproxy

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/testserver"
)

// newFailing serves a server that works until it is ended, and never again.
func newFailing(t *testing.T, o *Options) (*Proxy, string) {
	t.Helper()
	server := testServer(testserver.Once)
	server.Env = append([]string{testserver.OnceEnv + "=" + filepath.Join(t.TempDir(), "was here")}, server.Env...)
	return serveProxy(t, server, o)
}

const noConfiguration = "error: no configuration"

// A server that works no more is told so by every answer, and after some
// tries, at once; its sessions are there when it is back.
func TestServerThatFailsForGood(t *testing.T) {
	t.Parallel()
	for _, mode := range []Mode{ModeSession, ModeShared} {
		t.Run(fmt.Sprint(mode), func(t *testing.T) {
			t.Parallel()
			proxy, url := newFailing(t, &Options{Mode: mode})
			c := connect(t, url)
			c.wantError(c.tool("1", "crash", nil), 200, "1", -32603, "error: boom")
			// Another client makes it try without the pauses of this session.
			for range 5 {
				other := &client{t: t, url: url}
				other.wantError(other.post(initializeFrame), 200, `"init"`, -32603, noConfiguration)
				if proxy.Status().State == StateFailed && strings.Contains(proxy.Status().StartError, noConfiguration) {
					break
				}
			}
			c.wantError(c.tool("2", "echo", nil), 200, "2", -32603, noConfiguration)
			if resp := c.post(`{"jsonrpc":"2.0","method":"n"}`); resp.StatusCode != http.StatusAccepted {
				t.Errorf("a notification: %s", resp.Status)
			}
			if err := proxy.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), noConfiguration) {
				t.Errorf("Ready: %v", err)
			}
			if s := proxy.Status(); s.State != StateFailed || s.Sessions == 0 {
				t.Errorf("%+v", s)
			}
		})
	}
}

// In the old transport a call that cannot be sent is refused with a status that
// says so: nobody reads the body of a success.
func TestLegacySSEOfAFailingServer(t *testing.T) {
	t.Parallel()
	proxy, _ := newFailing(t, nil)
	stream, message := proxy.LegacySSE("/messages")
	mux := http.NewServeMux()
	mux.Handle("/sse", stream)
	mux.Handle("/messages", message)
	mux.Handle("/mcp", proxy)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	c := openLegacy(t, server.URL, nil)
	c.send(strings.Replace(initializeFrame, testVersion, "2024-11-05", 1))
	c.next()
	c.send(toolFrame("1", "crash", nil, ""))
	c.next()
	other := &client{t: t, url: server.URL + "/mcp"}
	for {
		for !strings.Contains(other.body(other.post(initializeFrame)), "times in a row") {
		}
		resp := c.post(toolFrame("2", "echo", nil, ""))
		if resp.StatusCode == http.StatusAccepted { // the rest of the server was over
			c.next()
			continue
		}
		c.wantError(resp, 503, "2", -32603, "times in a row")
		break
	}
}

// A client of JSON alone whose call is cancelled gets an end, too.
func TestCancelOfAJSONClient(t *testing.T) {
	t.Parallel()
	_, url, stage := newStage(t, nil)
	c, child := connectPuppet(t, url, stage, testVersion)
	c.header.Set("Accept", "application/json")
	done := make(chan *http.Response)
	go func() { done <- c.post(`{"jsonrpc":"2.0","id":1,"method":"x"}`) }()
	child.Expect(`{"jsonrpc":"2.0","id":2,"method":"x"}`)
	c.post(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`)
	resp := <-done
	if body := c.body(resp); resp.StatusCode != http.StatusNoContent || body != "" {
		t.Errorf("%s %q", resp.Status, body)
	}
}

// One server that fails takes no other with it.
func TestFailureStaysWithItsServer(t *testing.T) {
	t.Parallel()
	_, bad := newTestProxy(t, testserver.Exit, nil)
	_, good := newTestProxy(t, testserver.Good, nil)
	c := connect(t, good)
	for i := range 8 {
		other := &client{t: t, url: bad}
		other.wantError(other.post(initializeFrame), 200, `"init"`, -32603, noConfiguration)
		c.want(c.tool("1", "echo", map[string]any{"text": fmt.Sprint(i)}), 200, textResult("1", fmt.Sprint(i)))
	}
}
