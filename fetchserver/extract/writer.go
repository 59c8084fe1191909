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
	out    []byte
	prefix []byte
	// fresh: the line has its prefix and perhaps a list mark, and waits for
	// its first block.
	fresh   bool
	tight   bool // blocks follow each other without an empty line
	nesting int
	visits  int
	err     error // errFull or that of ctx; ends everything

	listEnd  int  // len(out) after the last list
	listMark byte // the mark of its items

	inline     inliner
	inlineLeft int // what the output cap leaves for the inline text being rendered
}

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
func (w *writer) begin() {
	if w.fresh {
		w.fresh = false
		return
	}
	if !w.tight {
		w.out = append(append(w.out, '\n'), bytes.TrimRight(w.prefix, " ")...)
	}
	w.newline()
}

func (w *writer) newline() {
	w.out = append(append(w.out, '\n'), w.prefix...)
}

// nested writes the blocks of n behind mark; following lines start with
// indent in its place.
func (w *writer) nested(n *node, mark, indent string, write func(*node)) {
	w.begin()
	w.out = append(w.out, mark...)
	outer, tight := len(w.prefix), w.tight
	w.prefix = append(w.prefix, indent...)
	w.fresh = true
	w.nesting++
	write(n)
	w.nesting--
	w.prefix, w.tight = w.prefix[:outer], tight
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
	switch n.atom {
	case atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6:
		w.heading(n)
	case atom.Hr:
		w.begin()
		w.out = append(w.out, "---"...)
	case atom.Pre, atom.Listing, atom.Xmp, atom.Plaintext:
		w.codeBlock(n)
	case atom.Ul, atom.Ol, atom.Menu, atom.Dir:
		w.list(n)
	case atom.Li: // outside of a list
		w.nested(n, "- ", "  ", w.container)
	case atom.Blockquote:
		if w.nesting >= maxNesting || n.isEmpty() {
			w.container(n)
			return
		}
		w.nested(n, "> ", "> ", func(n *node) {
			w.tight = false
			w.container(n)
		})
	case atom.Table:
		w.table(n)
	case atom.Dt:
		w.strongLine(n)
	case atom.A:
		w.blockLink(n)
	default:
		w.container(n)
	}
}

// paragraph writes the inline nodes from first up to, not including, end.
func (w *writer) paragraph(first, end *node) {
	text := w.inlineText(first, end, inParagraph)
	if text == "" {
		return
	}
	w.begin()
	w.lines(text)
}

// lines writes text whose line breaks are hard, and keeps each line from being
// taken for another kind of block.
func (w *writer) lines(text string) {
	for i := 0; ; i++ {
		line, rest, more := strings.Cut(text, "\n")
		if i > 0 {
			w.out = append(w.out, "  "...) // a hard line break
			w.newline()
		}
		w.out = appendLine(w.out, line)
		if !more || w.stop() {
			return
		}
		text = rest
	}
}

func (w *writer) heading(n *node) {
	text := w.inlineText(n.first, nil, inHeading)
	if text == "" {
		return
	}
	w.begin()
	level := strings.Index("123456", n.atom.String()[1:]) + 1
	w.out = append(append(w.out, "######"[:level]...), ' ')
	if strings.HasSuffix(text, "#") { // else it would be a closing sequence
		text = text[:len(text)-1] + `\#`
	}
	w.out = append(w.out, text...)
}

// strongLine writes a definition term.
func (w *writer) strongLine(n *node) {
	text := w.inlineText(n.first, nil, inHeading)
	if text == "" {
		return
	}
	w.begin()
	if !strings.ContainsAny(text, "*\\") {
		text = "**" + text + "**"
	}
	w.out = appendLine(w.out, text)
}

// blockLink writes a link around blocks: the blocks, and the link where its
// first text is.
func (w *writer) blockLink(n *node) {
	href := w.link(n.attr("href"))
	if href == "" || n.chars == 0 || n.chars > 300 {
		w.container(n)
		return
	}
	h := n.descendant(func(d *node) bool { return isHeading(d.atom) })
	if h == nil || h.descendant(func(d *node) bool { return d.atom == atom.A }) != nil {
		w.container(n)
		return
	}
	// A card: move the link into its heading.
	a := &node{atom: atom.A, attrs: n.attrs, parent: h, first: h.first, last: h.last}
	for c := a.first; c != nil; c = c.next {
		c.parent = a
	}
	h.first, h.last = a, a
	w.container(n)
}

func (n *node) isEmpty() bool {
	if n.isText() {
		return strings.TrimSpace(n.text) == ""
	}
	for c := n.first; c != nil; c = c.next {
		if !c.dropped && (c.atom == atom.Img || !c.isEmpty()) {
			return false
		}
	}
	return n.atom != atom.Img && n.atom != atom.Hr
}
