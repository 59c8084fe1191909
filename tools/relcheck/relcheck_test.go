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

func TestFuzzFunction(t *testing.T) {
	source := "package p\n\nfunc FuzzA(f *testing.F) {\nfunc TestA(t *testing.T) {\n// func FuzzB(f *testing.F)\nfunc FuzzC(fuzz *testing.F) {\nfunc Fuzzy(n int) {\n"
	var got []string
	for _, match := range fuzzFunction.FindAllStringSubmatch(source, -1) {
		got = append(got, match[1])
	}
	if want := []string{"FuzzA", "FuzzC"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestParseFuzz(t *testing.T) {
	robots := fuzzTest{prefix + "/fetchserver/robots", "FuzzRules"}
	for _, test := range []struct {
		args            []string
		together, match bool
		err             string
	}{
		{[]string{"30s"}, false, true, ""},
		{[]string{"-together", "1m", "^fetchserver[/ ]"}, true, true, ""},
		{[]string{"1m", "fetchserver/(robots|extract) Fuzz(HTML|Rules)$"}, false, true, ""},
		{[]string{"1m", "^shproxy/"}, false, false, ""},
		{[]string{"soon"}, false, true, "invalid duration"},
		{[]string{"1m", "("}, false, true, "error parsing regexp"},
		{nil, false, true, "usage"},
		{[]string{"-together"}, true, true, "usage"},
		{[]string{"1m", "a", "b"}, false, true, "usage"},
	} {
		got, err := parseFuzz(test.args)
		if !errorLike(err, test.err) || err == nil && (got.together != test.together || (got.which == nil || got.which.MatchString(robots.String())) != test.match) {
			t.Errorf("%q: %+v, %v", test.args, got, err)
		}
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
