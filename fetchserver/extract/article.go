// SPDX-License-Identifier: Apache-2.0

package extract

import "golang.org/x/net/html/atom"

// article returns the best-scoring element below n and those of its siblings
// that belong to it, or nil if nothing scores. Stats must be measured.
func (n *node) article() []*node {
	var candidates []*node
	n.scoreParagraphs(&candidates)
	var best *node
	for _, c := range candidates {
		c.score *= 1 - c.linkDensity()
		if best == nil || c.score > best.score {
			best = c
		}
	}
	if best == nil || best == n {
		return nil
	}
	best = best.shared(candidates, n)
	if best == n || best.parent == nil {
		return []*node{best}
	}
	var parts []*node
	for s := best.parent.first; s != nil; s = s.next {
		if s == best || s.belongsTo(best) {
			parts = append(parts, s)
		}
	}
	return parts
}

// scoreParagraphs gives the points of each paragraph to its ancestors.
func (n *node) scoreParagraphs(candidates *[]*node) {
	for c := n.first; c != nil; c = c.next {
		if c.isText() || c.dropped || c.atom == atom.A && c.chars < maxCard {
			continue
		}
		if chars, commas := c.ownText(); chars >= 25 && c.holdsText() {
			points := 1 + float32(commas) + min(float32(chars)/100, 3)
			a, share := c.parent, points
			if c.hasBlock { // a paragraph without an element of its own
				a = c
			}
			for level := 0; a != nil && level < 4; a = a.parent {
				if a.score == 0 {
					a.score = a.bonus()
					*candidates = append(*candidates, a)
				}
				a.score += share
				level++
				switch level {
				case 1:
					share = points / 2
				default:
					share = points / float32(3*level)
				}
			}
		}
		c.scoreParagraphs(candidates)
	}
}

// maxCard is the text that a link around blocks may have, in characters, and
// still be a card. A longer one was not closed.
const maxCard = 1000

// ownText measures the text of n that is in no block below it.
func (n *node) ownText() (chars, commas int32) {
	if !n.isBlock() {
		return 0, 0
	}
	if !n.hasBlock {
		return n.chars, n.commas
	}
	for c := n.first; c != nil; c = c.next {
		if !c.dropped && !c.isBlock() {
			chars += c.chars
			commas += c.commas
		}
	}
	return chars, commas
}

// holdsText reports whether the text of an element like n may be a paragraph.
func (n *node) holdsText() bool {
	switch n.atom {
	case atom.H1, atom.H4, atom.H5, atom.H6, atom.Figcaption, atom.Caption, atom.Footer, atom.Header, atom.Nav, atom.Form:
		return false
	}
	return true
}

func (n *node) isParagraph() bool {
	switch n.atom {
	case atom.P, atom.Pre, atom.Td, atom.Blockquote, atom.H2, atom.H3:
		return true
	case atom.Div, atom.Section, atom.Article, atom.Dd, atom.Li:
		return !n.hasBlock
	}
	return false
}

var (
	positiveWords = wordSet(`article blog body content entry hentry main page post story text markdown document`)
	negativeWords = wordSet(`comment comments contact foot footnote links meta outbrain promo related scroll
		shoutbox sidebar sponsor tags teaser tool widget byline author caption`)
)

// bonus is what an element's name and class are worth before its text counts.
func (n *node) bonus() float32 {
	score := float32(.01) // a candidate, even if it is worth nothing
	switch n.atom {
	case atom.Article, atom.Main:
		score += 25
	case atom.Div, atom.Section:
		score += 5
	case atom.Pre, atom.Td, atom.Blockquote:
		score += 3
	case atom.Ul, atom.Ol, atom.Dl, atom.Li, atom.Dd, atom.Form, atom.Address:
		score -= 3
	}
	weigh := func(w string) bool {
		switch {
		case positiveWords[w]:
			score += 12
		case negativeWords[w]:
			score -= 12
		}
		return false
	}
	eachWord(n.attr("class"), weigh)
	eachWord(n.attr("id"), weigh)
	return score
}

// shared climbs from the best candidate to the nearest ancestor, below root,
// that also holds other candidates of nearly the same score: an article in
// several parts.
func (n *node) shared(candidates []*node, root *node) *node {
	best := n
	for a := n.parent; a != nil && a != root.parent; a = a.parent {
		others := 0
		for _, c := range candidates {
			if c != n && c.score >= .75*n.score && c.parent == a && !c.contains(n) {
				others++
			}
		}
		if others >= 2 || a.score > best.score {
			best = a
		}
	}
	return best.parts(candidates, root)
}

// parts climbs to the nearest ancestor that holds all candidates that have the
// name and class of n, or of its parent, if those are parts of a text.
func (n *node) parts(candidates []*node, root *node) *node {
	class := n.attr("class")
	if class == "" || n == root || n.atom == atom.Article || n.atom == atom.Li || n.atom == atom.Tr {
		return n
	}
	prose := n.prose
	best := n
	for _, c := range candidates {
		if c == n || c.atom != n.atom || c.attr("class") != class || best.contains(c) || n.within(atom.Li) {
			continue
		}
		if p := c.prose; p < 80 || p > 4*prose {
			continue
		}
		for a := best.parent; a != nil && a != root.parent; a = a.parent {
			if a.contains(c) {
				best = a
				break
			}
		}
	}
	if best != n && best.prose < 4*prose {
		return best
	}
	return n
}

// alike reports whether two elements have the same name and class, as parts of
// one text have.
func (n *node) alike(m *node) bool {
	return n.atom == m.atom && n.attr("class") == m.attr("class") && (n.attr("class") != "" || n.prose > 0)
}

func (n *node) contains(d *node) bool {
	for ; d != nil; d = d.parent {
		if d == n {
			return true
		}
	}
	return false
}

// belongsTo reports whether n, a sibling of the article, is a part of it.
func (n *node) belongsTo(article *node) bool {
	if n.isText() || n.dropped {
		return false
	}
	if n.score >= max(10, .2*article.score) {
		return true
	}
	if n.alike(article) && n.linkDensity() < .4 {
		return true
	}
	if isHeading(n.atom) || n.atom == atom.Header || n.atom == atom.Figure {
		return n.linkDensity() < .3
	}
	return n.isParagraph() && (n.chars > 80 && n.linkDensity() < .25 || n.chars > 0 && n.linkChars == 0 && n.commas > 0)
}
