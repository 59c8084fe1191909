// SPDX-License-Identifier: Apache-2.0

package oauthdyn

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

func TestFileStoreLayout(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	path := filepath.Join(dir, "credentials.json")
	s := NewFileStore(path)
	if err := s.Save(t.Context(), "k", sampleCredentials()); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Version     int
		Credentials map[string]map[string]any
	}
	if err := json.Unmarshal(data, &file); err != nil || file.Version != 1 || file.Credentials["k"]["issuer"] != "https://as.example" {
		t.Errorf("%v: %s", err, data)
	}
	if runtime.GOOS != "windows" {
		for p, want := range map[string]os.FileMode{path: 0o600, dir: 0o700, path + ".locks": 0o700, path + ".locks/file": 0o600} {
			if info, err := os.Stat(p); err != nil || info.Mode().Perm() != want {
				t.Errorf("%s: %v, %v", p, info.Mode(), err)
			}
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

func TestFileStoreList(t *testing.T) {
	s := NewFileStore(filepath.Join(t.TempDir(), "credentials.json"))
	if list, err := s.List(t.Context()); len(list) != 0 || err != nil {
		t.Errorf("no file: %v, %v", list, err)
	}
	for _, key := range []string{"b", "a"} {
		c := sampleCredentials()
		c.Issuer = "https://" + key + ".example"
		if err := s.Save(t.Context(), key, c); err != nil {
			t.Fatal(err)
		}
	}
	list, err := s.List(t.Context())
	if err != nil || len(list) != 2 || list[0].Issuer != "https://a.example" || list[1].Issuer != "https://b.example" {
		t.Errorf("%v, %v", list, err)
	}
}

func TestFileStoreKeepsOtherRecordsAsTheyAre(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.json")
	const other = `{"issuer":"x","of_a_later_version":{"n":1.50}}`
	if err := os.WriteFile(path, []byte(`{"version":1,"credentials":{"other":`+other+`}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := NewFileStore(path).Save(t.Context(), "k", sampleCredentials()); err != nil {
		t.Fatal(err)
	}
	data, _ := os.ReadFile(path)
	if got := strings.NewReplacer(" ", "", "\n", "").Replace(string(data)); !strings.Contains(got, other) {
		t.Errorf("%s", data)
	}
}

func TestFileStoreRefuses(t *testing.T) {
	tests := []struct {
		name    string
		content string
		want    []string
	}{
		{"damaged", `{"version":1,"credentials":{"k":{"issuer":"HUSH`, []string{"damaged", "sign in again"}},
		{"other JSON", `["HUSH"]`, []string{"damaged"}},
		{"empty", ``, []string{"damaged"}},
		{"no version", `{"credentials":{}}`, nil},
		{"version 0", `{"version":0,"credentials":{}}`, []string{"damaged"}},
		{"newer", `{"version":2,"credentials":{"HUSH":1}}`, []string{"newer version", "update"}},
		{"damaged record", `{"version":1,"credentials":{"k":{"issuer":7,"x":"HUSH"}}}`, []string{"damaged"}},
		{"no records", `{"version":1,"credentials":null}`, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "c.json")
			if err := os.WriteFile(path, []byte(tt.content), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := NewFileStore(path).Load(t.Context(), "k")
			if tt.want == nil {
				if !errors.Is(err, ErrNoCredentials) {
					t.Errorf("got %v", err)
				}
				return
			}
			wantError(t, err, append(tt.want, path)...)
			if strings.Contains(err.Error(), "HUSH") {
				t.Errorf("error %q holds a secret", err)
			}
			// And it is not overwritten.
			if tt.name != "damaged record" {
				if NewFileStore(path).Save(t.Context(), "x", sampleCredentials()) == nil {
					t.Error("overwritten")
				}
			}
			if data, _ := os.ReadFile(path); tt.name != "damaged record" && string(data) != tt.content {
				t.Errorf("now %s", data)
			}
		})
	}
}

func TestS120FilePermissions(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no permission bits")
	}
	check := func(t *testing.T, path string, want ...string) {
		t.Helper()
		s := NewFileStore(path)
		_, err := s.Load(t.Context(), "k")
		if len(want) == 2 { // the file itself
			wantError(t, err, want...)
		}
		wantError(t, s.Save(t.Context(), "k", sampleCredentials()), want...)
	}
	t.Run("open to others", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "c.json")
		if err := os.WriteFile(path, []byte(`{"version":1}`), 0o644); err != nil {
			t.Fatal(err)
		}
		check(t, path, "open to other users", "chmod 600 "+path)
	})
	t.Run("symbolic link", func(t *testing.T) {
		dir := t.TempDir()
		path, target := filepath.Join(dir, "c.json"), filepath.Join(dir, "target")
		for _, content := range []string{"", `{"version":1}`} {
			if content != "" {
				if err := os.WriteFile(target, []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			} else if err := os.Symlink(target, path); err != nil {
				t.Fatal(err)
			}
			check(t, path, "symbolic link", path)
		}
		if data, _ := os.ReadFile(target); string(data) != `{"version":1}` {
			t.Errorf("the target was changed: %s", data)
		}
	})
	t.Run("not a file", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "c.json")
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
		check(t, path, "not a regular file", path)
	})
	t.Run("directory that others can write to", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.Chmod(dir, 0o777); err != nil {
			t.Fatal(err)
		}
		check(t, filepath.Join(dir, "c.json"), "chmod 700 "+dir)
	})
	t.Run("unwritable directory", func(t *testing.T) {
		check(t, "/proc/nobody/c.json", "/proc/nobody")
	})
	t.Run("owned by somebody else", func(t *testing.T) {
		if os.Geteuid() != 0 {
			t.Skip("needs root to give a file away")
		}
		path := filepath.Join(t.TempDir(), "c.json")
		if err := os.WriteFile(path, []byte(`{"version":1}`), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(path, 12345, 12345); err != nil {
			t.Fatal(err)
		}
		check(t, path, "belongs to another user", path)
	})
}

func TestFileStoreConcurrentWriters(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.json")
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			if err := NewFileStore(path).Save(t.Context(), fmt.Sprint(i), sampleCredentials()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for i := range 20 {
		if _, err := NewFileStore(path).Load(t.Context(), fmt.Sprint(i)); err != nil {
			t.Errorf("record %d: %v", i, err)
		}
	}
}
