// SPDX-License-Identifier: Apache-2.0

package extract

import (
	"bytes"
	"strings"
)

// escapeContext says what is around a piece of text.
type escapeContext struct {
	inLink bool // inside a link text, where brackets always count
	table  bool // inside a table cell, where pipes count
	next   byte // the byte that comes right after the text, or 0
}

// escapable are the bytes that appendEscaped has to look at.
var escapable = func() (set [256]bool) {
	for _, c := range []byte("`\\*_~[]!<&| \t\r\n\f") {
		set[c] = true
	}
	return set
}()

// appendEscaped appends text so that a Markdown reader sees it literally, with
// as few backslashes as that takes, and with its white space collapsed. It
// looks at most a few bytes ahead.
func appendEscaped(out []byte, s string, c escapeContext) []byte {
	start := 0
	for i := 0; i < len(s); i++ {
		b := s[i]
		if !escapable[b] {
			continue
		}
		out = append(out, s[start:i]...)
		start = i
		next := c.next
		if i+1 < len(s) {
			next = s[i+1]
		}
		escape := false
		switch b {
		case '`':
			escape = true
		case '\\':
			escape = isASCIIPunct(next)
		case '*':
			escape = !(endsInSpace(out) && isSpace(next))
		case '_':
			escape = !(endsInWord(out) && isWordByte(next))
		case '~':
			escape = next == '~' || endsInTilde(out) || !endsInSpace(out) && (endsInWord(out) || !isWordByte(next))
		case '[':
			escape = c.inLink || next == '^'
		case ']':
			escape = c.inLink || next == '(' || next == '[' || next == ':'
		case '!':
			escape = next == '[' && i+1 == len(s)
		case '<':
			near := s[i:min(i+80, len(s))] // an address in angle brackets is a link
			escape = isTagStart(next) || !isSpace(next) && next != 0 && (strings.IndexByte(near, '@') >= 0 || len(near) == len(s)-i && isWordByte(c.next))
		case '&':
			escape = isEntity(s[i:], isWordByte(c.next) || c.next == '#' || c.next == ';')
		case '|':
			escape = c.table
		default: // white space
			for i+1 < len(s) && isSpace(s[i+1]) {
				i++
			}
			out = append(out, ' ')
			start = i + 1
			continue
		}
		if escape {
			out = append(out, '\\')
		}
	}
	return append(out, s[start:]...)
}

// endsInSpace reports whether out ends in white space; its beginning counts.
func endsInSpace(out []byte) bool { return len(out) == 0 || isSpace(out[len(out)-1]) }

func endsInWord(out []byte) bool { return len(out) > 0 && isWordByte(out[len(out)-1]) }

func endsInTilde(out []byte) bool { return len(out) > 0 && out[len(out)-1] == '~' }

// isTagStart reports whether "<" before b could begin HTML or an autolink.
func isTagStart(b byte) bool {
	return b|0x20 >= 'a' && b|0x20 <= 'z' || b == '/' || b == '!' || b == '?'
}

// isEntity reports whether s starts with what could be a character reference;
// with more, text that comes after s may complete it.
func isEntity(s string, more bool) bool {
	for i := 1; i < min(len(s), 34); i++ {
		switch {
		case s[i] == ';':
			return i > 1
		case s[i] == '#' && i == 1, s[i] >= '0' && s[i] <= '9', s[i]|0x20 >= 'a' && s[i]|0x20 <= 'z':
		default:
			return false
		}
	}
	return more && len(s) < 34
}

// appendLine appends a line of inline Markdown at the start of a line, and
// keeps it from being taken for a block (CommonMark section 4 and 5).
func appendLine(out, line []byte) []byte {
	if at := blockMark(line); at >= 0 {
		out = append(append(out, line[:at]...), '\\')
		line = line[at:]
	}
	return append(out, line...)
}

// blockMark returns where a backslash must go, or -1.
func blockMark(line []byte) int {
	if len(line) == 0 {
		return -1
	}
	switch line[0] {
	case '#':
		n := len(line) - len(bytes.TrimLeft(line, "#"))
		if n <= 6 && (n == len(line) || isSpace(line[n])) {
			return 0
		}
	case '>':
		return 0
	case '-', '+', '=':
		if len(line) == 1 || isSpace(line[1]) || len(bytes.Trim(line, "- \t")) == 0 || len(bytes.Trim(line, "= \t")) == 0 ||
			len(bytes.Trim(line, "-:| \t")) == 0 {
			return 0
		}
	case '[': // a task list's box, if it came first in an item
		if len(line) > 3 && line[2] == ']' && isSpace(line[3]) && bytes.IndexByte([]byte(" xX"), line[1]) >= 0 {
			return 0
		}
	case '*': // an escaped one starts with a backslash
		if len(line) == 1 || isSpace(line[1]) {
			return 0
		}
	case '~':
		if bytes.HasPrefix(line, []byte("~~~")) {
			return 0
		}
	case '|', ':':
		if len(bytes.Trim(line, "-:| \t")) == 0 {
			return 0
		}
	case '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		n := len(line) - len(bytes.TrimLeft(line, "0123456789"))
		if n <= 9 && n < len(line) && (line[n] == '.' || line[n] == ')') && (n+1 == len(line) || isSpace(line[n+1])) {
			return n
		}
	}
	return -1
}
