// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/exp/apidiff"
)

func TestLastRelease(t *testing.T) {
	tags := []string{"oauthdyn/v0.9.0", "oauthdyn/v0.10.1", "oauthdyn/v0.11.0-rc.1", "shproxy/v0.20.0", "v3.0.0"}
	for _, test := range []struct{ dir, below, want string }{
		{"oauthdyn", "", "v0.10.1"}, {"oauthdyn", "v0.10.1", "v0.9.0"}, {"oauthdyn", "v0.9.0", ""},
		{"shproxy", "", "v0.20.0"}, {"shclient", "", ""},
	} {
		if got := lastRelease(tags, test.dir, test.below); got != test.want {
			t.Errorf("%s below %q: %q, want %q", test.dir, test.below, got, test.want)
		}
	}
}

func TestSmallestNext(t *testing.T) {
	breaking, added := apidiff.Change{}, apidiff.Change{Compatible: true}
	for _, test := range []struct {
		last    string
		changes []apidiff.Change
		want    string
	}{
		{"v0.1.0", nil, "v0.1.1"}, {"v0.1.9", []apidiff.Change{added}, "v0.2.0"}, {"v0.1.9", []apidiff.Change{added, breaking}, "v0.2.0"},
		{"v1.2.3", nil, "v1.2.4"}, {"v1.2.3", []apidiff.Change{added}, "v1.3.0"}, {"v1.2.3", []apidiff.Change{breaking}, "v2.0.0"},
	} {
		if got := smallestNext(test.last, apidiff.Report{Changes: test.changes}); got != test.want {
			t.Errorf("after %s with %v: %s, want %s", test.last, test.changes, got, test.want)
		}
	}
}

// TestStep releases a toy, changes it, and announces a next version.
func TestStep(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles two versions of a module several times")
	}
	const source = "package oauthdyn\n\n"
	for _, test := range []struct {
		name, source, least string
	}{
		{"a fix", source + "type T struct{ hidden int }\n", "v0.1.1"},
		{"something new", source + "type T struct{}\n\nfunc New() T { return T{} }\n", "v0.2.0"},
		{"something removed", source + "type U struct{}\n", "v0.2.0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			ctx, repo := t.Context(), toyRepo(t)
			breakFile(t, filepath.Join(repo, "oauthdyn/CHANGELOG.md"), "## [Unreleased]", "## [Unreleased]\n\n## [v0.1.0] - 2026-11-24\n\n- First.")
			commit(t, repo)
			annotate(t, repo, "oauthdyn/v0.1.0")
			if err := os.WriteFile(filepath.Join(repo, "oauthdyn/oauthdyn.go"), []byte(test.source), 0o644); err != nil {
				t.Fatal(err)
			}
			var out strings.Builder
			if err := api(ctx, repo, []string{"oauthdyn", "shproxy"}, &out); err != nil {
				t.Fatal(err)
			}
			if want := "oauthdyn: smallest next version: " + test.least + "\nshproxy: no release yet"; !strings.Contains(out.String(), want) {
				t.Errorf("got\n%s\nwant %q", out.String(), want)
			}
			for _, next := range []struct {
				version string
				ok      bool
			}{{"v0.1.1", test.least == "v0.1.1"}, {"v0.2.0-rc.1", true}, {"v0.2.0", true}} {
				announce(t, repo, next.version)
				want := ""
				if !next.ok {
					want = "needs " + test.least + " at least"
				}
				if err := check(ctx, repo); !errorLike(err, want) {
					t.Errorf("check of %s: %v, want %q", next.version, err, want)
				}
				if err := notes(ctx, repo, "oauthdyn/"+next.version, t.Output()); !errorLike(err, want) {
					t.Errorf("notes of %s: %v, want %q", next.version, err, want)
				}
			}
		})
	}
}

// announce puts a version on top of the first release in the toy's changelog.
func announce(t *testing.T, repo, version string) {
	text := "## [Unreleased]\n\n## [" + version + "] - 2026-11-30\n\n- Next.\n\n## [v0.1.0] - 2026-11-24\n\n- First.\n"
	if err := os.WriteFile(filepath.Join(repo, "oauthdyn/CHANGELOG.md"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func annotate(t *testing.T, repo, tag string) {
	git(t, repo, "-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "tag.gpgSign=false", "tag", "-a", "-m", tag, tag)
}

func TestWrapBinaries(t *testing.T) {
	repo, dir := toyRepo(t), t.TempDir()
	commit(t, repo)
	annotate(t, repo, "shclient/v0.1.0")
	ours := runtime.GOOS + "/" + runtime.GOARCH
	err := wrapBinaries(t.Context(), repo, "shclient/v0.1.0", dir, []string{ours}, t.Output())
	if !errorLike(err, "relcheck dist shclient/v0.1.0") {
		t.Errorf("without binaries: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, binaryName("shclient", "v0.1.0", ours)), []byte("binary"), 0o755); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := wrapBinaries(t.Context(), repo, "shclient/v0.1.0", dir, []string{ours}, &out); err != nil {
		t.Fatal(err)
	}
	lines := strings.Fields(out.String())
	if len(lines) != 2 || !strings.HasSuffix(lines[1], filepath.Join("npm", "shclient-0.1.0.tgz")) {
		t.Errorf("packages to publish: %q", lines)
	}
}
