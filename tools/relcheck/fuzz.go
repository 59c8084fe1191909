// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// A fuzzTest is one Fuzz function; the go command fuzzes one at a time.
type fuzzTest struct{ pkg, name string }

// fuzz runs every fuzz test of the workspace for a while.
func fuzz(ctx context.Context, repo, each string, out io.Writer) error {
	if _, err := time.ParseDuration(each); err != nil {
		return err
	}
	list := inWorkspace(ctx, repo, "test", "-list", "^Fuzz", "work")
	listed, err := list.CombinedOutput()
	if err != nil {
		return fmt.Errorf("go test -list: %w\n%s", err, listed)
	}
	for _, test := range fuzzTests(string(listed)) {
		fmt.Fprintf(out, "--- %s %s\n", test.pkg, test.name)
		cmd := inWorkspace(ctx, repo, "test", "-run=^$", "-fuzz=^"+test.name+"$", "-fuzztime="+each, test.pkg)
		cmd.Stdout, cmd.Stderr = out, out
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("%s %s: %w", test.pkg, test.name, err)
		}
	}
	return nil
}

// inWorkspace prepares a go command for all modules; relcheck itself runs
// without the workspace.
func inWorkspace(ctx context.Context, repo string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = repo
	cmd.Env = append(os.Environ(), "GOWORK=")
	return cmd
}

// fuzzTests reads the output of go test -list: names, then the line "ok" of
// the package that they belong to.
func fuzzTests(listed string) []fuzzTest {
	var tests []fuzzTest
	var names []string
	for line := range strings.Lines(listed) {
		fields := strings.Fields(line)
		switch {
		case len(fields) == 1 && strings.HasPrefix(fields[0], "Fuzz"):
			names = append(names, fields[0])
		case len(fields) > 1 && fields[0] == "ok":
			for _, name := range names {
				tests = append(tests, fuzzTest{fields[1], name})
			}
			names = nil
		}
	}
	return tests
}
