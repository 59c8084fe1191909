// SPDX-License-Identifier: Apache-2.0

//go:build unix

// Package conformance_test lets the MCP conformance suite judge shproxy: the
// real command, around a stdio server that implements all that the suite asks
// for. What does not pass yet stands in test/conformance, and nothing else may
// fail.
package conformance_test

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	suiteDir     = "../../test/conformance"
	suiteProgram = "node_modules/@modelcontextprotocol/conformance/dist/index.js"
	runTimeout   = 2 * time.Minute // of one run of the suite, which takes about 3 s
	startTimeout = 30 * time.Second
)

func TestShproxy(t *testing.T) {
	child := require(t)
	shproxy := buildShproxy(t)
	for _, version := range []string{"2025-06-18", "2025-11-25", "2026-07-28"} {
		t.Run(version, func(t *testing.T) {
			file := "expected-failures-" + version + ".yml"
			known, err := readBaseline(filepath.Join(suiteDir, file))
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			scenarios := listScenarios(t, version)
			results := runSuite(t, startShproxy(t, shproxy, child), version)
			for _, name := range scenarios {
				t.Run(name, func(t *testing.T) {
					for _, problem := range judge(results[name], known[name]) {
						t.Error(problem)
					}
				})
				delete(known, name)
				delete(results, name)
			}
			for name := range known {
				t.Errorf("%s: no scenario %s at %s", file, name, version)
			}
			for name := range results {
				t.Errorf("a result of %s, which the suite does not list", name)
			}
		})
	}
}

// require finds what the test needs and returns the path of the stdio server.
func require(t *testing.T) string {
	t.Helper()
	missing := t.Skipf
	if os.Getenv("REQUIRE_ALL") == "1" {
		missing = t.Fatalf
	}
	if _, err := exec.LookPath("node"); err != nil {
		missing("needs Node 20 or newer: %v", err)
	}
	if _, err := os.Stat(filepath.Join(suiteDir, suiteProgram)); err != nil {
		missing("needs the suite: npm ci --ignore-scripts --prefix test/conformance")
	}
	for _, name := range []string{os.Getenv("MCP_EVERYTHING_SERVER"), "../../.bin/everything-server", "everything-server"} {
		if path, err := exec.LookPath(name); err == nil {
			if path, err = filepath.Abs(path); err != nil {
				t.Fatal(err)
			}
			return path
		}
	}
	missing("needs a stdio server: GOBIN=$PWD/.bin go install github.com/modelcontextprotocol/go-sdk/conformance/everything-server@v1.8.0")
	return ""
}

func buildShproxy(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "shproxy")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-C", "../../shproxy", "-o", program, "./cmd/shproxy").CombinedOutput()
	if err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return program
}

// startShproxy runs shproxy around the child until the test ends and returns
// the URL of the endpoint.
func startShproxy(t *testing.T, program, child string) string {
	t.Helper()
	log := &startLog{port: make(chan string, 1)}
	cmd := exec.Command(program, "--port", "0", "--", child)
	cmd.Stderr = log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() {
		cmd.Wait()
		close(exited)
	}()
	t.Cleanup(func() {
		stop(cmd.Process.Pid, exited)
		if t.Failed() {
			t.Logf("shproxy wrote, beside information:\n%s", log)
		}
	})
	select {
	case port := <-log.port:
		// By name: the suite's DNS rebinding scenario wants a local host name.
		return "http://localhost:" + port + "/mcp"
	case <-exited:
		t.Fatal("shproxy exited before it listened")
	case <-time.After(startTimeout):
		t.Fatalf("shproxy did not listen within %v", startTimeout)
	}
	return ""
}

// A startLog keeps what shproxy logs and finds the port that it listens on.
type startLog struct {
	port chan string // buffered; gets one value

	mu    sync.Mutex
	text  strings.Builder
	found bool
}

var listening = regexp.MustCompile(`url=http://127\.0\.0\.1:(\d+)/mcp\n`)

func (l *startLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(p)
	if match := listening.FindStringSubmatch(l.text.String()); match != nil && !l.found {
		l.found = true
		l.port <- match[1]
	}
	return len(p), nil
}

// String is what was logged but for the lines of level information.
func (l *startLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var kept strings.Builder
	for line := range strings.Lines(l.text.String()) {
		if !strings.Contains(line, " level=INFO ") {
			kept.WriteString(line)
		}
	}
	return kept.String()
}

// stop asks a process group to end, and makes it.
func stop(pid int, exited <-chan struct{}) {
	syscall.Kill(pid, syscall.SIGTERM)
	select {
	case <-exited:
	case <-time.After(10 * time.Second):
		syscall.Kill(-pid, syscall.SIGKILL)
		<-exited
	}
}

var listedScenario = regexp.MustCompile(`(?m)^  - (\S+)`)

// listScenarios asks the suite what it runs at a version.
func listScenarios(t *testing.T, version string) []string {
	t.Helper()
	out, err := suite(t, "list", "--server", "--spec-version", version).Output()
	if err != nil {
		t.Fatalf("list scenarios: %v", err)
	}
	var names []string
	for _, match := range listedScenario.FindAllSubmatch(out, -1) {
		names = append(names, string(match[1]))
	}
	if len(names) == 0 {
		t.Fatalf("the suite lists no scenarios:\n%s", out)
	}
	return names
}

var resultDir = regexp.MustCompile(`^server-(.+)-\d{4}-\d{2}-\d{2}T[\d-]+Z$`)

// runSuite runs all scenarios of a version and collects their checks from the
// files that the suite leaves; its exit status and terminal output say less.
func runSuite(t *testing.T, url, version string) map[string][]check {
	t.Helper()
	out := t.TempDir()
	cmd := suite(t, "server", "--url", url, "--suite", "all", "--spec-version", version, "-o", out)
	output, err := cmd.CombinedOutput()
	if failed := new(exec.ExitError); err != nil && (!errors.As(err, &failed) || failed.ExitCode() != 1) {
		t.Fatalf("the suite broke off: %v\n%s", err, output)
	}
	results := map[string][]check{}
	err = filepath.WalkDir(out, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != "checks.json" {
			return err
		}
		dir := filepath.Base(filepath.Dir(name))
		match := resultDir.FindStringSubmatch(dir)
		if match == nil {
			t.Errorf("cannot tell the scenario from %s", dir)
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		var checks []check
		if err := json.Unmarshal(text, &checks); err != nil {
			return err
		}
		results[match[1]] = checks
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return results
}

// suite prepares a run of the suite in a process group of its own, which ends
// as a whole when time is up.
func suite(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), runTimeout)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, "node", append([]string{"--import", "./fs-shim.mjs", suiteProgram}, args...)...)
	cmd.Dir = suiteDir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}
