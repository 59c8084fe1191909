// SPDX-License-Identifier: Apache-2.0

package extract

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"
)

// renderer turns runs into Markdown. Delimiters are only written where
// CommonMark section 6.2 takes them for delimiters; elsewhere the style is
// given up rather than its text.
type renderer struct {
	w     *writer
	links []*node
	place place
	out   []byte
	// inLink: brackets of the text would end the link text.
	inLink bool
	follow []run // what comes after the runs being rendered
}

// render writes runs whose styles in done are already open.
func (r *renderer) render(runs []run, done style) {
	outer := r.follow
	for len(runs) > 0 && r.w.inlineLeft >= 0 {
		n := 0
		first := runs[0]
		if pending := first.style &^ done; pending != 0 && first.kind != breakRun {
			var s style
			s, n = longest(runs, pending)
			r.follow = after(runs[n:], outer)
			r.styled(runs[:n], s, done)
		} else if first.link != 0 && !r.inLink {
			for n < len(runs) && runs[n].link == first.link {
				n++
			}
			r.follow = after(runs[n:], outer)
			r.link(runs[:n], done)
		} else {
			n = 1
			r.follow = after(runs[1:], outer)
			r.single(first)
		}
		runs = runs[n:]
	}
	r.follow = outer
}

func after(rest, outer []run) []run {
	if len(rest) > 0 {
		return rest
	}
	return outer
}

// longest returns the style of pending that the most runs at the start share.
// A link is never split: it counts only as a whole.
func longest(runs []run, pending style) (style, int) {
	var best style
	most := 0
	for s := strong; s <= strike; s <<= 1 {
		if pending&s == 0 {
			continue
		}
		n := 0
		for n < len(runs) && (runs[n].style&s != 0 || runs[n].kind == breakRun) {
			n++
		}
		for n > 1 && runs[n-1].kind == breakRun {
			n--
		}
		if n > most {
			best, most = s, n
		}
	}
	return best, most
}

// styled writes runs between delimiters, with the spaces at their ends moved
// outside.
func (r *renderer) styled(runs []run, s style, done style) {
	inner := renderer{w: r.w, links: r.links, place: r.place, inLink: r.inLink, follow: r.follow}
	inner.render(runs, done|s)
	text := inner.out
	body := bytes.Trim(text, " \n")
	lead, trail := text[:len(text)-len(bytes.TrimLeft(text, " \n"))], text[len(bytes.TrimRight(text, " \n")):]
	if len(body) == 0 {
		r.out = append(r.out, text...)
		return
	}
	r.out = append(r.out, lead...)
	delimiter := r.delimiter(s, body, len(trail) > 0)
	r.out = append(append(append(r.out, delimiter...), body...), delimiter...)
	r.out = append(r.out, trail...)
}

// delimiter returns what to write around body, or "" if no delimiter would
// work there.
func (r *renderer) delimiter(s style, body []byte, spaceFollows bool) string {
	before, _ := utf8.DecodeLastRune(r.out)
	if len(r.out) == 0 {
		before = ' '
	}
	next := ' '
	if !spaceFollows {
		next = r.nextRune()
	}
	first, _ := utf8.DecodeRune(body)
	last, _ := utf8.DecodeLastRune(body)
	opens := !isPunct(first) || isBreak(before)
	closes := !isPunct(last) || isBreak(next)
	if !opens || !closes {
		return ""
	}
	// Right behind another delimiter the other character has to be used.
	touching := endsInDelimiter(r.out)
	switch {
	case s == strike && touching:
		return ""
	case s == strike:
		return "~~"
	case touching && !isBreak(next): // "_" does not work inside words
		return ""
	case touching && s == strong:
		return "__"
	case touching:
		return "_"
	case s == strong:
		return "**"
	}
	return "*"
}

// endsInDelimiter reports whether out ends in an asterisk or tilde that is not
// escaped.
func endsInDelimiter(out []byte) bool {
	n := len(out)
	return n > 0 && (out[n-1] == '*' || out[n-1] == '~') && (n == 1 || out[n-2] != '\\')
}

// isBreak: white space or punctuation, which a delimiter may touch on its
// outer side whatever is on its inner side.
func isBreak(c rune) bool { return unicode.IsSpace(c) || isPunct(c) }

func isPunct(c rune) bool { return unicode.IsPunct(c) || unicode.IsSymbol(c) }

// nextRune is the first character that will follow, or a space.
func (r *renderer) nextRune() rune {
	if len(r.follow) == 0 {
		return ' '
	}
	switch next := r.follow[0]; {
	case next.kind == breakRun:
		return ' '
	case next.kind != textRun, next.link != 0 && !r.inLink:
		return '['
	default:
		c, _ := utf8.DecodeRuneInString(next.text)
		return c
	}
}

func (r *renderer) link(runs []run, done style) {
	inner := renderer{w: r.w, links: r.links, place: r.place, inLink: true}
	inner.render(runs, done)
	text := inner.out
	body := bytes.Trim(text, " \n")
	if len(body) == 0 {
		r.out = append(r.out, bytes.ReplaceAll(text, []byte("\n"), []byte(" "))...)
		return
	}
	body = bytes.ReplaceAll(body, []byte("\n"), []byte(" "))
	if text[0] == ' ' || text[0] == '\n' {
		r.out = append(r.out, ' ')
	}
	if target := r.w.link(r.links[runs[0].link-1].attr("href")); target != "" {
		r.w.inlineLeft -= len(target)
		r.out = append(append(r.out, '['), body...)
		r.out = append(append(append(r.out, "]("...), target...), ')')
	} else {
		r.out = append(r.out, body...)
	}
	if last := text[len(text)-1]; last == ' ' || last == '\n' {
		r.out = append(r.out, ' ')
	}
}

func (r *renderer) single(one run) {
	r.w.inlineLeft -= len(one.text)
	switch one.kind {
	case breakRun:
		if r.place == inCell {
			r.out = append(bytes.TrimRight(r.out, " "), "<br>"...)
		} else {
			r.out = append(bytes.TrimRight(r.out, " "), '\n')
		}
	case imageRun:
		r.out = append(r.out, one.text...)
	case codeRun:
		r.out = appendCodeSpan(r.out, one.text, r.place == inCell)
	default:
		next := byte(0)
		if len(r.follow) > 0 {
			next = '('
		}
		r.out = appendEscaped(r.out, one.text, escapeContext{
			inLink: r.inLink, table: r.place == inCell, next: next,
			beforeLink: len(r.follow) > 0 && (r.follow[0].link != 0 && !r.inLink),
		})
	}
}

// appendCodeSpan writes a code span whose fence is longer than any run of
// backticks in text (CommonMark section 6.1).
func appendCodeSpan(out []byte, text string, table bool) []byte {
	if table { // a cell ends at a pipe even inside code (GFM section 4.10)
		text = strings.ReplaceAll(text, "|", `\|`)
	}
	fence := strings.Repeat("`", longestRun(text, '`')+1)
	if fence != "`" && len(fence) > 40 {
		fence, text = "`", strings.ReplaceAll(text, "`", "'")
	}
	pad := ""
	if text[0] == '`' || text[len(text)-1] == '`' || text[0] == ' ' && text[len(text)-1] == ' ' {
		pad = " "
	}
	out = append(append(append(out, fence...), pad...), text...)
	return append(append(out, pad...), fence...)
}

func longestRun(s string, c byte) int {
	most, n := 0, 0
	for i := 0; i < len(s); i++ {
		if s[i] != c {
			n = 0
			continue
		}
		n++
		most = max(most, n)
	}
	return most
}
