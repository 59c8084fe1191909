// SPDX-License-Identifier: Apache-2.0

//go:build unix

// Package interop_test lets published MCP clients use published MCP servers
// through the shproxy command: real programs on both sides, and a real process
// in between. Each test says what is tried; README.md shows who meets whom.
package interop_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/examples/internal/bundle"
	"github.com/atrawog/mcp-oauth-gateway/examples/internal/need"
)

var (
	installFlag = flag.Bool("install", false, "first install what is missing of the servers and clients")
	directFlag  = flag.Bool("direct", false, "connect the clients to the servers without shproxy: whose fault is a failure?")
)

func TestMain(m *testing.M) {
	// The tests wait for other programs most of the time.
	flag.Set("test.parallel", strconv.Itoa(2*runtime.NumCPU()))
	flag.Parse()
	os.Exit(bundle.Main(m, "interop", *installFlag, bundles()...))
}

// buildShproxy builds the command, once, and returns its path. SHPROXY names
// one that is built already.
var buildShproxy = sync.OnceValues(func() (string, error) {
	if path := os.Getenv("SHPROXY"); path != "" {
		return filepath.Abs(path)
	}
	return build("../../shproxy", "./cmd/shproxy")
})

// buildGoServer builds the server that go-sdk has for the conformance suite.
var buildGoServer = sync.OnceValues(func() (string, error) {
	return build(".", "github.com/modelcontextprotocol/go-sdk/conformance/everything-server")
})

// buildOneEra builds our own server that speaks one era.
var buildOneEra = sync.OnceValues(func() (string, error) { return build("..", "./oneera") })

// buildProgram is the command that one of the above builds.
func buildProgram(t *testing.T, build func() (string, error)) []string {
	t.Helper()
	program, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return []string{program}
}

func build(dir, pack string) (string, error) {
	program := filepath.Join(bundle.Scratch, path.Base(pack))
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, "go", "build", "-C", dir, "-o", program, pack).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return program, nil
}

// requireSuite skips the test where it cannot run.
func requireSuite(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("starts many Node.js and Python programs; run without -short")
	}
	need.Node(t)
	need.Python(t)
	need.Program(t, "git", "install git: apt-get install git")
	bundle.Need(t, "interop", bundles()...)
	if _, err := buildShproxy(); err != nil && !*directFlag {
		t.Fatal(err)
	}
}
