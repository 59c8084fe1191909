// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"strings"
	"testing"
)

// TestCommandLineSmoke calls a tool, on what needs only Go. It builds without the
// flags of a release, which would compile everything once more.
func TestCommandLineSmoke(t *testing.T) {
	binary, err := buildCommand(t.Context(), t.TempDir(), shclientName, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	smoke(t, commandLineLoads, []string{"-command-line", "-calls", "4", "-shclient", binary}, shclientName)
}

func TestCommandLineMissing(t *testing.T) {
	var stdout, stderr bytes.Buffer
	args := []string{"-command-line", "-rounds", "1", "-peers", t.TempDir(), "-systems", "inspector,mcporter"}
	if code := run(t.Context(), args, nil, &stdout, &stderr); code != exitOK {
		t.Fatalf("exit %d: %s", code, stderr.String())
	}
	for _, title := range []string{"@modelcontextprotocol/inspector 2.12.0, --cli", "mcporter 0.12.3"} {
		if want := "| " + title + " | not installed: run with -install |"; !strings.Contains(stdout.String(), want) {
			t.Errorf("no %q in\n%s", want, stdout.String())
		}
	}
}

// TestWrongRuns shows that a run counts only if it ends well and prints what it
// has to.
func TestWrongRuns(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		argv []string
		want string
	}{
		{"nothing printed", []string{self, roleStdio}, `printed "", which does not echo`},
		{"failure", []string{self, roleHTTP}, "exit status 1"},
		{"no such command", []string{"/no/such/command"}, "no such file"},
	}
	for _, test := range tests {
		var seen tally
		(&commandLine{home: t.TempDir()}).run(context.Background(), test.argv, "fox", &seen)
		if len(seen.latencies) != 0 || seen.errors != 1 || !strings.Contains(seen.err.Error(), test.want) {
			t.Errorf("%s: %d right, %d errors, %v, want %q", test.name, len(seen.latencies), seen.errors, seen.err, test.want)
		}
	}
}

func TestPeak(t *testing.T) {
	for _, test := range []struct {
		output string
		want   int64
	}{
		{"fox\n\n{\"peak_bytes\":12}\n", 12},
		{"{\"peak_bytes\":12}\n", 12},
		{"fox\n", 0},
		{"{\"peak_bytes\":12}\nfox\n", 0},
		{"", 0},
	} {
		if got := readPeak([]byte(test.output)); got != test.want {
			t.Errorf("%q: %d, want %d", test.output, got, test.want)
		}
	}
}
