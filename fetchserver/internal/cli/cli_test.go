// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/internal/cli"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest"
)

// asCommand in the environment makes this test binary the command.
const asCommand = "TEST_FETCHSERVER_COMMAND" // not one of the command's own variables

func TestMain(m *testing.M) {
	run := func() { os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }
	if os.Getenv(asCommand) != "" {
		run()
	}
	testscript.Main(m, map[string]func(){"fetchserver": run})
}

func command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env = append(os.Environ(), asCommand+"=1")
	return cmd
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			// exits CODE COMMAND...: the command ends with exactly this code.
			"exits": func(ts *testscript.TestScript, neg bool, args []string) {
				if neg || len(args) < 2 {
					ts.Fatalf("usage: exits CODE COMMAND...")
				}
				err := ts.Exec(args[1], args[2:]...)
				code := 0
				if exit, ok := err.(*exec.ExitError); ok {
					code = exit.ExitCode()
				} else if err != nil {
					ts.Fatalf("%v", err)
				}
				if fmt.Sprint(code) != args[0] {
					ts.Fatalf("exit code %d, want %s", code, args[0])
				}
			},
		},
		Setup: func(env *testscript.Env) error {
			env.Setenv("GORACE", "atexit_sleep_ms=0") // else each process sleeps a second at its end
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			env.Defer(func() { l.Close() })
			env.Setenv("TAKEN_PORT", fmt.Sprint(l.Addr().(*net.TCPAddr).Port))
			web := httptest.NewServer(scriptSite())
			env.Defer(web.Close)
			env.Setenv("SITE", web.URL)
			env.Setenv("ADDR", web.Listener.Addr().String())
			return nil
		},
	})
}

// scriptSite is what scripts read.
func scriptSite() http.Handler {
	mux := http.NewServeMux()
	page := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			fmt.Fprint(w, text)
		}
	}
	mux.HandleFunc("/robots.txt", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "User-agent: *\nDisallow: /private\n") })
	mux.HandleFunc("/{$}", page(`<html lang="en"><title>Example</title><h1>Hello</h1><p>A <a href="/other">link</a>.</p></html>`))
	mux.HandleFunc("/other", page("<h1>Other</h1><p>More of it.</p>"))
	mux.HandleFunc("/long", page("<h1>Long</h1><p>"+strings.Repeat("0123456789 ", 3000)+"</p>"))
	mux.HandleFunc("/app", page(`<title>App</title><div id="root"></div><script src="/app.js"></script>`))
	mux.HandleFunc("/private", page("<h1>Private</h1>"))
	mux.HandleFunc("/escape", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		fmt.Fprint(w, "a\x1b[2Jb")
	})
	mux.HandleFunc("/header", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "key "+r.Header.Get("X-Key")) })
	mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/other", http.StatusFound) })
	mux.HandleFunc("/inward", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://10.0.0.1/", http.StatusFound)
	})
	return mux
}

// serve starts the command on a free port and returns the URL of its endpoint.
func serve(t *testing.T, args ...string) (string, *exec.Cmd) {
	t.Helper()
	cmd := command(t.Context(), append([]string{"--port", "0", "--log-format", "json"}, args...)...)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		var record struct{ Msg, URL string }
		if err := json.Unmarshal(lines.Bytes(), &record); err != nil {
			t.Fatalf("%v: %s", err, lines.Text())
		}
		if record.Msg == "listening" {
			done := make(chan struct{})
			go func() {
				defer close(done)
				_, _ = io.Copy(io.Discard, stderr)
			}()
			t.Cleanup(func() {
				_ = cmd.Process.Kill()
				<-done
				_ = cmd.Wait()
			})
			return record.URL, cmd
		}
	}
	t.Fatal("the command ended before it listened:", cmd.Wait())
	return "", nil
}

func callThrough(t *testing.T, transport mcp.Transport, url string) string {
	t.Helper()
	s, err := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil).Connect(t.Context(), transport, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	r, err := s.CallTool(t.Context(), &mcp.CallToolParams{Name: "fetch", Arguments: map[string]any{"url": url}})
	if err != nil {
		t.Fatal(err)
	}
	return r.Content[0].(*mcp.TextContent).Text
}

func site(t *testing.T) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hang" {
			<-r.Context().Done()
			return
		}
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<h1>Hello</h1>")
	}))
	t.Cleanup(s.Close)
	return s
}

func TestHTTP(t *testing.T) {
	s := site(t)
	endpoint, cmd := serve(t, "--drain-timeout", "50ms", "--path", "/other", "--allow-private", s.Listener.Addr().String())
	if !strings.HasSuffix(endpoint, "/other") {
		t.Errorf("endpoint %s", endpoint)
	}
	if got := callThrough(t, &mcp.StreamableClientTransport{Endpoint: endpoint}, s.URL+"/"); !strings.Contains(got, "\n# Hello\n") {
		t.Errorf("text %q", got)
	}
	resp, err := http.Get(strings.TrimSuffix(endpoint, "/other") + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK || !strings.Contains(string(body), "ok") {
		t.Errorf("/healthz: %d %s", resp.StatusCode, body)
	}

	// A fetch that hangs does not hold up the end.
	client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil)
	session, err := client.Connect(t.Context(), &mcp.StreamableClientTransport{Endpoint: endpoint}, nil)
	if err != nil {
		t.Fatal(err)
	}
	hung := make(chan struct{})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	go func() {
		defer close(hung)
		_, _ = session.CallTool(ctx, &mcp.CallToolParams{Name: "fetch", Arguments: map[string]any{"url": s.URL + "/hang"}})
	}()
	start := time.Now()
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	state, err := cmd.Process.Wait()
	if err != nil || state.ExitCode() != 0 {
		t.Errorf("after an interrupt: %v, %v", state, err)
	}
	t.Logf("ended after %v", time.Since(start))
	<-hung
}

func TestStdio(t *testing.T) {
	s := site(t)
	cmd := command(t.Context(), "--stdio", "--allow-private", s.Listener.Addr().String(), "--log-level", "error")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if got := callThrough(t, &mcp.CommandTransport{Command: cmd}, s.URL+"/"); !strings.Contains(got, "\n# Hello\n") {
		t.Errorf("text %q, stderr %s", got, stderr.String())
	}
	if code := cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d, stderr %s", code, stderr.String())
	}
}

// TestStdioInterrupt: a signal ends the command although stdin stays open.
func TestStdioInterrupt(t *testing.T) {
	cmd := command(t.Context(), "--stdio")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	fmt.Fprintln(stdin, `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}`)
	if line, err := bufio.NewReader(stdout).ReadString('\n'); err != nil || !strings.Contains(line, `"fetchserver"`) {
		t.Fatalf("%q, %v", line, err)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after a signal: %v", err)
	}
}

func TestAuthorizationRequired(t *testing.T) {
	endpoint, _ := serve(t, "--auth-issuer", "http://127.0.0.1:1", "--resource", "http://127.0.0.1:3000/mcp", "--required-scope", "web")
	resp, err := http.Post(endpoint, "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	challenge := resp.Header.Get("WWW-Authenticate")
	if resp.StatusCode != http.StatusUnauthorized || !strings.Contains(challenge, "/.well-known/oauth-protected-resource/mcp") {
		t.Errorf("status %d, challenge %q", resp.StatusCode, challenge)
	}
	resp, err = http.Get(strings.TrimSuffix(endpoint, "/mcp") + "/.well-known/oauth-protected-resource/mcp")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var metadata struct {
		Resource string   `json:"resource"`
		Servers  []string `json:"authorization_servers"`
		Scopes   []string `json:"scopes_supported"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&metadata); err != nil || metadata.Resource != "http://127.0.0.1:3000/mcp" ||
		len(metadata.Servers) != 1 || len(metadata.Scopes) != 1 {
		t.Errorf("metadata %+v, %v", metadata, err)
	}
}

// freePort returns a port that nobody listens on. It is below those that systems
// give to whoever asks for any, so that nobody gets it meanwhile.
func freePort(t *testing.T) string {
	t.Helper()
	var err error
	for range 100 {
		port := strconv.Itoa(20_000 + rand.IntN(12_000))
		var l net.Listener
		if l, err = net.Listen("tcp", "127.0.0.1:"+port); err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal(err)
	return ""
}

// TestAuthorization signs in at a real authorization server and calls the tool.
func TestAuthorization(t *testing.T) {
	port := freePort(t)
	url := "http://127.0.0.1:" + port + "/mcp"
	auth := oauthdyntest.New(t, &oauthdyntest.Options{Resources: []authserver.Resource{{URI: url, Name: "Web fetch", Scopes: []string{"web"}}}})
	s := site(t)
	serve(t, "--port", port, "--allow-private", s.Listener.Addr().String(),
		"--auth-issuer", auth.Issuer, "--resource", url, "--required-scope", "web")
	client, err := oauthdyn.New(oauthdyn.Config{Resource: url, OpenURL: auth.Browser().Open})
	if err != nil {
		t.Fatal(err)
	}
	if got := callThrough(t, &mcp.StreamableClientTransport{Endpoint: url, HTTPClient: client.HTTPClient()}, s.URL+"/"); !strings.Contains(got, "\n# Hello\n") {
		t.Errorf("text %q", got)
	}
}
