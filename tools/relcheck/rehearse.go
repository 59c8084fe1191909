// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/semver"
)

// twice are the modules that get a second version in a rehearsal, so that a
// user can be seen to pin either.
var twice = []string{"oauthdyn", "shproxy"}

// rehearsalTimeout bounds a whole rehearsal.
const rehearsalTimeout = 15 * time.Minute

// A rehearsal releases the committed state of the repository in a scratch
// clone, to a file proxy, and then uses what it released.
type rehearsal struct {
	*sandbox
	repo  string              // the user's repository; only read
	clone string              // the scratch clone
	tags  map[string][]string // module directory -> released versions, the last is newest

	printing sync.Mutex // guards out
	out      io.Writer
}

func newRehearsal(ctx context.Context, repo string, out io.Writer) (*rehearsal, error) {
	s, err := newSandbox(ctx)
	if err != nil {
		return nil, err
	}
	return &rehearsal{
		sandbox: s, repo: repo, clone: filepath.Join(s.dir, "clone"),
		tags: map[string][]string{}, out: out,
	}, nil
}

// rehearse runs every step of a release that needs no network and shows how
// long each took. After the release it checks that modules work alone, and uses
// what is released: part is "alone", "use", or empty for both.
func rehearse(ctx context.Context, repo, part string, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, rehearsalTimeout)
	defer cancel()
	r, err := newRehearsal(ctx, repo, out)
	if err != nil {
		return err
	}
	defer r.remove()
	if err := r.releaseAll(ctx); err != nil {
		return err
	}
	for _, dir := range twice {
		version := nextPatch(r.newest(dir))
		err := r.step(dir+" "+version+": tag and serve a second version", func() error { return r.releaseAgain(ctx, dir, version) })
		if err != nil {
			return err
		}
	}
	for _, dir := range modules() {
		if !slices.Contains(released, dir) {
			if err := r.step(dir+": fill go.sum", func() error { return r.fillSums(ctx, dir) }); err != nil {
				return err
			}
		}
	}
	// Nothing changes the clone from here on. The tests of the modules wait much.
	parts := map[string]func() error{
		"alone": func() error {
			for _, dir := range modules() {
				if err := r.checkAlone(ctx, dir); err != nil {
					return err
				}
			}
			return nil
		},
		"use": func() error {
			if err := r.useAsStranger(ctx); err != nil {
				return err
			}
			for _, walk := range walks {
				if err := walk(r, ctx); err != nil {
					return err
				}
			}
			return nil
		},
	}
	if part != "" {
		return parts[part]()
	}
	return sideBySide(parts["alone"], parts["use"])
}

// walks use the commands; those of a toy can only tell their version.
var walks = []func(*rehearsal, context.Context) error{
	(*rehearsal).usePackages, (*rehearsal).upgradeStores, (*rehearsal).makeImage,
}

// sideBySide runs all to their end.
func sideBySide(all ...func() error) error {
	errs := make([]error, len(all))
	var running sync.WaitGroup
	for i, do := range all {
		running.Go(func() { errs[i] = do() })
	}
	running.Wait()
	return errors.Join(errs...)
}

// sums writes the go.sum files that a release commit needs into the working
// tree: a module that is released together with a sibling must already know
// the sibling's hash, which depends on nothing but the sibling's directory.
func sums(ctx context.Context, repo string, out io.Writer) error {
	r, err := newRehearsal(ctx, repo, out)
	if err != nil {
		return err
	}
	defer r.remove()
	if err := r.releaseAll(ctx); err != nil {
		return err
	}
	for _, dir := range released {
		text, err := os.ReadFile(filepath.Join(r.clone, dir, "go.sum"))
		if err != nil {
			continue // a module without dependencies
		}
		if err := os.WriteFile(filepath.Join(repo, dir, "go.sum"), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (r *rehearsal) releaseAll(ctx context.Context) error {
	if err := r.step("clone HEAD", func() error { return r.cloneHead(ctx) }); err != nil {
		return err
	}
	plan := map[string]string{}
	err := r.step("choose versions", func() (err error) {
		for _, dir := range released {
			if plan[dir], err = r.chooseVersion(dir); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, dir := range released {
		err := r.step(dir+" "+plan[dir]+": fill go.sum, tag, serve", func() error { return r.release(ctx, dir, plan[dir]) })
		if err != nil {
			return err
		}
	}
	return nil
}

// cloneHead clones the repository and serves what it has released already.
func (r *rehearsal) cloneHead(ctx context.Context) error {
	if _, err := r.run(ctx, r.dir, "git", "clone", "--quiet", "--no-hardlinks", r.repo, r.clone); err != nil {
		return err
	}
	dirty, err := r.run(ctx, r.repo, "git", "status", "--porcelain")
	if err != nil {
		return err
	}
	if n := strings.Count(dirty, "\n"); n > 0 {
		fmt.Fprintf(r.out, "      (%d uncommitted changes are left out)\n", n)
	}
	tags, err := repoTags(ctx, r.clone)
	if err != nil {
		return err
	}
	slices.SortFunc(tags, func(a, b string) int {
		return semver.Compare(a[strings.LastIndex(a, "/")+1:], b[strings.LastIndex(b, "/")+1:])
	})
	for _, tag := range tags {
		dir, version, err := splitTag(tag)
		if err != nil {
			return err
		}
		if err := r.serve(ctx, dir, version); err != nil {
			return err
		}
	}
	return nil
}

// chooseVersion finds the version that HEAD's state of a module would get.
func (r *rehearsal) chooseVersion(dir string) (string, error) {
	sections, err := readChangelog(r.clone, dir)
	if err != nil {
		return "", err
	}
	wanted := versions(sections)
	for _, other := range modules() {
		mod, err := readGomod(r.clone, other)
		if err != nil {
			return "", err
		}
		for _, m := range siblings(mod) {
			if m.Path == prefix+"/"+dir {
				wanted = append(wanted, m.Version)
			}
		}
	}
	return nextVersion(wanted, r.tags[dir]), nil
}

// release tags and serves a module.
func (r *rehearsal) release(ctx context.Context, dir, version string) error {
	if err := r.fillSums(ctx, dir); err != nil {
		return err
	}
	if err := r.announce(dir, version); err != nil {
		return err
	}
	if err := r.commit(ctx, "release: "+dir+" "+version); err != nil {
		return err
	}
	return r.tag(ctx, dir, version)
}

// fillSums makes a module's go.sum complete, which is possible only now that
// its siblings are served. Any other change means that it is not tidy.
func (r *rehearsal) fillSums(ctx context.Context, dir string) error {
	if _, err := r.run(ctx, filepath.Join(r.clone, dir), "go", "mod", "tidy"); err != nil {
		return err
	}
	diff, err := r.git(ctx, "diff", "--unified=0", "--", dir)
	if err != nil {
		return err
	}
	if lines := untidy(diff); len(lines) > 0 {
		return fmt.Errorf("%s is not tidy, run make tidy:\n%s", dir, strings.Join(lines, "\n"))
	}
	return nil
}

// untidy lists the changes in a diff other than sums of siblings, which no
// go.sum can have before their release.
func untidy(diff string) []string {
	var lines []string
	for line := range strings.Lines(diff) {
		line = strings.TrimSuffix(line, "\n")
		isChange := strings.HasPrefix(line, "+") || strings.HasPrefix(line, "-")
		isHeader := strings.HasPrefix(line, "+++") || strings.HasPrefix(line, "---")
		if isChange && !isHeader && !strings.HasPrefix(line, "+"+prefix+"/") {
			lines = append(lines, line)
		}
	}
	return lines
}

// checkAlone checks a module as a clone without the workspace would.
func (r *rehearsal) checkAlone(ctx context.Context, dir string) error {
	for _, args := range [][]string{{"mod", "tidy", "-diff"}, {"vet", "./..."}, {"test", "-short", "-timeout=8m", "./..."}} {
		err := r.step(dir+" alone: go "+strings.Join(args, " "), func() error {
			_, err := r.run(ctx, filepath.Join(r.clone, dir), "go", args...)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// announce gives a version its section in the changelog of the clone, if a release
// commit has not done that.
func (r *rehearsal) announce(dir, version string) error {
	sections, err := readChangelog(r.clone, dir)
	if err != nil || slices.Contains(versions(sections), version) {
		return err
	}
	name := filepath.Join(r.clone, dir, "CHANGELOG.md")
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	const top = "## [Unreleased]\n"
	heading := top + "\n## [" + version + "] - " + time.Now().UTC().Format(time.DateOnly) + "\n"
	return os.WriteFile(name, []byte(strings.Replace(string(text), top, heading, 1)), 0o644)
}

// releaseAgain tags a module once more after a change that matters to nobody.
func (r *rehearsal) releaseAgain(ctx context.Context, dir, version string) error {
	if err := r.announce(dir, version); err != nil {
		return err
	}
	if err := r.commit(ctx, "release: "+dir+" "+version); err != nil {
		return err
	}
	return r.tag(ctx, dir, version)
}

func (r *rehearsal) tag(ctx context.Context, dir, version string) error {
	tag := dir + "/" + version
	if _, err := r.git(ctx, "tag", "--annotate", "--message", tag, tag); err != nil {
		return err
	}
	return r.serve(ctx, dir, version)
}

// serve puts a tagged version on the file proxy.
func (r *rehearsal) serve(ctx context.Context, dir, version string) error {
	gomod, err := r.git(ctx, "show", dir+"/"+version+":"+dir+"/go.mod")
	if err != nil {
		return err
	}
	if err := r.proxy.addTag(r.clone, dir, version, []byte(gomod)); err != nil {
		return err
	}
	r.tags[dir] = append(r.tags[dir], version)
	return nil
}

func (r *rehearsal) newest(dir string) string { return r.tags[dir][len(r.tags[dir])-1] }

func (r *rehearsal) commit(ctx context.Context, message string) error {
	_, err := r.git(ctx, "commit", "--quiet", "--all", "--allow-empty", "--message", message)
	return err
}

// git runs git in the scratch clone, whatever the user's configuration says
// about identity, signatures, hooks and maintenance.
func (r *rehearsal) git(ctx context.Context, args ...string) (string, error) {
	config := []string{
		"-c", "user.name=rehearsal", "-c", "user.email=rehearsal@localhost",
		"-c", "commit.gpgSign=false", "-c", "tag.gpgSign=false", "-c", "core.hooksPath=" + os.DevNull,
		"-c", "maintenance.auto=false", // which goes on in the background, while the clone is removed
	}
	return r.run(ctx, r.clone, "git", append(config, args...)...)
}

// step runs one step and says how it went and how long it took. One that a
// program is absent for is left out.
func (r *rehearsal) step(name string, do func() error) error {
	start := time.Now()
	err := do()
	result, without := "ok  ", (*absent)(nil)
	switch {
	case errors.As(err, &without):
		result, name, err = "skip", name+": "+without.what, nil
	case err != nil:
		result = "FAIL"
	}
	r.printing.Lock()
	defer r.printing.Unlock()
	fmt.Fprintf(r.out, "%s %6.1fs  %s\n", result, time.Since(start).Seconds(), name)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}
