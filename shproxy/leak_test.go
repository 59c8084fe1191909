// SPDX-License-Identifier: Apache-2.0

package shproxy

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/testserver"
)

// After whatever clients did, and servers, nothing is left in any mode: no
// session, no process, no goroutine, no file descriptor. It is not parallel,
// since it counts.
func TestNothingIsLeft(t *testing.T) {
	for name, test := range map[string]struct {
		server  string
		options Options
	}{
		"session":       {testserver.Good, Options{}},
		"shared":        {testserver.Good, Options{Mode: ModeShared}},
		"warm":          {testserver.Good, Options{Warm: 2}},
		"end on crash":  {testserver.Good, Options{EndOnCrash: true, ReplayBytes: -1}},
		"modern":        {testserver.Modern, Options{Environ: fromHeader}},
		"shared modern": {testserver.Modern, Options{Mode: ModeShared, Warm: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			goroutines, files := runtime.NumGoroutine(), openFiles(t)
			server := testServer(test.server)
			options := test.options
			options.RequestTimeout = 2 * time.Second
			proxy, err := New(server, &options)
			if err != nil {
				t.Fatal(err)
			}
			stream, message := proxy.LegacySSE("/messages")
			mux := http.NewServeMux()
			mux.Handle("/mcp", proxy)
			mux.Handle("/sse", stream)
			mux.Handle("/messages", message)
			ts := httptest.NewServer(mux)
			transport := &http.Transport{}
			var clients sync.WaitGroup
			for i := range 12 {
				clients.Go(func() {
					vanishing := &vanishing{t: t, url: ts.URL, http: &http.Client{Transport: transport}, n: i}
					if test.server == testserver.Modern {
						vanishing.modern()
					} else {
						vanishing.legacy()
					}
				})
			}
			clients.Wait()
			if err := proxy.Close(); err != nil {
				t.Error(err)
			}
			transport.CloseIdleConnections()
			ts.Close()
			if s := proxy.Status(); s.Sessions != 0 || s.Children != 0 || s.Calls != 0 || s.Streams != 0 || s.QueuedBytes != 0 {
				t.Errorf("left: %+v", s)
			}
			if left := processes(t, server.Env[len(server.Env)-1]); len(left) > 0 {
				t.Errorf("processes left: %v", left)
			}
			for end := time.Now().Add(time.Minute); runtime.NumGoroutine() > goroutines || openFiles(t) > files; time.Sleep(time.Millisecond) {
				if time.Now().After(end) {
					stacks := make([]byte, 1<<20)
					t.Fatalf("%d goroutines more, %d files more\n%s", runtime.NumGoroutine()-goroutines, openFiles(t)-files, stacks[:runtime.Stack(stacks, true)])
				}
			}
		})
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	if runtime.GOOS != "linux" {
		return 0
	}
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// vanishing is a client that leaves whatever it does in the middle.
type vanishing struct {
	t    *testing.T
	url  string
	http *http.Client
	n    int
}

var vanishingTools = []string{"echo", "wait", "ask", "progress", "crash", "later", "sleep"}

// send posts and reads a part of the reply, within a time that is over before
// some of them are there.
func (v *vanishing) send(method, path, body string, h http.Header) *http.Response {
	ctx, cancel := context.WithTimeout(v.t.Context(), time.Duration(5+7*v.n)*time.Millisecond)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, v.url+path, strings.NewReader(body))
	if err != nil {
		v.t.Error(err)
		return nil
	}
	r.Header = h.Clone()
	r.Header.Set("Content-Type", "application/json")
	resp, err := v.http.Do(r)
	if err != nil {
		return nil
	}
	_, _ = io.CopyN(io.Discard, resp.Body, int64(50*v.n))
	resp.Body.Close()
	return resp
}

func (v *vanishing) legacy() {
	h := http.Header{"Accept": {"application/json, text/event-stream"}}
	if v.n%4 == 3 {
		v.send("GET", "/sse", "", h)
		return
	}
	frame := strings.Replace(initializeFrame, testVersion, "2025-11-25", 1)
	resp := v.send("POST", "/mcp", frame, h)
	if resp == nil {
		return
	}
	h.Set("Mcp-Session-Id", resp.Header.Get("Mcp-Session-Id"))
	for i := range 8 {
		tool := vanishingTools[(v.n+i)%len(vanishingTools)]
		v.send("POST", "/mcp", toolFrame("1", tool, map[string]any{"count": 20}, `{"progressToken":1}`), h)
		if i%3 == 0 {
			v.send("GET", "/mcp", "", h)
		}
	}
	if v.n%2 == 0 {
		v.send("DELETE", "/mcp", "", h)
	}
}

func (v *vanishing) modern() {
	c := modernClient(v.t, v.url)
	for i := range 8 {
		tool := vanishingTools[(v.n+i)%len(vanishingTools)]
		frame := modernTool("1", tool, `"count":20`, `"progressToken":1,"io.modelcontextprotocol/logLevel":"info"`)
		if i%3 == 0 {
			frame = modernFrame("1", "subscriptions/listen", `"notifications":{}`, "")
		}
		r := c.modernRequest(v.t.Context(), frame, "X-Token: "+fmt.Sprint(v.n%2))
		v.send("POST", "/mcp", frame, r.Header)
	}
}
