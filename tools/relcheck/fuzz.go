// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"
)

// A fuzzTest is one Fuzz function; the go command fuzzes one at a time.
type fuzzTest struct{ pkg, name string }

// String is the package within the repository, and the name.
func (f fuzzTest) String() string { return strings.TrimPrefix(f.pkg, prefix+"/") + " " + f.name }

// fuzzOptions are the arguments of the command.
type fuzzOptions struct {
	together bool           // all at the same time, with a worker each
	time     string         // of each
	which    *regexp.Regexp // of their strings; nil: all
}

func parseFuzz(args []string) (o fuzzOptions, err error) {
	if len(args) > 0 && args[0] == "-together" {
		o.together, args = true, args[1:]
	}
	if len(args) == 0 || len(args) > 2 {
		return o, errUsage
	}
	o.time = args[0]
	if _, err := time.ParseDuration(o.time); err != nil {
		return o, err
	}
	if len(args) == 2 {
		o.which, err = regexp.Compile(args[1])
	}
	return o, err
}

// fuzz runs fuzz tests of the workspace for a while.
func fuzz(ctx context.Context, repo string, o fuzzOptions, out io.Writer) error {
	tests, err := listFuzzTests(ctx, repo)
	if err != nil {
		return err
	}
	var chosen []fuzzTest
	for _, test := range tests {
		if o.which == nil || o.which.MatchString(test.String()) {
			chosen = append(chosen, test)
		}
	}
	if len(chosen) == 0 {
		return fmt.Errorf("no fuzz test matches %q", o.which)
	}
	if o.together {
		return fuzzTogether(ctx, repo, chosen, o.time, out)
	}
	for _, test := range chosen {
		fmt.Fprintf(out, "--- %s\n", test)
		if err := fuzzOne(ctx, repo, test, out, "-fuzztime="+o.time); err != nil {
			return err
		}
	}
	return nil
}

// fuzzTogether runs all at the same time. Each has one worker, so that they
// share the CPUs evenly.
func fuzzTogether(ctx context.Context, repo string, tests []fuzzTest, each string, out io.Writer) error {
	said, failed := make([]bytes.Buffer, len(tests)), make([]error, len(tests))
	var running sync.WaitGroup
	for i, test := range tests {
		running.Go(func() { failed[i] = fuzzOne(ctx, repo, test, &said[i], "-fuzztime="+each, "-parallel=1") })
	}
	running.Wait()
	for i, test := range tests {
		fmt.Fprintf(out, "--- %s\n%s", test, &said[i])
	}
	return errors.Join(failed...)
}

func fuzzOne(ctx context.Context, repo string, test fuzzTest, out io.Writer, flags ...string) error {
	args := append([]string{"test", "-run=^$", "-fuzz=^" + test.name + "$"}, flags...)
	cmd := inWorkspace(ctx, repo, append(args, test.pkg)...)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", test, err)
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

var fuzzFunction = regexp.MustCompile(`(?m)^func (Fuzz\w*)\(\w+ \*testing\.F\)`)

// listFuzzTests reads the sources: go test -list would build and run every test
// program.
func listFuzzTests(ctx context.Context, repo string) ([]fuzzTest, error) {
	list := inWorkspace(ctx, repo, "list", "-json=ImportPath,Dir,TestGoFiles,XTestGoFiles", "work")
	listed, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	var tests []fuzzTest
	for packages := json.NewDecoder(bytes.NewReader(listed)); ; {
		var p struct {
			ImportPath, Dir           string
			TestGoFiles, XTestGoFiles []string
		}
		err := packages.Decode(&p)
		if err == io.EOF {
			return tests, nil
		}
		if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		for _, file := range append(p.TestGoFiles, p.XTestGoFiles...) {
			source, err := os.ReadFile(filepath.Join(p.Dir, file))
			if err != nil {
				return nil, err
			}
			for _, match := range fuzzFunction.FindAllSubmatch(source, -1) {
				tests = append(tests, fuzzTest{p.ImportPath, string(match[1])})
			}
		}
	}
}
