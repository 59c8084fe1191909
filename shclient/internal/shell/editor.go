// SPDX-License-Identifier: Apache-2.0

package shell

import (
	"bytes"
	"context"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// An Editor reads lines from a terminal: with history, and completion by Tab.
// The terminal is as it was while no line is read.
type Editor struct {
	in   *os.File
	term *term.Terminal
}

// NewEditor returns an editor on in and out, which are a terminal.
func NewEditor(in, out *os.File, h *History, complete Completer) *Editor {
	e := &Editor{in: in, term: term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{&keys{in: in}, out}, "")}
	e.term.History = h
	e.term.AutoCompleteCallback = func(line string, pos int, key rune) (string, int, bool) {
		if key != '\t' {
			return "", 0, false
		}
		line, pos, several := complete.Line(line, pos)
		if len(several) > 0 {
			width, _, err := term.GetSize(int(in.Fd()))
			if err != nil {
				width = 80
			}
			_, _ = e.term.Write([]byte(Columns(several, width))) // a terminal that is gone is found out by the next read
		}
		return line, pos, true
	}
	return e
}

// ReadLine reads a line. It is io.EOF at Ctrl-D, and when the terminal is gone.
// Ctrl-C takes back the line. When ctx is done the terminal is as before, but
// a read of it goes on that cannot be interrupted: read no more then.
func (e *Editor) ReadLine(ctx context.Context, prompt string) (string, error) {
	before, err := term.MakeRaw(int(e.in.Fd()))
	if err != nil {
		return "", err
	}
	defer term.Restore(int(e.in.Fd()), before)
	if width, height, err := term.GetSize(int(e.in.Fd())); err == nil && width > 0 {
		_ = e.term.SetSize(width, height) // it draws for another width, no more
	}
	e.term.SetPrompt(prompt)
	type outcome struct {
		line string
		err  error
	}
	done := make(chan outcome, 1)
	go func() {
		line, err := e.term.ReadLine()
		done <- outcome{line, err}
	}()
	select {
	case o := <-done:
		return o.line, o.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// keys makes Ctrl-C what takes back a line (Ctrl-E, Ctrl-U); to a term.Terminal
// it would be the end of the input.
type keys struct {
	in   io.Reader
	rest []byte
}

func (k *keys) Read(p []byte) (int, error) {
	if len(k.rest) == 0 {
		var buf [256]byte
		n, err := k.in.Read(buf[:])
		if n == 0 {
			return 0, err
		}
		k.rest = bytes.ReplaceAll(buf[:n], []byte{3}, []byte{5, 21})
	}
	n := copy(p, k.rest)
	k.rest = k.rest[n:]
	return n, nil
}

// Columns sets words out in columns, as many as a width takes.
func Columns(words []string, width int) string {
	widest := 0
	for _, w := range words {
		widest = max(widest, len([]rune(w)))
	}
	columns := max(1, (width+1)/(widest+2))
	rows := (len(words) + columns - 1) / columns
	var b strings.Builder
	for row := range rows {
		for i := row; i < len(words); i += rows {
			b.WriteString(words[i])
			if i+rows < len(words) {
				b.WriteString(strings.Repeat(" ", widest+2-len([]rune(words[i]))))
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}
