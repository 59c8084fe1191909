// SPDX-License-Identifier: Apache-2.0

package main

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
)

func TestParseChangelog(t *testing.T) {
	for _, test := range []struct {
		name, text string
		want       []string // released versions
		err        string
	}{
		{"only unreleased", "# Changelog\n\n## [Unreleased]\n\n- x\n", nil, ""},
		{"two releases", "## [Unreleased]\n## [v0.2.0] - 2026-11-30\n- y\n## [v0.1.0] - 2026-11-24\n", []string{"v0.2.0", "v0.1.0"}, ""},
		{"Windows line ends", "## [Unreleased]\r\n## [v0.1.0] - 2026-11-24\r\n", []string{"v0.1.0"}, ""},
		{"empty", "", nil, "no section"},
		{"no unreleased", "## [v0.1.0] - 2026-11-24\n", nil, "want [Unreleased]"},
		{"no date", "## [Unreleased]\n## [v0.1.0]\n", nil, "want [vX.Y.Z] - YYYY-MM-DD"},
		{"no such day", "## [Unreleased]\n## [v0.1.0] - 2026-02-30\n", nil, "day out of range"},
		{"no version", "## [Unreleased]\n## [v0.1.x] - 2026-11-24\n", nil, "want [vX.Y.Z]"},
		{"rising", "## [Unreleased]\n## [v0.1.0] - 2026-11-24\n## [v0.2.0] - 2026-11-30\n", nil, "v0.2.0 stands below v0.1.0"},
		{"twice", "## [Unreleased]\n## [v0.1.0] - 2026-11-24\n## [v0.1.0] - 2026-11-24\n", nil, "stands below"},
	} {
		sections, err := parseChangelog(test.text)
		if !errorLike(err, test.err) {
			t.Errorf("%s: error %v, want %q", test.name, err, test.err)
		}
		if got := versions(sections); err == nil && !slices.Equal(got, test.want) {
			t.Errorf("%s: versions %v, want %v", test.name, got, test.want)
		}
	}
}

func FuzzParseChangelog(f *testing.F) {
	f.Add("## [Unreleased]\n## [v0.1.0] - 2026-11-24\ntext\n")
	f.Fuzz(func(t *testing.T, text string) {
		sections, err := parseChangelog(text)
		if err == nil && (len(sections) == 0 || sections[0].version != "") {
			t.Errorf("sections %v without error", sections)
		}
	})
}

func TestSplitTag(t *testing.T) {
	for _, test := range []struct{ tag, dir, version, err string }{
		{"oauthdyn/v0.1.0", "oauthdyn", "v0.1.0", ""},
		{"shproxy/v1.2.3-rc.1", "shproxy", "v1.2.3-rc.1", ""},
		{"v0.1.0", "", "", "empty root module"},
		{"examples/v0.1.0", "", "", "not one of"},
		{"oauthdyn/v1", "", "", "not a full version"},
		{"oauthdyn/v0.1.0+meta", "", "", "not a full version"},
		{"oauthdyn-v0.3.0", "", "", "not one of"},
	} {
		dir, version, err := splitTag(test.tag)
		if dir != test.dir || version != test.version || !errorLike(err, test.err) {
			t.Errorf("%s: %q, %q, %v", test.tag, dir, version, err)
		}
	}
}

func TestNextVersion(t *testing.T) {
	for _, test := range []struct {
		name           string
		wanted, tagged []string
		want           string
	}{
		{"first", nil, nil, "v0.1.0"},
		{"required", []string{"v0.1.0"}, nil, "v0.1.0"},
		{"announced", []string{"v0.2.0", "v0.10.0", "v0.1.0"}, []string{"v0.2.0", "v0.1.0"}, "v0.10.0"},
		{"nothing new", []string{"v0.2.0"}, []string{"v0.2.0", "v0.2.9"}, "v0.2.10"},
		{"after a release candidate", nil, []string{"v0.2.0-rc.1"}, "v0.2.0"},
	} {
		if got := nextVersion(test.wanted, test.tagged); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}

func TestInstallable(t *testing.T) {
	const head = "module " + prefix + "/shproxy\ngo 1.26.0\n"
	for _, test := range []struct{ name, gomod, err string }{
		{"plain", head, ""},
		{"replace", head + "replace a.example/b => ../b\n", "replace"},
		{"exclude", head + "exclude a.example/b v1.0.0\n", "exclude"},
		{"other path", "module a.example/b\ngo 1.26.0\n", "module path"},
		{"no go line", "module " + prefix + "/shproxy\n", "no go line"},
	} {
		mod, err := modfile.Parse("go.mod", []byte(test.gomod), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := installable(mod, prefix+"/shproxy"); !errorLike(err, test.err) {
			t.Errorf("%s: error %v, want %q", test.name, err, test.err)
		}
	}
}

func TestUntidy(t *testing.T) {
	diff := "--- a/shclient/go.sum\n+++ b/shclient/go.sum\n@@ -0,0 +1,2 @@\n" +
		"+" + prefix + "/oauthdyn v0.1.0 h1:abc=\n+golang.org/x/oauth2 v0.1.0 h1:abc=\n-golang.org/x/net v0.1.0 h1:abc=\n"
	want := []string{"+golang.org/x/oauth2 v0.1.0 h1:abc=", "-golang.org/x/net v0.1.0 h1:abc="}
	if got := untidy(diff); !slices.Equal(got, want) {
		t.Errorf("untidy: %q, want %q", got, want)
	}
}

func TestWithoutSums(t *testing.T) {
	oauthdyn := module.Version{Path: prefix + "/oauthdyn", Version: "v0.1.0"}
	kept := prefix + "/oauthdyn v0.1.1 h1:c=\ngolang.org/x/net v0.1.0 h1:d=\n"
	sums := prefix + "/oauthdyn v0.1.0 h1:a=\n" + prefix + "/oauthdyn v0.1.0/go.mod h1:b=\n" + kept
	if got := withoutSums(sums, []module.Version{oauthdyn}); got != kept {
		t.Errorf("got\n%s\nwant\n%s", got, kept)
	}
}

func TestFuzzTests(t *testing.T) {
	listed := "FuzzA\nFuzzB\nok  \ta.example/one\t0.1s\n?   \ta.example/none\t[no test files]\nok  \ta.example/two\t0.1s\nFuzzC\nok  \ta.example/three\t0.1s\n"
	want := []fuzzTest{{"a.example/one", "FuzzA"}, {"a.example/one", "FuzzB"}, {"a.example/three", "FuzzC"}}
	if got := fuzzTests(listed); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestBinaryName(t *testing.T) {
	if got := binaryName("shproxy", "v0.1.0", "linux/arm64"); got != "shproxy_v0.1.0_linux_arm64" {
		t.Error(got)
	}
	if got := binaryName("shproxy", "v0.1.0", "windows/amd64"); got != "shproxy_v0.1.0_windows_amd64.exe" {
		t.Error(got)
	}
}

// errorLike reports whether err contains want; an empty want means no error.
func errorLike(err error, want string) bool {
	if err == nil || want == "" {
		return err == nil && want == ""
	}
	return strings.Contains(err.Error(), want)
}
