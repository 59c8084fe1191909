// SPDX-License-Identifier: Apache-2.0

package render_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/fetch"
	"github.com/atrawog/mcp-oauth-gateway/fetchserver/render"
)

// group returns the living processes of a process group.
func group(leader int) []int {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	var pids []int
	for _, name := range stats {
		stat, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:]) // state, parent, group
		if pgrp, _ := strconv.Atoi(string(fields[2])); pgrp == leader && string(fields[0]) != "Z" && string(fields[0]) != "X" {
			pid, _ := strconv.Atoi(strings.Split(name, "/")[2])
			pids = append(pids, pid)
		}
	}
	return pids
}

// TestEnds has a browser that is killed, one that is recycled, and one that is
// closed while it works: the next page is rendered all the same, and at the end
// nothing is left.
func TestEnds(t *testing.T) {
	before := runtime.NumGoroutine()
	dir := t.TempDir()
	arrived := make(chan struct{}, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/wait" {
			arrived <- struct{}{}
			<-r.Context().Done()
			return
		}
		html(w, "<p>fine</p>")
	}))
	defer s.Close()
	b, end := startBrowser(t, render.Options{TempDir: dir, Recycle: 2, MaxPages: 1},
		fetch.Options{AllowEndpoints: []netip.AddrPort{netip.MustParseAddrPort(s.Listener.Addr().String())}})
	defer end()
	fine := func() {
		t.Helper()
		if resp, err := b.Render(t.Context(), &fetch.Request{URL: s.URL}); err != nil || !strings.Contains(string(resp.Body), "fine") {
			t.Fatalf("error %v", err)
		}
	}
	fine()
	first := b.PID()
	if len(group(first)) < 2 {
		t.Fatalf("the browser's group has %v", group(first))
	}
	done := make(chan error)
	go func() { _, err := b.Render(t.Context(), &fetch.Request{URL: s.URL + "/wait"}); done <- err }()
	<-arrived
	if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	wantCode(t, <-done, render.CodeRender)
	fine()
	second := b.PID()
	fine()
	fine() // the third page of a browser that renders two
	third := b.PID()
	if first == second || second == third {
		t.Errorf("browsers %d, %d and %d", first, second, third)
	}
	go func() { _, err := b.Render(t.Context(), &fetch.Request{URL: s.URL + "/wait"}); done <- err }()
	<-arrived
	end()
	wantCode(t, <-done, render.CodeRender)
	for _, pid := range []int{first, second, third} {
		if left := group(pid); len(left) > 0 {
			t.Errorf("processes %v are left", left)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("files are left: %v", left)
	}
	if conn, err := net.Dial("tcp", b.ProxyAddress()); err == nil {
		conn.Close()
		t.Error("the proxy still listens")
	}
	if _, err := b.Render(t.Context(), &fetch.Request{URL: s.URL}); err == nil {
		t.Error("a closed browser renders")
	}
	s.Close()
	for deadline := time.Now().Add(20 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
		}
	}
}

// runParent starts a browser, prints its process id and waits to be killed.
func runParent() int {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { html(w, "fine") }))
	b, err := render.New(render.Options{
		Path: os.Getenv("RENDER_TEST_CHROMIUM"), NoSandbox: os.Geteuid() == 0, TempDir: os.Getenv("RENDER_TEST_DIR"),
		Client: fetch.New(&fetch.Options{AllowEndpoints: []netip.AddrPort{netip.MustParseAddrPort(s.Listener.Addr().String())}}),
	})
	if err == nil {
		_, err = b.Render(context.Background(), &fetch.Request{URL: s.URL})
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println(b.PID())
	select {}
}

// TestParentDeath: a browser does not outlive a server that is killed.
func TestParentDeath(t *testing.T) {
	if testing.Short() {
		t.Skip("starting Chromium takes seconds; -short leaves it out")
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	parent := exec.Command(exe)
	parent.Env = append(os.Environ(), "RENDER_TEST_MODE=parent", "RENDER_TEST_DIR="+t.TempDir(), "RENDER_TEST_CHROMIUM="+chromium(t))
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	_ = parent.Process.Kill()
	_ = parent.Wait()
	if err != nil {
		t.Fatalf("the parent says %q", line)
	}
	for deadline := time.Now().Add(time.Minute); len(group(pid)) > 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			_ = syscall.Kill(-pid, syscall.SIGKILL)
			t.Fatal("the browser outlives its parent")
		}
	}
}
