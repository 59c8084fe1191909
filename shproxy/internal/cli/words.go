// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
)

// words splits a command line that is given as one string, as a shell would,
// but without a shell: quotes and backslashes work, and what only a shell
// could do is refused, since it would be passed on as it is and surprise.
func words(line string) ([]string, error) {
	s := splitter{rest: line}
	for {
		s.rest = strings.TrimLeft(s.rest, " \t\r\n")
		if s.rest == "" {
			break
		}
		if err := s.word(); err != nil {
			return nil, err
		}
	}
	if len(s.words) == 0 {
		return nil, errors.New("the command is empty")
	}
	if name, _, ok := strings.Cut(s.words[0], "="); ok && isVariable(name) {
		return nil, errors.New("variables are set with -e KEY=VALUE")
	}
	return s.words, nil
}

type splitter struct {
	rest  string
	words []string
}

// isSyntax reports whether a shell would not pass on an unquoted word.
func isSyntax(word string) bool {
	return word != "" && strings.ContainsAny(word[len(word)-1:], "|&;()") ||
		strings.ContainsAny(word[:min(1, len(word))], "|&;()") ||
		strings.HasPrefix(strings.TrimLeft(word, digits), "<") || strings.HasPrefix(strings.TrimLeft(word, digits), ">") ||
		word == "~" || strings.HasPrefix(word, "~/")
}

// hasVariable reports whether a shell would replace a part of the text.
func hasVariable(text string) bool {
	for i := range text {
		if text[i] == '`' || text[i] == '$' && i+1 < len(text) && strings.Contains(letters+"_{(", text[i+1:i+2]) {
			return true
		}
	}
	return false
}

// word takes one word off the rest.
func (s *splitter) word() error {
	var word, plain strings.Builder // plain: what was not in single quotes
	quoted := false
	i := 0
scan:
	for i < len(s.rest) {
		switch c := s.rest[i]; c {
		case ' ', '\t', '\r', '\n':
			break scan
		case '\'', '"':
			text, length, err := quotation(s.rest[i:])
			if err != nil {
				return err
			}
			quoted = true
			word.WriteString(text)
			if c == '"' {
				plain.WriteString(text)
			}
			i += length
			continue
		case '\\':
			if runtime.GOOS != "windows" && i+1 < len(s.rest) {
				i++
				word.WriteByte(s.rest[i])
				i++
				continue
			}
		}
		word.WriteByte(s.rest[i])
		plain.WriteByte(s.rest[i])
		i++
	}
	if hasVariable(plain.String()) || !quoted && isSyntax(plain.String()) {
		return fmt.Errorf("%q needs a shell; write -- sh -c '…' to have one", s.rest[:i])
	}
	s.words = append(s.words, word.String())
	s.rest = s.rest[i:]
	return nil
}

// quotation reads a quoted text and tells how long it is with its quotes.
func quotation(s string) (text string, length int, err error) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == s[0]:
			return b.String(), i + 1, nil
		case c == '\\' && s[0] == '"' && i+1 < len(s) && (s[i+1] == '"' || s[i+1] == '\\' && runtime.GOOS != "windows"):
			i++
		}
		b.WriteByte(s[i])
	}
	return "", 0, fmt.Errorf("the quotation mark %c is not closed", s[0])
}
