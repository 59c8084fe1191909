// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"golang.org/x/mod/semver"
)

// A section is one release in a changelog.
type section struct {
	version string // empty: Unreleased
	text    string // without the heading
}

var releaseHeading = regexp.MustCompile(`^\[(v[^\]]+)\] - (\d{4}-\d{2}-\d{2})$`)

// readChangelog reads the changelog of a module, newest section first.
func readChangelog(repo, dir string) ([]section, error) {
	text, err := os.ReadFile(filepath.Join(repo, dir, "CHANGELOG.md"))
	if err != nil {
		return nil, err
	}
	sections, err := parseChangelog(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s/CHANGELOG.md: %w", dir, err)
	}
	return sections, nil
}

// parseChangelog reads a changelog in the form of https://keepachangelog.com:
// "## [Unreleased]", then "## [vX.Y.Z] - YYYY-MM-DD" in falling order.
func parseChangelog(text string) ([]section, error) {
	var sections []section
	for line := range strings.Lines(text) {
		heading, ok := strings.CutPrefix(strings.TrimRight(line, "\r\n"), "## ")
		if !ok {
			if n := len(sections); n > 0 {
				sections[n-1].text += line
			}
			continue
		}
		version, err := parseHeading(heading, sections)
		if err != nil {
			return nil, err
		}
		sections = append(sections, section{version: version})
	}
	if len(sections) == 0 {
		return nil, errors.New("no section ## [Unreleased]")
	}
	return sections, nil
}

func parseHeading(heading string, before []section) (version string, err error) {
	if len(before) == 0 {
		if heading != "[Unreleased]" {
			return "", fmt.Errorf("first section is %q, want [Unreleased]", heading)
		}
		return "", nil
	}
	match := releaseHeading.FindStringSubmatch(heading)
	if match == nil || !semver.IsValid(match[1]) {
		return "", fmt.Errorf("section %q, want [vX.Y.Z] - YYYY-MM-DD", heading)
	}
	if _, err := time.Parse(time.DateOnly, match[2]); err != nil {
		return "", fmt.Errorf("section %q: %w", heading, err)
	}
	if last := before[len(before)-1].version; last != "" && semver.Compare(match[1], last) >= 0 {
		return "", fmt.Errorf("section %s stands below %s", match[1], last)
	}
	return match[1], nil
}

// versions lists the versions of the released sections.
func versions(sections []section) []string {
	var found []string
	for _, s := range sections {
		if s.version != "" {
			found = append(found, s.version)
		}
	}
	return found
}
