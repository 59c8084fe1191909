// SPDX-License-Identifier: Apache-2.0

package extract

import (
	"context"
	"slices"
	"strings"

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
	seen      *survey // set by metadata
	truncated bool
}

// parser builds a tree from tokens. It repairs what authors leave out (end
// tags of p, li, td and the like) and closes what they nest wrongly; it never
// makes more than one node from a token.
type parser struct {
	z    tokenizer
	tree *tree

	stack   []open
	tooDeep int // elements beyond maxDepth that are open
	nodes   int
	pre     int  // open elements in which white space counts
	math    int  // open math elements
	form    bool // a form is open

	skip        atom.Atom // inside this element, which is skipped
	skipDepth   int
	skipForeign int   // open foreignObject elements inside it
	media       *node // what is left of it
	inLD        bool

	nodeSlab []node
}

// open is an element that is not closed yet.
type open struct {
	*node
	name   string
	ending bool // its end tag came too early: it closes with its last child
}

func parse(ctx context.Context, page string) (*tree, error) {
	p := &parser{z: tokenizer{page: page}, tree: &tree{body: &node{atom: atom.Body}}}
	p.stack = append(p.stack, open{node: p.tree.body})
	for i := 0; ; i++ {
		if i%1024 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if p.nodes > maxNodes {
			p.tree.truncated = true
			return p.tree, nil
		}
		switch p.z.next() {
		case endOfPage:
			return p.tree, nil
		case textToken:
			if p.skip == 0 {
				p.text()
			} else if p.inLD {
				p.inLD = false
				p.tree.head.addLD(p.z.text)
			} else if p.skip == atom.Script && p.media != nil {
				p.media.attrs = append(p.media.attrs, attribute{"alttext", p.z.text})
			}
		case startTag:
			p.startTag()
		case endTag:
			p.endTag(p.z.atom, p.z.name)
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

func (p *parser) text() {
	top := p.top()
	if p.pre == 0 && trimLeftSpace(p.z.text) == "" {
		// White space counts only between inline content.
		k := kindOf(top.atom)
		if top.last == nil && k&block != 0 || top.last != nil && !top.last.isText() && kindOf(top.last.atom)&block != 0 {
			return
		}
		n := p.newNode()
		n.text = " "
		top.append(n)
		return
	}
	if text := cleanText(p.z.decoded()); text != "" {
		n := p.newNode()
		n.text = text
		top.append(n)
	}
}

func (p *parser) startTag() {
	a := p.z.atom
	if p.skip != 0 && !p.leaveSkipped(a) {
		return
	}
	if p.math > 0 {
		a = p.startInMath(a)
	}
	k := kindOf(a)
	attrs := p.z.attrs
	switch a {
	case atom.Html, atom.Head, atom.Body, atom.Meta, atom.Link, atom.Base, atom.Title:
		p.document(a, attrs)
		return
	case atom.Image:
		a = atom.Img
	case atom.Form:
		if p.form { // forms do not nest
			return
		}
		p.form = true
	}
	if k&skipped != 0 && !(a == atom.Template && has(attrs, "shadowrootmode")) {
		p.startSkipped(a, attrs)
		return
	}
	if a == atom.Noscript && len(p.stack) < maxDepth {
		n := p.newNode()
		n.atom, n.hidden, n.dropped = a, true, true
		p.top().append(n)
		p.push(n)
		p.tree.noscripts = append(p.tree.noscripts, n)
		return
	}
	p.imply(a, k)
	if p.math > 0 && p.z.selfClosing {
		k |= void
	}
	if len(p.stack) >= maxDepth && k&void == 0 {
		p.tooDeep++
		return
	}
	n := p.newNode()
	n.atom, n.attrs, n.hidden = a, attrs, isHidden(attrs)
	if a == atom.Span || a == atom.Div {
		n.dropped = isRendering(value(attrs, "class"), p.top().last)
	}
	p.top().append(n)
	if k&void == 0 {
		p.push(n)
	}
}

func (p *parser) push(n *node) {
	p.stack = append(p.stack, open{node: n, name: p.z.name})
	if keepsSpace(n.atom) {
		p.pre++
	}
	if n.atom == atom.Math {
		p.math++
		p.z.foreign = true
	}
}

// startSkipped passes over an element whose content is not text of the page.
// What plays or frames something else stays as an element.
func (p *parser) startSkipped(a atom.Atom, attrs []attribute) {
	switch a {
	case atom.Iframe, atom.Video, atom.Audio:
		n := p.newNode()
		n.atom, n.attrs, n.hidden = a, attrs, isHidden(attrs)
		p.top().append(n)
		p.media = n
	case atom.Script:
		p.script(attrs)
		if display, ok := isTeXScript(value(attrs, "type")); ok {
			p.media = p.newNode()
			p.media.atom = atom.Math
			if display {
				p.media.attrs = []attribute{{"display", "block"}}
			}
			p.top().append(p.media)
		}
	case atom.Svg:
		if p.z.selfClosing {
			return
		}
		p.z.foreign = true
	}
	p.skip, p.skipDepth, p.skipForeign = a, 1, 0
	p.z.pass = a != atom.Video && a != atom.Audio
}

func (p *parser) endSkipped() {
	p.skip, p.inLD, p.media = 0, false, nil
	p.z.pass, p.z.foreign = false, p.math > 0
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
// whether it ends that element: an HTML block ends a drawing that was left
// open.
func (p *parser) leaveSkipped(a atom.Atom) bool {
	switch {
	case a == p.skip && !p.z.selfClosing:
		p.skipDepth++
	case strings.EqualFold(p.z.name, "foreignobject") && !p.z.selfClosing:
		p.skipForeign++
	case a == atom.Source && p.media != nil:
		n := p.newNode()
		n.atom, n.attrs = a, p.z.attrs
		p.media.append(n)
	case kindOf(a)&closesP != 0 && p.skipForeign == 0 && (p.skip == atom.Svg || p.skip == atom.Select):
		p.endSkipped()
		return true
	}
	return false
}

func (p *parser) endTag(a atom.Atom, name string) {
	if p.skip != 0 {
		if p.skipForeign > 0 && strings.EqualFold(name, "foreignobject") {
			p.skipForeign--
		}
		if a == p.skip {
			if p.skipDepth--; p.skipDepth == 0 {
				p.endSkipped()
			}
		}
		return
	}
	if p.math > 0 && a == 0 {
		a = mathNames[strings.ToLower(name)]
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
	case a == atom.Form:
		p.form = false
	case p.tooDeep > 0:
		p.tooDeep--
		return
	}
	for i := len(p.stack) - 1; i > 0; i-- {
		o := &p.stack[i]
		if o.atom == a && (a != 0 || strings.EqualFold(o.name, name)) || isHeading(a) && isHeading(o.atom) {
			if k&block == 0 && a != atom.Button && p.blockAbove(i) {
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
		if p.top().atom == atom.Math {
			p.math--
			p.z.foreign = p.math > 0
		}
		p.stack = p.stack[:len(p.stack)-1]
	}
}

// imply closes the elements that a start tag ends (HTML section 13.1.2.4).
func (p *parser) imply(a atom.Atom, k kind) {
	switch a {
	case atom.Li:
		p.closeItem(atom.Li, atom.Li)
	case atom.Dt, atom.Dd:
		p.closeItem(atom.Dt, atom.Dd)
	case atom.Tr:
		p.closeOpen([]atom.Atom{atom.Tr, atom.Caption}, atom.Table)
	case atom.Td, atom.Th:
		p.closeOpen([]atom.Atom{atom.Td, atom.Th, atom.Caption}, atom.Tr, atom.Table)
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

// closeItem closes the innermost open a or b, through inline elements, div, p
// and address only.
func (p *parser) closeItem(a, b atom.Atom) {
	for i := len(p.stack) - 1; i > 0; i-- {
		switch o := p.stack[i].atom; {
		case o == a || o == b:
			p.popTo(i)
			return
		case kindOf(o)&block != 0 && o != atom.Div && o != atom.P && o != atom.Address:
			return
		}
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
