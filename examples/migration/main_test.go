// SPDX-License-Identifier: Apache-2.0

//go:build unix

// Package migration_test runs every command of the pages in docs/migration, the
// old ones with the programs that people come from: what a page calls the new
// form of an old line gives the same answer to the same request. The pages'
// tables are compared with what the programs say of their flags.
package migration_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/examples/internal/bundle"
	"github.com/atrawog/mcp-oauth-gateway/examples/internal/need"
	"github.com/atrawog/mcp-oauth-gateway/examples/internal/servetest"
)

var installFlag = flag.Bool("install", false, "first install what is missing of the programs that people come from")

// browserVariable makes this program the browser that a command starts.
const browserVariable = "MIGRATION_BROWSER"

func TestMain(m *testing.M) {
	if os.Getenv(browserVariable) != "" && len(os.Args) == 2 {
		if err := servetest.Person().Open(context.Background(), os.Args[1]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	flag.Parse()
	os.Exit(bundle.Main(m, "migration", *installFlag, npmBundle(), pythonBundle()))
}

// commands builds ours and the echo server, once, and returns their directory.
var commands = sync.OnceValues(func() (dir string, err error) {
	dir = filepath.Join(bundle.Scratch, "commands")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	for _, name := range []string{"oauthdyn", "shproxy", "shclient"} {
		if _, err := servetest.Build(ctx, dir, name); err != nil {
			return "", err
		}
	}
	out, err := exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(dir, "echo-server"), "../echo").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return dir, nil
})

func npmBundle() bundle.Bundle { return bundle.NPM("the npm packages", inTestdata("")) }

func pythonBundle() bundle.Bundle {
	return bundle.Python("the Python packages", inTestdata("requirements.txt"), "migration")
}

func inTestdata(name string) string {
	path, err := filepath.Abs(filepath.Join("testdata", name))
	if err != nil {
		panic(err)
	}
	return path
}

// require skips the test where programs are absent.
func require(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("starts many Node.js and Python programs; run without -short")
	}
	need.Node(t)
	need.Python(t)
	need.Program(t, "redis-server", "install Redis: apt-get install redis-server")
	bundle.Need(t, "migration", npmBundle(), pythonBundle())
}
