// SPDX-License-Identifier: Apache-2.0

//go:build unix

package interop_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

const installTimeout = 5 * time.Minute

// A bundle is a set of packages that one file pins and one directory holds.
type bundle struct {
	name string
	pins string // the file
	dir  string
	// commands install the bundle.
	commands [][]string
}

// stamp is a copy of the pins in the directory, written when all is installed.
func (b bundle) stamp() string { return filepath.Join(b.dir, "interop-pins") }

func (b bundle) installed() bool {
	want, err := os.ReadFile(b.pins)
	if err != nil {
		return false
	}
	got, err := os.ReadFile(b.stamp())
	return err == nil && bytes.Equal(got, want)
}

// npmBundle is found by Node.js beside the drivers.
func npmBundle() bundle {
	return bundle{
		name: "the npm packages",
		pins: inTestdata("package-lock.json"),
		dir:  inTestdata("node_modules"),
		commands: [][]string{
			{"npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", "--prefix", inTestdata("")},
		},
	}
}

// pythonBundle has the Python client, and servers.
func pythonBundle() bundle {
	return pythonEnvironment("the Python packages", "requirements.txt", "interop")
}

// pythonV1Bundle has a server on the Python SDK's version 1.
func pythonV1Bundle() bundle {
	return pythonEnvironment("the Python packages of version 1", "requirements-v1.txt", "interop-v1")
}

func bundles() []bundle { return []bundle{npmBundle(), pythonBundle(), pythonV1Bundle()} }

// pythonEnvironment is a virtual environment, outside of the tree since it can
// neither be moved nor copied.
func pythonEnvironment(name, pins, dir string) bundle {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	b := bundle{
		name: name,
		pins: inTestdata(pins),
		dir:  filepath.Join(cache, "mcp-oauth-gateway", dir),
	}
	b.commands = [][]string{
		{"python3", "-m", "venv", "--clear", b.dir},
		{filepath.Join(b.dir, "bin", "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:", "--requirement", b.pins},
	}
	return b
}

// notInstalled names the first bundle that is missing or not as pinned.
func notInstalled() string {
	for _, b := range bundles() {
		if !b.installed() {
			return b.name + " are"
		}
	}
	return ""
}

func install(ctx context.Context) error {
	for _, b := range bundles() {
		if b.installed() {
			continue
		}
		fmt.Printf("installing %s into %s\n", b.name, b.dir)
		for _, args := range b.commands {
			cmd := exec.CommandContext(ctx, args[0], args[1:]...)
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
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

func inTestdata(name string) string {
	path, err := filepath.Abs(filepath.Join("testdata", name))
	if err != nil {
		panic(err)
	}
	return path
}

// npmCommand is the path of a program from an npm package.
func npmCommand(name string) string {
	return filepath.Join(npmBundle().dir, ".bin", name)
}

// command is the path of a program from a Python package.
func (b bundle) command(name string) string { return filepath.Join(b.dir, "bin", name) }

// pythonCommand is one from most of them.
func pythonCommand(name string) string { return pythonBundle().command(name) }
