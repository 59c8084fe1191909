// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/testserver"
)

// TestScripts covers bad input: one clear line and the right exit code.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("GORACE", "atexit_sleep_ms=0")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			// takeport listens on a port and puts it into the variable PORT.
			"takeport": func(ts *testscript.TestScript, _ bool, _ []string) {
				l, err := net.Listen("tcp", "127.0.0.1:0")
				ts.Check(err)
				ts.Defer(func() { _ = l.Close() })
				_, port, err := net.SplitHostPort(l.Addr().String())
				ts.Check(err)
				ts.Setenv("PORT", port)
			},
			// exitcode runs shproxy and checks its exit code: exitcode CODE ARGS.
			"exitcode": func(ts *testscript.TestScript, _ bool, args []string) {
				err := ts.Exec("shproxy", args[1:]...)
				exit, ok := errors.AsType[*exec.ExitError](err)
				if !ok || fmt.Sprint(exit.ExitCode()) != args[0] {
					ts.Fatalf("%v, want exit code %s", err, args[0])
				}
			},
			// lines checks how many lines the last command wrote to stderr.
			"lines": func(ts *testscript.TestScript, _ bool, args []string) {
				if n := strings.Count(ts.ReadFile("stderr"), "\n"); fmt.Sprint(n) != args[0] {
					ts.Fatalf("%d lines on stderr, want %s", n, args[0])
				}
			},
		},
	})
}

// It serves, tells its health, and ends cleanly although sessions, calls and
// streams are open and the server resists.
func TestServe(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("needs signals")
	}
	for _, mode := range []string{testserver.Good, testserver.Stubborn} {
		for _, signal := range []os.Signal{syscall.SIGINT, syscall.SIGTERM} {
			t.Run(fmt.Sprint(mode, " ", signal), func(t *testing.T) {
				t.Parallel()
				c := start(t, "--drain-timeout", "0s", "testserver", mode) // without --
				resp, body := c.post(initialize)
				session := resp.Header.Get("Mcp-Session-Id")
				if resp.StatusCode != 200 || session == "" {
					t.Fatalf("%s %s", resp.Status, body)
				}
				get, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.url, nil)
				if err != nil {
					t.Fatal(err)
				}
				get.Header.Set("Mcp-Session-Id", session)
				stream, err := http.DefaultClient.Do(get)
				if err != nil {
					t.Fatal(err)
				}
				defer stream.Body.Close()
				answer := make(chan string)
				go func() {
					_, body := c.post(`{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"wait"}}`, "Mcp-Session-Id", session)
					answer <- body
				}()
				for h := c.health(); h["calls"] != 1.0; h = c.health() {
					if h["status"] != "ok" || h["sessions"] != 1.0 {
						t.Fatalf("health: %v", h)
					}
				}
				code, log := c.end(signal)
				if code != 0 {
					t.Errorf("exit code %d: %s", code, log)
				}
				if got := <-answer; !strings.Contains(got, `"id":5,"error":{"code":-32603,"message":"the proxy is shutting down"}`) {
					t.Errorf("the call got %s", got)
				}
			})
		}
	}
}

func (c *command) health() map[string]any {
	c.t.Helper()
	resp, err := http.Get(strings.TrimSuffix(c.url, "/mcp") + "/healthz")
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	var h map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&h); err != nil {
		c.t.Fatal(err)
	}
	return h
}

// Clients may know it under another URL; the log tells where it listens.
func TestListening(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, want string
		flags      []string
	}{
		{"itself", `msg=listening url=http://127\.0\.0\.1:\d+/mcp$`, nil},
		{"public", `msg=listening url=https://mcp\.example\.com/mcp addr=127\.0\.0\.1:\d+$`, []string{"--public-url", "https://mcp.example.com"}},
		{"several", `msg=listening url=https://mcp\.example\.com servers=2 addr=127\.0\.0\.1:\d+$`, []string{
			"--public-url", "https://mcp.example.com", "--no-probe", "--config",
			write(t, t.TempDir(), "two.json", `{"mcpServers": {"a": {"command": "testserver"}, "b": {"command": "testserver"}}}`),
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			flags := test.flags
			if test.name != "several" {
				flags = append(flags, "--", "testserver", testserver.Good)
			}
			c := launch(t, nil, flags...)
			c.logged(test.want)
		})
	}
}
