// SPDX-License-Identifier: Apache-2.0

package render

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxNesting bounds emphasis within emphasis.
const maxNesting = 8

// inline reads the inline marks of one line of Markdown: code, emphasis, links
// and escapes. Marks that close nothing stay as they are, as do all if there is
// no colour to show them by.
func (s Screen) inline(text string, base attr) []span {
	p := inlineParser{color: s.Color}
	p.parse(text, base, maxNesting)
	return p.spans
}

type inlineParser struct {
	color bool
	spans []span
}

func (p *inlineParser) emit(text string, a attr) {
	if text == "" {
		return
	}
	if n := len(p.spans); n > 0 && p.spans[n-1].attr == a {
		p.spans[n-1].text += text
		return
	}
	p.spans = append(p.spans, span{text, a})
}

// parse emits text, which begins after a character that is not of a word.
func (p *inlineParser) parse(text string, a attr, depth int) {
	start, before := 0, ' '
	for i := 0; i < len(text); {
		taken := 0
		if depth > 0 && strings.IndexByte("`*_~[!<\\", text[i]) >= 0 {
			rest := text[i:]
			mark := func() { p.emit(text[start:i], a) }
			taken = p.mark(rest, before, a, depth, mark)
		}
		if taken > 0 {
			i += taken
			start = i
			before = 'x'
			continue
		}
		r, size := utf8.DecodeRuneInString(text[i:])
		before = r
		i += size
	}
	p.emit(text[start:], a)
}

// mark reads one mark at the beginning of text and emits what it marks. It
// calls flush before that, and returns how many bytes it took; 0 if the
// characters are no mark.
func (p *inlineParser) mark(text string, before rune, a attr, depth int, flush func()) int {
	switch text[0] {
	case '\\':
		if len(text) > 1 && strings.IndexByte("\\`*_{}[]()<>#+-.!~|", text[1]) >= 0 && p.color {
			flush()
			p.emit(text[1:2], a)
			return 2
		}
	case '`':
		return p.code(text, a, flush)
	case '*', '_', '~':
		return p.emphasis(text, before, a, depth, flush)
	case '[':
		return p.link(text, a, depth, flush)
	case '!':
		if strings.HasPrefix(text, "![") {
			if label, target, n := linkParts(text[1:]); n > 0 {
				flush()
				p.emit("[image: "+label+"] "+target, a|dim)
				return n + 1
			}
		}
	case '<':
		if end := strings.IndexByte(text, '>'); end > 0 && isAddress(text[1:end]) {
			flush()
			p.emit(text[1:end], a|underlined)
			return end + 1
		}
	}
	return 0
}

func (p *inlineParser) code(text string, a attr, flush func()) int {
	n := len(text) - len(strings.TrimLeft(text, "`"))
	fence := text[:n]
	for end := n; ; {
		i := strings.Index(text[end:], fence)
		if i < 0 {
			return 0
		}
		end += i
		run := len(text[end:]) - len(strings.TrimLeft(text[end:], "`"))
		if run != n { // a run of another length closes nothing
			end += run
			continue
		}
		flush()
		content := text[n:end]
		if strings.TrimSpace(content) != "" && strings.HasPrefix(content, " ") && strings.HasSuffix(content, " ") {
			content = content[1 : len(content)-1]
		}
		if !p.color {
			content = text[:end+n]
		}
		p.emit(content, a|code)
		return end + n
	}
}

// emphasis reads *x*, **x**, _x_, __x__ and ~~x~~ where the marks stand at the
// edges of words, so that snake_case and 2*3*4 are left alone.
func (p *inlineParser) emphasis(text string, before rune, a attr, depth int, flush func()) int {
	c := text[0]
	n := len(text) - len(strings.TrimLeft(text, text[:1]))
	var add attr
	switch {
	case c == '~' && n == 2:
		add = struck
	case c == '~' || n > 3:
		return 0
	default:
		add = []attr{0, italic, bold, bold | italic}[n]
	}
	after, _ := utf8.DecodeRuneInString(text[n:])
	if len(text) == n || unicode.IsSpace(after) || isWord(before) {
		return 0
	}
	for end := n; ; {
		i := strings.Index(text[end:], text[:n])
		if i < 0 {
			return 0
		}
		end += i
		run := len(text[end:]) - len(strings.TrimLeft(text[end:], text[:1]))
		last, _ := utf8.DecodeLastRuneInString(text[:end])
		next, _ := utf8.DecodeRuneInString(text[end+run:])
		if run != n || unicode.IsSpace(last) || end+run < len(text) && isWord(next) {
			end += run
			continue
		}
		flush()
		if !p.color {
			p.emit(text[:n], a)
		}
		p.parse(text[n:end], a|add, depth-1)
		if !p.color {
			p.emit(text[:n], a)
		}
		return end + n
	}
}

func isWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

// link reads [label](target). The target is always shown, since the label is a
// stranger's.
func (p *inlineParser) link(text string, a attr, depth int, flush func()) int {
	label, target, n := linkParts(text)
	if n == 0 {
		return 0
	}
	flush()
	if label == target || label == "" {
		p.emit(target, a|underlined)
		return n
	}
	p.parse(label, a, depth-1)
	p.emit(" (", a)
	p.emit(target, a|underlined)
	p.emit(")", a)
	return n
}

// linkParts takes [label](target "title") apart; n is its length, or 0.
func linkParts(text string) (label, target string, n int) {
	end := strings.Index(text, "](")
	if end < 0 || strings.Contains(text[1:end], "[") {
		return "", "", 0
	}
	depth := 1
	for i := end + 2; i < len(text); i++ {
		switch text[i] {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				target, _, _ = strings.Cut(strings.TrimSpace(text[end+2:i]), " ")
				return text[1:end], strings.Trim(target, "<>"), i + 1
			}
		}
	}
	return "", "", 0
}

func isAddress(text string) bool {
	return !strings.Contains(text, " ") &&
		(strings.HasPrefix(text, "https://") || strings.HasPrefix(text, "http://") || strings.HasPrefix(text, "mailto:"))
}
