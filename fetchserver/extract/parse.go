// SPDX-License-Identifier: Apache-2.0

package extract

import (
	"bytes"
	"context"
	"slices"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

const (
	maxDepth = 256     // deeper elements join the one at this depth
	maxNodes = 1 << 20 // a page with more is cut off
	slabSize = 256
)

// tree is a parsed page.
type tree struct {
	body      *node
	head      head
	noscripts []*node // dropped until useNoscript
	isArticle bool    // says the page
	truncated bool
}

// parser builds a tree from tokens. It repairs what authors leave out (end
// tags of p, li, td and the like) and closes what they nest wrongly; it never
// makes more than one node from a token.
type parser struct {
	z    *html.Tokenizer
	tree *tree

	stack   []open
	tooDeep int // elements beyond maxDepth that are open
	nodes   int
	pre     int // open elements in which white space counts

	skip        atom.Atom // inside this element, which is skipped
	skipDepth   int
	skipForeign int // open foreignObject elements inside it
	inLD        bool

	nodeSlab []node
	attrSlab []attribute
}

// open is an element that is not closed yet.
type open struct {
	*node
	ending bool // its end tag came too early: it closes with its last child
}

func parse(ctx context.Context, page string) (*tree, error) {
	p := &parser{z: html.NewTokenizer(strings.NewReader(page)), tree: &tree{body: &node{atom: atom.Body}}}
	p.stack = append(p.stack, open{node: p.tree.body})
	for i := 0; ; i++ {
		if i%1024 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if p.nodes > maxNodes {
			p.tree.truncated = true
			return p.tree, nil
		}
		switch p.z.Next() {
		case html.ErrorToken:
			return p.tree, nil
		case html.TextToken:
			if p.skip == 0 {
				p.text(p.z.Text())
			} else if p.inLD {
				p.inLD = false
				p.tree.head.addLD(string(p.z.Raw()))
			}
		case html.StartTagToken:
			p.startTag(false)
		case html.SelfClosingTagToken:
			p.startTag(true)
		case html.EndTagToken:
			name, _ := p.z.TagName()
			p.endTag(atom.Lookup(name), name)
		}
	}
}

func (p *parser) top() *node { return p.stack[len(p.stack)-1].node }

func (p *parser) newNode() *node {
	if len(p.nodeSlab) == 0 {
		p.nodeSlab = make([]node, slabSize)
	}
	n := &p.nodeSlab[0]
	p.nodeSlab = p.nodeSlab[1:]
	p.nodes++
	return n
}

func (p *parser) text(raw []byte) {
	if len(raw) == 0 {
		return
	}
	n := p.newNode()
	if p.pre == 0 && len(bytes.TrimLeft(raw, " \t\r\n\f")) == 0 {
		n.text = " "
	} else {
		n.text = cleanText(string(raw))
	}
	if n.text != "" {
		p.top().append(n)
	}
}

func (p *parser) startTag(selfClosing bool) {
	name, more := p.z.TagName()
	a := atom.Lookup(name)
	if p.skip != 0 && !p.leaveSkipped(a, name, selfClosing) {
		return
	}
	k := kindOf(a)
	switch a {
	case atom.Html, atom.Head, atom.Body, atom.Meta, atom.Link, atom.Base, atom.Title:
		p.document(a, p.attributes(more))
		return
	}
	attrs := p.attributes(more)
	if k&skipped != 0 && !(a == atom.Template && has(attrs, "shadowrootmode")) {
		if !selfClosing || a != atom.Svg && a != atom.Math {
			p.skip, p.skipDepth, p.skipForeign = a, 1, 0
		}
		if a == atom.Script {
			p.script(attrs)
		}
		return
	}
	if a == atom.Noscript && len(p.stack) < maxDepth {
		p.z.NextIsNotRawText() // this is a reader that runs no scripts
		n := p.newNode()
		n.atom, n.hidden, n.dropped = a, true, true
		p.top().append(n)
		p.stack = append(p.stack, open{node: n})
		p.tree.noscripts = append(p.tree.noscripts, n)
		return
	}
	p.imply(a, k)
	if len(p.stack) >= maxDepth && k&void == 0 {
		p.tooDeep++
		return
	}
	n := p.newNode()
	n.atom, n.attrs, n.hidden = a, attrs, isHidden(attrs)
	p.top().append(n)
	if k&void == 0 {
		p.stack = append(p.stack, open{node: n})
		if keepsSpace(a) {
			p.pre++
		}
	}
}

// script looks at the start tag of a script: it holds data, or it runs.
func (p *parser) script(attrs []attribute) {
	switch media, _, _ := strings.Cut(value(attrs, "type"), ";"); strings.ToLower(strings.TrimSpace(media)) {
	case "application/ld+json":
		p.inLD = true
	case "", "module", "text/javascript", "application/javascript":
		p.tree.head.scripts++
	}
}

// leaveSkipped handles a start tag inside a skipped element and reports
// whether it ends that element: an HTML block ends a drawing or a formula that
// was left open.
func (p *parser) leaveSkipped(a atom.Atom, name []byte, selfClosing bool) bool {
	switch {
	case a == p.skip && !selfClosing:
		p.skipDepth++
	case string(name) == "foreignobject" && !selfClosing:
		p.skipForeign++
	case kindOf(a)&closesP != 0 && p.skipForeign == 0 && (p.skip == atom.Svg || p.skip == atom.Math || p.skip == atom.Select):
		p.skip = 0
		return true
	}
	return false
}

func (p *parser) endTag(a atom.Atom, name []byte) {
	if p.skip != 0 {
		if string(name) == "foreignobject" && p.skipForeign > 0 {
			p.skipForeign--
		}
		if a == p.skip {
			if p.skipDepth--; p.skipDepth == 0 {
				p.skip, p.inLD = 0, false
			}
		}
		return
	}
	k := kindOf(a)
	switch {
	case a == atom.Br:
		br := p.newNode()
		br.atom = atom.Br
		p.top().append(br)
		return
	case a == atom.Html || a == atom.Body || a == atom.Head || k&(void|skipped) != 0:
		return
	case p.tooDeep > 0:
		p.tooDeep--
		return
	}
	for i := len(p.stack) - 1; i > 0; i-- {
		o := &p.stack[i]
		if o.atom == a && a != 0 || a == 0 && o.atom == 0 {
			if k&block == 0 && p.blockAbove(i) {
				o.ending = true
			} else {
				p.popTo(i)
			}
			return
		}
		if kindOf(o.atom)&boundary != 0 && !isTablePart(a) && a != atom.Noscript {
			return
		}
	}
}

func (p *parser) blockAbove(i int) bool {
	for _, o := range p.stack[i+1:] {
		if kindOf(o.atom)&block != 0 {
			return true
		}
	}
	return false
}

// popTo closes the elements from the top of the stack down to index i, and
// below it those whose end tag came early.
func (p *parser) popTo(i int) {
	for len(p.stack) > i || len(p.stack) > 1 && p.stack[len(p.stack)-1].ending {
		if keepsSpace(p.top().atom) {
			p.pre--
		}
		p.stack = p.stack[:len(p.stack)-1]
	}
}

// imply closes the elements that a start tag ends (HTML section 13.1.2.4).
func (p *parser) imply(a atom.Atom, k kind) {
	switch a {
	case atom.Li:
		p.closeOpen([]atom.Atom{atom.Li}, atom.Ul, atom.Ol, atom.Menu, atom.Dir)
	case atom.Dt, atom.Dd:
		p.closeOpen([]atom.Atom{atom.Dt, atom.Dd}, atom.Dl)
	case atom.Tr:
		p.closeOpen([]atom.Atom{atom.Tr}, atom.Table)
	case atom.Td, atom.Th:
		p.closeOpen([]atom.Atom{atom.Td, atom.Th}, atom.Tr, atom.Table)
	case atom.Thead, atom.Tbody, atom.Tfoot:
		p.closeOpen([]atom.Atom{atom.Thead, atom.Tbody, atom.Tfoot, atom.Caption}, atom.Table)
	case atom.A:
		p.closeOpen([]atom.Atom{atom.A}, atom.Td, atom.Th, atom.Table)
	case atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6:
		if isHeading(p.top().atom) {
			p.popTo(len(p.stack) - 1)
		}
	}
	if k&closesP != 0 {
		p.closeOpen([]atom.Atom{atom.P}, atom.Td, atom.Th, atom.Table, atom.Caption, atom.Button)
	}
}

// closeOpen closes the innermost open element that is one of atoms, unless one
// of the scopes is nearer.
func (p *parser) closeOpen(atoms []atom.Atom, scopes ...atom.Atom) {
	for i := len(p.stack) - 1; i > 0; i-- {
		a := p.stack[i].atom
		if slices.Contains(atoms, a) {
			p.popTo(i)
			return
		}
		if a == atom.Noscript || slices.Contains(scopes, a) {
			return
		}
	}
}

func isTablePart(a atom.Atom) bool {
	switch a {
	case atom.Table, atom.Thead, atom.Tbody, atom.Tfoot, atom.Tr, atom.Td, atom.Th, atom.Caption:
		return true
	}
	return false
}

func isHeading(a atom.Atom) bool {
	switch a {
	case atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6:
		return true
	}
	return false
}

func keepsSpace(a atom.Atom) bool {
	return a == atom.Pre || a == atom.Listing || a == atom.Xmp || a == atom.Plaintext || a == atom.Code
}
