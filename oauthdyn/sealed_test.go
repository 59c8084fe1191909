// SPDX-License-Identifier: Apache-2.0

package oauthdyn

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSealedFileStore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "credentials.json")
	key := bytes.Repeat([]byte("k"), SealedKeyBytes)
	plain := NewFileStore(path)
	if is, err := plain.Sealed(); is || err != nil {
		t.Errorf("no file: sealed %v, %v", is, err)
	}
	if err := plain.Save(t.Context(), "a", sampleCredentials()); err != nil {
		t.Fatal(err)
	}
	if is, err := plain.Sealed(); is || err != nil {
		t.Errorf("plain file: sealed %v, %v", is, err)
	}
	s, err := NewSealedFileStore(path, key)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b"} {
		if err := s.Save(t.Context(), name, sampleCredentials()); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(path)
	if err != nil || strings.Contains(string(data), "as.example") || strings.Count(string(data), `"sealed"`) != 2 {
		t.Errorf("%v: %s", err, data)
	}
	if c, err := s.Load(t.Context(), "a"); err != nil || c.Issuer != sampleCredentials().Issuer {
		t.Errorf("%v, %v", c, err)
	}
	if is, err := plain.Sealed(); !is || err != nil {
		t.Errorf("sealed file: sealed %v, %v", is, err)
	}
	if list, err := s.List(t.Context()); len(list) != 2 || err != nil {
		t.Errorf("%d records, %v", len(list), err)
	}
	list, err := plain.List(t.Context())
	if len(list) != 0 {
		t.Errorf("%v without the key", list)
	}
	wantError(t, err, "another key")
	// A record is good under its own name only.
	swapped := strings.NewReplacer(`"a":`, `"b":`, `"b":`, `"a":`).Replace(string(data))
	if err := os.WriteFile(path, []byte(swapped), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = s.Load(t.Context(), "a")
	wantError(t, err, "another key")
	_, err = NewFileStore(path).Load(t.Context(), "a")
	wantError(t, err, "another key")
	if _, err := NewSealedFileStore(path, key[1:]); err == nil {
		t.Error("a short key")
	}
	if text := fmt.Sprintf("%v %+v %#v", s, s, s); strings.Contains(text, "107") || strings.Contains(text, "0x6b") {
		t.Errorf("prints as %s", text)
	}
}
