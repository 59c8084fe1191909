// SPDX-License-Identifier: Apache-2.0

//go:build unix

package logins_test

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// TestMCPRemote lets the bridge that people put before clients without OAuth
// log in, with the browser that it starts, and again without a browser: by
// refreshing the token that it has kept.
func TestMCPRemote(t *testing.T) {
	requireClients(t)
	s := newSite(t)
	home := t.TempDir()
	if who := callThroughRemote(t, s.url, home, true); who != subject {
		t.Errorf("whoami: %q", who)
	}
	before := keptTokens(t, home)
	spoilt := map[string]any{}
	maps.Copy(spoilt, before.tokens)
	spoilt["access_token"] = "one-that-has-expired"
	data, err := json.Marshal(spoilt)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(before.file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if who := callThroughRemote(t, s.url, home, false); who != subject {
		t.Errorf("whoami without a browser: %q", who)
	}
	if after := keptTokens(t, home); after.tokens["refresh_token"] == before.tokens["refresh_token"] {
		t.Error("the refresh token is the same as before")
	}
}

// callThroughRemote runs mcp-remote, which finds the person as its browser or
// no browser, and returns what the tool says.
func callThroughRemote(t *testing.T, url, home string, browser bool) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if !browser {
		self = "/bin/false"
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(npmBundle().Dir, ".bin", "mcp-remote"), url, "--transport", "http-only", "--allow-http")
	cmd.Env = append(os.Environ(), "MCP_REMOTE_CONFIG_DIR="+home, "BROWSER="+self, browserVariable+"=1", "HOME="+home, "DISPLAY=", "XDG_CURRENT_DESKTOP=")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	client := mcp.NewClient(&mcp.Implementation{Name: "logins", Version: "v1.0.0"}, nil)
	session, err := client.Connect(t.Context(), &mcp.CommandTransport{Command: cmd}, &mcp.ClientSessionOptions{ProtocolVersion: "2025-11-25"})
	if err != nil {
		t.Fatalf("%v\n%s", err, &stderr)
	}
	defer session.Close()
	result, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "whoami"})
	if err != nil {
		t.Fatalf("%v\n%s", err, &stderr)
	}
	return toolText(t, result)
}

func toolText(t *testing.T, result *mcp.CallToolResult) string {
	t.Helper()
	if len(result.Content) == 1 {
		if text, ok := result.Content[0].(*mcp.TextContent); ok {
			return text.Text
		}
	}
	t.Fatalf("the tool said %v", result.Content)
	return ""
}

// kept are the tokens of mcp-remote.
type kept struct {
	file   string
	tokens map[string]any
}

func keptTokens(t *testing.T, home string) (k kept) {
	t.Helper()
	err := filepath.WalkDir(home, func(path string, _ os.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, "_tokens.json") {
			k.file = path
		}
		return err
	})
	if err != nil || k.file == "" {
		t.Fatalf("mcp-remote keeps no tokens in %s: %v", home, err)
	}
	data, err := os.ReadFile(k.file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &k.tokens); err != nil {
		t.Fatal(err)
	}
	return k
}
