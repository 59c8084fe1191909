// SPDX-License-Identifier: Apache-2.0

package shell

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/term"
)

// ErrInterrupted is that a person has pressed Ctrl-C instead of an answer.
var ErrInterrupted = errors.New("interrupted")

// An Editor reads lines from a terminal: with history, and completion by Tab.
// The terminal is as it was while no line is read. It is safe for concurrent
// use: one line is read after the other.
type Editor struct {
	in      *os.File
	term    *term.Terminal
	keys    *keys
	answers atomic.Bool // what is read is an answer, and no line of the history

	mu      sync.Mutex   // held while a line is read
	pending chan outcome // mu guards it: a read that was given up, and goes on
}

type outcome struct {
	line string
	err  error
}

// NewEditor returns an editor on in and out, which are a terminal.
func NewEditor(in, out *os.File, h *History, complete Completer) *Editor {
	e := &Editor{in: in, keys: &keys{in: in}}
	e.keys.interrupts = &e.answers
	e.term = term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{e.keys, out}, "")
	e.term.History = &lines{h, &e.answers}
	e.term.AutoCompleteCallback = func(line string, pos int, key rune) (string, int, bool) {
		if key != '\t' || e.answers.Load() {
			return "", 0, false
		}
		line, pos, several := complete.Line(line, pos)
		if len(several) > 0 {
			_, _ = e.term.Write([]byte(Columns(several, e.width()))) // a terminal that is gone is found out by the next read
		}
		return line, pos, true
	}
	return e
}

func (e *Editor) width() int {
	if width, _, err := term.GetSize(int(e.in.Fd())); err == nil && width > 0 {
		return width
	}
	return 80
}

// ReadLine reads a line for the history. It is io.EOF at Ctrl-D, and when the
// terminal is gone. Ctrl-C takes back the line. When ctx is done its error is
// returned, and what is entered next belongs to the next call.
func (e *Editor) ReadLine(ctx context.Context, prompt string) (string, error) {
	return e.read(ctx, prompt, false)
}

// Ask reads an answer to a question. It is ReadLine, but without history and
// completion, and with ErrInterrupted at Ctrl-C.
func (e *Editor) Ask(ctx context.Context, prompt string) (string, error) {
	return e.read(ctx, prompt, true)
}

func (e *Editor) read(ctx context.Context, prompt string, answer bool) (string, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	before, err := term.MakeRaw(int(e.in.Fd()))
	if err != nil {
		return "", err
	}
	defer term.Restore(int(e.in.Fd()), before)
	if width, height, err := term.GetSize(int(e.in.Fd())); err == nil && width > 0 {
		_ = e.term.SetSize(width, height) // it draws for another width, no more
	}
	e.answers.Store(answer)
	e.term.SetPrompt(prompt)
	if e.pending == nil {
		e.pending = make(chan outcome, 1)
		go e.readOne(e.pending)
	} else if _, err := e.term.Write(nil); err != nil { // draws the prompt
		return "", err
	}
	select {
	case o := <-e.pending:
		e.pending = nil
		return o.line, o.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// readOne ends with the line, with the terminal, or with the process.
func (e *Editor) readOne(done chan<- outcome) {
	line, err := e.term.ReadLine()
	if errors.Is(err, term.ErrPasteIndicator) {
		err = nil
	}
	if e.keys.interrupted {
		e.keys.interrupted, err = false, ErrInterrupted
	}
	done <- outcome{line, err}
}

// lines is a history that answers stay out of.
type lines struct {
	*History
	off *atomic.Bool
}

func (l *lines) Add(line string) {
	if !l.off.Load() {
		l.History.Add(line)
	}
}

func (l *lines) Len() int {
	if l.off.Load() {
		return 0
	}
	return l.History.Len()
}

// keys makes Ctrl-C what takes back a line (Ctrl-E, Ctrl-U), and ends it too
// where it interrupts; to a term.Terminal it would be the end of the input.
type keys struct {
	in          io.Reader
	interrupts  *atomic.Bool
	rest        []byte
	interrupted bool
}

func (k *keys) Read(p []byte) (int, error) {
	if len(k.rest) == 0 {
		var buf [256]byte
		n, err := k.in.Read(buf[:])
		if n == 0 {
			return 0, err
		}
		k.take(buf[:n])
	}
	n := copy(p, k.rest)
	k.rest = k.rest[n:]
	return n, nil
}

func (k *keys) take(pressed []byte) {
	const interrupt = 3
	takeBack := []byte{5, 21}
	if bytes.Contains(pressed, []byte{interrupt}) && k.interrupts.Load() {
		k.rest, k.interrupted = append(takeBack, '\r'), true // what stands before and behind is not meant for others
		return
	}
	k.rest = bytes.ReplaceAll(pressed, []byte{interrupt}, takeBack)
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
