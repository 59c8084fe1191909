// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest/browser"
)

// The test binary plays the programs of these tests: the gateway, its demo
// server, servers that misbehave, and a browser without a screen.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "run-gateway":
			os.Args = append(os.Args[:1], os.Args[2:]...)
			main()
		case demoServerArg:
			main()
		case "misbehave":
			misbehave(os.Args[2])
			os.Exit(3)
		}
	}
	if password := os.Getenv("TEST_BROWSER_PASSWORD"); password != "" {
		person := &browser.Browser{Username: userName, Password: password}
		if err := person.Open(context.Background(), os.Args[1]); err != nil {
			fmt.Fprintln(os.Stderr, "browser:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func misbehave(how string) {
	switch how {
	case "exit":
		fmt.Fprintln(os.Stderr, "no licence file found")
	case "garbage":
		for range 3 {
			fmt.Println("Welcome to the server!")
		}
	}
}

// runGateway runs the program in this process until it returns.
func runGateway(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	var out, errs syncBuffer
	status = run(t.Context(), args, io.NopCloser(strings.NewReader("")), &out, &errs)
	return status, out.String(), errs.String()
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) Close() error { return nil }

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func TestOnce(t *testing.T) {
	status, stdout, stderr := runGateway(t, "--once")
	if status != 0 || stderr != "" {
		t.Fatalf("status %d, stderr %q, stdout:\n%s", status, stderr, stdout)
	}
	wantLines(t, stdout,
		`serving   http://127\.0\.0\.1:\d+`,
		`data      \S+ \(embedded store\)`,
		`user      demo, password \S+ \(shown this once\)`,
		`call without a token .*401, metadata at http://127\.0\.0\.1:\d+/\.well-known/oauth-protected-resource/demo/mcp`,
		`discovery, /demo/mcp .*authorization server http://127\.0\.0\.1:\d+`,
		`dynamic registration .*client_id \S+`,
		`login with PKCE S256 .*token for http://127\.0\.0\.1:\d+/demo/mcp, good for 15 min`,
		`tools/list, through the bridge .*2 tools: countdown, echo`,
		`tools/call, through the bridge .*echo says "hello through the bridge"`,
		`login with PKCE S256 .*token for http://127\.0\.0\.1:\d+/fetch/mcp`,
		`fetch a page .*as Markdown`,
		`fetch a metadata service .*refused`,
		`sign out, /demo/mcp .*its token refused at once`,
		`12 steps, all as they should be`,
	)
	data := regexp.MustCompile(`data +(\S+)`).FindStringSubmatch(stdout)[1]
	if _, err := os.Stat(data); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the temporary data directory %s is still there (%v)", data, err)
	}
}

func TestSecondStartKeepsThePassword(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	_, first, _ := runGateway(t, "--once", "--data", data)
	wantLines(t, first, `password \S+ \(shown this once\)`)

	status, second, stderr := runGateway(t, "--once", "--data", data)
	if status != 0 {
		t.Fatalf("status %d, stderr %q", status, stderr)
	}
	wantLines(t, second, `password as printed at the first start`, `12 steps, all as they should be`)

	_, third, _ := runGateway(t, "--once", "--data", data, "--reset-password")
	wantLines(t, third, `password \S+ \(shown this once\)`)

	info, err := os.Stat(data)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("data directory: mode %v, error %v; want drwx------", info.Mode(), err)
	}
}

// TestWrongUse holds the two promises for everything that goes wrong: one
// clear line, and a status that is not 0.
func TestWrongUse(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	config := filepath.Join(dir, "broken.json")
	for path, content := range map[string]string{file: "", config: `{"mcpServers": {"token": {"command": "x"}}}`} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name   string
		args   []string
		status int
		want   string
	}{
		{"unknown flag", []string{"--frobnicate"}, 2, "flag provided but not defined: -frobnicate"},
		{"config and command", []string{"--config", file, "--", "true"}, 2, "exclude each other"},
		{"no config file", []string{"--config", filepath.Join(dir, "absent.json")}, 2, "no such file"},
		{"unusable config", []string{"--config", config}, 2, `server "token": the gateway itself uses this path`},
		{"port in use", []string{"--once", "--addr", busy.Addr().String()}, 1, "address already in use; choose another with --addr"},
		{"not a loopback address", []string{"--once", "--addr", "0.0.0.0:0"}, 1, "want a loopback address"},
		{"unwritable data directory", []string{"--once", "--data", filepath.Join(file, "data")}, 1, "data directory"},
		{"no such command", []string{"--once", "--", "no-such-command-here"}, 1, `server "server": exec: "no-such-command-here"`},
		{"server exits at once", []string{"--once", "--", self, "misbehave", "exit"}, 1, "no licence file found"},
		{"server prints garbage", []string{"--once", "--", self, "misbehave", "garbage"}, 1, "exit"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			temporary := t.TempDir()
			t.Setenv("TMPDIR", temporary)
			status, _, stderr := runGateway(t, tt.args...)
			if left, err := os.ReadDir(temporary); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
			if status != tt.status {
				t.Errorf("status %d, want %d", status, tt.status)
			}
			line, rest, _ := strings.Cut(stderr, "\n")
			if !strings.HasPrefix(line, "gateway: ") || !strings.Contains(line, tt.want) {
				t.Errorf("stderr %q; want one line that begins with gateway: and holds %q", line, tt.want)
			}
			if rest != "" && !strings.HasPrefix(rest, "hint: ") {
				t.Errorf("stderr goes on: %q", rest)
			}
		})
	}
}

// TestBrokenServerLeavesTheOthers: of the servers of a file, one that does not
// start is reported, and the others serve.
func TestBrokenServerLeavesTheOthers(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(t.TempDir(), "mcp.json")
	err = os.WriteFile(config, fmt.Appendf(nil,
		`{"mcpServers": {"broken": {"command": %q, "args": ["misbehave", "exit"]}, "good": {"command": %[1]q, "args": ["demo-server"]}}}`, self), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	status, stdout, stderr := runGateway(t, "--once", "--config", config)
	if status != 1 || !strings.Contains(stderr, "no licence file found") {
		t.Errorf("status %d, stderr %q; want 1 and the server's last words", status, stderr)
	}
	wantLines(t, stdout, `tools/list, through the bridge .*failed`, `good/mcp`, `echo says "hello through the bridge"`, `fetch a metadata service .*refused`)
}

// wantLines checks that the patterns match, each after the one before it.
func wantLines(t *testing.T, text string, patterns ...string) {
	t.Helper()
	rest := text
	for _, p := range patterns {
		at := regexp.MustCompile(p).FindStringIndex(rest)
		if at == nil {
			t.Fatalf("no %q (or not in this order) in:\n%s", p, text)
		}
		rest = rest[at[1]:]
	}
}
