// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"io"
	"os"
	"path/filepath"
	"testing"
)

func TestInstalled(t *testing.T) {
	dir := t.TempDir()
	b := Bundle{Name: "a tree", Dir: filepath.Join(dir, "there"), pins: filepath.Join(dir, "pins"), commands: [][]string{{"go", "version"}}}
	pin := func(text string) {
		t.Helper()
		if err := os.WriteFile(b.pins, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if b.Installed() || Missing(b) != "a tree" {
		t.Error("installed without pins")
	}
	pin("oak 1")
	if err := Install(t.Context(), io.Discard, b); err == nil {
		t.Error("installed without a directory")
	}
	if err := os.Mkdir(b.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Install(t.Context(), io.Discard, b); err != nil || !b.Installed() || Missing(b) != "" {
		t.Errorf("after the installation: %v, installed %v", err, b.Installed())
	}
	if pin("oak 2"); b.Installed() {
		t.Error("another version counts as installed")
	}
	failing := b
	failing.commands = [][]string{{"go", "no-such-command"}}
	if err := Install(t.Context(), io.Discard, failing); err == nil || b.Installed() {
		t.Errorf("a command that fails: %v, installed %v", err, b.Installed())
	}
}
