// SPDX-License-Identifier: Apache-2.0

package extract

import (
	"slices"
	"strings"

	"golang.org/x/net/html/atom"
)

// tidy drops from an article what stands in it but is not its text: the
// headline, which is the document's title, and what is above it; lines about
// the author, the date and sharing; captions of pictures, which become their
// descriptions; lists of other articles; requests to subscribe.
func tidy(headline *node, roots []*node) {
	dropHeadline(headline, roots)
	total := int32(0)
	for _, n := range roots {
		total += n.chars
	}
	j := tidier{total: total}
	for _, n := range roots {
		j.elements(n)
	}
	for _, n := range roots {
		j.collect(n)
	}
	j.ends()
	j.pointers()
}

// tidier judges the parts of an article with total characters.
type tidier struct {
	total  int32
	partly bool // the text may be more than an article: what readers wrote stays
	lines  []textLine
}

// textLine is a run of inline nodes that is a line of text of its own.
type textLine struct {
	first, end *node
	in         *node // the block that it is in
	chars      int32
	linkChars  int32
}

func (p *textLine) drop() {
	for c := p.first; c != p.end; c = c.next {
		c.dropped = true
	}
}

func (p *textLine) text(limit int) string {
	var b strings.Builder
	steps := 2000 // nodes
	for c := p.first; c != p.end && b.Len() < limit; c = c.next {
		if !c.dropped {
			c.appendSome(&b, limit, &steps)
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// elements drops elements by what they are called.
func (j *tidier) elements(n *node) {
	for c := n.first; c != nil; c = c.next {
		if c.isText() || c.dropped {
			continue
		}
		if j.isAside(c) {
			c.dropped = true
			continue
		}
		j.elements(c)
	}
}

// articleNoise are parts of names of things in articles that are not their
// text.
var articleNoise = wordSet(`byline author authors authorbox bio dateline timestamp copyright
	related recirc recommended trending readmore read-more morestories newsletter
	subscribe share sharing social tags taglist disclaimer disclosure subtitle cta`)

// captionWords are those of captions.
var captionWords = wordSet(`caption captions figcaption photocredit credit credits`)

func (j *tidier) isAside(n *node) bool {
	if !j.partly && n.isComments() && n.chars < j.total*3/4 {
		return true
	}
	if n.chars > j.total/4 {
		return false
	}
	switch n.atom {
	case atom.Figcaption:
		if n.parent.has(budget, atom.Pre, atom.Table) != nil {
			return false
		}
		n.describePicture()
		return true
	case atom.P, atom.Div, atom.H4, atom.H5:
		if !j.partly && !n.hasBlock && n.chars >= 15 && n.chars <= 200 && n.linkChars*10 >= n.chars*9 && !n.within(atom.Li) && !n.within(atom.Table) && !n.leadsInside() {
			return true
		}
	}
	class, id := n.attr("class"), n.attr("id")
	if class == "" && id == "" {
		return false
	}
	if n.chars < 2000 && (eachWord(class, isNoise) || eachWord(id, isNoise)) {
		return true
	}
	if n.chars < 1000 && eachWord(class, isCaption) && n.has(budget, atom.Img) == nil {
		n.describePicture()
		return true
	}
	return false
}

func isNoise(w string) bool   { return articleNoise[w] }
func isCaption(w string) bool { return captionWords[w] }

// leadsInside reports whether the first link below n leads to a place on the
// same page, as those of a table of contents do.
func (n *node) leadsInside() bool {
	a := n.has(budget, atom.A)
	return a != nil && strings.HasPrefix(a.attr("href"), "#")
}

// budget is how many nodes are looked at for something that is expected near.
const budget = 64

// has returns the first element with one of the names among the first nodes
// below n.
func (n *node) has(budget int, names ...atom.Atom) *node {
	var found *node
	n.descendant(func(d *node) bool {
		if budget--; slices.Contains(names, d.atom) {
			found = d
		}
		return found != nil || budget == 0
	})
	return found
}

// describePicture makes the caption n the title of the picture beside it.
func (n *node) describePicture() {
	for a, level := n.parent, 0; a != nil && level < 4 && a.chars < n.chars+200; a, level = a.parent, level+1 {
		if img := a.has(budget, atom.Img); img != nil {
			if img.attr("title") == "" {
				img.attrs = append(img.attrs, attribute{"title", n.line(maxCaption)})
			}
			return
		}
	}
}

// maxCaption bounds the caption of a picture in code points.
const maxCaption = 500

// collect lists the lines below n.
func (j *tidier) collect(n *node) {
	if n.dropped {
		return
	}
	switch n.atom {
	case atom.Table, atom.Pre:
		j.lines = append(j.lines, textLine{first: n, end: n.next, in: n, chars: n.chars, linkChars: n.linkChars})
		return
	}
	for c := n.first; c != nil; {
		if c.isBlock() {
			j.collect(c)
			c = c.next
			continue
		}
		p := textLine{first: c, in: n}
		for ; c != nil && !c.isBlock(); c = c.next {
			if !c.dropped {
				p.chars += c.chars
				p.linkChars += c.linkChars
			}
		}
		p.end = c
		if p.chars > 0 {
			j.lines = append(j.lines, p)
		}
	}
}

// isProse reports whether a line is a sentence of the text.
func (p *textLine) isProse() bool {
	if p.in.atom == atom.Table || p.in.atom == atom.Pre {
		return true
	}
	return p.chars >= 80 && p.linkChars*2 < p.chars
}

// ends drops the short lines before the first and after the last sentence that
// look like what surrounds a text.
func (j *tidier) ends() {
	for i := range j.lines {
		p := &j.lines[i]
		if p.isProse() {
			break
		}
		if !isHeading(p.in.atom) && (p.isAround() || p.chars < 80 && hasDate(p.text(100))) {
			p.drop()
		}
	}
	for i := len(j.lines) - 1; i >= 0; i-- {
		p := &j.lines[i]
		if p.isProse() {
			break
		}
		if p.linkChars*10 > p.chars*8 || p.isAround() {
			p.drop()
		}
	}
}

// isAround reports whether a short line is about the text: who wrote it, and
// when, and where to share it.
func (p *textLine) isAround() bool {
	if p.chars > 120 {
		return false
	}
	text := p.text(200)
	return isAbout(text)
}

// pointers drops lines that only lead elsewhere.
func (j *tidier) pointers() {
	for i := range j.lines {
		p := &j.lines[i]
		if p.chars >= 300 || p.in.atom == atom.Pre || p.in.atom == atom.Table {
			continue
		}
		text := p.text(300)
		if p.linkChars > 0 && isPointer(text) || isSlogan(text) {
			p.drop()
		}
	}
}
