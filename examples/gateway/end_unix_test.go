// SPDX-License-Identifier: Apache-2.0

//go:build unix

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest/browser"
	"github.com/atrawog/mcp-oauth-gateway/shclient"
)

// running is a gateway in a process of its own that serves already.
type running struct {
	cmd      *exec.Cmd
	out      string // what it has printed until then
	password string
	urls     map[string]string // by name
}

// startGateway starts the program and waits until it serves.
func startGateway(t *testing.T, args ...string) *running {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, append([]string{"run-gateway", "--addr", "127.0.0.1:0", "--data", t.TempDir()}, args...)...)
	cmd.Stderr = t.Output()
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_, _ = io.Copy(io.Discard, stdout)
		_ = cmd.Wait()
	})
	r := &running{cmd: cmd, urls: map[string]string{}}
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		r.out += lines.Text() + "\n"
		if strings.HasPrefix(lines.Text(), "Ctrl-C ends everything") {
			break
		}
	}
	if !strings.Contains(r.out, "Ctrl-C ends everything") {
		t.Fatalf("the gateway ended before it served:\n%s", r.out)
	}
	r.password = regexp.MustCompile(`password (\S+) \(shown`).FindStringSubmatch(r.out)[1]
	for _, m := range regexp.MustCompile(`(?m)^  (\S+) +(http://\S+/mcp)$`).FindAllStringSubmatch(r.out, -1) {
		r.urls[m[1]] = m[2]
	}
	return r
}

// TestEndLeavesNothing interrupts a gateway while a call is in flight: the call
// gets an answer, the status is 0, and no process is left.
func TestEndLeavesNothing(t *testing.T) {
	if _, err := os.Stat("/proc/self/exe"); err != nil {
		t.Skip("needs /proc to look for processes that are left")
	}
	// A file of its own makes the wrapped server's processes recognizable.
	server := filepath.Join(t.TempDir(), "server")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := copyFile(server, self); err != nil {
		t.Fatal(err)
	}
	g := startGateway(t, "--", server, demoServerArg)

	person := &browser.Browser{Username: userName, Password: g.password}
	call := startCall(t, g.urls["server"], person)
	if len(processesOf(t, server)) == 0 {
		t.Fatal("no process of the wrapped server is running, so the test shows nothing")
	}
	if err := g.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- g.cmd.Wait() }()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("the gateway ended with %v", err)
		}
	case <-ctx.Done():
		t.Fatal("the gateway did not end")
	}
	if answer := call.next(t, `"id":2`); !strings.Contains(answer, "the proxy is shutting down") {
		t.Errorf("the call in flight got %s; want to be told why it ended", answer)
	}
	if left := processesOf(t, server); len(left) > 0 {
		t.Errorf("processes %v of the wrapped server are left", left)
	}
}

// inFlight is a call that the server is working on.
type inFlight struct{ lines *bufio.Scanner }

// startCall calls countdown through the bridge of shclient, and returns once
// the server has said how far it is.
func startCall(t *testing.T, url string, person *browser.Browser) *inFlight {
	t.Helper()
	bridge, err := shclient.NewBridge(shclient.Options{URL: url, OAuth: &oauthdyn.Config{OpenURL: person.Open}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	stdin, program := io.Pipe()
	host, stdout := io.Pipe()
	var running sync.WaitGroup
	running.Go(func() { stdout.CloseWithError(bridge.Run(t.Context(), stdin, stdout)) })
	t.Cleanup(func() {
		_ = program.Close()
		_ = host.Close()
		running.Wait()
	})
	c := &inFlight{bufio.NewScanner(host)}
	_, err = io.WriteString(program, `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}
{"jsonrpc":"2.0","method":"notifications/initialized"}
{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"countdown","arguments":{"from":100},"_meta":{"progressToken":"p"}}}
`)
	if err != nil {
		t.Fatal(err)
	}
	c.next(t, "notifications/progress")
	return c
}

// next returns the next line that holds what.
func (c *inFlight) next(t *testing.T, what string) string {
	t.Helper()
	for c.lines.Scan() {
		if strings.Contains(c.lines.Text(), what) {
			return c.lines.Text()
		}
	}
	t.Fatalf("the bridge ended without a line that holds %s: %v", what, c.lines.Err())
	return ""
}

// processesOf returns the processes that run the executable at path.
func processesOf(t *testing.T, path string) (pids []string) {
	t.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/exe")
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil && target == path {
			pids = append(pids, filepath.Base(filepath.Dir(link)))
		}
	}
	return pids
}

func copyFile(to, from string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.WriteFile(to, data, 0o700); err != nil {
		return fmt.Errorf("copy: %w", err)
	}
	return nil
}
