// SPDX-License-Identifier: Apache-2.0

package pdf

import (
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A paragraph has its lines nearer to each other than to others; these are the
// bounds, in heights of a line or of the body text.
const (
	maxLeading  = 1.8  // between two lines of a paragraph, from foot to foot
	sameSize    = 1.12 // fonts that differ less are the same
	headingSize = 1.15 // a heading is larger than the body text
	maxHeading  = 200  // bytes in a heading
	minBody     = 200  // bytes of body text in a document that has headings
	fullLine    = 0.86 // of the width of a block: the paragraph goes on
	minFull     = 30   // bytes in a line that is full
	indent      = 0.8  // heights that the first line of a paragraph is moved to the right
)

// layout writes the lines of pages as text.
func layout(pages [][]line) string {
	words := make(map[string]bool)
	var body float32
	heights := make(map[float32]int)
	for _, lines := range pages {
		for _, l := range lines {
			for _, word := range strings.FieldsFunc(l.text, notWord) {
				words[strings.ToLower(word)] = true
			}
			if l.placed {
				heights[round(l.box.height())] += len(l.text)
			}
		}
	}
	for h, n := range heights {
		if n > heights[body] || n == heights[body] && h < body {
			body = h
		}
	}
	w := writer{words: words, body: body}
	if heights[body] >= minBody {
		w.levels = headingLevels(pages, body)
	}
	for i, lines := range pages {
		if i > 0 {
			w.b.WriteString("\n\n--- page " + strconv.Itoa(i+1) + " ---")
		}
		for _, block := range blocks(lines) {
			w.block(block)
		}
	}
	return strings.TrimSpace(w.b.String())
}

func notWord(r rune) bool {
	return !unicode.IsLetter(r) && !unicode.IsMark(r) && r != '-' && r != '\'' && r != '’'
}

func round(h float32) float32 { return float32(math.Round(float64(h)*2) / 2) }

// headingLevels returns the sizes that headings have, the largest first.
func headingLevels(pages [][]line, body float32) []float32 {
	var sizes []float32
	for _, lines := range pages {
		for _, block := range blocks(lines) {
			if size := round(block[0].box.height()); isHeading(block, body) && !slices.Contains(sizes, size) {
				sizes = append(sizes, size)
			}
		}
	}
	slices.Sort(sizes)
	slices.Reverse(sizes)
	return sizes
}

func isHeading(block []line, body float32) bool {
	if !block[0].placed || block[0].box.height() < headingSize*body || len(block) > 3 {
		return false
	}
	size, letters := 0, false
	for _, l := range block {
		size += len(l.text)
		letters = letters || strings.ContainsFunc(l.text, unicode.IsLetter)
	}
	return letters && size <= maxHeading
}

// blocks groups lines that follow each other in one size and at an even
// distance.
func blocks(lines []line) [][]line {
	var all [][]line
	var leading float32 // of the block that is being built
	for i, l := range lines {
		if i > 0 && follows(lines[i-1], l, leading) {
			if leading == 0 {
				leading = lines[i-1].box.bottom - l.box.bottom
			}
			all[len(all)-1] = append(all[len(all)-1], l)
			continue
		}
		leading = 0
		all = append(all, []line{l})
	}
	return all
}

func follows(a, b line, leading float32) bool {
	if !a.placed || !b.placed {
		return a.placed == b.placed // nothing is known: leave it to the line breaks
	}
	small, large := min(a.box.height(), b.box.height()), max(a.box.height(), b.box.height())
	down := a.box.bottom - b.box.bottom
	switch {
	case large > small*sameSize, down <= 0, down > maxLeading*large:
		return false
	case leading > 0 && down > leading*1.25:
		return false
	}
	return a.box.left < b.box.right && b.box.left < a.box.right // one column
}

type writer struct {
	b      strings.Builder
	words  map[string]bool // of the document, in lower case
	body   float32         // the height of the body text
	levels []float32
}

// block writes a group of lines: those of a paragraph as one line.
func (w *writer) block(lines []line) {
	if w.b.Len() > 0 {
		w.b.WriteString("\n\n")
	}
	heading := 0
	if w.levels != nil && isHeading(lines, w.body) {
		heading = min(1+slices.Index(w.levels, round(lines[0].box.height())), 4)
		w.b.WriteString(strings.Repeat("#", heading) + " ")
	}
	left, right := lines[0].box.left, lines[0].box.right
	for _, l := range lines {
		left, right = min(left, l.box.left), max(right, l.box.right)
	}
	full := left + fullLine*(right-left)
	for i, l := range lines {
		w.b.WriteString(l.text)
		if i+1 == len(lines) {
			if l.hyphen {
				w.b.WriteByte('-')
			}
			return
		}
		next := lines[i+1]
		switch {
		case l.hyphen && w.joins(l.text, next.text):
		case l.hyphen:
			w.b.WriteByte('-')
			if !startsLower(next.text) {
				w.b.WriteByte('\n')
			}
		case heading > 0, l.placed && l.box.right > full && goesOn(l, next):
			w.b.WriteByte(' ')
		default:
			w.b.WriteByte('\n')
		}
	}
}

// joins reports whether a word that is divided between two lines has no hyphen
// of its own.
func (w *writer) joins(before, after string) bool {
	if !startsLower(after) {
		return false
	}
	begin := before[strings.LastIndexFunc(before, notWord)+1:]
	if begin == "" || strings.ContainsFunc(before[len(before)-1:], unicode.IsDigit) {
		return false
	}
	end := after
	if i := strings.IndexFunc(after, notWord); i >= 0 {
		end = after[:i]
	}
	whole, compound := strings.ToLower(begin+end), strings.ToLower(begin+"-"+end)
	return w.words[whole] || !w.words[compound]
}

func startsLower(s string) bool {
	r, _ := utf8.DecodeRuneInString(s)
	return unicode.IsLower(r)
}

// item matches the beginning of a list item.
var item = regexp.MustCompile(`^(?:[•◦▪‣·●○■□➢*–—-]\s|\(?(?:\d{1,3}|[a-zA-Z]|[ivx]{1,5})[.)]\s)`)

// goesOn reports whether b continues the paragraph of a, which is a full line.
func goesOn(a, b line) bool {
	if len(a.text) < minFull || item.MatchString(b.text) {
		return false
	}
	if endsInDigit(a.text) && endsInDigit(b.text) {
		return false // rows of a table
	}
	return b.box.left-a.box.left < indent*a.box.height() || item.MatchString(a.text)
}

func endsInDigit(s string) bool {
	r, _ := utf8.DecodeLastRuneInString(s)
	return unicode.IsDigit(r)
}
