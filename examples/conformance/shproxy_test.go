// SPDX-License-Identifier: Apache-2.0

//go:build unix

package conformance_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/examples/internal/need"
	"github.com/atrawog/mcp-oauth-gateway/examples/internal/servetest"
)

// TestShproxy lets the suite judge the real command, around a stdio server that
// implements all that the suite asks for.
func TestShproxy(t *testing.T) {
	requireSuite(t)
	child := requireEverythingServer(t)
	shproxy := buildShproxy(t)
	for _, version := range []string{"2025-06-18", "2025-11-25", "2026-07-28"} {
		t.Run(version, func(t *testing.T) {
			judgeServer(t, version, startShproxy(t, shproxy, child), knownFailures(t, "expected-failures-"+version+".yml"))
		})
	}
}

// TestShproxyRequirements lets the suite score shproxy by its frozen sets of
// requirements, as the numbers that others publish are made.
func TestShproxyRequirements(t *testing.T) {
	requireSuite(t)
	child := requireEverythingServer(t)
	shproxy := buildShproxy(t)
	for revision, want := range map[string]int{"2025-11-25": 30, "2026-07-28": 37} {
		t.Run(revision, func(t *testing.T) {
			url := startShproxy(t, shproxy, child)
			out, err := suite(t, "server", "--url", url, "--requirements", revision).CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if got := scored(string(out)); got != want {
				t.Errorf("%d scored scenarios passed, want %d:\n%s", got, want, out)
			}
		})
	}
}

var scenarioLine = regexp.MustCompile(`(?m)^(✓|✗) ([^ :]+): `)
var unscoredLine = regexp.MustCompile(`(?m)^  [✓✗] (\S+) \(`)

// scored counts the scenarios that passed and that the suite does not list as
// not scored.
func scored(out string) int {
	passed := map[string]bool{}
	for _, match := range scenarioLine.FindAllStringSubmatch(out, -1) {
		passed[match[2]] = match[1] == "✓"
	}
	for _, match := range unscoredLine.FindAllStringSubmatch(out, -1) {
		delete(passed, match[1])
	}
	n := 0
	for _, ok := range passed {
		if ok {
			n++
		}
	}
	return n
}

// requireEverythingServer returns the path of the stdio server.
func requireEverythingServer(t *testing.T) string {
	t.Helper()
	for _, name := range []string{os.Getenv("MCP_EVERYTHING_SERVER"), "../../.bin/everything-server", "everything-server"} {
		if path, err := exec.LookPath(name); err == nil {
			if path, err = filepath.Abs(path); err != nil {
				t.Fatal(err)
			}
			return path
		}
	}
	need.Missing(t, "needs a stdio server: GOBIN=$PWD/.bin go install github.com/modelcontextprotocol/go-sdk/conformance/everything-server@v1.8.0")
	return ""
}

func buildShproxy(t *testing.T) string  { return build(t, "../../shproxy", "./cmd/shproxy") }
func buildShclient(t *testing.T) string { return build(t, "../../shclient", "./cmd/shclient") }

// build builds a command of the module or package in dir.
func build(t *testing.T, dir, pkg string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "program")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-C", dir, "-o", program, pkg).CombinedOutput()
	if err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return program
}

// startShproxy runs shproxy around the child until the test ends and returns
// the URL of the endpoint.
func startShproxy(t *testing.T, program string, child ...string) string {
	t.Helper()
	return startShproxyWith(t, program, nil, child...)
}

func startShproxyWith(t *testing.T, program string, flags []string, child ...string) string {
	t.Helper()
	return byName(servetest.Listen(t, program, slices.Concat([]string{"--port", "0"}, flags, []string{"--"}, child)...))
}

// byName is a URL on loopback with the host's name: the suite's DNS rebinding
// scenario wants a local one.
func byName(url string) string { return strings.Replace(url, "127.0.0.1", "localhost", 1) }
