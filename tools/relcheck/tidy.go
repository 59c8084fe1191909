// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
)

// tidy runs go mod tidy in each module.
func tidy(ctx context.Context, repo string) error {
	return inModules(ctx, repo, []string{"mod", "tidy"})
}

// update raises every dependency of each module to its latest version.
func update(ctx context.Context, repo string) error {
	return inModules(ctx, repo, []string{"get", "-u", "-t", "./..."}, []string{"mod", "tidy"})
}

// inModules runs go commands in each module that edit its go.mod. They ignore
// go.work, so siblings that are not released come from a file proxy made of
// the working tree; their sums are taken out of go.sum again, because they
// change with every edit.
func inModules(ctx context.Context, repo string, commands ...[]string) error {
	pending, err := unreleased(repo)
	if err != nil {
		return err
	}
	s, err := newSandbox(ctx)
	if err != nil {
		return err
	}
	defer s.remove()
	for _, m := range pending {
		if err := s.proxy.addTree(repo, m); err != nil {
			return err
		}
	}
	for _, dir := range modules() {
		for _, args := range commands {
			if _, err := s.run(ctx, filepath.Join(repo, dir), "go", args...); err != nil {
				return fmt.Errorf("%s: %w", dir, err)
			}
		}
		if err := dropSums(filepath.Join(repo, dir, "go.sum"), pending); err != nil {
			return err
		}
	}
	return nil
}

// unreleased lists the module versions that only the workspace has: those that
// go.work replaces by a directory.
func unreleased(repo string) ([]module.Version, error) {
	name := filepath.Join(repo, "go.work")
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	work, err := modfile.ParseWork(name, text, nil)
	if err != nil {
		return nil, err
	}
	var found []module.Version
	for _, r := range work.Replace {
		dir := strings.TrimPrefix(r.Old.Path, prefix+"/")
		if !slices.Contains(released, dir) || r.New.Path != "./"+dir || r.Old.Version == "" {
			return nil, fmt.Errorf("go.work: replace %s => %s: want MODULE VERSION => ./DIR", r.Old, r.New.Path)
		}
		found = append(found, r.Old)
	}
	return found, nil
}

func dropSums(name string, of []module.Version) error {
	sums, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return os.WriteFile(name, []byte(withoutSums(string(sums), of)), 0o644)
}

// withoutSums removes the lines of some module versions from a go.sum.
func withoutSums(sums string, of []module.Version) string {
	var kept strings.Builder
	for line := range strings.Lines(sums) {
		isOne := func(m module.Version) bool {
			return strings.HasPrefix(line, m.Path+" "+m.Version+" ") || strings.HasPrefix(line, m.Path+" "+m.Version+"/")
		}
		if !slices.ContainsFunc(of, isOne) {
			kept.WriteString(line)
		}
	}
	return kept.String()
}
