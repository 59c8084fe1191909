// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

// writeTree adds the module in repo/dir, as it is in the working tree, to the
// file proxy below root under the given version.
func writeTree(root, repo, dir, version string) error {
	m := module.Version{Path: prefix + "/" + dir, Version: version}
	at, err := proxyDir(root, m.Path)
	if err != nil {
		return err
	}
	src := filepath.Join(repo, dir)
	gomod, err := os.ReadFile(filepath.Join(src, "go.mod"))
	if err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(at, version+".zip"))
	if err != nil {
		return err
	}
	defer f.Close()
	if err := zip.CreateFromDir(f, m, src); err != nil {
		return fmt.Errorf("%s: %w", m, err)
	}
	return writeVersion(at, version, gomod, time.Now())
}

// proxyDir makes the @v directory of a module path below a file proxy's root.
func proxyDir(root, path string) (string, error) {
	escaped, err := module.EscapePath(path)
	if err != nil {
		return "", err
	}
	at := filepath.Join(root, escaped, "@v")
	return at, os.MkdirAll(at, 0o755)
}

// writeVersion writes the files that a proxy serves beside the zip.
func writeVersion(at, version string, gomod []byte, when time.Time) error {
	info, err := json.Marshal(map[string]any{"Version": version, "Time": when.UTC().Format(time.RFC3339)})
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(at, version+".info"), info, 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(at, version+".mod"), gomod, 0o644); err != nil {
		return err
	}
	list, err := os.OpenFile(filepath.Join(at, "list"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(list, version); err != nil {
		return err
	}
	return list.Close()
}
