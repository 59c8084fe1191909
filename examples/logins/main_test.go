// SPDX-License-Identifier: Apache-2.0

//go:build unix

// Package logins_test lets clients that other people wrote, and a browser, log
// in to the command "oauthdyn serve".
package logins_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/examples/internal/bundle"
	"github.com/atrawog/mcp-oauth-gateway/examples/internal/servetest"
)

var installFlag = flag.Bool("install", false, "first install what is missing of the clients")

// browserVariable makes this program the browser that a client starts.
const browserVariable = "LOGINS_BROWSER"

func TestMain(m *testing.M) {
	if os.Getenv(browserVariable) != "" && len(os.Args) == 2 {
		os.Exit(actAsBrowser(os.Args[1]))
	}
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	if *installFlag {
		ctx, cancel := context.WithTimeout(context.Background(), installTimeout)
		defer cancel()
		if err := bundle.Install(ctx, os.Stdout, npmBundle(), pythonBundle()); err != nil {
			fmt.Fprintln(os.Stderr, "logins:", err)
			return 1
		}
	}
	dir, err := os.MkdirTemp("", "logins")
	if err != nil {
		fmt.Fprintln(os.Stderr, "logins:", err)
		return 1
	}
	defer os.RemoveAll(dir)
	scratch = dir
	return m.Run()
}

// actAsBrowser has the person open a page. Some clients do not listen yet when
// they start it.
func actAsBrowser(page string) int {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for {
		err := servetest.Person().Open(ctx, page)
		if err == nil {
			return 0
		}
		if ctx.Err() != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		time.Sleep(100 * time.Millisecond) // as a person who reloads; nothing says when
	}
}

var scratch string // directory for what is built

var buildOauthdyn = sync.OnceValues(func() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	return servetest.Build(ctx, scratch, "oauthdyn")
})

// requireClients skips the test where the clients are not installed.
func requireClients(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("starts many Node.js and Python programs; run without -short")
	}
	for _, need := range [][2]string{
		{"node", "install Node.js 20 or newer: apt-get install nodejs npm"},
		{"python3", "install Python 3.10 or newer: apt-get install python3 python3-venv"},
	} {
		if _, err := exec.LookPath(need[0]); err != nil {
			missing(t, need[0]+" is absent: "+need[1])
		}
	}
	if what := bundle.Missing(npmBundle(), pythonBundle()); what != "" {
		missing(t, what+" are not installed: go test ./examples/logins -run '^$' -install")
	}
}

// missing skips the test, or fails it where everything must be there.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("REQUIRE_ALL") == "1" {
		t.Fatal(what)
	}
	t.Skip(what)
}
