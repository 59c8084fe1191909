// SPDX-License-Identifier: Apache-2.0

// Package wrap packs released binaries for npm and PyPI, so that "npx -y NAME"
// and "uvx NAME" run them. The binaries are in the packages: nothing is
// downloaded or run when they are installed.
//
// Packages are reproducible: the same binaries and the same time give the same
// bytes.
package wrap

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// repository is where the packages say they come from; npm refuses a provenance
// statement that names another.
const repository = "https://github.com/atrawog/mcp-oauth-gateway"

// A Release is one version of one command.
type Release struct {
	Command  string    // also the name of the packages
	Version  string    // of the module, such as v0.2.0
	Time     time.Time // of every file in the packages
	License  string    // path of the licence
	Binaries []Binary
}

// A Binary is a command built for a platform.
type Binary struct {
	Platform string // GOOS/GOARCH, one of Platforms
	Path     string
	SBOM     string // path of a software bill of materials in SPDX JSON; empty: none
}

// descriptions say what each command is for.
var descriptions = map[string]string{
	"oauthdyn":    "OAuth 2.1 authorization server for MCP, and a client that finds, registers and signs in",
	"shproxy":     "Offers MCP servers on stdio over Streamable HTTP, with login",
	"shclient":    "Connects stdio MCP clients, and people, with remote MCP servers",
	"fetchserver": "MCP server that fetches web pages safely and gives Markdown",
}

// A platform has a name in each world.
type platform struct {
	npmOS, npmCPU string // process.platform and process.arch of Node.js
	wheel         string // platform tags of Python, compressed
}

// The Linux binaries are static, so they run with glibc and with musl of any
// age; the tags name the oldest that installers know. Go 1.26 needs macOS 12.
var platforms = map[string]platform{
	"linux/amd64":   {"linux", "x64", "manylinux_2_17_x86_64.manylinux2014_x86_64.musllinux_1_1_x86_64"},
	"linux/arm64":   {"linux", "arm64", "manylinux_2_17_aarch64.manylinux2014_aarch64.musllinux_1_1_aarch64"},
	"darwin/amd64":  {"darwin", "x64", "macosx_12_0_x86_64"},
	"darwin/arm64":  {"darwin", "arm64", "macosx_12_0_arm64"},
	"windows/amd64": {"win32", "x64", "win_amd64"},
	"windows/arm64": {"win32", "arm64", "win_arm64"},
}

// exe is the name of the command on the platform.
func (p platform) exe(command string) string {
	if p.npmOS == "win32" {
		return command + ".exe"
	}
	return command
}

// Write packs a release: npm tarballs into dir/npm, wheels into dir/pypi. It
// returns the paths of the npm tarballs in the order in which they have to be
// published, those that others depend on first, and those of the wheels.
func (r *Release) Write(dir string) (npm, wheels []string, err error) {
	if err := r.check(); err != nil {
		return nil, nil, err
	}
	license, err := os.ReadFile(r.License)
	if err != nil {
		return nil, nil, err
	}
	npmDir, wheelDir := filepath.Join(dir, "npm"), filepath.Join(dir, "pypi")
	for _, d := range []string{npmDir, wheelDir} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, nil, err
		}
	}
	for _, b := range r.Binaries {
		program, err := os.ReadFile(b.Path)
		if err != nil {
			return nil, nil, err
		}
		path, err := r.writePlatformPackage(npmDir, platforms[b.Platform], program, license)
		if err != nil {
			return nil, nil, fmt.Errorf("npm package for %s: %w", b.Platform, err)
		}
		npm = append(npm, path)
		if path, err = r.writeWheel(wheelDir, b, program, license); err != nil {
			return nil, nil, fmt.Errorf("wheel for %s: %w", b.Platform, err)
		}
		wheels = append(wheels, path)
	}
	main, err := r.writeMainPackage(npmDir, license)
	if err != nil {
		return nil, nil, fmt.Errorf("npm package: %w", err)
	}
	return append(npm, main), wheels, nil
}

func (r *Release) check() error {
	if descriptions[r.Command] == "" {
		return fmt.Errorf("%q is not one of our commands", r.Command)
	}
	if len(r.Binaries) == 0 {
		return errors.New("no binaries to pack")
	}
	seen := map[string]bool{}
	for _, b := range r.Binaries {
		if _, ok := platforms[b.Platform]; !ok {
			return fmt.Errorf("no packages are made for %s", b.Platform)
		}
		if seen[b.Platform] {
			return fmt.Errorf("two binaries for %s", b.Platform)
		}
		seen[b.Platform] = true
	}
	return nil
}

// An entry is a file of a package.
type entry struct {
	name string
	mode os.FileMode // 0o644 or 0o755
	data []byte
}

// writeFile writes a package with what write gives it, or nothing.
func writeFile(path string, write func(*os.File) error) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := errors.Join(write(f), f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}
