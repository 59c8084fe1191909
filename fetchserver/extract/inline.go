// SPDX-License-Identifier: Apache-2.0

package extract

import (
	"strings"

	"golang.org/x/net/html/atom"
)

// place is where inline text is written: it decides about line breaks.
type place uint8

const (
	inParagraph place = iota
	inHeading         // one line; line breaks become spaces
	inCell            // one line; line breaks become <br>
)

// style is an inline style.
type style uint8

const (
	strong style = 1 << iota
	emphasis
	strike
	sub
	sup
)

// piece is a part of the inline content of a block. Elements are two pieces
// with their content between them.
type piece struct {
	kind  pieceKind
	style style // of opening and closing
	mark  byte  // the delimiter chosen for them, or 0 for none
	peer  int32 // opening: the closing piece, and the reverse
	text  string
	node  *node // the link
}

type pieceKind uint8

const (
	textPiece  pieceKind = iota // without space around it; space inside is not collapsed yet
	spacePiece                  // one space
	codePiece                   // the content of a code span
	rawPiece                    // finished Markdown
	breakPiece                  // a hard line break
	splitPiece                  // a paragraph ends
	opening                     // of a style
	closing
	linkOpening // text is the target
	linkClosing
)

// inliner collects the inline nodes of one block as pieces. White space is
// collapsed across elements, and moves out of the elements that it begins or
// ends. Elements open when their first content comes, so that one without
// content leaves nothing. It is reused from block to block.
type inliner struct {
	w      *writer
	place  place
	pieces []piece
	levels []level // the elements that the walk is in
	shown  int     // how many of them have their opening among the pieces
	links  int     // how many of those are links
	space  bool    // white space came since the last piece
	breaks int     // line breaks came
	code   int     // code elements that the walk is in
	size   int     // bytes of pieces
	span   []byte  // the text of the last piece, a code span that grows
	out    []byte

	runs  []delimiterRun // kept for their memory
	arena []int32
}

// level is an element: a link or a style.
type level struct {
	style style
	atom  atom.Atom
	link  *node
	href  string
	at    int32 // of the opening
}

// inlineText renders the inline nodes from first up to end, without space
// around it. In a paragraph, "\n" is a hard line break and "\n\n" ends the
// paragraph. The result is valid until the next call.
func (w *writer) inlineText(first, end *node, where place) []byte {
	in := &w.inline
	*in = inliner{w: w, pieces: in.pieces[:0], levels: in.levels[:0], out: in.out[:0], runs: in.runs, arena: in.arena, span: in.span[:0], place: where}
	wrap := w.wrap != nil && !w.wrap.used && (where == inHeading || !w.wrap.heading)
	if wrap {
		in.levels = append(in.levels, level{link: w.wrap.node, href: w.wrap.href})
	}
	in.levels = append(in.levels, w.outer...)
	for n := first; n != nil && n != end; n = n.next {
		in.walk(n)
	}
	if len(in.pieces) > 0 {
		in.flush()
		if wrap {
			w.wrap.used = true
		}
	}
	return in.out
}

// flush renders what was collected.
func (in *inliner) flush() {
	in.closeAll(0)
	in.resolve()
	in.render()
	in.pieces = in.pieces[:0]
}

// maxPieces is how many pieces are collected before they are rendered at the
// next line break.
const maxPieces = 1 << 12

// full reports whether what is collected fills the output.
func (in *inliner) full() bool {
	return in.size > in.w.limit-len(in.w.out) || in.w.stop()
}

func (in *inliner) walk(n *node) {
	if n.dropped || in.full() {
		return
	}
	if n.isText() {
		in.text(n.text)
		return
	}
	switch n.atom {
	case atom.Br:
		in.lineBreak()
		return
	case atom.Img:
		in.image(n)
		return
	case atom.Code, atom.Kbd, atom.Samp, atom.Tt:
		in.codeElement(n)
		return
	case atom.B, atom.Strong:
		in.styled(n, strong)
		return
	case atom.I, atom.Em, atom.Dfn, atom.Var:
		in.styled(n, emphasis)
		return
	case atom.Cite:
		if n.descendant(func(d *node) bool { return d.atom == atom.A || d.atom == atom.I }) != nil {
			break // a reference, not a title
		}
		in.styled(n, emphasis)
		return
	case atom.Del, atom.S, atom.Strike:
		in.styled(n, strike)
		return
	case atom.Sub:
		in.styled(n, sub)
		return
	case atom.Sup:
		if isOrdinal(n) {
			break
		}
		in.styled(n, sup)
		return
	case atom.Q:
		in.text(`"`)
		in.children(n)
		in.closeQuote()
		return
	case atom.A:
		in.link(n)
		return
	case atom.Math:
		in.formula(n)
		return
	case atom.Iframe, atom.Video, atom.Audio:
		in.media(n)
		return
	}
	in.children(n)
}

func (in *inliner) children(n *node) {
	if in.w.inNote && strings.Contains(n.attr("class"), "backlink") {
		return
	}
	separate := n.isBlock() || isTablePart(n.atom)
	if separate {
		in.separate()
		if n.atom == atom.Li && in.place == inCell {
			in.raw("-")
			in.space = true
		}
	}
	for c := n.first; c != nil; c = c.next {
		in.walk(c)
	}
	if separate {
		in.separate()
	}
}

// closeQuote writes a closing quotation mark without the space before it.
func (in *inliner) closeQuote() {
	space := in.space
	in.space = false
	in.text(`"`)
	in.space = space
}

// isOrdinal reports whether a superscript is the end of a numeral, or a sign,
// which read well without being raised.
func isOrdinal(n *node) bool {
	switch strings.ToLower(n.line(8)) {
	case "st", "nd", "rd", "th", "e", "er", "re", "ème", "o", "a", "º", "ª", "tm", "sm", "®", "©", "™", "":
		return true
	}
	return false
}

// styled walks an element with a style. Inside another of its kind it adds
// nothing, unless the author wrote the same element twice.
func (in *inliner) styled(n *node, s style) {
	for _, l := range in.levels {
		if l.style == s && (l.atom != n.atom || s == strike || s == sub || s == sup) {
			in.children(n)
			return
		}
	}
	in.levels = append(in.levels, level{style: s, atom: n.atom})
	in.children(n)
	in.leave()
}

func (in *inliner) link(n *node) {
	if in.place == inHeading && n.isAnchor() {
		return
	}
	if label := in.w.noteLabel(n); label != "" {
		in.note(label)
		return
	}
	if in.w.inNote && n.isBacklink() {
		return
	}
	nested := false
	for _, l := range in.levels {
		nested = nested || l.link != nil
	}
	href, ok := "", false
	if !nested {
		href, ok = in.w.link(n)
	}
	if !ok {
		in.children(n)
		return
	}
	in.levels = append(in.levels, level{link: n, href: href})
	before := len(in.pieces)
	in.children(n)
	if in.w.whole && len(in.pieces) == before {
		in.text(cleanText(n.attr("aria-label")))
		in.content()
	}
	in.leave()
}

// leave closes the innermost element.
func (in *inliner) leave() {
	last := len(in.levels) - 1
	in.closeAll(last)
	in.levels = in.levels[:last]
}

// closeAll closes the elements from level n inwards.
func (in *inliner) closeAll(n int) {
	in.endSpan()
	for ; in.shown > n; in.shown-- {
		l := &in.levels[in.shown-1]
		p := piece{kind: closing, style: l.style, peer: l.at}
		if l.link != nil {
			p.kind, p.node = linkClosing, l.link
			in.links--
		}
		in.pieces[l.at].peer = int32(len(in.pieces))
		in.pieces = append(in.pieces, p)
	}
}

// content writes what has to stand before the next piece of content: white
// space, and the openings of the elements that it is in.
func (in *inliner) content() {
	if len(in.pieces) > 0 {
		switch {
		case in.breaks > 0 && (in.place == inHeading || in.links > 0):
			in.add(piece{kind: spacePiece})
		case in.breaks > 1 && in.place == inParagraph:
			in.closeAll(0)
			in.add(piece{kind: splitPiece})
		case in.breaks > 0:
			if len(in.pieces) > maxPieces && in.shown == 0 {
				in.flush()
			}
			in.add(piece{kind: breakPiece})
		case in.space:
			in.add(piece{kind: spacePiece})
		}
	}
	in.breaks, in.space = 0, false
	for ; in.shown < len(in.levels); in.shown++ {
		in.open(&in.levels[in.shown])
	}
}

func (in *inliner) open(l *level) {
	last := len(in.pieces) - 1
	if l.link != nil {
		in.links++
		l.at = int32(len(in.pieces))
		in.size += len(l.href)
		in.add(piece{kind: linkOpening, text: l.href, node: l.link})
		return
	}
	if last >= 0 && in.pieces[last].kind == closing && in.pieces[last].style == l.style {
		// Right behind another one of its kind: go on with that.
		l.at = in.pieces[last].peer
		in.pieces = in.pieces[:last]
		return
	}
	l.at = int32(len(in.pieces))
	in.add(piece{kind: opening, style: l.style})
}

func (in *inliner) add(p piece) {
	in.endSpan()
	in.size += len(p.text) + 1
	in.pieces = append(in.pieces, p)
}

// text adds text, of which white space around it is kept in mind.
func (in *inliner) text(s string) {
	if in.code > 0 {
		in.codeText(s)
		return
	}
	left := trimLeftSpace(s)
	in.space = in.space || len(left) < len(s)
	if left == "" {
		return
	}
	body := trimRightSpace(left)
	in.content()
	in.add(piece{kind: textPiece, text: body})
	in.space = len(body) < len(left)
}

// raw adds finished Markdown.
func (in *inliner) raw(s string) {
	in.content()
	in.add(piece{kind: rawPiece, text: s})
}

// lineBreak adds a line break. In code it ends a code span.
func (in *inliner) lineBreak() {
	in.breaks++
	in.space = false
}

// separate keeps the text of adjacent blocks apart where blocks cannot be.
func (in *inliner) separate() {
	in.breaks = max(in.breaks, 1)
}

// codeElement walks a code element. Links inside it become links around code.
func (in *inliner) codeElement(n *node) {
	if n.first != nil && n.first == n.last && n.first.isText() && trimLeftSpace(n.first.text) == "" {
		in.content()
		in.addCode(" ")
		return
	}
	in.code++
	in.children(n)
	in.code--
}

func (in *inliner) codeText(s string) {
	if trimLeftSpace(s) == "" {
		if last := len(in.pieces) - 1; last >= 0 && in.breaks == 0 && in.pieces[last].kind == codePiece {
			in.addCode(" ")
		} else {
			in.space = true
		}
		return
	}
	in.content()
	in.addCode(collapse(s))
}

// addCode adds a code span or goes on with the one right before.
func (in *inliner) addCode(s string) {
	if last := len(in.pieces) - 1; last >= 0 && in.pieces[last].kind == codePiece {
		if len(in.span) == 0 {
			in.span = append(in.span, in.pieces[last].text...)
		}
		in.span = append(in.span, s...)
		in.size += len(s)
		return
	}
	in.add(piece{kind: codePiece, text: s})
}

// endSpan gives the last piece its whole text, which was collected apart: to
// add to a string again and again would copy it as often.
func (in *inliner) endSpan() {
	if len(in.span) > 0 {
		in.pieces[len(in.pieces)-1].text = string(in.span)
		in.span = in.span[:0]
	}
}

func (in *inliner) image(n *node) {
	src := in.w.imageSource(n)
	if src == "" {
		return
	}
	var b []byte
	b = append(b, "!["...)
	alt := trimSpace(cleanText(n.attr("alt")))
	b = appendEscaped(b, alt, escapeContext{inLink: true, table: in.place == inCell})
	b = append(append(b, "]("...), src...)
	b = append(in.appendTitle(b, n.attr("title"), alt), ')')
	in.raw(string(b))
}

// isAnchor reports whether n is the permanent link that many generators put
// into headings.
func (n *node) isAnchor() bool {
	if !strings.HasPrefix(n.attr("href"), "#") && n.attr("href") != "" && !strings.Contains(n.attr("class"), "anchor") {
		return false
	}
	switch strings.TrimSpace(n.textContent()) {
	case "", "#", "¶", "§", "🔗", "Link", "link", "Permalink":
		return n.descendant(func(d *node) bool { return d.atom == atom.Img }) == nil
	}
	return false
}
