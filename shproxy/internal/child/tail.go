// SPDX-License-Identifier: Apache-2.0

package child

import (
	"strings"
	"sync"
	"unicode/utf8"
)

// tailSize is how much of a child's stderr is kept.
const tailSize = 64 << 10

// tail keeps the end of a text of lines.
type tail struct {
	mu    sync.Mutex
	buf   []byte // guarded by mu; a ring once it has its full size
	start int    // guarded by mu; of the oldest byte in the ring
	cut   bool   // guarded by mu; something was overwritten
}

// add appends a line, which has no end yet.
func (t *tail) add(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.write(line)
	t.write("\n")
}

func (t *tail) write(s string) {
	if free := tailSize - len(t.buf); free > 0 {
		n := min(free, len(s))
		t.buf = append(t.buf, s[:n]...)
		s = s[n:]
	}
	for len(s) > 0 {
		n := copy(t.buf[t.start:], s)
		t.start = (t.start + n) % tailSize
		t.cut = true
		s = s[n:]
	}
}

// text returns what is kept: whole lines, unless it is all one line.
func (t *tail) text() string {
	t.mu.Lock()
	text := string(t.buf[t.start:]) + string(t.buf[:t.start])
	cut := t.cut
	t.mu.Unlock()
	if cut {
		if _, rest, _ := strings.Cut(text, "\n"); rest != "" {
			text = rest
		}
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}

// last returns up to n lines, oldest first, each cut to size bytes.
func (t *tail) last(n, size int) []string {
	lines := strings.Split(strings.TrimSuffix(t.text(), "\n"), "\n")
	if len(lines) == 1 && lines[0] == "" {
		return nil
	}
	lines = lines[max(0, len(lines)-n):]
	for i, line := range lines {
		lines[i] = clip(line, size)
	}
	return lines
}

// telling returns the newest line that mentions an error, or else the newest:
// runtimes like to end a report with their version or an empty brace.
func (t *tail) telling() string {
	const recent = 16
	lines := t.last(recent, maxStderrLine+len(cutMark))
	for i := len(lines) - 1; i >= 0; i-- {
		if strings.Contains(strings.ToLower(lines[i]), "error") {
			return strings.TrimSpace(lines[i])
		}
	}
	if len(lines) == 0 {
		return ""
	}
	return strings.TrimSpace(lines[len(lines)-1])
}

// clip cuts a text to at most size bytes, between two characters.
func clip(s string, size int) string {
	if len(s) <= size {
		return s
	}
	for size > 0 && !utf8.RuneStart(s[size]) {
		size--
	}
	return s[:size]
}
