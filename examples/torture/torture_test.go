// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// TestMain lets the test binary play the server, as the command does.
func TestMain(m *testing.M) {
	if args := os.Args[1:]; len(args) > 0 && isRole(args[0]) {
		code, err := play(args, os.Stdin, os.Stdout, os.Stderr)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(code)
	}
	code := m.Run()
	if dir := filepath.Dir(serverPath); serverPath != "" {
		os.RemoveAll(dir)
	}
	os.Exit(code)
}

// serverPath is this program, built without the race detector, with which
// each of hundreds of processes would take much longer to start.
var serverPath string

var buildServer = sync.OnceValue(func() error {
	dir, err := os.MkdirTemp("", "torture-test-")
	if err != nil {
		return err
	}
	serverPath = filepath.Join(dir, "torture")
	if out, err := exec.Command("go", "build", "-o", serverPath, ".").CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
})

func builtServer(t *testing.T) string {
	t.Helper()
	if err := buildServer(); err != nil {
		t.Fatal(err)
	}
	return serverPath
}

// TestTorture is the short form of the run: all phases, with fewer clients.
func TestTorture(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	if !canSeeProcesses {
		t.Skip("needs /proc")
	}
	var stdout, stderr bytes.Buffer
	args := []string{"-time", "60s", "-clients", "300", "-parallel", "24", "-json", "-server", builtServer(t)}
	if raceEnabled {
		args = append(args, "-race")
	}
	code := run(t.Context(), args, &stdout, &stderr)
	var res results
	if err := json.Unmarshal(stdout.Bytes(), &res); err != nil {
		t.Fatalf("exit %d, %v\n%s", code, err, stderr.String())
	}
	for _, v := range res.Violations {
		t.Error(v)
	}
	if code != exitOK {
		t.Errorf("exit %d", code)
	}
	var text strings.Builder
	for _, p := range res.Phases {
		p.stats = newStats()
	}
	if err := res.writeText(&text); err != nil {
		t.Error(err)
	}
	t.Log(text.String())
	if left := marked(res.Marker); len(left) > 0 {
		t.Errorf("processes left: %+v", left)
	}
}

func TestBadOptions(t *testing.T) {
	tests := []struct{ args, want string }{
		{"-nonsense", "flag provided but not defined: -nonsense"},
		{"-time 1s", "-time 1s: want 10s to 1h"},
		{"-clients 0", "-clients 0: want 1 to 1000000"},
		{"-parallel 1000", "-parallel 1000: want 1 to 90, since shproxy serves 100 sessions"},
		{"-only 3", "-only needs -phases with one phase"},
		{"-phases sessions,tickle", `-phases: unknown phase "tickle", want some of sessions,crowded,warm,shared,terminate,kill`},
		{"-replicas -phases sessions", `-phases: unknown phase "sessions", want some of calm,kill,redis,hang,roll,after`},
		{"http://localhost/", `unexpected argument "http://localhost/": there are only flags, see -help`},
	}
	for _, test := range tests {
		var stdout, stderr bytes.Buffer
		if code := run(t.Context(), strings.Fields(test.args), &stdout, &stderr); code != exitUsage {
			t.Errorf("%s: exit %d, want %d", test.args, code, exitUsage)
		}
		if got, want := stderr.String(), "torture: "+test.want+"\n"; got != want || stdout.Len() > 0 {
			t.Errorf("%s: got %q, want %q", test.args, got, want)
		}
	}
}

func TestMissingBinary(t *testing.T) {
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), []string{"-shproxy", "/no/such/file"}, &stdout, &stderr)
	if want := "torture: -shproxy: stat /no/such/file: no such file or directory\n"; code != exitFailure || stderr.String() != want {
		t.Errorf("exit %d, %q, want %q", code, stderr.String(), want)
	}
}
