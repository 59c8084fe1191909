// SPDX-License-Identifier: Apache-2.0

package shell

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func openHistory(t *testing.T, file string) *History {
	t.Helper()
	h, err := OpenHistory(file)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestHistory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state", "history")
	one, two := openHistory(t, file), openHistory(t, file)
	for _, line := range []string{"list", "list", " secret", "  ", "call echo message=hi"} {
		one.Add(line)
	}
	two.Add("read x:y")
	if one.Len() != 2 || one.At(0) != "call echo message=hi" || one.At(1) != "list" {
		t.Errorf("history: %q", one.lines)
	}
	for _, h := range []*History{one, two, one} {
		if err := h.Save(); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Join(openHistory(t, file).lines, "|"); got != "list|call echo message=hi|read x:y" {
		t.Errorf("saved: %s", got)
	}
	at, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && at.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", at.Mode())
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(file), ".history-*")); left != nil {
		t.Errorf("left behind: %q", left)
	}
}

func TestHistoryIsBounded(t *testing.T) {
	file := filepath.Join(t.TempDir(), "history")
	h := openHistory(t, file)
	for i := range 3 * maxHistory {
		h.Add(fmt.Sprint("line ", i))
	}
	if h.Len() != maxHistory || h.At(0) != fmt.Sprint("line ", 3*maxHistory-1) {
		t.Errorf("%d lines, newest %q", h.Len(), h.At(0))
	}
	if err := h.Save(); err != nil {
		t.Fatal(err)
	}
	if h := openHistory(t, file); h.Len() != maxHistory {
		t.Errorf("%d lines saved", h.Len())
	}
	if err := os.WriteFile(file, make([]byte, maxKept+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenHistory(file); err == nil {
		t.Error("a file of any size is read")
	}
}
