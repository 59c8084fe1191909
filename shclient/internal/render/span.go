// SPDX-License-Identifier: Apache-2.0

package render

import (
	"strings"

	"github.com/rivo/uniseg"
)

// attr is a set of attributes of text.
type attr uint8

const (
	bold attr = 1 << iota
	dim
	italic
	underlined
	struck
	code
	heading
)

// The parameters of SGR (ECMA-48 section 8.3.117), in the order of the attributes.
var sgr = []string{"1", "2", "3", "4", "9", "36", "1;34"}

// span is a piece of safe text with the attributes it is drawn in.
type span struct {
	text string
	attr attr
}

// paint adds the escape sequences of the attributes, where they are allowed.
func (s Screen) paint(text string, a attr) string {
	if !s.Color || a == 0 || text == "" {
		return text
	}
	var parameters []string
	for i, p := range sgr {
		if a&(1<<i) != 0 {
			parameters = append(parameters, p)
		}
	}
	return "\x1b[" + strings.Join(parameters, ";") + "m" + text + "\x1b[m"
}

// Bold draws safe text to be seen first.
func (s Screen) Bold(text string) string { return s.paint(text, bold) }

// Dim draws safe text to be seen last.
func (s Screen) Dim(text string) string { return s.paint(text, dim) }

func (s Screen) paintAll(spans []span) string {
	var b strings.Builder
	for _, p := range spans {
		b.WriteString(s.paint(p.text, p.attr))
	}
	return b.String()
}

func spansWidth(spans []span) int {
	width := 0
	for _, p := range spans {
		width += Width(p.text)
	}
	return width
}

// glyph is what takes one or two columns together.
type glyph struct {
	text  string
	width int
	attr  attr
}

// blank reports whether a line may be broken here.
func (g glyph) blank() bool { return strings.HasPrefix(g.text, " ") }

func glyphs(spans []span) []glyph {
	var all []glyph
	for _, p := range spans {
		for g := uniseg.NewGraphemes(p.text); g.Next(); {
			all = append(all, glyph{g.Str(), g.Width(), p.attr})
		}
	}
	return all
}

func join(all []glyph) []span {
	var spans []span
	for i := 0; i < len(all); {
		var b strings.Builder
		a := all[i].attr
		for ; i < len(all) && all[i].attr == a; i++ {
			b.WriteString(all[i].text)
		}
		spans = append(spans, span{b.String(), a})
	}
	return spans
}

// wrap breaks one line into lines of at most width columns, at blanks and beside
// wide characters. A word that is wider than a line stays whole, as addresses
// must: the terminal breaks it so that it can be copied. A line that fits stays
// as it is; so does any if width is below 1.
func wrap(spans []span, width int) [][]span { return breakLines(spans, width, false) }

// wrapCell is wrap for a cell of a table: words are broken too.
func wrapCell(spans []span, width int) [][]span { return breakLines(spans, width, true) }

func breakLines(spans []span, width int, words bool) [][]span {
	if width < 1 || spansWidth(spans) <= width {
		return [][]span{spans}
	}
	var lines [][]span
	for rest := glyphs(spans); len(rest) > 0; {
		n := breakAt(rest, width, words)
		lines = append(lines, join(trimBlanks(rest[:n])))
		for rest = rest[n:]; len(rest) > 0 && rest[0].text == " "; {
			rest = rest[1:]
		}
	}
	return lines
}

// breakAt tells how many glyphs the next line takes, at least one.
func breakAt(all []glyph, width int, words bool) int {
	used, last, word := 0, 0, false
	for i, g := range all {
		if g.blank() || i > 0 && (g.width == 2 || all[i-1].width == 2) {
			if word {
				last = i
			}
		}
		word = word || !g.blank() // a break within the indentation is none
		if used += g.width; used <= width || g.blank() && word && last == 0 {
			continue
		}
		if last > 0 {
			return last
		}
		if words {
			return max(i, 1)
		}
	}
	return len(all)
}

func trimBlanks(all []glyph) []glyph {
	for len(all) > 0 && all[len(all)-1].text == " " {
		all = all[:len(all)-1]
	}
	return all
}

// Wrap breaks each line of safe text to at most width columns, but leaves words
// whole. A width below 1 is no limit.
func Wrap(text string, width int) string {
	if width < 1 {
		return text
	}
	var out []string
	for line := range strings.SplitSeq(text, "\n") {
		for _, part := range wrap([]span{{text: line}}, width) {
			out = append(out, Screen{}.paintAll(part))
		}
	}
	return strings.Join(out, "\n")
}
