// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"go/types"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/exp/apidiff"
	"golang.org/x/mod/semver"
	"golang.org/x/tools/go/packages"
)

// api prints how the public packages of modules differ from their last release,
// and the smallest version that they may be released under.
func api(ctx context.Context, repo string, dirs []string, out io.Writer) error {
	tags, err := repoTags(ctx, repo)
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		if !slices.Contains(released, dir) {
			return fmt.Errorf("%s is not one of %s", dir, strings.Join(released, ", "))
		}
		base := lastRelease(tags, dir, "")
		if base == "" {
			fmt.Fprintf(out, "%s: no release yet, so the first may have any version\n", dir)
			continue
		}
		report, err := apiChanges(ctx, repo, tags, dir, base)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s: changes since %s\n", dir, base)
		if err := report.Text(out); err != nil {
			return err
		}
		fmt.Fprintf(out, "%s: smallest next version: %s\n", dir, smallestNext(base, report))
	}
	return nil
}

// checkStep refuses a version whose step from the last release is too small for
// what has changed since.
func checkStep(ctx context.Context, repo string, tags []string, dir, version string) error {
	base := lastRelease(tags, dir, version)
	if base == "" {
		return nil
	}
	report, err := apiChanges(ctx, repo, tags, dir, base)
	if err != nil {
		return err
	}
	least := smallestNext(base, report)
	if semver.Compare(strings.TrimSuffix(version, semver.Prerelease(version)), least) >= 0 {
		return nil
	}
	var text strings.Builder
	if err := report.Text(&text); err != nil {
		return err
	}
	return fmt.Errorf("%s %s: what has changed since %s needs %s at least:\n%s", dir, version, base, least, text.String())
}

// lastRelease is the newest version that a module has been released under, below
// another one if that is given; empty if there is none. Release candidates promise
// nothing, so they do not count.
func lastRelease(tags []string, dir, below string) string {
	last := ""
	for _, tag := range tags {
		version, ok := strings.CutPrefix(tag, dir+"/")
		if !ok || !semver.IsValid(version) || semver.Prerelease(version) != "" || below != "" && semver.Compare(version, below) >= 0 {
			continue
		}
		if last == "" || semver.Compare(version, last) > 0 {
			last = version
		}
	}
	return last
}

// smallestNext is the smallest version that may follow another one after the
// changes. Version 0 breaks with a minor version; what is new has one as well.
func smallestNext(last string, changes apidiff.Report) string {
	var major, minor int
	fmt.Sscanf(last, "v%d.%d.", &major, &minor)
	breaking := slices.ContainsFunc(changes.Changes, func(c apidiff.Change) bool { return !c.Compatible })
	switch {
	case breaking && major > 0:
		return fmt.Sprintf("v%d.0.0", major+1)
	case len(changes.Changes) > 0:
		return fmt.Sprintf("v%d.%d.0", major, minor+1)
	default:
		return nextPatch(last)
	}
}

// apiChanges compares the public packages of a module in the working tree with
// those of its tag.
func apiChanges(ctx context.Context, repo string, tags []string, dir, base string) (apidiff.Report, error) {
	s, err := newSandbox(ctx)
	if err != nil {
		return apidiff.Report{}, err
	}
	defer s.remove()
	if err := s.serveKnown(ctx, repo, tags); err != nil {
		return apidiff.Report{}, err
	}
	clone := filepath.Join(s.dir, "released")
	if _, err := s.run(ctx, s.dir, "git", "clone", "--quiet", "--shared", "--config", "advice.detachedHead=false", "--branch", dir+"/"+base, repo, clone); err != nil {
		return apidiff.Report{}, err
	}
	old, err := s.loadPublic(ctx, clone, dir)
	if err != nil {
		return apidiff.Report{}, fmt.Errorf("%s %s: %w", dir, base, err)
	}
	now, err := s.loadPublic(ctx, repo, dir)
	if err != nil {
		return apidiff.Report{}, fmt.Errorf("%s: %w", dir, err)
	}
	return apidiff.ModuleChanges(old, now), nil
}

// serveKnown puts on the file proxy what is tagged, and what only the workspace
// has.
func (s *sandbox) serveKnown(ctx context.Context, repo string, tags []string) error {
	for _, tag := range tags {
		dir, version, err := splitTag(tag)
		if err != nil {
			return err
		}
		gomod, err := s.run(ctx, repo, "git", "show", tag+":"+dir+"/go.mod")
		if err != nil {
			return err
		}
		if err := s.proxy.addTag(repo, dir, version, []byte(gomod)); err != nil {
			return err
		}
	}
	pending, err := unreleased(repo)
	if err != nil {
		return err
	}
	for _, m := range pending {
		if slices.Contains(tags, strings.TrimPrefix(m.Path, prefix+"/")+"/"+m.Version) {
			continue // go.work keeps a version until the public proxy has it
		}
		if err := s.proxy.addTree(repo, m); err != nil {
			return err
		}
	}
	return nil
}

// loadPublic loads what other modules can import of the module in root/dir.
func (s *sandbox) loadPublic(ctx context.Context, root, dir string) (*apidiff.Module, error) {
	// The go command completes a copy of go.sum, which can lack siblings.
	modfile, err := s.copyModfile(root, dir)
	if err != nil {
		return nil, err
	}
	loaded, err := packages.Load(&packages.Config{
		Context: ctx, Dir: filepath.Join(root, dir), Env: append(os.Environ(), s.env...),
		BuildFlags: []string{"-mod=mod", "-modfile=" + modfile},
		Mode:       packages.LoadTypes,
	}, "./...")
	if err != nil {
		return nil, err
	}
	module := &apidiff.Module{Path: prefix + "/" + dir}
	var failed []error
	for _, p := range loaded {
		for _, err := range p.Errors {
			failed = append(failed, err)
		}
		if isPublic(p.Types) {
			module.Packages = append(module.Packages, p.Types)
		}
	}
	if len(loaded) == 0 {
		failed = append(failed, errors.New("no packages"))
	}
	return module, errors.Join(failed...)
}

func isPublic(p *types.Package) bool {
	return p != nil && p.Name() != "main" && !slices.Contains(strings.Split(p.Path(), "/"), "internal")
}

// copyModfile copies go.mod and go.sum of a module and returns the path of the
// first.
func (s *sandbox) copyModfile(root, dir string) (string, error) {
	at, err := os.MkdirTemp(s.dir, "modfile")
	if err != nil {
		return "", err
	}
	for _, name := range []string{"go.mod", "go.sum"} {
		text, err := os.ReadFile(filepath.Join(root, dir, name))
		if errors.Is(err, os.ErrNotExist) && name == "go.sum" {
			continue // a module without dependencies
		}
		if err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(at, name), text, 0o644); err != nil {
			return "", err
		}
	}
	return filepath.Join(at, "go.mod"), nil
}

// announced is the version that the newest section of a module's changelog
// names and no tag has; empty if there is none.
func announced(repo, dir string, tags []string) (string, error) {
	sections, err := readChangelog(repo, dir)
	if err != nil {
		return "", err
	}
	if all := versions(sections); len(all) > 0 && !slices.Contains(tags, dir+"/"+all[0]) {
		return all[0], nil
	}
	return "", nil
}
