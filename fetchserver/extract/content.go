// SPDX-License-Identifier: Apache-2.0

package extract

import "golang.org/x/net/html/atom"

// mainContent returns the parts of a page that are its content.
//
// Two views are compared. The clean view is the page without what is
// recognisably something else: navigation, footers, boxes full of links. The
// article view is the best-scoring part of it, after the idea of Arc90's
// Readability: paragraphs give points to what contains them, links take them
// away. An article that holds most of the clean text wins; on a forum, a
// product or a listing it does not, and the clean view is used.
//
// Stats must be measured.
func (t *tree) mainContent() []*node {
	t.dropHidden()
	visible := t.body.chars
	t.body.drop(func(n *node) bool {
		return n.isBoilerplate(visible) || t.isArticle && n.isComments()
	})
	t.body.measure()
	if t.body.chars < visible/keptShare {
		// Whatever it was, it was the page.
		t.body.undrop(func(n *node) bool { return !n.hidden })
		t.body.measure()
		return []*node{t.body}
	}
	root := t.body
	if m := t.body.descendant(func(n *node) bool { return n.isMain() && !n.dropped }); m != nil && m.chars > root.chars/2 {
		root = m
	}
	if article := root.article(); article != nil {
		chars := int32(0)
		for _, n := range article {
			chars += n.chars
		}
		if float64(chars) >= articleShare*float64(root.chars) {
			return article
		}
	}
	return []*node{root}
}

const (
	keptShare    = 10 // dropping may leave one tenth of the text, not less
	articleShare = .6 // of the clean text that an article must hold
)

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
	for c := n.first; c != nil; c = c.next {
		if c.dropped {
			continue
		}
		c.measure()
		n.chars += c.chars
		n.linkChars += c.linkChars
		n.commas += c.commas
		n.links += c.links
	}
	if n.atom == atom.A {
		n.links++
		n.linkChars = n.chars
	}
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
