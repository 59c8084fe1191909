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

// TestEndLeavesNothing interrupts a gateway while a client's session is open,
// so that there is a child to be ended.
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
	client, err := shclient.New(shclient.Options{URL: g.urls["server"], OAuth: &oauthdyn.Config{OpenURL: person.Open}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.ListTools(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(processesOf(t, server)) == 0 {
		t.Fatal("no process of the wrapped server is running, so the test shows nothing")
	}
	if err := g.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
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
	if left := processesOf(t, server); len(left) > 0 {
		t.Errorf("processes %v of the wrapped server are left", left)
	}
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
