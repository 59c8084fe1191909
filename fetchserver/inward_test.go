// SPDX-License-Identifier: Apache-2.0

package fetchserver_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver"
)

// TestNoWayInward has a neighbour of the server, which nobody allowed, and
// everything that clients can call with everything that may lead there.
func TestNoWayInward(t *testing.T) {
	var reached atomic.Int32
	neighbour, at := site(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	base, addr := site(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/redirect":
			http.Redirect(w, r, neighbour+"/a", http.StatusTemporaryRedirect)
		case "/refresh":
			w.Header().Set("Refresh", "0; url="+neighbour)
			fmt.Fprintf(w, `<meta http-equiv=refresh content="0;url=%s"><p>page`, neighbour)
		case "/alternate":
			w.Header().Set("Link", "<"+neighbour+`/x.md>; rel=alternate; type="text/markdown"`)
			fmt.Fprintf(w, `<base href="%s/"><link rel=alternate type=text/markdown href=y.md><img src=z.png><p>page`, neighbour)
		case "/alternate.md":
			http.Redirect(w, r, neighbour+"/x.md", http.StatusFound)
		case "/moved":
			fmt.Fprint(w, `<link rel=alternate type=text/markdown href=/alternate.md><p>page`)
		default:
			http.NotFound(w, r)
		}
	}))
	robots, robotsAddr := site(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/robots.txt" {
			http.Redirect(w, r, neighbour+"/robots.txt", http.StatusFound)
		}
	}))
	port := at.Port()
	s := connect(t, start(t, fetchserver.Options{Ports: []uint16{port}}, addr, robotsAddr), "")
	for _, u := range []string{
		neighbour, base + "/redirect", robots + "/page", base + "/refresh", base + "/alternate", base + "/moved",
		fmt.Sprintf("http://localhost:%d/", port), fmt.Sprintf("http://2130706433:%d/", port), fmt.Sprintf("http://0x7f.1:%d/", port),
		fmt.Sprintf("http://[::ffff:127.0.0.1]:%d/", port), fmt.Sprintf("http://①②⑦.0.0.1:%d/", port), fmt.Sprintf("http://127.0.0.1.:%d/", port),
	} {
		// What has a page of its own is read; the rest is refused.
		own := strings.HasSuffix(u, "/refresh") || strings.HasSuffix(u, "/alternate") || strings.HasSuffix(u, "/moved")
		for _, raw := range []bool{false, true} {
			text, _, r := call(t, s, map[string]any{"url": u, "raw": raw})
			if r.IsError == own {
				t.Errorf("fetch %s: %s", u, text)
			}
		}
		if _, err := s.CallTool(t.Context(), &mcp.CallToolParams{Name: "fetch_many", Arguments: map[string]any{"urls": []string{u}}}); err != nil {
			t.Errorf("fetch_many %s: %v", u, err)
		}
		if _, err := s.GetPrompt(t.Context(), &mcp.GetPromptParams{Name: "fetch", Arguments: map[string]string{"url": u}}); err != nil {
			t.Errorf("prompt %s: %v", u, err)
		}
		if _, err := s.ReadResource(t.Context(), &mcp.ReadResourceParams{URI: "fetch://" + u}); (err == nil) != own && !strings.HasPrefix(u, robots) {
			t.Errorf("resource %s: %v", u, err)
		}
	}
	if n := reached.Load(); n != 0 {
		t.Errorf("the neighbour was reached %d times", n)
	}
}
