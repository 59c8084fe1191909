// SPDX-License-Identifier: Apache-2.0

package fetchserver

import (
	"crypto/sha256"
	"unicode/utf8"
)

// markEvery is how many code points lie between two marks in a text.
const markEvery = 4096

// setText sets the text of a document that is being made, and notes what makes
// its slices cheap.
func (d *Document) setText(text string) {
	d.Text, d.Length = text, utf8.RuneCountInString(text)
	d.digest = sha256.Sum256([]byte(text))
	d.marks = nil
	if d.Length == len(text) {
		return // an offset is an index
	}
	d.marks = make([]int, 0, d.Length/markEvery+1)
	n := 0
	for at := range text {
		if n%markEvery == 0 {
			d.marks = append(d.marks, at)
		}
		n++
	}
}

// slice returns at most length code points of the text from the code point
// start on.
func (d *Document) slice(start, length int) string {
	from := d.offset(start)
	if length >= d.Length-start { // a sum could overflow
		return d.Text[from:]
	}
	return d.Text[from:d.offset(start+length)]
}

// offset returns the byte offset of the n-th code point of the text, or its
// length.
func (d *Document) offset(n int) int {
	switch {
	case n >= d.Length:
		return len(d.Text)
	case d.Length == len(d.Text):
		return n
	case len(d.marks) == 0:
		return offset(d.Text, n)
	}
	mark := d.marks[n/markEvery]
	return mark + offset(d.Text[mark:], n%markEvery)
}

// slice returns at most length code points of s from the code point start on.
func slice(s string, start, length int) string {
	from := offset(s, start)
	s = s[from:]
	return s[:offset(s, length)]
}

// offset returns the byte offset of the n-th code point, or len(s).
func offset(s string, n int) int {
	if n >= len(s) {
		return len(s)
	}
	at := 0
	for ; n > 0 && at < len(s); n-- {
		if s[at] < utf8.RuneSelf {
			at++
			continue
		}
		_, size := utf8.DecodeRuneInString(s[at:])
		at += size
	}
	return at
}
