// SPDX-License-Identifier: Apache-2.0

package render

import (
	"strings"
	"unicode"

	"github.com/rivo/uniseg"
)

// tabStop is the distance of the columns to which a tab moves.
const tabStop = 8

// Safe returns text without what could control a terminal or mislead about the
// order of characters: control characters other than line breaks, and format
// characters other than the joiners of scripts and emoji. Tabs become spaces,
// all kinds of line breaks "\n", and bytes that are not UTF-8 U+FFFD.
func Safe(text string) string {
	if isPlain(text) {
		return text
	}
	var b strings.Builder
	b.Grow(len(text))
	text = strings.ReplaceAll(text, "\r\n", "\n")
	for line := range strings.SplitAfterSeq(text, "\n") {
		safeLine(&b, line)
	}
	return b.String()
}

// isPlain recognizes the usual text, which is safe as it is.
func isPlain(text string) bool {
	for i := range len(text) {
		if c := text[i]; c != '\n' && (c < ' ' || c > '~') {
			return false
		}
	}
	return true
}

func safeLine(b *strings.Builder, line string) {
	start := b.Len()
	for _, r := range line {
		switch {
		case r == '\t':
			column := Width(b.String()[start:])
			b.WriteString(strings.Repeat(" ", tabStop-column%tabStop))
		case r == '\n' || r == '\u2028' || r == '\u2029' || r == '\u0085' || r == '\v' || r == '\f':
			b.WriteByte('\n')
			start = b.Len()
		case !hidden(r):
			b.WriteRune(r)
		}
	}
}

// hidden reports whether a character has no shape of its own but an effect: the
// controls (Cc), and the format characters (Cf), among them those that change
// the direction of text. The two joiners stay, which scripts and emoji need.
func hidden(r rune) bool {
	const nonJoiner, joiner = '\u200C', '\u200D'
	return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) && r != nonJoiner && r != joiner
}

// Line returns text as [Safe] does, on one line: line breaks, and the blanks
// around them, become single spaces.
func Line(text string) string {
	text = Safe(text)
	if !strings.Contains(text, "\n") {
		return strings.TrimSpace(text)
	}
	var parts []string
	for part := range strings.SplitSeq(text, "\n") {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, " ")
}

// Summary is the first line of text that is not blank, as [Line] has it.
func Summary(text string) string {
	first, _, _ := strings.Cut(strings.TrimSpace(Safe(text)), "\n")
	return strings.TrimSpace(first)
}

// Width returns the number of columns that one line of safe text takes: two for
// wide characters and emoji, none for combining marks.
func Width(text string) int {
	if isPlain(text) {
		return len(text)
	}
	return uniseg.StringWidth(text)
}

// Clip cuts one line of safe text to at most width columns; an ellipsis marks
// what was cut. A width below 1 is no limit.
func Clip(text string, width int) string {
	if width < 1 || len(text) <= width || Width(text) <= width {
		return text
	}
	used, end := 0, 0
	for glyphs := uniseg.NewGraphemes(text); glyphs.Next(); {
		if used += glyphs.Width(); used > width-1 {
			break
		}
		_, end = glyphs.Positions()
	}
	return strings.TrimRight(text[:end], " ") + "…"
}
