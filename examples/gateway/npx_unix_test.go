// SPDX-License-Identifier: Apache-2.0

//go:build unix

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/examples/internal/need"
)

// TestNPX plays the README's story with published servers: the gateway wraps
// one, and shclient, a program of its own with a browser of its own, uses it.
func TestNPX(t *testing.T) {
	if testing.Short() {
		t.Skip("starts npm packages; run without -short")
	}
	need.Program(t, "npx", "install Node.js 20 or newer: apt-get install nodejs npm")
	shclient := buildShclient(t)
	for _, tt := range []struct {
		server   string
		list     string
		call     []string
		wantCall string
	}{
		{
			server:   "@modelcontextprotocol/server-everything@2026.8.31",
			list:     "get-sum",
			call:     []string{"get-sum", "a=2", "b=40"},
			wantCall: "42",
		},
		{
			server:   "@modelcontextprotocol/server-memory@2026.8.31",
			list:     "create_entities",
			call:     []string{"create_entities", `entities:=[{"name":"Ana","entityType":"person","observations":["likes Go"]}]`},
			wantCall: "likes Go",
		},
	} {
		t.Run(filepath.Base(tt.server), func(t *testing.T) {
			download(t, tt.server)
			t.Setenv("MEMORY_FILE_PATH", filepath.Join(t.TempDir(), "memory.jsonl"))
			g := startGateway(t, "--", "npx", "-y", tt.server)
			client := func(args ...string) string {
				t.Helper()
				cmd := exec.CommandContext(t.Context(), shclient, args...)
				cmd.Env = append(os.Environ(), "BROWSER="+os.Args[0], "TEST_BROWSER_PASSWORD="+g.password)
				out, err := cmd.CombinedOutput()
				if err != nil {
					t.Fatalf("shclient %s: %v\n%s", strings.Join(args, " "), err, out)
				}
				return string(out)
			}
			t.Setenv("XDG_CONFIG_HOME", t.TempDir())
			if out := client("list", g.urls["server"]); !strings.Contains(out, tt.list) {
				t.Errorf("shclient list does not name %s:\n%s", tt.list, out)
			}
			if out := client(append([]string{"call", g.urls["server"]}, tt.call...)...); !strings.Contains(out, tt.wantCall) {
				t.Errorf("shclient call printed %q; want %q in it", out, tt.wantCall)
			}
		})
	}
}

// download puts a package where npx finds it, since how long a registry takes
// says nothing of the gateway, which gives a server a minute for initialize. Nor
// does it say anything if the registry fails once.
func download(t *testing.T, name string) {
	t.Helper()
	try := func() (string, error) {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, "npx", "-y", "--package", name, "--", "node", "--version")
		cmd.WaitDelay = 5 * time.Second // npx may leave children
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	out, err := try()
	for again := 0; err != nil && again < 2; again++ {
		out, err = try()
	}
	if err == nil {
		return
	}
	need.Missing(t, fmt.Sprintf("npx cannot download %s (try it: npx -y %s): %v\n%s", name, name, err, out))
}

func buildShclient(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "shclient")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", path, "github.com/atrawog/mcp-oauth-gateway/shclient/cmd/shclient")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return path
}
