// SPDX-License-Identifier: Apache-2.0

package child

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestTail(t *testing.T) {
	var empty tail
	if empty.text() != "" || empty.last(10, 10) != nil || empty.telling() != "" {
		t.Errorf("empty: %q %q %q", empty.text(), empty.last(10, 10), empty.telling())
	}
	var w tail
	w.add("one")
	w.add("  two äöü")
	if got := w.text(); got != "one\n  two äöü\n" {
		t.Errorf("text = %q", got)
	}
	if got := w.last(1, 8); !slices.Equal(got, []string{"  two ä"}) {
		t.Errorf("last = %q", got)
	}
	if got := w.telling(); got != "two äöü" {
		t.Errorf("telling = %q", got)
	}
	w.add("Error: Cannot find module 'x'")
	w.add("}")
	w.add("Node.js v22.0.0")
	if got := w.telling(); got != "Error: Cannot find module 'x'" {
		t.Errorf("telling = %q", got)
	}
}

// The newest 64 KiB are kept, as whole lines.
func TestTailIsBounded(t *testing.T) {
	var w tail
	var all strings.Builder
	for i := range 20000 {
		line := fmt.Sprintf("line %d ü", i)
		w.add(line)
		all.WriteString(line + "\n")
		if i%1000 == 0 || i > 19900 {
			got := w.text()
			if !strings.HasSuffix(all.String(), got) || !strings.HasPrefix(got, "line ") || len(got) > tailSize ||
				len(got) < min(all.Len(), tailSize-len(line)-1) {
				t.Fatalf("after %d lines: %d bytes: %.30q", i, len(got), got)
			}
		}
	}
	if got := w.last(3, 100); !slices.Equal(got, []string{"line 19997 ü", "line 19998 ü", "line 19999 ü"}) {
		t.Errorf("last = %q", got)
	}
	if cap(w.buf) > 2*tailSize {
		t.Errorf("%d bytes are kept", cap(w.buf))
	}
	w.add(strings.Repeat("ü", tailSize))
	if got := w.text(); len(got) < tailSize-10 || !utf8.ValidString(got) {
		t.Errorf("one line: %d bytes", len(got))
	}
}
