// SPDX-License-Identifier: Apache-2.0

package wrap

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/csv"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// toy is a release of a program for some platforms; the program is not run.
func toy(t *testing.T, version string, platforms ...string) *Release {
	dir := t.TempDir()
	r := &Release{Command: "shclient", Version: version, Time: time.Date(2026, 11, 29, 10, 0, 0, 0, time.UTC), License: write(t, dir, "LICENSE", "toy\n")}
	for _, p := range platforms {
		r.Binaries = append(r.Binaries, Binary{
			Platform: p, Path: write(t, dir, strings.ReplaceAll(p, "/", "_"), "binary for "+p),
			SBOM: write(t, dir, strings.ReplaceAll(p, "/", "_")+".spdx.json", "{}\n"),
		})
	}
	return r
}

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestWrite(t *testing.T) {
	r := toy(t, "v0.2.0-rc.1", "linux/amd64", "darwin/arm64", "windows/amd64")
	dir := t.TempDir()
	npm, wheels, err := r.Write(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"mcp-oauth-gateway-shclient-linux-x64-0.2.0-rc.1.tgz", "mcp-oauth-gateway-shclient-darwin-arm64-0.2.0-rc.1.tgz",
		"mcp-oauth-gateway-shclient-win32-x64-0.2.0-rc.1.tgz", "shclient-0.2.0-rc.1.tgz",
	}
	if got := bases(npm); !slices.Equal(got, want) {
		t.Errorf("npm packages, in order: %q, want %q", got, want)
	}
	want = []string{
		"shclient-0.2.0rc1-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.musllinux_1_1_x86_64.whl",
		"shclient-0.2.0rc1-py3-none-macosx_12_0_arm64.whl", "shclient-0.2.0rc1-py3-none-win_amd64.whl",
	}
	if got := bases(wheels); !slices.Equal(got, want) {
		t.Errorf("wheels: %q, want %q", got, want)
	}
	for i, script := range []string{"shclient", "shclient", "shclient.exe"} {
		checkWheel(t, wheels[i], "shclient-0.2.0rc1.data/scripts/"+script)
	}

	again := t.TempDir()
	if _, _, err := r.Write(again); err != nil {
		t.Fatal(err)
	}
	for _, path := range append(npm, wheels...) {
		first, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		second, err := os.ReadFile(filepath.Join(again, filepath.Base(filepath.Dir(path)), filepath.Base(path)))
		if err != nil || !bytes.Equal(first, second) {
			t.Errorf("%s is not reproducible (%v)", filepath.Base(path), err)
		}
	}
}

// checkWheel checks what installers check, and some do not: each file stands in
// RECORD with its hash and size, and RECORD is the last.
func checkWheel(t *testing.T, path, script string) {
	t.Helper()
	z, err := zip.OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	var names, recorded []string
	contents := map[string][]byte{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		names, contents[f.Name] = append(names, f.Name), data
		if executable := f.Mode()&0o111 != 0; executable != (f.Name == script) {
			t.Errorf("%s: mode %v", f.Name, f.Mode())
		}
	}
	last := names[len(names)-1]
	rows, err := csv.NewReader(bytes.NewReader(contents[last])).ReadAll()
	if err != nil || !strings.HasSuffix(last, ".dist-info/RECORD") {
		t.Fatalf("%s: %v", last, err)
	}
	for _, row := range rows {
		recorded = append(recorded, row[0])
		data := contents[row[0]]
		sum := sha256.Sum256(data)
		if row[0] != last && (row[1] != "sha256="+base64.RawURLEncoding.EncodeToString(sum[:]) || row[2] != fmt.Sprint(len(data))) {
			t.Errorf("RECORD: %q", row)
		}
	}
	if !slices.Equal(names, recorded) || !slices.Contains(names, script) {
		t.Errorf("files %q, recorded %q", names, recorded)
	}
}

func bases(paths []string) (names []string) {
	for _, p := range paths {
		names = append(names, filepath.Base(p))
	}
	return names
}

func TestRefused(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*Release)
		err    string
	}{
		{"another command", func(r *Release) { r.Command = "sh" }, "not one of our commands"},
		{"no binary", func(r *Release) { r.Binaries = nil }, "no binaries"},
		{"another platform", func(r *Release) { r.Binaries[0].Platform = "plan9/amd64" }, "no packages are made for plan9/amd64"},
		{"the same twice", func(r *Release) { r.Binaries = append(r.Binaries, r.Binaries[0]) }, "two binaries"},
		{"no file", func(r *Release) { r.Binaries[0].Path += "x" }, "no such file"},
		{"a version that PyPI cannot have", func(r *Release) { r.Version = "v0.2.0-0.20261129" }, "PyPI takes"},
	} {
		r := toy(t, "v0.2.0", "linux/amd64")
		test.change(r)
		if _, _, err := r.Write(t.TempDir()); err == nil || !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: %v, want %q", test.name, err, test.err)
		}
	}
}

func TestPythonVersion(t *testing.T) {
	for version, want := range map[string]string{
		"v0.2.0": "0.2.0", "v1.10.3-alpha.1": "1.10.3a1", "v0.1.0-beta.12": "0.1.0b12", "v0.1.0-rc.2": "0.1.0rc2",
		"v0.1.0-rc2": "", "v0.1.0-x.1": "", "0.1.0": "",
	} {
		got, err := pythonVersion(version)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v", version, got, err)
		}
	}
}
