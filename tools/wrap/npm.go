// SPDX-License-Identifier: Apache-2.0

package wrap

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// scope holds the packages with the binaries, of which npm installs the one for
// the machine.
const scope = "@mcp-oauth-gateway"

// launcher runs the binary of the machine.
//
//go:embed launcher.js
var launcher []byte

// A manifest is a package.json. https://docs.npmjs.com/cli/configuring-npm/package-json
type manifest struct {
	Name        string            `json:"name"`
	Version     string            `json:"version"`
	Description string            `json:"description"`
	License     string            `json:"license"`
	Homepage    string            `json:"homepage"`
	Bugs        string            `json:"bugs"`
	Repository  map[string]string `json:"repository"`

	Bin                  map[string]string `json:"bin,omitempty"`
	Engines              map[string]string `json:"engines,omitempty"`
	OptionalDependencies map[string]string `json:"optionalDependencies,omitempty"`

	OS              []string `json:"os,omitempty"`
	CPU             []string `json:"cpu,omitempty"`
	PreferUnplugged bool     `json:"preferUnplugged,omitempty"` // Yarn keeps it as files, not in a zip
}

func (r *Release) manifest(name, description string) manifest {
	return manifest{
		Name: name, Version: r.npmVersion(), Description: description, License: "Apache-2.0",
		Homepage: repository + "/tree/main/" + r.Command, Bugs: repository + "/issues",
		Repository: map[string]string{"type": "git", "url": "git+" + repository + ".git", "directory": r.Command},
	}
}

func (r *Release) npmVersion() string { return strings.TrimPrefix(r.Version, "v") }

func (r *Release) platformPackage(p platform) string {
	return fmt.Sprintf("%s/%s-%s-%s", scope, r.Command, p.npmOS, p.npmCPU)
}

func (r *Release) writePlatformPackage(dir string, p platform, program, license []byte) (string, error) {
	m := r.manifest(r.platformPackage(p), fmt.Sprintf("The binary of %s for %s on %s", r.Command, p.npmOS, p.npmCPU))
	m.OS, m.CPU, m.PreferUnplugged = []string{p.npmOS}, []string{p.npmCPU}, true
	readme := fmt.Sprintf("# %s\n\nThe binary of [%s](https://www.npmjs.com/package/%[2]s), which installs it where it fits. Do not install it yourself.\n", m.Name, r.Command)
	return r.writeTarball(dir, m, license, readme, entry{"bin/" + p.exe(r.Command), 0o755, program})
}

func (r *Release) writeMainPackage(dir string, license []byte) (string, error) {
	m := r.manifest(r.Command, descriptions[r.Command])
	script := "bin/" + r.Command + ".js"
	m.Bin = map[string]string{r.Command: script}
	m.Engines = map[string]string{"node": ">=18"}
	m.OptionalDependencies = map[string]string{}
	for _, b := range r.Binaries {
		m.OptionalDependencies[r.platformPackage(platforms[b.Platform])] = m.Version
	}
	return r.writeTarball(dir, m, license, r.readme("npx -y "+r.Command), entry{script, 0o755, launcher})
}

// readme is the page of the package at its registry.
func (r *Release) readme(run string) string {
	return fmt.Sprintf("# %s\n\n%s.\n\n```sh\n%s --help\n```\n\nThe package holds the command itself, built from %s/tree/%[1]s/%[5]s/%[1]s; nothing else is downloaded.\n"+
		"[Configuration lines for clients](%[4]s/blob/main/docs/install.md), [documentation](%[4]s/tree/main/%[1]s#readme), [changes](%[4]s/blob/main/%[1]s/CHANGELOG.md).\n",
		r.Command, descriptions[r.Command], run, repository, r.Version)
}

// writeTarball writes a package as npm pack does, with everything below
// "package", and names it as npm pack would.
func (r *Release) writeTarball(dir string, m manifest, license []byte, readme string, program entry) (string, error) {
	description, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return "", err
	}
	entries := []entry{
		{"package.json", 0o644, append(description, '\n')},
		{"LICENSE", 0o644, license},
		{"README.md", 0o644, []byte(readme)},
		program,
	}
	name := strings.ReplaceAll(strings.TrimPrefix(m.Name, "@"), "/", "-") + "-" + m.Version + ".tgz"
	path := filepath.Join(dir, name)
	return path, writeFile(path, func(f *os.File) error {
		z := gzip.NewWriter(f)
		t := tar.NewWriter(z)
		for _, e := range entries {
			header := &tar.Header{Typeflag: tar.TypeReg, Name: "package/" + e.name, Size: int64(len(e.data)), Mode: int64(e.mode), ModTime: r.Time, Format: tar.FormatUSTAR}
			if err := t.WriteHeader(header); err != nil {
				return err
			}
			if _, err := bytes.NewReader(e.data).WriteTo(t); err != nil {
				return err
			}
		}
		if err := t.Close(); err != nil {
			return err
		}
		return z.Close()
	})
}
