// SPDX-License-Identifier: Apache-2.0

package extract

import "strings"

// render writes the pieces as Markdown.
func (in *inliner) render() {
	out := in.out
	table := in.place == inCell
	links := 0
	for i := 0; i < len(in.pieces); i++ {
		p := &in.pieces[i]
		switch p.kind {
		case textPiece:
			out = appendEscaped(out, p.text, escapeContext{inLink: links > 0, table: table, next: in.nextByte(i + 1)})
		case spacePiece:
			out = append(out, ' ')
		case codePiece:
			out = appendCodeSpan(out, p.text, table)
		case rawPiece:
			out = append(out, p.text...)
		case breakPiece:
			if table {
				out = append(out, "<br>"...)
			} else {
				out = append(out, '\n')
			}
		case splitPiece:
			out = append(out, "\n\n"...)
		case opening, closing:
			out = appendDelimiter(out, p)
		case linkOpening:
			if in.isAutolink(i) {
				out = append(append(append(out, '<'), p.text...), '>')
				i = int(p.peer)
				continue
			}
			links++
			out = append(out, '[')
		case linkClosing:
			links--
			target := in.pieces[p.peer].text
			out = append(append(out, "]("...), target...)
			out = append(in.appendTitle(out, p.node.attr("title"), in.linkText(i)), ')')
		}
	}
	in.out = out
}

func appendDelimiter(out []byte, p *piece) []byte {
	tag := ""
	switch p.style {
	case sub:
		tag = "sub>"
	case sup:
		tag = "sup>"
	default:
		if p.mark == 0 {
			return out
		}
		for range p.style.width() {
			out = append(out, p.mark)
		}
		return out
	}
	out = append(out, '<')
	if p.kind == closing {
		out = append(out, '/')
	}
	return append(out, tag...)
}

// nextByte is the first byte that will be written at piece i, or 0.
func (in *inliner) nextByte(i int) byte {
	for ; i < len(in.pieces); i++ {
		switch p := &in.pieces[i]; p.kind {
		case textPiece, rawPiece:
			return p.text[0]
		case codePiece:
			return '`'
		case linkOpening:
			return '['
		case linkClosing:
			return ']'
		case spacePiece, breakPiece, splitPiece:
			return ' '
		default:
			if p.style == sub || p.style == sup {
				return '<'
			}
			if p.mark != 0 {
				return p.mark
			}
		}
	}
	return 0
}

// isAutolink reports whether a link's text is its target, so that it can be
// written once (CommonMark section 6.5).
func (in *inliner) isAutolink(i int) bool {
	p := &in.pieces[i]
	if int(p.peer) != i+2 || in.pieces[i+1].kind != textPiece || in.pieces[i+1].text != p.text || p.node.attr("title") != "" {
		return false
	}
	return (strings.HasPrefix(p.text, "https://") || strings.HasPrefix(p.text, "http://")) && !strings.ContainsAny(p.text, `\& |`)
}

// linkText is the text of the link that piece i closes, if it is a single one.
func (in *inliner) linkText(i int) string {
	if p := &in.pieces[i-1]; int(in.pieces[i].peer) == i-2 && (p.kind == textPiece || p.kind == codePiece) {
		return p.text
	}
	return ""
}

// maxTitleAttr bounds the title of a link or an image in bytes.
const maxTitleAttr = 300

// appendTitle writes the title of a link or an image, unless it repeats text
// and not the whole page is wanted.
func (in *inliner) appendTitle(out []byte, title, text string) []byte {
	if title == "" || len(title) > maxTitleAttr {
		return out
	}
	title = strings.Join(strings.Fields(cleanText(title)), " ")
	if title == "" || strings.EqualFold(title, text) && !in.w.whole {
		return out
	}
	out = append(out, ` "`...)
	for i := 0; i < len(title); i++ {
		c := title[i]
		switch {
		case c == '"', c == '\\' && (i+1 == len(title) || isASCIIPunct(title[i+1])), c == '&' && isEntity(title[i:], false),
			c == '|' && in.place == inCell:
			out = append(out, '\\')
		}
		out = append(out, c)
	}
	return append(out, '"')
}

// appendCodeSpan writes a code span whose fence is longer than any run of
// backticks in text (CommonMark section 6.1).
func appendCodeSpan(out []byte, text string, table bool) []byte {
	if table { // a cell ends at a pipe even inside code (GFM section 4.10)
		text = strings.ReplaceAll(text, "|", `\|`)
	}
	fence := strings.Repeat("`", longestRun(text, '`')+1)
	if len(fence) > 40 {
		fence, text = "`", strings.ReplaceAll(text, "`", "'")
	}
	pad := ""
	if text[0] == '`' || text[len(text)-1] == '`' || text[0] == ' ' && text[len(text)-1] == ' ' && strings.Trim(text, " ") != "" {
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
