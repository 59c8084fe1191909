// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/zip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	modzip "golang.org/x/mod/zip"
)

// A fileProxy is a directory that the go command can use as a module proxy
// through a file URL. https://go.dev/ref/mod#goproxy-protocol
type fileProxy string

// addTree serves a module of this repository as it is in the working tree.
func (p fileProxy) addTree(repo string, m module.Version) error {
	dir := filepath.Join(repo, strings.TrimPrefix(m.Path, prefix+"/"))
	gomod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		return err
	}
	return p.add(m, gomod, func(w io.Writer) error { return modzip.CreateFromDir(w, m, dir) })
}

// addTag serves the module in repo/dir as the tag dir/version has it, under
// the conditions of a release.
func (p fileProxy) addTag(repo, dir, version string, gomod []byte) error {
	m := module.Version{Path: prefix + "/" + dir, Version: version}
	mod, err := modfile.Parse("go.mod", gomod, nil)
	if err != nil {
		return err
	}
	if err := installable(mod, m.Path); err != nil {
		return fmt.Errorf("%s: %w", m, err)
	}
	err = p.add(m, gomod, func(w io.Writer) error {
		return modzip.CreateFromVCS(w, m, repo, dir+"/"+version, dir)
	})
	if err != nil {
		return err
	}
	return p.contains(m, "LICENSE", "README.md", "CHANGELOG.md")
}

func (p fileProxy) add(m module.Version, gomod []byte, writeZip func(io.Writer) error) error {
	at, err := p.dir(m.Path)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(at, 0o755); err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(at, m.Version+".zip"))
	if err != nil {
		return err
	}
	if err := writeZip(f); err != nil {
		f.Close()
		return fmt.Errorf("%s: %w", m, err)
	}
	if err := f.Close(); err != nil {
		return err
	}
	info, err := json.Marshal(struct {
		Version string
		Time    time.Time
	}{m.Version, time.Now().UTC()})
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(at, m.Version+".info"), info, 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(at, m.Version+".mod"), gomod, 0o644); err != nil {
		return err
	}
	return appendLine(filepath.Join(at, "list"), m.Version)
}

// contains checks that a served zip has the files in the module's root.
func (p fileProxy) contains(m module.Version, names ...string) error {
	at, err := p.dir(m.Path)
	if err != nil {
		return err
	}
	z, err := zip.OpenReader(filepath.Join(at, m.Version+".zip"))
	if err != nil {
		return err
	}
	defer z.Close()
	for _, name := range names {
		if !slices.ContainsFunc(z.File, func(f *zip.File) bool { return f.Name == m.String()+"/"+name }) {
			return fmt.Errorf("%s: no %s in the module's zip", m, name)
		}
	}
	return nil
}

// dir is the directory that holds the versions of a module path.
func (p fileProxy) dir(path string) (string, error) {
	escaped, err := module.EscapePath(path)
	return filepath.Join(string(p), filepath.FromSlash(escaped), "@v"), err
}

func appendLine(name, line string) error {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(f, line); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
