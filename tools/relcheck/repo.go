// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

// prefix is the import path of the repository.
const prefix = "github.com/atrawog/mcp-oauth-gateway"

// released lists the directories of the modules that get versions, each after
// the siblings it requires. Each holds one command, named like the directory.
var released = []string{"oauthdyn", "shproxy", "fetchserver", "shclient"}

// firstVersion is what a module is rehearsed as that nothing names a version of.
const firstVersion = "v0.1.0"

// modules lists the directories of all modules of the workspace but the root.
func modules() []string { return append(slices.Clone(released), "examples") }

// findRepo walks up from the working directory to the one that holds go.work.
func findRepo() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no go.work in this directory or above it")
		}
		dir = parent
	}
}

// readGomod reads the go.mod of a module and refuses what go install refuses.
func readGomod(repo, dir string) (*modfile.File, error) {
	name := filepath.Join(repo, dir, "go.mod")
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	mod, err := modfile.Parse(name, text, nil)
	if err != nil {
		return nil, err
	}
	if err := installable(mod, prefix+"/"+dir); err != nil {
		return nil, fmt.Errorf("%s/go.mod: %w", dir, err)
	}
	return mod, nil
}

// installable reports why a module could not be used at a version.
func installable(mod *modfile.File, path string) error {
	switch {
	case mod.Module == nil || mod.Module.Mod.Path != path:
		return fmt.Errorf("module path is not %s", path)
	case mod.Go == nil:
		return errors.New("no go line")
	case len(mod.Replace) > 0:
		return errors.New("go install refuses a module with a replace: use go.work")
	case len(mod.Exclude) > 0:
		return errors.New("go install refuses a module with an exclude")
	}
	return nil
}

// siblings returns the requirements of a module on modules of this repository.
func siblings(mod *modfile.File) []module.Version {
	var found []module.Version
	for _, r := range mod.Require {
		if strings.HasPrefix(r.Mod.Path, prefix+"/") {
			found = append(found, r.Mod)
		}
	}
	return found
}

// splitTag splits a release tag, DIR/vX.Y.Z, and checks both parts.
func splitTag(tag string) (dir, version string, err error) {
	dir, version, ok := strings.Cut(tag, "/")
	switch {
	case !ok && semver.IsValid(tag):
		return "", "", fmt.Errorf("tag %s would release the empty root module: release tags are DIR/vX.Y.Z", tag)
	case !ok || !slices.Contains(released, dir):
		return "", "", fmt.Errorf("tag %s: not one of %s", tag, strings.Join(released, ", "))
	case !semver.IsValid(version) || semver.Canonical(version) != version:
		return "", "", fmt.Errorf("tag %s: %q is not a full version, vX.Y.Z", tag, version)
	}
	return dir, version, nil
}

// nextVersion chooses the version that a module would be released under: the
// newest that its siblings require or its changelog announces, or the patch
// after the newest tag when that is released already.
func nextVersion(wanted, tagged []string) string {
	version := slices.MaxFunc(append([]string{firstVersion}, wanted...), semver.Compare)
	if len(tagged) == 0 {
		return version
	}
	newest := slices.MaxFunc(tagged, semver.Compare)
	if semver.Compare(version, newest) > 0 {
		return version
	}
	return nextPatch(newest)
}

func nextPatch(version string) string {
	var major, minor, patch int
	fmt.Sscanf(version, "v%d.%d.%d", &major, &minor, &patch)
	if semver.Prerelease(version) == "" {
		patch++
	}
	return fmt.Sprintf("v%d.%d.%d", major, minor, patch)
}
