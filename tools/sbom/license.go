// SPDX-License-Identifier: Apache-2.0

package sbom

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/google/licensecheck"
)

// enough of a file has to be the text of licences, in percent, for it to be one.
const enough = 75

// identifiers are those of licences that the checker names as SPDX does. What
// else it finds is left open, for a person to look at.
var identifiers = []string{"0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC-BY-4.0", "CC0-1.0", "ISC", "MIT", "MIT-0", "MPL-2.0", "Unlicense", "Zlib"}

// A licence file may be called so, a notice file too.
var (
	licenseFile = regexp.MustCompile(`(?i)^(LICEN[CS]E|COPYING)([-.].*)?$`)
	noticeFile  = regexp.MustCompile(`(?i)^(NOTICE|PATENTS)(\.(txt|md))?$`)
)

// findLicense reads the licence files of a module: from its directory, and if that
// has none from the one above, where a repository with several modules keeps them.
// Go's toolchain modules have them in GOROOT or above it.
func (m *Module) findLicense(dirs map[string]string) error {
	dir := dirs[m.Path]
	if dir == "" {
		return fmt.Errorf("module %s is in the binary, but the sources at hand have no package of it: are they of another commit?", m.Path)
	}
	for _, dir := range []string{dir, filepath.Dir(dir)} {
		if err := m.readLicense(dir); err != nil {
			return err
		}
		if len(m.Texts) > 0 {
			return nil
		}
	}
	if m.Path == stdlib { // as some distributions install Go
		m.License = "BSD-3-Clause"
	}
	return nil
}

func (m *Module) readLicense(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var found []string
	for _, entry := range entries {
		license := licenseFile.MatchString(entry.Name())
		if entry.IsDir() || !license && !noticeFile.MatchString(entry.Name()) || strings.HasSuffix(entry.Name(), ".go") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			return err
		}
		m.Texts = append(m.Texts, Text{Name: entry.Name(), Body: string(text)})
		if license {
			found = append(found, identify(text)...)
		}
	}
	slices.Sort(found)
	m.License = strings.Join(slices.Compact(found), " AND ")
	return nil
}

// identify names the licences that a text consists of; none if a part of it is
// not known.
func identify(text []byte) []string {
	coverage := licensecheck.Scan(text)
	if coverage.Percent < enough {
		return nil
	}
	var found []string
	for _, match := range coverage.Match {
		if !slices.Contains(identifiers, match.ID) {
			return nil
		}
		found = append(found, match.ID)
	}
	return found
}

// WriteLicenses writes the licences and notices of everything in the binary.
func (inv *Inventory) WriteLicenses(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s is made of the following, each under its own licence.\n", inv.Name, inv.Main.Version)
	for _, m := range append([]Module{inv.Main}, inv.Modules...) {
		for _, text := range m.Texts {
			fmt.Fprintf(&b, "\n%s\n%s %s: %s\n\n%s\n", strings.Repeat("=", 80), m.Path, m.Version, text.Name, strings.TrimSpace(strings.ReplaceAll(text.Body, "\r\n", "\n")))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
