// SPDX-License-Identifier: Apache-2.0

package extract

import "strings"

// escapeContext says what is around a piece of text.
type escapeContext struct {
	inLink     bool // inside a link text, where brackets always count
	table      bool // inside a table cell, where pipes count
	next       byte // a byte that may come right after the text, or 0
	beforeLink bool // a link comes right after the text
}

// appendEscaped appends text so that a Markdown reader sees it literally, with
// as few backslashes as that takes. It looks at most a few bytes ahead.
func appendEscaped(out []byte, s string, c escapeContext) []byte {
	for i := 0; i < len(s); i++ {
		b := s[i]
		next := c.next
		if i+1 < len(s) {
			next = s[i+1]
		}
		escape := false
		switch b {
		case '`':
			escape = true
		case '\\':
			escape = next == 0 || isASCIIPunct(next)
		case '*':
			escape = !(endsInSpace(out) && next == ' ')
		case '_':
			escape = !(endsInWord(out) && i+1 < len(s) && isWordByte(next))
		case '~':
			escape = next == '~' || endsWith(out, '~')
		case '[':
			escape = c.inLink
		case ']':
			escape = c.inLink || next == '(' || next == '[' || next == ':'
		case '!':
			escape = i+1 == len(s) && c.beforeLink
		case '<':
			escape = isTagStart(next) || i+1 == len(s) && c.next != 0
		case '&':
			escape = isEntity(s[i:], c.next != 0)
		case '|':
			escape = c.table
		}
		if escape {
			out = append(out, '\\')
		}
		out = append(out, b)
	}
	return out
}

func endsInSpace(out []byte) bool { return len(out) > 0 && isSpace(out[len(out)-1]) }

func endsInWord(out []byte) bool { return len(out) > 0 && isWordByte(out[len(out)-1]) }

func endsWith(out []byte, b byte) bool { return len(out) > 0 && out[len(out)-1] == b }

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
func appendLine(out []byte, line string) []byte {
	line = strings.TrimLeft(line, " \t")
	if at := blockMark(line); at >= 0 {
		out = append(append(out, line[:at]...), '\\')
		line = line[at:]
	}
	return append(out, line...)
}

// blockMark returns where a backslash must go, or -1.
func blockMark(line string) int {
	if line == "" {
		return -1
	}
	switch line[0] {
	case '#':
		n := len(line) - len(strings.TrimLeft(line, "#"))
		if n <= 6 && (n == len(line) || isSpace(line[n])) {
			return 0
		}
	case '>':
		return 0
	case '-', '+', '=':
		if len(line) == 1 || isSpace(line[1]) || strings.Trim(line, "- \t") == "" || strings.Trim(line, "= \t") == "" ||
			strings.Trim(line, "-:| \t") == "" {
			return 0
		}
	case '*': // an escaped one starts with a backslash
		if len(line) == 1 || isSpace(line[1]) {
			return 0
		}
	case '~':
		if strings.HasPrefix(line, "~~~") {
			return 0
		}
	case '|', ':':
		if strings.Trim(line, "-:| \t") == "" {
			return 0
		}
	case '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		n := len(line) - len(strings.TrimLeft(line, "0123456789"))
		if n <= 9 && n < len(line) && (line[n] == '.' || line[n] == ')') && (n+1 == len(line) || isSpace(line[n+1])) {
			return n
		}
	}
	return -1
}
