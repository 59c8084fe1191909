// SPDX-License-Identifier: Apache-2.0

//go:build unix

package shell

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/creack/pty"
	"golang.org/x/term"
)

// typed is an editor on a terminal, and the keyboard and screen of that. What
// appears on the screen is read and thrown away.
func typed(t *testing.T) (e *Editor, h *History, press func(string)) {
	t.Helper()
	person, terminal, err := pty.Open()
	if err != nil {
		t.Skipf("no pseudo-terminal: %v", err)
	}
	// Else keys that are pressed before a line is read are what they are in a
	// shell: Ctrl-C a signal, for instance.
	if _, err := term.MakeRaw(int(terminal.Fd())); err != nil {
		t.Fatal(err)
	}
	seen := make(chan struct{})
	go func() {
		defer close(seen)
		_, _ = io.Copy(io.Discard, person)
	}()
	t.Cleanup(func() {
		terminal.Close()
		person.Close()
		<-seen
	})
	h = &History{}
	e = NewEditor(terminal, terminal, h, func(_ []string, prefix string) []string {
		return []string{prefix + "-more"}
	})
	return e, h, func(keys string) {
		t.Helper()
		if _, err := person.WriteString(keys); err != nil {
			t.Fatal(err)
		}
	}
}

func TestEditor(t *testing.T) {
	e, h, press := typed(t)
	read := func(ask bool, keys, want string, wantErr error) {
		t.Helper()
		press(keys)
		do := e.ReadLine
		if ask {
			do = e.Ask
		}
		line, err := do(t.Context(), "> ")
		if line != want || !errors.Is(err, wantErr) {
			t.Errorf("%q: %q, %v; want %q, %v", keys, line, err, want, wantErr)
		}
	}
	read(false, "one\r", "one", nil)
	read(false, "x\t\r", "x-more ", nil)
	read(false, "wrong\x03two\r", "two", nil)
	read(true, "an answer\r", "an answer", nil)
	read(true, "\x1b[A\r", "", nil) // no history for answers
	read(true, "\x1b[Ano\x03", "", ErrInterrupted)
	read(false, "\x1b[A\r", "two", nil)
	if got := strings.Join(h.lines, "|"); got != "one|x-more |two" {
		t.Errorf("history: %s", got)
	}
	read(false, "\x04", "", io.EOF)
}

func TestEditorGivesUpAndGoesOn(t *testing.T) {
	e, h, press := typed(t)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for _, ask := range []bool{true, false} {
		if ask {
			if _, err := e.Ask(gone, "? "); !errors.Is(err, context.Canceled) {
				t.Errorf("a question that is withdrawn: %v", err)
			}
		} else if _, err := e.ReadLine(gone, "? "); !errors.Is(err, context.Canceled) {
			t.Errorf("a line that is given up: %v", err)
		}
		press("next\r")
		if line, err := e.ReadLine(t.Context(), "> "); line != "next" || err != nil {
			t.Errorf("after it: %q, %v", line, err)
		}
	}
	if h.Len() != 1 || h.At(0) != "next" {
		t.Errorf("history: %q", h.lines)
	}
}
