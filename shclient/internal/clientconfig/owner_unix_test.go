// SPDX-License-Identifier: Apache-2.0

//go:build unix

package clientconfig_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/shclient/internal/clientconfig"
)

// What another user has put into a directory above is not run.
func TestFilesOfOthers(t *testing.T) {
	s, dir := place(t, "linux", "-- outside/.git/HEAD --\n-- outside/.mcp.json --\n{\"mcpServers\": {\"x\": {\"command\": \"evil\"}}}\n-- outside/sub/x --\n", nil)
	s.Dir = filepath.Join(dir, "outside", "sub")
	if _, err := clientconfig.Load(s).Find("x"); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() != 0 {
		return // only root can give files away
	}
	if err := os.Chown(filepath.Join(dir, "outside", ".mcp.json"), 12345, 12345); err != nil {
		t.Fatal(err)
	}
	if _, err := clientconfig.Load(s).Find("claude-code:x"); err == nil || !strings.Contains(err.Error(), "belongs to another user") {
		t.Errorf("found, %v", err)
	}
}
