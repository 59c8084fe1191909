// SPDX-License-Identifier: Apache-2.0

// Package bundle installs what other people wrote, from npm and PyPI, exactly as
// a file pins it. No package's install script runs.
package bundle

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// A Bundle is a set of packages that one file pins and one directory holds.
type Bundle struct {
	Name     string // such as "the npm packages"
	Dir      string // where it is installed
	pins     string // the file
	commands [][]string
}

// NPM is what the package-lock.json in a directory pins, in its node_modules.
func NPM(name, dir string) Bundle {
	return Bundle{
		Name: name, Dir: filepath.Join(dir, "node_modules"), pins: filepath.Join(dir, "package-lock.json"),
		commands: [][]string{
			{"npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", "--prefix", dir},
		},
	}
}

// Python is what a file of requirements pins, in a virtual environment: one of
// that name in the user's cache directory, outside of the tree since it can
// neither be moved nor copied.
func Python(name, pins, environment string) Bundle {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	b := Bundle{Name: name, Dir: filepath.Join(cache, "mcp-oauth-gateway", environment), pins: pins}
	b.commands = [][]string{
		{"python3", "-m", "venv", "--clear", b.Dir},
		{b.Program("python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:", "--requirement", pins},
	}
	return b
}

// Program is the path of a program of a Python package.
func (b Bundle) Program(name string) string { return filepath.Join(b.Dir, "bin", name) }

// stamp is a copy of the pins in the directory, written when all is installed.
func (b Bundle) stamp() string { return filepath.Join(b.Dir, "pins") }

// Installed reports whether it is there, as pinned.
func (b Bundle) Installed() bool {
	want, err := os.ReadFile(b.pins)
	if err != nil {
		return false
	}
	got, err := os.ReadFile(b.stamp())
	return err == nil && bytes.Equal(got, want)
}

// Missing names the first bundle that is not installed, or nothing.
func Missing(bundles ...Bundle) (name string) {
	for _, b := range bundles {
		if !b.Installed() {
			return b.Name
		}
	}
	return ""
}

// Install installs those that are missing, and says so.
func Install(ctx context.Context, progress io.Writer, bundles ...Bundle) error {
	for _, b := range bundles {
		if b.Installed() {
			continue
		}
		fmt.Fprintf(progress, "installing %s into %s\n", b.Name, b.Dir)
		for _, args := range b.commands {
			cmd := exec.CommandContext(ctx, args[0], args[1:]...)
			asGroup(cmd)
			cmd.WaitDelay = 5 * time.Second
			if out, err := cmd.CombinedOutput(); err != nil {
				return fmt.Errorf("%s: %w\n%s", args[0], err, out)
			}
		}
		pins, err := os.ReadFile(b.pins)
		if err != nil {
			return err
		}
		if err := os.WriteFile(b.stamp(), pins, 0o644); err != nil {
			return err
		}
	}
	return nil
}
