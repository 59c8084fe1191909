// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Several servers of a file are served, each at its path; one that does not
// work does not stop the others.
func TestConfig(t *testing.T) {
	elsewhere := start(t, "--", "envserver", "elsewhere")
	dir := t.TempDir()
	file := write(t, dir, "mcp.json", `{"mcpServers": {
		"one": {"command": "testserver", "args": ["good"], "alwaysAllow": []},
		"two": {"command": "envserver", "args": ["${WORD}", "--flag"], "env": {"KEY": "${WORD}!"}, "cwd": ".", "shproxy": {"path": "/second", "passEnv": ["SPECIAL_*"]}},
		"broken": {"command": "testserver", "args": ["exit"]},
		"absent": {"command": "no-such-command"},
		"off": {"command": "testserver", "disabled": true},
		"there": {"url": "`+elsewhere.url+`"}
	}}`)
	c := startIn(t, []string{"WORD=hello", "SPECIAL_CASE=1", "OTHER_SECRET=2"}, "--config", file)
	c.logged(`msg="server is disabled" server=off`)
	c.logged(`msg="members of the configuration mean nothing here" server=one members=alwaysAllow`)
	c.logged(`msg="server does not work" server=broken error=".*its last words: error: no configuration"`)
	c.logged(`msg="server does not work" server=absent error=".*executable file not found in`)

	if status := c.ping(c.url+"/one/mcp", c.open(c.url+"/one/mcp")); status != 200 {
		t.Errorf("one: %d", status)
	}
	two := c.seen(c.url + "/second")
	if !slices.Equal(two.Args, []string{"hello", "--flag"}) || !slices.Contains(two.Env, "KEY=hello!") || !slices.Contains(two.Env, "SPECIAL_CASE=1") {
		t.Errorf("two: %+v", two)
	}
	if real, err := filepath.EvalSymlinks(dir); err != nil || two.Dir != real {
		t.Errorf("two runs in %s, want %s", two.Dir, real)
	}
	for _, entry := range two.Env {
		if strings.HasPrefix(entry, "OTHER_SECRET=") || strings.HasPrefix(entry, "WORD=") {
			t.Errorf("two has %s", entry)
		}
	}
	if there := c.seen(c.url + "/there/mcp"); !slices.Equal(there.Args, []string{"elsewhere"}) {
		t.Errorf("there: %+v", there)
	}
	for path, status := range map[string]int{"/absent/mcp": 503, "/off/mcp": 404, "/two/mcp": 404, "/mcp": 404, "/one/mcp/": 200} {
		if resp, body := c.request("POST", c.url+path, initialize); resp.StatusCode != status {
			t.Errorf("%s: %s %s", path, resp.Status, body)
		}
	}
	for _, path := range []string{"/one/mcp", "/there/mcp", "/absent/mcp"} {
		if resp, body := c.request("POST", c.url+path, initialize, "Origin", "https://evil.example"); resp.StatusCode != 403 || !strings.Contains(body, `"jsonrpc"`) {
			t.Errorf("%s with a foreign origin: %s %s", path, resp.Status, body)
		}
	}
	resp, body := c.request("GET", c.url+"/healthz", "")
	if resp.StatusCode != 200 || body != `{"failed":1,"servers":5,"status":"ok"}`+"\n" {
		t.Errorf("health: %s %s", resp.Status, body)
	}
}

// A file is read again without touching the sessions of servers that stay the
// same; those of others end.
func TestReload(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("needs signals")
	}
	dir := t.TempDir()
	config := func(servers string) string {
		return write(t, dir, "mcp.json", `{"mcpServers": {`+servers+`}}`)
	}
	const stays = `"stays": {"command": "testserver", "args": ["good"]}`
	file := config(stays + `, "changes": {"command": "envserver", "args": ["before"]}, "goes": {"command": "testserver", "args": ["good"]}`)
	c := start(t, "--config", file, "--drain-timeout", "0s")
	sessions := make(map[string]string)
	for _, name := range []string{"stays", "changes", "goes"} {
		sessions[name] = c.open(c.url + "/" + name + "/mcp")
	}
	pid := c.tool(c.url+"/stays/mcp", sessions["stays"], "pid")
	gone, _, _ := strings.Cut(c.tool(c.url+"/goes/mcp", sessions["goes"], "pid"), " ")
	call := make(chan string)
	go func() {
		_, body := c.request("POST", c.url+"/stays/mcp", `{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"sleep","arguments":{"count":600,"text":"slept"}}}`,
			"Mcp-Session-Id", sessions["stays"])
		call <- body
	}()

	config(stays + `, "changes": {"command": "envserver", "args": ["after"]}, "comes": {"command": "testserver", "args": ["good"]}, "fails": {"command": "testserver", "args": ["exit"]}`)
	c.signal(syscall.SIGHUP)
	c.logged(`msg="configuration read again" new_servers=3`)
	c.logged(`msg="server does not work" server=fails`)
	if again := c.tool(c.url+"/stays/mcp", sessions["stays"], "pid"); again != pid {
		t.Errorf("the server that stays has process %s, before %s", again, pid)
	}
	if body := <-call; !strings.Contains(body, "slept") {
		t.Errorf("a call of it got %s", body)
	}
	if status := c.ping(c.url+"/changes/mcp", sessions["changes"]); status != 404 {
		t.Errorf("the old session of the server that changes: %d", status)
	}
	if got := c.seen(c.url + "/changes/mcp"); !slices.Equal(got.Args, []string{"after"}) {
		t.Errorf("the server that changes: %+v", got)
	}
	if resp, _ := c.request("POST", c.url+"/goes/mcp", initialize); resp.StatusCode != 404 {
		t.Errorf("the server that goes: %s", resp.Status)
	}
	for isRunning(t, gone) { // until its end in the background
		time.Sleep(time.Millisecond)
	}
	c.open(c.url + "/comes/mcp")

	config(stays + `, "x": {}`)
	c.signal(syscall.SIGHUP)
	c.logged(`msg="configuration not usable, keeping the old one" error=".*server \\"x\\": it has neither a command nor a url"`)
	config(stays + `, "x": {"command": "testserver", "shproxy": {"path": "/stays/mcp"}}`)
	c.signal(syscall.SIGHUP)
	c.logged(`msg="configuration not usable, keeping the old one" error="stays and x are both at /stays/mcp"`)
	if c.tool(c.url+"/stays/mcp", sessions["stays"], "pid") != pid || c.ping(c.url+"/comes/mcp", c.open(c.url+"/comes/mcp")) != 200 {
		t.Error("a broken file changed something")
	}

	config(stays)
	c.signal(syscall.SIGHUP)
	c.logged(`msg="configuration read again" new_servers=0`)
	if c.tool(c.url+"/mcp", sessions["stays"], "pid") != pid {
		t.Error("the only server is not at /mcp")
	}
	if code, log := c.end(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d: %s", code, log)
	}
}

func isRunning(t *testing.T, pid string) bool {
	t.Helper()
	n, err := strconv.Atoi(pid)
	if err != nil {
		t.Fatal(err)
	}
	p, err := os.FindProcess(n)
	return err == nil && p.Signal(syscall.Signal(0)) == nil
}

// A hangup ends a program that has nothing to read again, like one that was
// started at a terminal.
func TestHangup(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("needs signals")
	}
	c := start(t, "--", "testserver", "good")
	if code, log := c.end(syscall.SIGHUP); code != 0 {
		t.Errorf("exit code %d: %s", code, log)
	}
}

// A second signal does not wait for calls.
func TestSecondSignal(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("needs signals")
	}
	c := start(t, "--drain-timeout", "10m", "--", "testserver", "stubborn")
	session := c.open(c.url)
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		r, err := http.NewRequest("POST", c.url, strings.NewReader(`{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"wait"}}`))
		if err != nil {
			return
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Mcp-Session-Id", session)
		if resp, err := client.Do(r); err == nil {
			resp.Body.Close()
		}
	}()
	for c.health()["calls"] != 1.0 {
		time.Sleep(time.Millisecond)
	}
	c.signal(syscall.SIGTERM)
	c.logged("msg=stopping")
	if code, log := c.end(syscall.SIGINT); code != 0 {
		t.Errorf("exit code %d: %s", code, log)
	}
	<-answered
}

// The command gets a small environment, its arguments as they are, and its
// directory.
func TestEnvironment(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	secret := write(t, t.TempDir(), "secret", "from a file\n")
	c := startIn(t, []string{"SHPROXY_TEST_SECRET=s", "SHPROXY_TEST_OTHER=o", "TZ=UTC"},
		"-e", "FILE=file:"+secret, "--env", "OTHER=env:SHPROXY_TEST_OTHER", "-e", "PLAIN=a b", "--dir", dir,
		"--", "envserver", "--port", "1", "a b", "--", "-e", "$HOME", "*")
	got := c.seen(c.url)
	if !slices.Equal(got.Args, []string{"--port", "1", "a b", "--", "-e", "$HOME", "*"}) || got.Dir != dir {
		t.Errorf("arguments %q in %s", got.Args, got.Dir)
	}
	for _, want := range []string{"FILE=from a file", "OTHER=o", "PLAIN=a b", "TZ=UTC"} {
		if !slices.Contains(got.Env, want) {
			t.Errorf("no %s in %q", want, got.Env)
		}
	}
	for _, entry := range got.Env {
		if strings.HasPrefix(entry, "SHPROXY_TEST_") {
			t.Errorf("%s was passed on", entry)
		}
	}
	c = startIn(t, []string{"SHPROXY_TEST_SECRET=s"}, "--pass-env", "*", "--", "envserver")
	if got := c.seen(c.url); !slices.Contains(got.Env, "SHPROXY_TEST_SECRET=s") {
		t.Error("--pass-env '*' does not pass everything")
	}
}

// The admin address tells about all servers.
func TestAdminAddress(t *testing.T) {
	file := write(t, t.TempDir(), "mcp.json", `{"mcpServers": {
		"a": {"command": "testserver", "args": ["good"]}, "b": {"command": "testserver", "args": ["good"]}}}`)
	c := start(t, "--config", file, "--admin-addr", "127.0.0.1:0")
	admin := strings.TrimSuffix(c.logged(`msg="admin address" url=(\S+)`)[1], "/status")
	resp, body := c.request("GET", admin+"/status", "", "Accept", "application/json")
	var report struct{ Servers []struct{ Name, Path string } }
	if err := json.Unmarshal([]byte(body), &report); err != nil || len(report.Servers) != 2 || report.Servers[1].Path != "/b/mcp" {
		t.Errorf("status: %s %s", resp.Status, body)
	}
	for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
		if resp, body := c.request("GET", admin+path, ""); resp.StatusCode != 200 {
			t.Errorf("%s: %s %s", path, resp.Status, body)
		}
	}
	if resp, _ := c.request("GET", c.url+"/metrics", ""); resp.StatusCode != 404 {
		t.Errorf("metrics on the main address: %s", resp.Status)
	}
}

// The variables of the original proxy are the defaults of flags.
func TestOriginalVariables(t *testing.T) {
	port := freePort(t)
	log := filepath.Join(t.TempDir(), "log")
	shproxy := func(env []string, flags ...string) *command {
		return startIn(t, append(env, "LOG_FILE="+log), flags...)
	}
	c := shproxy([]string{"MCP_BIND_HOST=::1", "MCP_PORT=" + port}, "--host", "127.0.0.1", "--", "testserver", "good")
	if !strings.HasPrefix(c.url, "http://127.0.0.1:") || strings.HasSuffix(c.url, ":"+port+"/mcp") {
		t.Errorf("flags do not come before variables: %s", c.url)
	}
}
