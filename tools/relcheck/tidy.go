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
)

// devVersion is the sibling version that go.mod files require while the
// workspace supplies it; go.work replaces the same version.
const devVersion = "v0.1.0"

// tidy runs go mod tidy in each module. The tool ignores go.work, so the
// siblings come from a file proxy made of the working tree; the sums of these
// unreleased siblings are taken out of go.sum again, because they change with
// every edit.
func tidy(ctx context.Context, repo string) error {
	tmp, err := os.MkdirTemp("", "relcheck-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	root := filepath.Join(tmp, "proxy")
	for _, dir := range released {
		if err := writeTree(root, repo, dir, devVersion); err != nil {
			return err
		}
	}
	for _, dir := range append(released, "examples") {
		if err := tidyModule(ctx, filepath.Join(repo, dir), root, tmp); err != nil {
			return fmt.Errorf("%s: %w", dir, err)
		}
	}
	return nil
}

func tidyModule(ctx context.Context, dir, proxy, tmp string) error {
	upstream, err := goEnv(ctx, "GOPROXY")
	if err != nil {
		return err
	}
	cache, err := goEnv(ctx, "GOMODCACHE")
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", "mod", "tidy")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(),
		"GOWORK=off", "GOFLAGS=-modcacherw", "GONOSUMDB="+prefix+"/*",
		// A cache of its own: the working tree's version must never stay
		// behind in the user's cache under a real version number.
		"GOMODCACHE="+filepath.Join(tmp, "mod"),
		"GOPROXY=file://"+proxy+",file://"+filepath.Join(cache, "cache", "download")+","+upstream,
	)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("go mod tidy: %w\n%s", err, stderr.String())
	}
	return dropSiblingSums(filepath.Join(dir, "go.sum"))
}

func dropSiblingSums(path string) error {
	old, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	var kept strings.Builder
	for line := range strings.Lines(string(old)) {
		if !strings.HasPrefix(line, prefix+"/") {
			kept.WriteString(line)
		}
	}
	return os.WriteFile(path, []byte(kept.String()), 0o644)
}

func goEnv(ctx context.Context, name string) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", name).Output()
	return strings.TrimSpace(string(out)), err
}
