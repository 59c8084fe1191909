// SPDX-License-Identifier: Apache-2.0

//go:build unix

package wrap

import (
	"bufio"
	"errors"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/tools/wrap/registry"
)

// toyProgram takes the place of a command: it shows what it was given, and how
// it ends.
const toyProgram = `package main

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	switch os.Args[1] {
	case "cat":
		fmt.Println(os.Getpid(), os.Args[2:])
		io.Copy(os.Stdout, os.Stdin)
	case "exit":
		os.Exit(7)
	case "die":
		signal.Reset()
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "wait":
		got := make(chan os.Signal, 1)
		signal.Notify(got, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
		fmt.Println("ready")
		fmt.Println(<-got)
		os.Exit(5)
	}
}
`

// installed is a machine's npm, with the toy as the package shclient.
type installed struct {
	dir string // with node_modules
	env []string
}

// install packs the toy for this machine and installs it with npm, offline, from
// the tarballs.
func install(t *testing.T) *installed {
	if testing.Short() {
		t.Skip("builds a program and installs it")
	}
	npm := program(t, "npm", "apt-get install npm")
	dir := t.TempDir()
	source := write(t, dir, "toy.go", toyProgram)
	binary := filepath.Join(dir, "toy")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, source).CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	r := toy(t, "v0.2.0")
	r.Binaries = []Binary{{Platform: runtime.GOOS + "/" + runtime.GOARCH, Path: binary}}
	tarballs, _, err := r.Write(dir)
	if err != nil {
		t.Fatal(err)
	}
	in := &installed{dir: t.TempDir(), env: registry.Environment(t.TempDir(), "http://127.0.0.1:1")}
	write(t, in.dir, "package.json", "{}\n")
	cmd := exec.CommandContext(t.Context(), npm, append([]string{"install", "--offline", "--ignore-scripts"}, tarballs...)...)
	cmd.Dir, cmd.Env = in.dir, in.env
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("npm install: %v\n%s", err, out)
	}
	return in
}

// launch prepares the launcher as npm has linked it.
func (in *installed) launch(t *testing.T, nodeFlags string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), filepath.Join(in.dir, "node_modules", ".bin", "shclient"), args...)
	cmd.Env = append(in.env, "NODE_OPTIONS="+nodeFlags)
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

func TestLauncher(t *testing.T) {
	in := install(t)
	spawning := "--require=" + write(t, in.dir, "spawn.js", "delete process.execve\n")
	for _, mode := range []struct{ name, flags string }{{"as this Node.js does", ""}, {"spawning", spawning}} {
		t.Run(mode.name, func(t *testing.T) {
			cmd := in.launch(t, mode.flags, "cat", "a b", "--c", "")
			cmd.Stdin = strings.NewReader("through\n")
			out, err := cmd.Output()
			if _, rest, _ := strings.Cut(string(out), " "); err != nil || rest != "[a b --c ]\nthrough\n" {
				t.Errorf("cat: %q, %v", out, err)
			}
			if code, signal := end(in.launch(t, mode.flags, "exit").Run()); code != 7 || signal != 0 {
				t.Errorf("exit 7: status %d, signal %v", code, signal)
			}
			if code, signal := end(in.launch(t, mode.flags, "die").Run()); signal != syscall.SIGKILL {
				t.Errorf("killed: status %d, signal %v", code, signal)
			}
			for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
				checkSignal(t, in.launch(t, mode.flags, "wait"), signal)
			}
		})
	}
}

// checkSignal sends a signal to the launcher alone, as a client does.
func checkSignal(t *testing.T, cmd *exec.Cmd, signal syscall.Signal) {
	t.Helper()
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// A program that did not hear the signal would wait, and the test for it.
	stuck := time.AfterFunc(20*time.Second, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	defer stuck.Stop()
	lines := bufio.NewScanner(pipe)
	if !lines.Scan() || lines.Text() != "ready" {
		t.Fatalf("first line %q", lines.Text())
	}
	if err := cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	if !lines.Scan() || lines.Text() != signal.String() {
		t.Errorf("%v: the program says %q", signal, lines.Text())
	}
	if code, by := end(cmd.Wait()); code != 5 {
		t.Errorf("%v: status %d, signal %v; the program ends with status 5", signal, code, by)
	}
}

// end tells how a program ended.
func end(err error) (code int, signal syscall.Signal) {
	failed, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		return 0, 0
	}
	if status := failed.Sys().(syscall.WaitStatus); status.Signaled() {
		return -1, status.Signal()
	}
	return failed.ExitCode(), 0
}

// TestNoBinary runs the launcher where npm left out the package with the binary.
func TestNoBinary(t *testing.T) {
	in := install(t)
	if err := os.RemoveAll(filepath.Join(in.dir, "node_modules", "@mcp-oauth-gateway")); err != nil {
		t.Fatal(err)
	}
	out, err := in.launch(t, "", "cat").CombinedOutput()
	if code, _ := end(err); code != 1 || !strings.Contains(string(out), "which holds the binary, is not installed") {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestRegistry has npx and pip get the toy from a registry, for a machine that
// is one of several platforms.
func TestRegistry(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a program and installs it")
	}
	npx := program(t, "npx", "apt-get install npm")
	python := program(t, "python3", "apt-get install python3-pip")
	dir := t.TempDir()
	source := write(t, dir, "toy.go", toyProgram)
	r := toy(t, "v0.2.0", "linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64", "windows/amd64", "windows/arm64")
	for i, b := range r.Binaries {
		if b.Platform == runtime.GOOS+"/"+runtime.GOARCH {
			r.Binaries[i].Path = filepath.Join(dir, "toy")
		}
	}
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(dir, "toy"), source).CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	if _, _, err := r.Write(dir); err != nil {
		t.Fatal(err)
	}
	handler, err := registry.Handler(filepath.Join(dir, "npm"), filepath.Join(dir, "pypi"))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	defer server.Close()
	env := registry.Environment(t.TempDir(), server.URL)

	cmd := exec.CommandContext(t.Context(), npx, "-y", "shclient", "exit")
	cmd.Dir, cmd.Env = t.TempDir(), env
	out, err := cmd.CombinedOutput()
	if code, _ := end(err); code != 7 {
		t.Errorf("npx: %v\n%s", err, out)
	}
	target := t.TempDir()
	cmd = exec.CommandContext(t.Context(), python, "-m", "pip", "install", "--quiet", "--target", target, "shclient")
	cmd.Env = env
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Skipf("pip: %v (apt-get install python3-pip)\n%s", err, out)
	}
	cmd = exec.CommandContext(t.Context(), filepath.Join(target, "bin", "shclient"), "exit")
	if code, _ := end(cmd.Run()); code != 7 {
		t.Errorf("the script of the wheel ended with %d", code)
	}
}

// program finds a program, or skips.
func program(t *testing.T, name, install string) string {
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	if os.Getenv("REQUIRE_ALL") == "1" {
		t.Fatalf("%s is absent: %s", name, install)
	}
	t.Skipf("%s is absent: %s", name, install)
	return ""
}
