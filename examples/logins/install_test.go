// SPDX-License-Identifier: Apache-2.0

//go:build unix

package logins_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

const installTimeout = 5 * time.Minute

// A bundle is a set of packages that one file pins and one directory holds.
type bundle struct {
	name, pins, dir string
	commands        [][]string // that install it
}

func npmBundle() bundle {
	return bundle{
		name: "the npm packages", pins: inTestdata("package-lock.json"), dir: inTestdata("node_modules"),
		commands: [][]string{{"npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", "--prefix", inTestdata("")}},
	}
}

// pythonBundle is a virtual environment, outside of the tree since it can
// neither be moved nor copied.
func pythonBundle() bundle {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	dir, pins := filepath.Join(cache, "mcp-oauth-gateway", "logins"), inTestdata("requirements.txt")
	return bundle{name: "the Python packages", pins: pins, dir: dir, commands: [][]string{
		{"python3", "-m", "venv", "--clear", dir},
		{filepath.Join(dir, "bin", "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:", "--requirement", pins},
	}}
}

// stamp is a copy of the pins, written when all is installed.
func (b bundle) stamp() string { return filepath.Join(b.dir, "logins-pins") }

func (b bundle) installed() bool {
	want, err := os.ReadFile(b.pins)
	if err != nil {
		return false
	}
	got, err := os.ReadFile(b.stamp())
	return err == nil && bytes.Equal(got, want)
}

// notInstalled names the first bundle that is missing or not as pinned.
func notInstalled() string {
	for _, b := range []bundle{npmBundle(), pythonBundle()} {
		if !b.installed() {
			return b.name + " are"
		}
	}
	return ""
}

func install(ctx context.Context) error {
	for _, b := range []bundle{npmBundle(), pythonBundle()} {
		if b.installed() {
			continue
		}
		fmt.Printf("installing %s into %s\n", b.name, b.dir)
		for _, args := range b.commands {
			if out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput(); err != nil {
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

func inTestdata(name string) string {
	path, err := filepath.Abs(filepath.Join("testdata", name))
	if err != nil {
		panic(err)
	}
	return path
}
