// SPDX-License-Identifier: Apache-2.0

package shell

import (
	"errors"
	"strings"
	"unicode"
)

// Split cuts a line into words at blanks. Within '…' everything stands for
// itself; within "…" a backslash takes " and \ as they are, elsewhere any
// character. A word that begins with # and all behind it is a comment.
func Split(line string) ([]string, error) {
	words, last := cut(line)
	if last.quote != 0 {
		return nil, errors.New("a quotation mark is missing: " + string(last.quote))
	}
	if last.begun {
		words = append(words, last.text.String())
	}
	return words, nil
}

// word is the last word of a line that is still being written.
type word struct {
	text  strings.Builder
	begun bool
	quote rune // that is open, or 0
	start int  // in the line, in bytes
}

// cut returns the whole words of a line, and the last one if no blank follows.
func cut(line string) (whole []string, last word) {
	escaped := false
	for i, r := range line {
		if !last.begun {
			switch {
			case unicode.IsSpace(r):
				continue
			case r == '#':
				return whole, word{start: len(line)}
			}
			last = word{begun: true, start: i}
		}
		switch {
		case escaped:
			if last.quote == '"' && r != '"' && r != '\\' {
				last.text.WriteRune('\\')
			}
			last.text.WriteRune(r)
			escaped = false
		case r == '\\' && last.quote != '\'':
			escaped = true
		case last.quote != 0 && r == last.quote:
			last.quote = 0
		case last.quote != 0:
			last.text.WriteRune(r)
		case r == '\'' || r == '"':
			last.quote = r
		case unicode.IsSpace(r):
			whole = append(whole, last.text.String())
			last = word{}
		default:
			last.text.WriteRune(r)
		}
	}
	if escaped {
		last.text.WriteRune('\\')
	}
	if !last.begun {
		last.start = len(line)
	}
	return whole, last
}

// Quote writes a word so that Split gives it back.
func Quote(text string) string {
	plain := func(r rune) bool {
		return r != '\'' && r != '"' && r != '\\' && !unicode.IsSpace(r)
	}
	if text != "" && text[0] != '#' && strings.IndexFunc(text, func(r rune) bool { return !plain(r) }) < 0 {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
