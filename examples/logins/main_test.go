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
	"sync"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/examples/internal/bundle"
	"github.com/atrawog/mcp-oauth-gateway/examples/internal/need"
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
	os.Exit(bundle.Main(m, "logins", *installFlag, npmBundle(), pythonBundle()))
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

var buildOauthdyn = sync.OnceValues(func() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	return servetest.Build(ctx, bundle.Scratch, "oauthdyn")
})

// requireClients skips the test where the clients are not installed.
func requireClients(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("starts many Node.js and Python programs; run without -short")
	}
	need.Node(t)
	need.Python(t)
	bundle.Need(t, "logins", npmBundle(), pythonBundle())
}
