// SPDX-License-Identifier: Apache-2.0

//go:build unix

package interop_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/examples/internal/bundle"
)

// fetch is mcp-server-fetch, with a site on loopback.
func fetch(t *testing.T) stage {
	raw := strings.Repeat("<p>many words</p>\n", 40_000) // 720 kB
	quotes := strings.Repeat(`"`, 990_000)               // twice as long in JSON
	asked, gone := make(chan struct{}, 1), make(chan struct{}, 1)
	mux := http.NewServeMux()
	mux.HandleFunc("/page", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<html><head><title>Bridges</title></head><body><main><h1>Bridges</h1><p>They carry <a href='/loads'>loads</a>.</p></main></body></html>")
	})
	mux.HandleFunc("/raw", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, raw) })
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(1200 * time.Millisecond): // when shproxy no longer waits with the headers
		case <-r.Context().Done():
		}
		fmt.Fprint(w, quotes)
	})
	mux.HandleFunc("/number/{n}", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "page %s", r.PathValue("n")) })
	mux.HandleFunc("/endless", func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-r.Context().Done()
		gone <- struct{}{}
	})
	site := httptest.NewServer(mux)
	t.Cleanup(func() {
		site.CloseClientConnections() // such as one for the endless page
		site.Close()
	})
	return stage{
		// Without Node.js in its path, since the server would otherwise have
		// npm install a package at the first page.
		env:     []string{"PATH=" + filepath.Dir(pythonCommand("python"))},
		command: []string{pythonCommand("mcp-server-fetch"), "--allow-private-ips"},
		play: func(c *conn) {
			found := c.list()
			c.wantAll("tools", found.Tools, []string{"fetch"})
			c.wantAll("prompts", found.Prompts, []string{"fetch"})
			c.wantText("fetch", map[string]any{"url": site.URL + "/page"}, "They carry", "loads")
			for path, want := range map[string]string{"/raw": raw, "/slow": quotes} {
				if got := c.text("fetch", map[string]any{"url": site.URL + path, "raw": true, "max_length": 999_999}); !strings.HasSuffix(got, want) {
					c.Errorf("%s: %d bytes came as %d", path, len(want), len(got))
				}
			}
			c.wantToolError("fetch", map[string]any{"url": site.URL + "/nowhere"}, "404")
			prompt := c.do("prompt", promptParams{Name: "fetch", Arguments: map[string]string{"url": site.URL + "/page"}})
			if !strings.Contains(string(prompt), "They carry") {
				c.Errorf("prompt %s", prompt)
			}
			calls := make([]callParams, 8)
			for i := range calls {
				calls[i] = callParams{Name: "fetch", Arguments: map[string]any{"url": fmt.Sprint(site.URL, "/number/", i)}}
			}
			for i, got := range c.together(calls) {
				if want := fmt.Sprintf("page %d", i); !strings.HasSuffix(got, want) {
					c.Errorf("call %d: %q, want %q in the end", i, got, want)
				}
			}
			if c.canGiveUp() {
				giveUpPage(c, site.URL+"/endless", asked, gone)
			}
		},
	}
}

// giveUpPage cancels the fetch of a page that never comes. The server must
// learn of it, which the page notices.
func giveUpPage(c *conn, url string, asked, gone <-chan struct{}) {
	before := c.health()
	id, wait := c.start("call", callParams{Name: "fetch", Arguments: map[string]any{"url": url}})
	for _, step := range []struct {
		what string
		done <-chan struct{}
		then func()
	}{
		{"the server to ask for the page", asked, func() { c.mayWaste(); c.do("cancel", cancelParams{id}) }},
		{"the server to give up the page", gone, func() {}},
	} {
		select {
		case <-step.done:
			step.then()
		case <-time.After(28 * time.Second): // after 30, the server gives up by itself
			c.Fatalf("waited too long for %s", step.what)
		}
	}
	if raw, err := wait(); err == nil {
		c.Errorf("the cancelled call gave %.200s", raw)
	}
	c.idle(before)
}

// canGiveUp says whether a cancellation by this client can reach the server.
func (c *conn) canGiveUp() bool {
	switch {
	case c.proxy == nil:
		return true
	case c.who.bridges && c.version == modernVersion:
		return false // mcp-remote keeps the connection, whose end would tell
	}
	return c.who.name != goSDK.name || c.version == modernVersion || cancelsAfterDisconnect
}

// timeServer is mcp-server-time, in the environment of a bundle. Of its results
// some versions say everything twice.
func timeServer(b bundle.Bundle, structured bool) stage {
	return stage{
		command: []string{b.Program("mcp-server-time"), "--local-timezone", "Europe/Vienna"},
		play: func(c *conn) {
			c.wantAll("tools", c.list().Tools, []string{"get_current_time", "convert_time"})
			now := c.call("get_current_time", map[string]any{"timezone": "Asia/Kolkata"})
			if !strings.Contains(now.text(), "+05:30") || structured != strings.Contains(string(now.StructuredContent), "Asia/Kolkata") {
				c.Errorf("now: %s, %s", now.text(), now.StructuredContent)
			}
			c.wantText("convert_time", map[string]any{"source_timezone": "Asia/Tokyo", "time": "16:30", "target_timezone": "UTC"},
				"T07:30:00+00:00", "-9.0h")
			c.wantToolError("get_current_time", map[string]any{"timezone": "Mars/Olympus"}, "Mars/Olympus")
			zones := []string{"UTC", "Asia/Tokyo", "Asia/Kathmandu", "Europe/Vienna", "America/New_York", "America/Caracas", "Africa/Cairo", "Pacific/Chatham"}
			calls := make([]callParams, c.atOnce)
			for i, zone := range zones[:c.atOnce] {
				calls[i] = callParams{Name: "get_current_time", Arguments: map[string]any{"timezone": zone}}
			}
			for i, got := range c.together(calls) {
				if !strings.Contains(got, zones[i]) {
					c.Errorf("the time of %s: %s", zones[i], got)
				}
			}
		},
	}
}

func timeV2(*testing.T) stage { return timeServer(pythonBundle(), true) }

// timeV1 is on the Python SDK's version 1.
func timeV1(*testing.T) stage { return timeServer(pythonV1Bundle(), false) }

// git is mcp-server-git, with a repository of its own.
func git(t *testing.T) stage {
	dir := t.TempDir()
	run := func(args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "git", append([]string{
			"-C", dir, "-c", "user.name=Ada", "-c", "user.email=ada@example.com", "-c", "commit.gpgsign=false",
		}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %s: %v\n%s", args[0], err, out)
		}
	}
	run("init", "--quiet", "--initial-branch=main")
	run("config", "user.name", "Ada")
	run("config", "user.email", "ada@example.com")
	writeFile(t, filepath.Join(dir, "notes.txt"), "one\n")
	run("add", ".")
	run("commit", "--quiet", "--message=the first commit")
	return stage{
		env:     []string{"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null"},
		command: []string{pythonCommand("mcp-server-git"), "--repository", dir},
		play: func(c *conn) {
			args := func(more ...any) map[string]any {
				m := map[string]any{"repo_path": dir}
				for i := 0; i < len(more); i += 2 {
					m[more[i].(string)] = more[i+1]
				}
				return m
			}
			c.wantAll("tools", c.list().Tools, []string{"git_status", "git_log", "git_commit", "git_diff_unstaged"})
			c.wantText("git_status", args(), "working tree clean")
			c.wantText("git_log", args("max_count", 5), "the first commit")
			big := strings.Repeat("a line that is new\n", 100_000) // 1.9 MB
			writeFile(c.T, filepath.Join(dir, "notes.txt"), "one\n"+big)
			if diff := c.text("git_diff_unstaged", args()); strings.Count(diff, "\n+a line that is new") != 100_000 {
				c.Errorf("a diff of %d bytes", len(diff))
			}
			c.wantText("git_add", args("files", []string{"notes.txt"}), "staged")
			c.wantText("git_commit", args("message", "zweite Änderung"), "committed")
			c.wantText("git_log", args("max_count", 1), "zweite Änderung")
			c.wantText("git_create_branch", args("branch_name", "side"), "side")
			c.wantToolError("git_checkout", args("branch_name", "nowhere"), "nowhere")
			c.wantToolError("git_status", map[string]any{"repo_path": "/"}, "")
		},
	}
}
