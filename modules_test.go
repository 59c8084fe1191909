// SPDX-License-Identifier: Apache-2.0

package gateway_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// goVersion is the oldest Go that the modules support. It is raised only in a
// minor release.
const goVersion = "1.26.0"

// gomod is the part of go mod edit -json that the tests need.
type gomod struct {
	Module  struct{ Path string }
	Go      string
	Require []struct {
		Path, Version string
		Indirect      bool
	}
	Exclude []struct{ Path string }
	Replace []struct{ Old struct{ Path string } }
}

func TestModuleFiles(t *testing.T) {
	for _, name := range filesEndingIn(t, "go.mod") {
		mod := goJSON[gomod](t, "mod", "edit", "-json", name)[0]
		dir := strings.TrimSuffix(strings.TrimSuffix(name, "go.mod"), "/")
		if want := strings.TrimSuffix(prefix+"/"+dir, "/"); mod.Module.Path != want {
			t.Errorf("%s: module path %s, want %s: tags name the directory", name, mod.Module.Path, want)
		}
		if mod.Go != goVersion {
			t.Errorf("%s: go %s, want %s", name, mod.Go, goVersion)
		}
		if len(mod.Replace)+len(mod.Exclude) > 0 {
			t.Errorf("%s: has a replace or exclude, which makes go install refuse the module", name)
		}
	}
}

func TestEveryDependencyIsExplained(t *testing.T) {
	for _, dir := range append([]string{"examples"}, released...) {
		t.Run(dir, func(t *testing.T) {
			readme := readFile(t, dir+"/README.md")
			for _, req := range goJSON[gomod](t, "mod", "edit", "-json", dir+"/go.mod")[0].Require {
				if !req.Indirect && !strings.HasPrefix(req.Path, prefix+"/") && !strings.Contains(readme, req.Path) {
					t.Errorf("the dependency table of README.md lacks %s", req.Path)
				}
			}
		})
	}
}

var changelogHeading = regexp.MustCompile(`(?m)^## .*$`)

func TestChangelogsStartWithUnreleased(t *testing.T) {
	for _, dir := range released {
		t.Run(dir, func(t *testing.T) {
			headings := changelogHeading.FindAllString(readFile(t, dir+"/CHANGELOG.md"), -1)
			if len(headings) == 0 || headings[0] != "## [Unreleased]" {
				t.Error("the first section of CHANGELOG.md is not ## [Unreleased]")
			}
		})
	}
}

func TestEveryModuleIsInTheWorkspace(t *testing.T) {
	type workspace struct{ Use []struct{ DiskPath string } }
	var used []string
	for _, use := range goJSON[workspace](t, "work", "edit", "-json")[0].Use {
		used = append(used, strings.TrimPrefix(use.DiskPath, "./"))
	}
	for _, dir := range append([]string{".", "examples"}, released...) {
		if !slices.Contains(used, dir) {
			t.Errorf("go.work does not use %s", dir)
		}
	}
	if slices.Contains(used, "tools") {
		t.Error("go.work uses tools: the linters' requirements would reach our builds")
	}
}
