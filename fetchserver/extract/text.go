// SPDX-License-Identifier: Apache-2.0

package extract

import (
	"strings"
	"unicode/utf8"
)

// cleanText removes what a reader of the page cannot see, and which therefore
// only serves to hide words from people and not from models: soft hyphens,
// zero-width and direction controls, the tag characters and the variation
// selectors beside them. A no-break space becomes a space, CR LF becomes LF.
func cleanText(s string) string {
	if !needsCleaning(s) {
		return s
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == 0xA0 || r == 0x202F:
			return ' '
		case r == '\r' || r == 0:
			return -1
		case r < 0x20 && r != '\t' && r != '\n' && r != '\f', r == 0x7F:
			return -1
		case r == 0xAD, r == 0x200B, r == 0x2060, r == 0xFEFF:
			return -1
		case r == 0x200E, r == 0x200F, r >= 0x202A && r <= 0x202E, r >= 0x2066 && r <= 0x2069, r >= 0xE0000 && r <= 0xE0FFF:
			return -1
		}
		return r
	}, s)
}

func needsCleaning(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c < 0x20 && c != '\t' && c != '\n' && c != '\f', c == 0x7F:
			return true
		// The first byte of the UTF-8 form of U+0080-00BF, U+2000-2FFF, U+F000-FFFF, U+40000 and up.
		case c == 0xC2, c == 0xE2, c == 0xEF, c >= 0xF3:
			return true
		}
	}
	return false
}

// isSpace is white space in HTML text.
func isSpace(c byte) bool {
	return c == ' ' || c == '\n' || c == '\t' || c == '\f' || c == '\r'
}

func isASCIIPunct(c byte) bool {
	return c >= '!' && c <= '/' || c >= ':' && c <= '@' || c >= '[' && c <= '`' || c >= '{' && c <= '~'
}

func isWordByte(c byte) bool {
	return c >= utf8.RuneSelf || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}

func trimLeftSpace(s string) string {
	for s != "" && isSpace(s[0]) {
		s = s[1:]
	}
	return s
}

func trimRightSpace(s string) string {
	for s != "" && isSpace(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	return s
}

func trimSpace(s string) string { return trimRightSpace(trimLeftSpace(s)) }

// collapse makes each run of white space one space.
func collapse(s string) string {
	clean := true
	for i := 0; i < len(s) && clean; i++ {
		clean = s[i] == ' ' && (i == 0 || s[i-1] != ' ') || !isSpace(s[i])
	}
	if clean {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if !isSpace(s[i]) {
			out = append(out, s[i])
		} else if len(out) == 0 || out[len(out)-1] != ' ' {
			out = append(out, ' ')
		}
	}
	return string(out)
}
