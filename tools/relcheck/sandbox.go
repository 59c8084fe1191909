// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// A sandbox is a scratch directory in which the go command knows the modules
// of this repository only through a file proxy, and everything else through
// the user's module cache or proxy.
type sandbox struct {
	dir   string
	proxy fileProxy
	env   []string
}

func newSandbox(ctx context.Context) (*sandbox, error) {
	dir, err := os.MkdirTemp("", "relcheck-*")
	if err != nil {
		return nil, err
	}
	s := &sandbox{dir: dir, proxy: fileProxy(filepath.Join(dir, "proxy"))}
	upstream, err := s.run(ctx, dir, "go", "env", "GOPROXY")
	if err != nil {
		return nil, err
	}
	cache, err := s.run(ctx, dir, "go", "env", "GOMODCACHE")
	if err != nil {
		return nil, err
	}
	s.env = []string{
		"GOWORK=off", "GOTOOLCHAIN=local",
		// -trimpath lets builds in a scratch directory use the build cache.
		"GOFLAGS=-modcacherw -trimpath",
		// As releases and images are built, which shares the build cache too.
		"CGO_ENABLED=0",
		// The checksum database cannot know unreleased versions. The other
		// modules are verified by our go.sum files, in the same module cache.
		"GOSUMDB=off", "GOPRIVATE=", "GONOPROXY=",
		// A cache of its own: a provisional version must never stay behind
		// in the user's cache under a real version number.
		"GOMODCACHE=" + filepath.Join(dir, "mod"), "GOBIN=" + s.bin(),
		"GOPROXY=" + fileURL(string(s.proxy)) + "," + fileURL(filepath.Join(strings.TrimSpace(cache), "cache", "download")) + "," + strings.TrimSpace(upstream),
		// Modules alone, without the programs that interop tests want.
		"REQUIRE_ALL=",
	}
	return s, os.MkdirAll(string(s.proxy), 0o755)
}

// bin is where go install puts commands.
func (s *sandbox) bin() string { return filepath.Join(s.dir, "bin") }

func (s *sandbox) remove() { os.RemoveAll(s.dir) }

// run runs a program in dir and returns its standard output. An error carries
// all that the program printed.
func (s *sandbox) run(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), s.env...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("%s %s: %w\n%s%s", filepath.Base(name), strings.Join(args, " "), err, stdout.String(), stderr.String())
	}
	return stdout.String(), nil
}

func fileURL(path string) string {
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // a drive letter
	}
	return "file://" + path
}
