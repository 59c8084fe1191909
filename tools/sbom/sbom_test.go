// SPDX-License-Identifier: Apache-2.0

package sbom

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdx/v2/common"
	spdx "github.com/spdx/tools-golang/spdx/v2/v2_3"
	"github.com/spdx/tools-golang/spdxlib"
)

var inventory = Inventory{
	Name: "shproxy", Platform: "linux/arm64", Revision: strings.Repeat("c", 40),
	Created: time.Date(2026, 11, 29, 10, 0, 0, 0, time.UTC), SHA256: strings.Repeat("a", 64),
	Main: Module{Path: "example.com/shproxy", Version: "v1.2.3", License: "Apache-2.0", Texts: []Text{{"LICENSE", "All may use it.\r\n"}}},
	Modules: []Module{
		{Path: "example.com/a", Version: "v2.0.0+incompatible", Sum: "h1:abc=", License: "MIT", Texts: []Text{{"COPYING", "Copyright <who>"}}},
		{Path: "example.com/b", Version: "(devel)"},
		{Path: "stdlib", Version: "go1.26.8", License: "BSD-3-Clause"},
	},
}

func TestDocumentIsValidSPDX(t *testing.T) {
	var first, second bytes.Buffer
	if err := inventory.WriteSPDX(&first); err != nil {
		t.Fatal(err)
	}
	if err := inventory.WriteSPDX(&second); err != nil {
		t.Fatal(err)
	}
	if first.String() != second.String() {
		t.Error("two documents about the same binary differ")
	}
	doc := &spdx.Document{}
	if err := json.ReadInto(&first, doc); err != nil {
		t.Fatal(err)
	}
	if err := spdxlib.ValidateDocument(doc); err != nil {
		t.Error(err)
	}
	described, err := spdxlib.GetDescribedPackageIDs(doc)
	if err != nil || len(described) != 1 || described[0] != "Application" {
		t.Errorf("the document describes %v (%v), want the application", described, err)
	}
	if doc.CreationInfo.Created != "2026-11-29T10:00:00Z" {
		t.Errorf("created %s: want the time of the commit", doc.CreationInfo.Created)
	}
	root := doc.Packages[0]
	if len(root.PackageChecksums) != 1 || root.PackageChecksums[0] != (common.Checksum{Algorithm: common.SHA256, Value: inventory.SHA256}) {
		t.Errorf("checksums %v", root.PackageChecksums)
	}
	got := map[string]string{}
	for _, p := range doc.Packages {
		got[p.PackageName] = p.PackageVersion + " " + p.PackageLicenseConcluded + " " + p.PackageExternalReferences[0].Locator + " " + p.PackageSourceInfo
	}
	for name, want := range map[string]string{
		"shproxy":       "v1.2.3 Apache-2.0 pkg:golang/example.com/shproxy@v1.2.3 built from commit " + inventory.Revision + " for linux/arm64",
		"example.com/a": "v2.0.0+incompatible MIT pkg:golang/example.com/a@v2.0.0%2Bincompatible go.sum: h1:abc=",
		"example.com/b": "(devel) NOASSERTION pkg:golang/example.com/b ",
		"stdlib":        "go1.26.8 BSD-3-Clause pkg:golang/stdlib@1.26.8 ",
	} {
		if got[name] != want {
			t.Errorf("%s: %q, want %q", name, got[name], want)
		}
	}
}

func TestLicenseTextsAreComplete(t *testing.T) {
	var b bytes.Buffer
	if err := inventory.WriteLicenses(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"\n\nAll may use it.\n", "example.com/a v2.0.0+incompatible: COPYING\n\nCopyright <who>\n"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is missing in:\n%s", want, b.String())
		}
	}
}

func TestFindLicense(t *testing.T) {
	apache, err := os.ReadFile("../../LICENSE")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{
		"LICENSE":              string(apache),
		"known/LICENSE-2.0":    string(apache),
		"known/NOTICE":         "notice",
		"known/license.go":     "package known",
		"unknown/COPYING":      "Ask me.",
		"below/only/source.go": "package only",
		"bare/source.go":       "package bare",
	} {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		dir, license string
		texts        int
	}{
		{"known", "Apache-2.0", 2},
		{"unknown", "", 1},
		{"bare", "Apache-2.0", 1}, // a module of a repository with one licence
		{"below/only", "", 0},
	} {
		m := Module{Path: "m"}
		if err := m.findLicense(map[string]string{"m": filepath.Join(dir, test.dir)}); err != nil {
			t.Fatal(err)
		}
		if m.License != test.license || len(m.Texts) != test.texts {
			t.Errorf("%s: licence %q from %d files, want %q from %d", test.dir, m.License, len(m.Texts), test.license, test.texts)
		}
	}
	if err := (&Module{Path: "m"}).findLicense(nil); err == nil {
		t.Error("a module whose sources are not there must be an error: its licence would be missing")
	}
}
