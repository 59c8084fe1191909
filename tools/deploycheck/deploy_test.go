// SPDX-License-Identifier: Apache-2.0

//go:build linux

package deploycheck

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	root     = "../.." // of the repository
	deploy   = root + "/examples/deploy"
	domain   = "example.com" // that stands in the files
	username = "alice"
	password = "correct horse battery staple"
)

var commands = []string{"oauthdyn", "shproxy", "fetchserver", "shclient"}

// missing skips a test, or fails it where everything must be there.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("REQUIRE_ALL") == "1" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// programs builds the commands, once, and returns their directory.
var programs = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "deploycheck")
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "build", "-o", dir+"/")
	for _, name := range commands {
		cmd.Args = append(cmd.Args, "./"+name+"/cmd/"+name)
	}
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOWORK=") // the commands as they are here
	if out, err := cmd.CombinedOutput(); err != nil {
		return dir, fmt.Errorf("go build: %w\n%s", err, out)
	}
	return dir, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if built {
		if dir, err := programs(); err == nil {
			_ = os.RemoveAll(dir) // of what is left nobody minds
		}
	}
	os.Exit(code)
}

var built bool // programs was called; tests here run one after the other

// bin returns a directory with our commands, Valkey under its name (Redis is the
// same for what is asked of it here), and the MCP server of the examples.
func bin(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	link := func(name, from string) {
		t.Helper()
		if err := os.Symlink(from, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"server", "cli"} {
		program, err := exec.LookPath("valkey-" + name)
		if err != nil {
			if program, err = exec.LookPath("redis-" + name); err != nil {
				missing(t, "neither valkey-"+name+" nor redis-"+name+" is there: apt-get install redis-server")
			}
		}
		link("valkey-"+name, program)
	}
	everything, err := filepath.Abs(root + "/examples/interop/testdata/node_modules/.bin/mcp-server-everything")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(everything); err != nil {
		missing(t, "the server of the examples is not installed: go test ./examples/interop -run '^$' -install")
	}
	link("mcp-server-everything", everything)
	link("traefik", traefik(t))
	built = true
	ours, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range commands {
		link(name, filepath.Join(ours, name))
	}
	return dir
}

// traefik is where the system has Traefik, or where examples/deploy keeps it.
func traefik(t *testing.T) string {
	t.Helper()
	if path, err := exec.LookPath("traefik"); err == nil {
		return path
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(cache, "mcp-oauth-gateway", "deploy", "bin", "traefik")
	if _, err := os.Stat(path); err != nil {
		missing(t, "Traefik is not installed: go test ./examples/deploy -run '^$' -install")
	}
	return path
}

// shellBlock is the nth fenced block of shell commands of a README.
func shellBlock(t *testing.T, file string, n int) string {
	t.Helper()
	blocks := strings.Split(readFile(t, file), "```sh\n")
	if len(blocks) < n+2 {
		t.Fatalf("%s has no block %d", file, n)
	}
	block, _, _ := strings.Cut(blocks[n+1], "```")
	return block
}

// runShell runs commands of a README. The password is on their standard input.
func runShell(t *testing.T, dir, path, commands string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", commands)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PATH="+path+":"+os.Getenv("PATH"))
	cmd.Stdin = strings.NewReader(password + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s\n%v\n%s", commands, err, out)
	}
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// copyOf returns a copy of a directory of the examples.
func copyOf(t *testing.T, name string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(deploy, name))); err != nil {
		t.Fatal(err)
	}
	// What somebody who tried it has left.
	for _, left := range []string{"secrets", ".env", "overlay/secrets"} {
		if err := os.RemoveAll(filepath.Join(dir, left)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// replacer replaces names, the longest first, so that one may begin like another.
func replacer(pairs map[string]string) *strings.Replacer {
	var list []string
	for _, from := range slices.SortedFunc(maps.Keys(pairs), func(a, b string) int { return len(b) - len(a) }) {
		list = append(list, from, pairs[from])
	}
	return strings.NewReplacer(list...)
}
