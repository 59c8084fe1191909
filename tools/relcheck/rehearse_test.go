// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// toyStranger takes the place of strangerMain, which needs the real modules.
const toyStranger = `package main

import (
	"fmt"
	"runtime/debug"

	"PREFIX/fetchserver"
	"PREFIX/oauthdyn"
	"PREFIX/shclient"
	"PREFIX/shproxy"
)

var _ = []any{fetchserver.T{}, oauthdyn.T{}, shclient.T{}, shproxy.T{}}

func main() {
	info, _ := debug.ReadBuildInfo()
	for _, m := range info.Deps {
		fmt.Println(m.Path, m.Version)
	}
}
`

func TestMain(m *testing.M) {
	strangerMain = strings.ReplaceAll(toyStranger, "PREFIX", prefix)
	walks = nil
	os.Exit(m.Run())
}

// TestRehearse rehearses a toy repository of the same shape, and then toys
// that each have a fault which only a release would show.
func TestRehearse(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and installs four commands several times")
	}
	for _, test := range []struct {
		name string
		// break a file of the toy: in it, old becomes new
		file, old, new string
		err            string
	}{
		{"sound", "", "", "", ""},
		{"replace", "shclient/go.mod", "go 1.26.0", "go 1.26.0\nreplace " + prefix + "/oauthdyn => ../oauthdyn", "refuses a module with a replace"},
		{"missing requirement", "shclient/go.mod", "require", "// require", "is not tidy"},
		{"constant version", "shclient/cmd/shclient/main.go", "info.Main.Version", `"v0.9.0"`, `--version printed "shclient v0.9.0\n", want "shclient v0.1.0\n"`},
		{"failing test", "oauthdyn/oauthdyn_test.go", "true", "false", "--- FAIL: TestTruth"},
		{"no licence", "LICENSE", "", "", "no LICENSE in the module's zip"},
	} {
		t.Run(test.name, func(t *testing.T) {
			repo := toyRepo(t)
			if test.file != "" {
				breakFile(t, filepath.Join(repo, test.file), test.old, test.new)
			}
			commit(t, repo)
			var out strings.Builder
			err := rehearse(t.Context(), repo, "", &out)
			if !errorLike(err, test.err) {
				t.Errorf("error: %v\nwant one that contains %q", err, test.err)
			}
			if failed := strings.Contains(out.String(), "FAIL"); failed != (test.err != "") {
				t.Errorf("output:\n%s", out.String())
			}
		})
	}
}

// TestRelease follows RELEASING.md on a toy: sums, commit, tags, binaries. The
// rehearsal after it fails if the hashes in the committed go.sum were not those
// of the tagged modules.
func TestRelease(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and installs four commands several times")
	}
	ctx, repo := t.Context(), toyRepo(t)
	for _, dir := range []string{"oauthdyn", "shclient"} {
		breakFile(t, filepath.Join(repo, dir, "CHANGELOG.md"), "## [Unreleased]", "## [Unreleased]\n\n## [v0.1.0] - 2026-11-24\n\n- First.")
	}
	commit(t, repo)
	if err := check(ctx, repo); !errorLike(err, "neither tagged nor replaced") {
		t.Errorf("check before the release: %v", err)
	}
	if err := sums(ctx, repo, t.Output()); err != nil {
		t.Fatal(err)
	}
	commit(t, repo)
	for _, tag := range []string{"oauthdyn/v0.1.0", "shclient/v0.1.0"} {
		annotate(t, repo, tag)
	}
	if err := check(ctx, repo); err != nil {
		t.Errorf("check after the release: %v", err)
	}
	var out strings.Builder
	if err := notes(ctx, repo, "shclient/v0.1.0", &out); err != nil || out.String() != "- First.\n" {
		t.Errorf("notes: %q, %v", out.String(), err)
	}
	platform := runtime.GOOS + "/" + runtime.GOARCH
	at := t.TempDir()
	if err := rehearse(ctx, repo, "", t.Output()); err != nil {
		t.Errorf("rehearsal of the next release: %v", err)
	}
	if err := dist(ctx, repo, "oauthdyn/v0.1.0", at, []string{platform}); err != nil {
		t.Errorf("dist: %v", err)
	}
	for _, name := range []string{binaryName("oauthdyn", "v0.1.0", platform), binaryName("oauthdyn", "v0.1.0", platform) + sbomSuffix} {
		if sums, err := os.ReadFile(filepath.Join(at, "oauthdyn_v0.1.0_SHA256SUMS")); err != nil || !strings.Contains(string(sums), "  "+name+"\n") || !exists(filepath.Join(at, name)) {
			t.Errorf("%s is not there, or not in the checksums: %v", name, err)
		}
	}
}

// toyRepo writes a repository of four tiny modules, of which shclient requires
// oauthdyn.
func toyRepo(t *testing.T) string {
	repo := t.TempDir()
	files := map[string]string{
		"LICENSE":         "toy\n",
		"go.work":         "go 1.26.0\n",
		"go.mod":          "module " + prefix + "\n\ngo 1.26.0\n",
		"examples/go.mod": "module " + prefix + "/examples\n\ngo 1.26.0\n",
		"examples/doc.go": "package examples\n",
		"oauthdyn/oauthdyn_test.go": "package oauthdyn\n\nimport \"testing\"\n\n" +
			"func TestTruth(t *testing.T) {\n\tif !true {\n\t\tt.Fatal()\n\t}\n}\n",
		"shclient/dep.go": fmt.Sprintf("package shclient\n\nimport _ %q\n", prefix+"/oauthdyn"),
	}
	for _, dir := range released {
		files[dir+"/go.mod"] = "module " + prefix + "/" + dir + "\n\ngo 1.26.0\n"
		files[dir+"/README.md"] = dir + "\n"
		files[dir+"/CHANGELOG.md"] = "## [Unreleased]\n"
		files[dir+"/"+dir+".go"] = "package " + dir + "\n\ntype T struct{}\n"
		files[dir+"/cmd/"+dir+"/main.go"] = "package main\n\nimport (\n\t\"fmt\"\n\t\"runtime/debug\"\n)\n\nfunc main() {\n" +
			"\tinfo, _ := debug.ReadBuildInfo()\n\t_ = info\n\tfmt.Println(\"" + dir + "\", info.Main.Version)\n}\n"
	}
	files["shclient/go.mod"] += "\nrequire " + prefix + "/oauthdyn v0.1.0\n"
	for name, text := range files {
		name = filepath.Join(repo, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return repo
}

// breakFile replaces a text in a file, or removes the file when there is none.
func breakFile(t *testing.T, name, old, new string) {
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if old == "" {
		err = os.Remove(name)
	} else if !strings.Contains(string(text), old) {
		t.Fatalf("%s: no %q", name, old)
	} else {
		err = os.WriteFile(name, []byte(strings.ReplaceAll(string(text), old, new)), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func commit(t *testing.T, repo string) {
	git(t, repo, "init", "--quiet")
	git(t, repo, "add", ".")
	git(t, repo, "-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "commit.gpgSign=false", "commit", "--quiet", "-m", "toy")
}

func git(t *testing.T, repo string, args ...string) {
	// Maintenance goes on in the background, while the directory is removed.
	cmd := exec.CommandContext(t.Context(), "git", append([]string{"-c", "maintenance.auto=false"}, args...)...)
	cmd.Dir = repo
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}
