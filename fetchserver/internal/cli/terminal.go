// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"io"
	"os"
	"strings"
	"unicode"
)

// isTerminal reports whether a person looks at what is written to w.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// colors reports whether a terminal may be given colours (https://no-color.org).
func (e environment) colors() bool {
	no, _ := e.lookup("NO_COLOR")
	kind, _ := e.lookup("TERM")
	return no == "" && kind != "" && kind != "dumb"
}

// safe is text of a stranger for a terminal: without what could control it.
func safe(text string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && !unicode.IsPrint(r) && !unicode.IsSpace(r) || r == '\r' {
			return -1
		}
		return r
	}, text)
}

// printed is safe text if w is a terminal, and text as it is otherwise.
func printed(w io.Writer, text string) string {
	if isTerminal(w) {
		return safe(text)
	}
	return text
}
