// SPDX-License-Identifier: Apache-2.0

package extract

import (
	"golang.org/x/net/html/atom"
	"strings"
)

// mainContent returns the parts of a page that are its content.
//
// Two views are compared. The clean view is the page without what is
// recognisably something else: navigation, footers, boxes full of links. The
// article view is the best-scoring part of it, after the idea of Arc90's
// Readability: paragraphs give points to what contains them, links take them
// away. An article that holds most of the clean text wins; on a forum, a
// product or a listing it does not, and the clean view is used.
//
// The headline, if there is one, is dropped from them. Stats must be measured.
func (t *tree) mainContent(headline *node) (roots []*node) {
	t.dropHidden()
	forum := t.isForum()
	if t.isArticle && !forum && t.saysArticle() {
		t.body.drop((*node).isComments)
		t.body.measure()
	}
	t.dropBoilerplate()
	if forum {
		t.dropStep(namedShare, (*node).isBesidePost)
	} else if t.isProduct() {
		t.dropBesideProduct()
		defer func() {
			if text := t.productDescription(); text != "" {
				roots = append(roots, paragraph(text))
			}
		}()
	}
	root := t.body
	if m := t.body.descendant(func(n *node) bool { return n.isMain() && !n.dropped }); m != nil && m.chars > root.chars/2 {
		root = m
	}
	if article := root.article(); article != nil && !forum {
		var part stats
		for _, n := range article {
			part.chars += n.chars
			part.linkChars += n.linkChars
			part.prose += n.prose
		}
		if t.isArticleOf(part, root.stats) {
			tidy(headline, article)
			return article
		}
	}
	roots = []*node{root}
	if t.saysArticle() {
		(&tidier{total: root.chars, partly: true}).elements(root)
	}
	dropHeadline(headline, roots)
	return roots
}

const (
	keptShare = 10 // dropping what is hidden may leave one tenth of the text, not less
)

// isStreamed reports whether n is a part of a page that React sent later than
// its surroundings, hidden until a script puts it there.
func (n *node) isStreamed() bool {
	id := n.attr("id")
	return len(id) > 2 && id[:2] == "S:" && strings.Trim(id[2:], "0123456789abcdef") == ""
}

// isArticleOf reports whether part, the best-scoring text of a page, is what
// the page is there for: it holds most of the sentences, and most of the text
// that is not links, of whole; on a page that says that it is an article, a
// part of the sentences is enough.
func (t *tree) isArticleOf(part, whole stats) bool {
	prose := float64(part.prose) / float64(max(whole.prose, 1))
	if t.saysArticle() {
		return prose > .25
	}
	return prose > .7 && float64(part.chars) > .7*float64(whole.chars-whole.linkChars+part.linkChars)
}

// saysArticle reports whether the page says that it is an article, and means
// it: there are publishing systems that say so of every page (og:type), but
// only articles have a type of their own in JSON-LD or a time of publication.
func (t *tree) saysArticle() bool {
	return t.head.typed(isArticleType) != nil || t.head.first("article:published_time", "og:article:published_time") != ""
}

func (n *node) isMain() bool {
	return n.atom == atom.Main || n.attr("role") == "main"
}

// drop marks the topmost elements that judge accepts.
func (n *node) drop(judge func(*node) bool) {
	for c := n.first; c != nil; c = c.next {
		if c.isText() || c.dropped {
			continue
		}
		if judge(c) {
			c.dropped = true
			continue
		}
		c.drop(judge)
	}
}

func (n *node) undrop(judge func(*node) bool) {
	for c := n.first; c != nil; c = c.next {
		if c.dropped && judge(c) {
			c.dropped = false
		}
		c.undrop(judge)
	}
}

// measure computes the stats of n and what is below it.
func (n *node) measure() {
	n.stats = stats{}
	if n.isText() {
		n.count(n.text)
		return
	}
	block := n.isBlock()
	var run, runLinks int32 // of the inline nodes since the last block
	for c := n.first; c != nil; c = c.next {
		if c.dropped {
			continue
		}
		c.measure()
		n.chars += c.chars
		n.linkChars += c.linkChars
		n.commas += c.commas
		n.links += c.links
		n.anchors += c.anchors
		if !block {
			continue
		}
		if c.isBlock() {
			n.prose += c.prose + proseOf(run, runLinks)
			run, runLinks = 0, 0
		} else {
			run += c.chars
			runLinks += c.linkChars
		}
	}
	if block {
		n.prose += proseOf(run, runLinks)
	}
	if n.atom == atom.H1 && n.chars > 0 || n.isMain() {
		n.anchors++
	}
	if n.atom == atom.A {
		n.links++
		n.linkChars = n.chars
		if n.chars < maxCard { // a card that leads elsewhere
			n.prose = 0
		}
	}
}

// proseOf returns chars if a line of that length is a sentence and not a link.
func proseOf(chars, linkChars int32) int32 {
	if chars >= 80 && linkChars*5 < chars*2 {
		return chars
	}
	return 0
}

// count counts characters with runs of white space as one.
func (n *node) count(s string) {
	space := true
	for _, r := range s {
		switch r {
		case ' ', '\n', '\t', '\r', '\f':
			if !space {
				n.chars++
			}
			space = true
			continue
		case ',', '，', '、', '،':
			n.commas++
		}
		space = false
		n.chars++
	}
}

func (n *node) linkDensity() float32 {
	if n.chars == 0 {
		return 0
	}
	return float32(n.linkChars) / float32(n.chars)
}
