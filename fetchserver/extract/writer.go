// SPDX-License-Identifier: Apache-2.0

package extract

import (
	"bytes"
	"context"
	"errors"
	"net/url"
	"strings"

	"golang.org/x/net/html/atom"
)

// maxNesting bounds quotes and lists inside each other: every level is
// repeated on every line.
const maxNesting = 24

var errFull = errors.New("extract: output cap reached")

// writer writes blocks of Markdown. Each line starts with prefix, the marks of
// the quotes and the indentation of the lists it is in.
type writer struct {
	ctx    context.Context
	base   *url.URL
	limit  int
	whole  bool // leave nothing out: also what is empty
	out    []byte
	prefix []byte
	// fresh: the line has its prefix and perhaps a list mark, and waits for
	// its first block.
	fresh   bool
	tight   bool // blocks follow each other without an empty line where they can
	last    blockKind
	nesting int
	visits  int
	err     error // errFull or that of ctx; ends everything

	listEnd  int  // len(out) after the last list
	listMark byte // the mark of its items

	outer  []level // styles around the blocks being written
	wrap   *wrap   // a link around them
	notes  notes
	inNote bool // in the text of a footnote

	inline inliner
}

// wrap is a link around blocks. Markdown has none: the first text in it
// becomes the link, or the first heading.
type wrap struct {
	node    *node
	href    string
	heading bool // has one
	used    bool
}

// blockKind says what a block is, for those that cannot follow each other
// without an empty line between them.
type blockKind uint8

const (
	noBlock blockKind = iota
	paragraphBlock
	headingBlock
	ruleBlock
	codeBlock
	quoteBlock
	bulletBlock    // a list that can interrupt a paragraph
	numberedBlock  // one that cannot: it does not start with 1, or with an empty item
	tableBlock     //
	separatedBlock // needs an empty line before it
)

func newWriter(ctx context.Context, base *url.URL, limit int) *writer {
	return &writer{ctx: ctx, base: base, limit: limit, fresh: true, listEnd: -1}
}

// maxVisits bounds the work on a page. Writing visits each node a few times.
const maxVisits = 32 * maxNodes

// stop reports whether to go no further, and counts visits to nodes so that
// the context is looked at now and then.
func (w *writer) stop() bool {
	if w.visits++; w.visits%1024 == 0 && w.err == nil {
		w.err = w.ctx.Err()
	}
	if w.visits > maxVisits && w.err == nil {
		w.err = errFull
	}
	w.cap()
	return w.err != nil
}

// cap cuts the output where it exceeds its limit.
func (w *writer) cap() {
	if len(w.out) > w.limit {
		w.out = bytes.ToValidUTF8(w.out[:w.limit], nil)
		if w.err == nil {
			w.err = errFull
		}
	}
}

// begin starts a block on a line of its own.
func (w *writer) begin(kind blockKind) {
	last := w.last
	w.last = kind
	if w.fresh {
		w.fresh = false
		return
	}
	if !w.tight || needsEmptyLine(last, kind) {
		w.out = append(append(w.out, '\n'), bytes.TrimRight(w.prefix, " ")...)
	}
	w.newline()
}

// needsEmptyLine reports whether a block right behind another would be taken
// for its continuation.
func needsEmptyLine(last, next blockKind) bool {
	switch next {
	case paragraphBlock:
		return last != headingBlock && last != ruleBlock && last != codeBlock
	case numberedBlock:
		return last != headingBlock && last != ruleBlock && last != codeBlock
	case quoteBlock:
		return last == quoteBlock
	case tableBlock:
		return last != headingBlock && last != ruleBlock && last != codeBlock
	}
	return next == separatedBlock
}

func (w *writer) newline() {
	w.out = append(append(w.out, '\n'), w.prefix...)
}

// nested writes the blocks of n behind mark; following lines start with
// indent in its place.
func (w *writer) nested(kind blockKind, n *node, mark, indent string, write func(*node)) {
	w.begin(kind)
	w.out = append(w.out, mark...)
	outer, tight := len(w.prefix), w.tight
	w.prefix = append(w.prefix, indent...)
	w.fresh, w.last = true, noBlock
	w.nesting++
	write(n)
	w.nesting--
	w.prefix, w.tight, w.last = w.prefix[:outer], tight, kind
	if w.fresh { // nothing came: the mark stays alone
		w.out = bytes.TrimRight(w.out, " ")
		w.fresh = false
	}
}

// container writes the children of n: runs of inline nodes become paragraphs.
func (w *writer) container(n *node) {
	if n.isText() {
		w.paragraph(n, n.next)
		return
	}
	for c := n.first; c != nil; {
		if w.stop() {
			return
		}
		if c.dropped {
			c = c.next
			continue
		}
		if c.isBlock() {
			w.block(c)
			c = c.next
			continue
		}
		end := c.next
		for end != nil && (end.dropped || !end.isBlock()) {
			end = end.next
		}
		w.paragraph(c, end)
		c = end
	}
}

func (w *writer) block(n *node) {
	if label := w.noteOf(n); label != "" && n.atom != atom.Li {
		w.writeNote(label, n)
		return
	}
	switch n.atom {
	case atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6:
		w.heading(n)
	case atom.Hr:
		w.rule()
	case atom.Pre, atom.Listing, atom.Xmp, atom.Plaintext:
		w.codeBlock(n)
	case atom.Ul, atom.Ol, atom.Menu, atom.Dir:
		w.list(n)
	case atom.Li: // outside of a list
		w.nested(bulletBlock, n, "- ", "  ", w.container)
	case atom.Blockquote:
		if w.nesting >= maxNesting || n.isEmpty() && !w.whole {
			w.container(n)
			return
		}
		w.nested(quoteBlock, n, "> ", "> ", func(n *node) {
			w.tight = false
			w.container(n)
		})
	case atom.Table:
		w.table(n)
	case atom.Dt, atom.Summary:
		w.strongLine(n)
	case atom.A:
		w.blockLink(n)
	case atom.B, atom.Strong:
		w.styledBlocks(n, strong)
	case atom.I, atom.Em, atom.Dfn, atom.Var:
		w.styledBlocks(n, emphasis)
	case atom.Del, atom.S, atom.Strike:
		w.styledBlocks(n, strike)
	default:
		w.container(n)
	}
}

// styledBlocks writes blocks that an element gives a style.
func (w *writer) styledBlocks(n *node, s style) {
	for _, l := range w.outer {
		if l.style == s {
			w.container(n)
			return
		}
	}
	w.outer = append(w.outer, level{style: s, atom: n.atom})
	w.container(n)
	w.outer = w.outer[:len(w.outer)-1]
}

// rule writes a thematic break. Where a line of hyphens would be taken for a
// heading's or together with a list's mark it is one of underscores.
func (w *writer) rule() {
	mark := "---"
	if w.fresh && w.nesting > 0 || w.tight {
		mark = "___"
	}
	w.begin(ruleBlock)
	w.out = append(w.out, mark...)
}

// paragraph writes the inline nodes from first up to, not including, end.
func (w *writer) paragraph(first, end *node) {
	if first.next == end && first.isText() && trimLeftSpace(first.text) == "" {
		return
	}
	w.lines(w.inlineText(first, end, inParagraph))
}

// lines writes text whose line breaks are hard, and keeps each line from being
// taken for another kind of block. In a tight list a paragraph that follows
// another is only a new line.
func (w *writer) lines(text []byte) {
	if len(text) == 0 {
		return
	}
	if w.tight && !w.fresh && w.last == paragraphBlock {
		w.hardBreak()
	} else {
		w.begin(paragraphBlock)
	}
	for {
		line, rest, more := bytes.Cut(text, newlineByte)
		w.out = appendLine(w.out, line)
		if !more || w.stop() {
			return
		}
		if rest[0] != '\n' || w.tight {
			w.hardBreak()
		} else {
			w.begin(paragraphBlock)
		}
		text = bytes.TrimLeft(rest, "\n")
	}
}

var newlineByte = []byte{'\n'}

func (w *writer) hardBreak() {
	w.out = append(w.out, "  "...)
	w.newline()
}

func (w *writer) heading(n *node) {
	text := w.inlineText(n.first, nil, inHeading)
	if len(text) == 0 && !w.whole {
		return
	}
	w.begin(headingBlock)
	level := strings.Index("123456", n.atom.String()[1:]) + 1
	w.out = append(w.out, "######"[:level]...)
	if len(text) == 0 {
		return
	}
	w.out = append(append(w.out, ' '), text...)
	if text[len(text)-1] == '#' { // else it would be a closing sequence
		w.out = append(w.out[:len(w.out)-1], `\#`...)
	}
}

// strongLine writes a definition term or the summary of details.
func (w *writer) strongLine(n *node) {
	if n.hasBlock {
		w.container(n)
		return
	}
	w.outer = append(w.outer, level{style: strong, atom: atom.Strong})
	text := w.inlineText(n.first, nil, inHeading)
	w.outer = w.outer[:len(w.outer)-1]
	w.lines(text)
}

// blockLink writes a link around blocks.
func (w *writer) blockLink(n *node) {
	href, ok := w.link(n)
	if !ok || w.wrap != nil {
		w.container(n)
		return
	}
	heading := n.descendant(func(d *node) bool { return isHeading(d.atom) && !d.dropped && !d.isEmpty() })
	w.wrap = &wrap{node: n, href: href, heading: heading != nil}
	w.container(n)
	w.wrap = nil
}

func showsWithoutText(a atom.Atom) bool {
	switch a {
	case atom.Img, atom.Hr, atom.Code, atom.Math, atom.Iframe, atom.Video, atom.Audio:
		return true
	}
	return false
}

// isEmpty reports whether n has nothing to show.
func (n *node) isEmpty() bool {
	if n.isText() {
		return trimLeftSpace(n.text) == ""
	}
	for c := n.first; c != nil; c = c.next {
		if !c.dropped && !c.isEmpty() {
			return false
		}
	}
	return !showsWithoutText(n.atom)
}
