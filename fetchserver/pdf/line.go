// SPDX-License-Identifier: Apache-2.0

package pdf

import (
	"regexp"
	"strings"
	"unicode"
)

// box is where something is on a page, in points, y upwards.
type box struct{ left, right, top, bottom float32 }

func (b box) height() float32 { return b.top - b.bottom }

// line is a printed line.
type line struct {
	text   string
	box    box  // around its first and last character
	placed bool // box is known, and the line is horizontal
	hyphen bool // its last word goes on in the next line; the hyphen is not in text
}

// hyphenMark is what the parser writes for a hyphen that divides a word.
// Depending on the font it is one or the other.
func hyphenMark(r rune) bool { return r == '\x02' || r == '\uFFFE' }

// splitLines makes lines of the characters of a page. place returns the box of
// a character.
func splitLines(chars []rune, place func(int) (box, error)) ([]line, error) {
	var lines []line
	start := 0
	for i := 0; i <= len(chars); i++ {
		divided := i < len(chars) && hyphenMark(chars[i])
		if i < len(chars) && chars[i] != '\n' && !divided {
			continue
		}
		l, err := newLine(chars, start, i, place)
		if err != nil {
			return nil, err
		}
		if l.text != "" {
			l.hyphen = l.hyphen || divided
			lines = append(lines, l)
		}
		start = i + 1
	}
	return lines, nil
}

// newLine makes a line of the characters from start to end.
func newLine(chars []rune, start, end int, place func(int) (box, error)) (line, error) {
	for start < end && !visible(chars[start]) {
		start++
	}
	for start < end && !visible(chars[end-1]) {
		end--
	}
	if start == end {
		return line{}, nil
	}
	var l line
	l.text, l.hyphen = clean(chars[start:end])
	first, err := place(start)
	if err != nil {
		return line{}, err
	}
	last, err := place(end - 1)
	if err != nil {
		return line{}, err
	}
	l.box = box{left: first.left, right: last.right, top: max(first.top, last.top), bottom: min(first.bottom, last.bottom)}
	middle := (first.top + first.bottom) / 2
	l.placed = first.height() > 0 && l.box.right > l.box.left && last.bottom < middle && middle < last.top
	return l, nil
}

func visible(r rune) bool {
	return unicode.IsGraphic(r) && !unicode.IsSpace(r) && r != unicode.ReplacementChar
}

// ligatures are characters that are only there for printing (Unicode,
// Alphabetic Presentation Forms).
var ligatures = strings.NewReplacer("ﬀ", "ff", "ﬁ", "fi", "ﬂ", "fl", "ﬃ", "ffi", "ﬄ", "ffl", "ﬅ", "st", "ﬆ", "st")

// leaders are the dots between a title and its page number.
var leaders = regexp.MustCompile(` ?(?:\. ?){5,}`)

// clean returns the text of a line, and whether a hyphen was taken from its
// end.
func clean(chars []rune) (text string, hyphen bool) {
	var b strings.Builder
	space := false
	for _, r := range chars {
		switch {
		case unicode.IsSpace(r):
			space = true
			continue
		case r == '\u00AD' || !unicode.IsGraphic(r): // a soft hyphen in a line divides nothing
			continue
		}
		if space && b.Len() > 0 {
			b.WriteByte(' ')
		}
		space = false
		b.WriteRune(r)
	}
	text = leaders.ReplaceAllString(ligatures.Replace(b.String()), " ... ")
	if last := chars[len(chars)-1]; last == '-' || last == '\u00AD' || last == '\u2010' {
		if without := strings.TrimRight(text, "-\u2010"); without != "" && len(text)-len(without) <= len("\u2010") {
			return without, true
		}
	}
	return text, false
}
