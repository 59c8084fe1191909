// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/testserver"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"shproxy": func() { os.Exit(Main(os.Args[1:], os.Stdout, os.Stderr)) },
		"testserver": func() {
			os.Exit(testserver.Run(os.Args[1], os.Stdin, os.Stdout, os.Stderr))
		},
	})
}

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
			// lines checks how many lines the last command wrote to stderr.
			"lines": func(ts *testscript.TestScript, _ bool, args []string) {
				if n := strings.Count(ts.ReadFile("stderr"), "\n"); fmt.Sprint(n) != args[0] {
					ts.Fatalf("%d lines on stderr, want %s", n, args[0])
				}
			},
		},
	})
}

// command is a running shproxy.
type command struct {
	t   *testing.T
	cmd *exec.Cmd
	url string
	log chan string // what follows on stderr, when it has ended
}

// start runs shproxy as a process of its own, on a free port, and waits until
// it listens.
func start(t *testing.T, flags ...string) *command {
	t.Helper()
	shproxy, err := exec.LookPath("shproxy") // testscript.Main put it there
	if err != nil {
		t.Fatal(err)
	}
	c := &command{t: t, log: make(chan string, 1)}
	c.cmd = exec.Command(shproxy, append([]string{"--port", "0"}, flags...)...)
	c.cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0")
	stderr, err := c.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.cmd.Process.Kill(); _ = c.cmd.Wait() })
	r := bufio.NewReader(stderr)
	for c.url == "" {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatalf("shproxy ended: %q", line)
		}
		if _, url, ok := strings.Cut(strings.TrimSpace(line), "msg=listening url="); ok {
			c.url = url
		}
	}
	go func() {
		rest, _ := io.ReadAll(r)
		c.log <- string(rest)
	}()
	return c
}

// end sends a signal and returns the exit code and what was logged.
func (c *command) end(signal os.Signal) (int, string) {
	c.t.Helper()
	if err := c.cmd.Process.Signal(signal); err != nil {
		c.t.Fatal(err)
	}
	log := <-c.log
	_ = c.cmd.Wait()
	return c.cmd.ProcessState.ExitCode(), log
}

const initialize = `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"test","version":"1"}}}`

func (c *command) post(frame string, header ...string) (*http.Response, string) {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), http.MethodPost, c.url, strings.NewReader(frame))
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp, string(body)
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
				c := start(t, "testserver", mode) // without --
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

// With --auth-issuer the endpoint demands tokens, and sessions belong to the
// people who started them.
func TestAuth(t *testing.T) {
	port := freePort(t)
	id := "http://127.0.0.1:" + port + "/mcp"
	auth := oauthdyntest.New(t, &oauthdyntest.Options{Resources: []authserver.Resource{{URI: id, Name: "Wrapped", Scopes: []string{"mcp"}}}})
	if err := auth.Users.Set("bob", "another good password"); err != nil {
		t.Fatal(err)
	}
	c := start(t, "--port", port, "--auth-issuer", auth.Issuer, "--required-scope", "mcp", "--", "testserver", testserver.Good)

	resp, _ := c.post(initialize)
	if challenge := resp.Header.Get("WWW-Authenticate"); resp.StatusCode != 401 || !strings.Contains(challenge, "http://127.0.0.1:"+port+"/.well-known/oauth-protected-resource/mcp") {
		t.Errorf("%s, challenge %q", resp.Status, challenge)
	}
	resp, _ = c.post(initialize, "Authorization", "Bearer wrong")
	if resp.StatusCode != 401 {
		t.Errorf("wrong token: %s", resp.Status)
	}
	metadata, err := http.Get(strings.TrimSuffix(c.url, "/mcp") + "/.well-known/oauth-protected-resource/mcp")
	if err != nil {
		t.Fatal(err)
	}
	defer metadata.Body.Close()
	var m oauthdyn.ResourceMetadata
	if err := json.NewDecoder(metadata.Body).Decode(&m); err != nil || m.Resource != id || m.AuthorizationServers[0] != auth.Issuer {
		t.Errorf("metadata %+v, %v", m, err)
	}

	alice := "Bearer " + token(t, auth, id, auth.Browser())
	resp, body := c.post(initialize, "Authorization", alice)
	session := resp.Header.Get("Mcp-Session-Id")
	if resp.StatusCode != 200 || session == "" {
		t.Fatalf("%s %s", resp.Status, body)
	}
	const ping = `{"jsonrpc":"2.0","id":1,"method":"ping"}`
	if resp, body := c.post(ping, "Authorization", alice, "Mcp-Session-Id", session); resp.StatusCode != 200 {
		t.Errorf("alice: %s %s", resp.Status, body)
	}
	again := "Bearer " + token(t, auth, id, auth.Browser())
	if resp, body := c.post(ping, "Authorization", again, "Mcp-Session-Id", session); resp.StatusCode != 200 {
		t.Errorf("alice with a new token: %s %s", resp.Status, body)
	}
	bob := "Bearer " + token(t, auth, id, &oauthdyntest.Browser{Username: "bob", Password: "another good password"})
	if resp, body := c.post(ping, "Authorization", bob, "Mcp-Session-Id", session); resp.StatusCode != 404 {
		t.Errorf("bob: %s %s", resp.Status, body)
	}
}

// freePort returns a port that was free a moment ago: the authorization
// server has to know the resource's URL before the resource is there.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func token(t *testing.T, auth *oauthdyntest.Server, resource string, browser *oauthdyntest.Browser) string {
	t.Helper()
	client, err := oauthdyn.New(oauthdyn.Config{
		AuthServer: auth.Issuer, Resource: resource, ClientName: "test", Scopes: []string{"mcp"}, OpenURL: browser.Open,
	})
	if err != nil {
		t.Fatal(err)
	}
	token, err := client.Authenticate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return token.AccessToken
}
