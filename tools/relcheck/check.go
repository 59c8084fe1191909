// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
)

// check finds what would make a release fail. It builds nothing unless a
// changelog announces a version that is to be compared with the last one.
func check(ctx context.Context, repo string) error {
	tags, err := repoTags(ctx, repo)
	if err != nil {
		return err
	}
	pending, err := unreleased(repo)
	if err != nil {
		return err
	}
	var problems []error
	for _, dir := range modules() {
		mod, err := readGomod(repo, dir)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		for _, m := range siblings(mod) {
			tag := strings.TrimPrefix(m.Path, prefix+"/") + "/" + m.Version
			if !slices.Contains(pending, m) && !slices.Contains(tags, tag) {
				problems = append(problems, fmt.Errorf("%s/go.mod: requires %s, which is neither tagged nor replaced in go.work", dir, m))
			}
		}
	}
	for _, dir := range released {
		version, err := announced(repo, dir, tags)
		if err == nil && version != "" {
			err = checkStep(ctx, repo, tags, dir, version)
		}
		if err != nil {
			problems = append(problems, err)
		}
	}
	for _, tag := range tags {
		if _, err := changesOf(repo, tag); err != nil {
			problems = append(problems, err)
		}
	}
	return errors.Join(problems...)
}

// notes prints the changelog section of a release tag, if the working tree may
// be released under it.
func notes(ctx context.Context, repo, tag string, out io.Writer) error {
	text, err := changesOf(repo, tag)
	if err != nil {
		return err
	}
	tags, err := repoTags(ctx, repo)
	if err != nil {
		return err
	}
	dir, version, err := splitTag(tag)
	if err != nil {
		return err
	}
	if err := checkStep(ctx, repo, tags, dir, version); err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, text)
	return err
}

// changesOf checks a release tag against the working tree and returns the text
// of its section in the changelog.
func changesOf(repo, tag string) (string, error) {
	dir, version, err := splitTag(tag)
	if err != nil {
		return "", err
	}
	if _, err := readGomod(repo, dir); err != nil {
		return "", err
	}
	sections, err := readChangelog(repo, dir)
	if err != nil {
		return "", err
	}
	for _, s := range sections {
		if s.version == version {
			return strings.TrimSpace(s.text), nil
		}
	}
	return "", fmt.Errorf("tag %s: no section of %s in %s/CHANGELOG.md", tag, version, dir)
}

// repoTags lists the version tags of the repository: all that are, or look
// like, tags of a release.
func repoTags(ctx context.Context, repo string) ([]string, error) {
	out, err := exec.CommandContext(ctx, "git", "-C", repo, "tag", "--list", "v[0-9]*", "*/v[0-9]*").Output()
	if err != nil {
		return nil, fmt.Errorf("git tag: %w", err)
	}
	return strings.Fields(string(out)), nil
}
