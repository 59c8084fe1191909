// SPDX-License-Identifier: Apache-2.0

package wrap

import (
	"archive/zip"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// writeWheel writes a wheel whose script is the binary itself, so that no
// Python process stays in between.
// https://packaging.python.org/en/latest/specifications/binary-distribution-format/
func (r *Release) writeWheel(dir string, b Binary, program, license []byte) (string, error) {
	version, err := pythonVersion(r.Version)
	if err != nil {
		return "", err
	}
	p := platforms[b.Platform]
	base := r.Command + "-" + version
	info := base + ".dist-info/"
	entries := []entry{
		{base + ".data/scripts/" + p.exe(r.Command), 0o755, program},
		{info + "METADATA", 0o644, []byte(r.metadata(version))},
		{info + "WHEEL", 0o644, []byte(wheelFile(p.wheel))},
		{info + "licenses/LICENSE", 0o644, license},
	}
	if b.SBOM != "" {
		// https://peps.python.org/pep-0770/
		sbom, err := os.ReadFile(b.SBOM)
		if err != nil {
			return "", err
		}
		entries = append(entries, entry{info + "sboms/" + r.Command + ".spdx.json", 0o644, sbom})
	}
	entries = append(entries, entry{info + "RECORD", 0o644, []byte(record(entries, info+"RECORD"))})
	path := filepath.Join(dir, base+"-py3-none-"+p.wheel+".whl")
	return path, writeFile(path, func(f *os.File) error {
		z := zip.NewWriter(f)
		for _, e := range entries {
			header := &zip.FileHeader{Name: e.name, Method: zip.Deflate, Modified: r.Time.UTC()}
			header.SetMode(e.mode)
			w, err := z.CreateHeader(header)
			if err != nil {
				return err
			}
			if _, err := w.Write(e.data); err != nil {
				return err
			}
		}
		return z.Close()
	})
}

// metadata is the core metadata, with the page of the package at its index.
// https://packaging.python.org/en/latest/specifications/core-metadata/
func (r *Release) metadata(version string) string {
	return strings.Join([]string{
		"Metadata-Version: 2.4",
		"Name: " + r.Command,
		"Version: " + version,
		"Summary: " + descriptions[r.Command],
		"License-Expression: Apache-2.0",
		"License-File: LICENSE",
		"Requires-Python: >=3.8",
		"Project-URL: Source, " + repository + "/tree/main/" + r.Command,
		"Project-URL: Changelog, " + repository + "/blob/main/" + r.Command + "/CHANGELOG.md",
		"Project-URL: Issues, " + repository + "/issues",
		"Description-Content-Type: text/markdown",
		"",
		r.readme("uvx " + r.Command),
	}, "\n")
}

// wheelFile says what the wheel is; it has a line for each tag that its name
// compresses into one.
func wheelFile(tags string) string {
	var text strings.Builder
	text.WriteString("Wheel-Version: 1.0\nGenerator: relcheck\nRoot-Is-Purelib: false\n")
	for tag := range strings.SplitSeq(tags, ".") {
		text.WriteString("Tag: py3-none-" + tag + "\n")
	}
	return text.String()
}

// record lists the files with their hashes, and itself without.
func record(entries []entry, self string) string {
	var lines strings.Builder
	for _, e := range entries {
		sum := sha256.Sum256(e.data)
		fmt.Fprintf(&lines, "%s,sha256=%s,%d\n", e.name, base64.RawURLEncoding.EncodeToString(sum[:]), len(e.data))
	}
	return lines.String() + self + ",,\n"
}

var release = regexp.MustCompile(`^v(\d+\.\d+\.\d+)(?:-(alpha|beta|rc)\.(\d+))?$`)

// pythonVersion writes a Go version as Python does: v0.2.0-rc.1 is 0.2.0rc1.
// https://packaging.python.org/en/latest/specifications/version-specifiers/
func pythonVersion(version string) (string, error) {
	m := release.FindStringSubmatch(version)
	if m == nil {
		return "", fmt.Errorf("version %s: PyPI takes vX.Y.Z, and vX.Y.Z-alpha.N, -beta.N or -rc.N", version)
	}
	return m[1] + map[string]string{"alpha": "a", "beta": "b", "rc": "rc"}[m[2]] + m[3], nil
}
