// SPDX-License-Identifier: Apache-2.0

// Package torture runs the bridge "shclient URL" as a process between a program
// that counts every message and a real MCP server that is killed, forgets its
// sessions and takes tokens back, behind a relay that cuts, delays and swallows
// connections. The test binary plays all parts but the authorization server's,
// which is in the test itself.
//
//	go test -race ./internal/torture                             # the short form
//	SHCLIENT_TORTURE=5m go test -v -timeout 1h ./internal/torture # for 5 minutes
//
// SHCLIENT_TORTURE_SEED repeats a run as far as chance goes, and
// SHCLIENT_TORTURE_BINARY names another shclient than the one of this tree.
package torture

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest"
	"github.com/atrawog/mcp-oauth-gateway/shclient/internal/cli"
)

// patience is how long something may take that must happen. It bounds a failure,
// and never decides a success.
const patience = 2 * time.Minute

// What makes the test binary play a part: the first argument, or a variable of
// the environment where the arguments are those of the part.
const (
	roleServer  = "torture-server"
	roleBrowser = "torture-browser"
	bridgeEnv   = "SHCLIENT_TORTURE_BRIDGE" // address of who wants to look into it
)

func TestMain(m *testing.M) {
	role := ""
	if len(os.Args) > 1 {
		role = os.Args[1]
	}
	switch watcher := os.Getenv(bridgeEnv); {
	case role == roleServer:
		os.Exit(serve(os.Args[2:]))
	case role == roleBrowser:
		os.Exit(browse(os.Args[2], os.Args[3]))
	case watcher != "":
		go letLook(watcher)
		os.Exit(cli.Main())
	}
	os.Exit(m.Run())
}

// browse is a person at a browser. The log gets a line for each window.
func browse(log, page string) int {
	if err := appendLine(log, "window"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	b := oauthdyntest.Browser{Username: oauthdyntest.Username, Password: oauthdyntest.Password}
	if err := b.Open(context.Background(), page); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// appendLine adds a line to a file that several processes write to.
func appendLine(name, line string) error {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(line + "\n") // one write, so that lines stay whole
	if closing := f.Close(); err == nil {
		err = closing
	}
	return err
}
