// SPDX-License-Identifier: Apache-2.0

package extract

import (
	"strings"

	"golang.org/x/net/html/atom"
)

// node is an element, or a piece of text when atom is 0 and text is set.
// Elements that HTML does not know have atom 0 and no text.
type node struct {
	atom     atom.Atom
	hidden   bool // by attribute or style
	hasBlock bool // has a block element below it
	dropped  bool // judged to be no content
	hasRows  bool // has rows of the table that it is in, but no cell, below it

	text  string
	attrs []attribute

	parent, first, last, next *node

	stats
}

// stats describe the text below a node.
type stats struct {
	chars, linkChars, commas, links int32
	// prose is the characters of lines long enough to be sentences, most of
	// them outside of links.
	prose   int32
	anchors int32 // main and h1 elements: where content is
	score   float32
}

type attribute struct{ key, val string }

func (n *node) attr(key string) string {
	for i := range n.attrs {
		if n.attrs[i].key == key {
			return n.attrs[i].val
		}
	}
	return ""
}

func (n *node) isText() bool { return n.text != "" }

// isBlock reports whether n begins a new block of text. An element that HTML
// does not know, and inline elements, do when they contain one.
func (n *node) isBlock() bool {
	return !n.isText() && (n.hasBlock || kindOf(n.atom)&block != 0)
}

func (n *node) append(child *node) {
	child.parent = n
	if n.last == nil {
		n.first = child
	} else {
		n.last.next = child
	}
	n.last = child
	if kindOf(child.atom)&block != 0 && !child.isText() && child.atom != atom.Noscript {
		n.holdsBlock()
	}
}

// holdsBlock notes that n has a block below it. What a noscript element holds
// does not count outside of it.
func (n *node) holdsBlock() {
	for p := n; p != nil && !p.hasBlock; p = p.parent {
		p.hasBlock = true
		if p.atom == atom.Noscript {
			return
		}
	}
}

// within reports whether n has an ancestor a.
func (n *node) within(a atom.Atom) bool {
	for p := n.parent; p != nil; p = p.parent {
		if p.atom == a {
			return true
		}
	}
	return false
}

// descendant returns the first element below n, in document order, that ok
// accepts.
func (n *node) descendant(ok func(*node) bool) *node {
	for c := n.first; c != nil; c = c.next {
		if c.isText() {
			continue
		}
		if ok(c) {
			return c
		}
		if found := c.descendant(ok); found != nil {
			return found
		}
	}
	return nil
}

// appendText appends the text below n, as it is.
func (n *node) appendText(b *strings.Builder) {
	if n.isText() {
		b.WriteString(n.text)
		return
	}
	for c := n.first; c != nil; c = c.next {
		c.appendText(b)
	}
}

func (n *node) textContent() string {
	var b strings.Builder
	n.appendText(&b)
	return strings.Join(strings.Fields(b.String()), " ")
}

// kind classifies elements. The zero kind is an inline element.
type kind uint8

const (
	block    kind = 1 << iota // begins a block
	void                      // has no content
	skipped                   // its content is not part of the text
	closesP                   // its start tag ends an open paragraph
	boundary                  // end tags inside it do not reach out of it
)

var kinds = func() (table [1 << 15]kind) {
	m := map[atom.Atom]kind{
		atom.Hr: void | block | closesP,
		atom.Td: block | boundary, atom.Th: block | boundary, atom.Caption: block | boundary,
		atom.Noscript: block | boundary,
		atom.Table:    block | boundary | closesP, atom.Thead: block, atom.Tbody: block, atom.Tfoot: block, atom.Tr: block,
	}
	set := func(k kind, atoms ...atom.Atom) {
		for _, a := range atoms {
			m[a] = k
		}
	}
	set(void, atom.Area, atom.Base, atom.Br, atom.Col, atom.Embed, atom.Frame, atom.Img, atom.Input, atom.Keygen,
		atom.Link, atom.Meta, atom.Param, atom.Source, atom.Track, atom.Wbr)
	set(skipped, atom.Audio, atom.Canvas, atom.Datalist, atom.Iframe, atom.Noembed, atom.Noframes,
		atom.Object, atom.Script, atom.Select, atom.Style, atom.Svg, atom.Template, atom.Textarea, atom.Video)
	set(block|closesP, atom.Address, atom.Article, atom.Aside, atom.Blockquote, atom.Center, atom.Dd, atom.Details,
		atom.Dialog, atom.Dir, atom.Div, atom.Dl, atom.Dt, atom.Fieldset, atom.Figcaption, atom.Figure, atom.Footer,
		atom.Form, atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6, atom.Header, atom.Hgroup, atom.Li,
		atom.Listing, atom.Main, atom.Menu, atom.Nav, atom.Ol, atom.P, atom.Plaintext, atom.Pre, atom.Search,
		atom.Section, atom.Summary, atom.Ul, atom.Xmp, atom.Body)
	for a, k := range m {
		table[kindIndex(a)] = k
	}
	return table
}()

// kindIndex squeezes the position and the length that make up an atom.
func kindIndex(a atom.Atom) uint32 { return (uint32(a)>>8<<4 | uint32(a)&15) % (1 << 15) }

func kindOf(a atom.Atom) kind { return kinds[kindIndex(a)] }

// paragraph makes a node of a text.
func paragraph(text string) *node {
	n := &node{atom: atom.P}
	n.append(&node{text: text})
	return n
}
