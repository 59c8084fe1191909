// SPDX-License-Identifier: Apache-2.0

//go:build unix

package logins_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/examples/internal/servetest"
)

// programTimeout bounds a client, of which the slowest takes seconds.
const programTimeout = 2 * time.Minute

// An outcome is what a client tells of its login.
type outcome struct {
	Who          string // who it is to the MCP server
	WhoRefreshed string // and after it has refreshed its token
	Refreshed    bool   // it has other tokens then
	Logins       int    // pages that it wanted opened
	Scope        string

	// Of those that can do more:
	Iss, Issuer   string // of the answer (RFC 9207), of the metadata
	Active        bool   // by introspection (RFC 7662)
	Subject       string
	ActiveRevoked bool   // after revocation (RFC 7009)
	Again         string // a refresh after it
}

// wantLogin checks what holds for all clients.
func (o outcome) wantLogin(t *testing.T) {
	t.Helper()
	if o.Who != subject || o.WhoRefreshed != subject {
		t.Errorf("the MCP server was called by %q, then by %q; want %s", o.Who, o.WhoRefreshed, subject)
	}
	if !o.Refreshed || o.Logins != 1 {
		t.Errorf("refreshed: %v, after %d logins", o.Refreshed, o.Logins)
	}
	if !slices.Contains(strings.Fields(o.Scope), "mcp:read") {
		t.Errorf("scope %q", o.Scope)
	}
}

// nodeProgram is a client in testdata.
func nodeProgram(name string, args ...string) []string {
	return append([]string{"node", inTestdata(name)}, args...)
}

func pythonProgram(name string, args ...string) []string {
	return append([]string{pythonBundle().Program("python"), inTestdata(name)}, args...)
}

// login runs a client, opens the pages that it wants opened as the person, and
// returns what came of it. testdata/person.mjs is the other side.
func login(t *testing.T, program []string) (o outcome) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), programTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, program[0], program[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		var line struct {
			Open   string
			Result *outcome
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Errorf("the client wrote %q", lines.Text())
			continue
		}
		if line.Open != "" {
			if err := servetest.Person().Open(ctx, line.Open); err != nil {
				t.Error(err)
				cancel() // it would wait
			}
		}
		if line.Result != nil {
			o, ended = *line.Result, true
		}
	}
	if err := cmd.Wait(); err != nil || !ended {
		t.Fatalf("the client: %v\n%s", err, &stderr)
	}
	return o
}
