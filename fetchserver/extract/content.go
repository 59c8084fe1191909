// SPDX-License-Identifier: Apache-2.0

package extract

import (
	"strings"

	"golang.org/x/net/html/atom"
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
// Stats must be measured.
func (t *tree) mainContent() []*node {
	all := t.body.chars
	t.body.drop(func(n *node) bool { return n.hidden })
	t.body.measure()
	if t.body.chars < all/keptShare {
		// Pages that reveal themselves by script are hidden as a whole.
		t.body.undrop(func(n *node) bool { return n.atom != atom.Noscript })
		t.body.measure()
	}
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

// isBoilerplate reports whether n is certainly not content; total is the
// amount of text on the page.
func (n *node) isBoilerplate(total int32) bool {
	switch n.atom {
	case atom.Nav, atom.Footer, atom.Aside, atom.Menu, atom.Dialog, atom.Search:
		return n.chars < total/2
	case atom.Header:
		return n.chars < total/4 && !n.within(atom.Article) && !n.within(atom.Main) || n.linkDensity() > .5
	case atom.Button:
		return !n.withinHeading()
	case atom.Html, atom.Body, atom.Main, atom.Article, atom.Pre, atom.Code, atom.H1, atom.Table, atom.Tbody, atom.Tr:
		return false
	}
	switch n.attr("role") {
	case "navigation", "banner", "contentinfo", "complementary", "search", "dialog", "alertdialog", "menu", "menubar", "toolbar":
		return n.chars < total/2
	}
	if n.isBlock() || n.atom == atom.Span || n.atom == atom.A {
		if n.chars < total/2 && boilerplateNamed(n.attr("class"), n.attr("id")) {
			return true
		}
	}
	switch n.atom {
	case atom.Div, atom.Ul, atom.Ol, atom.Dl, atom.Section:
		return n.chars < total/2 && n.linkChars > 40 && n.linkDensity() > .7 && n.links >= 3 && !n.within(atom.P)
	}
	return false
}

// isComments reports whether n holds what readers wrote under an article. On
// a forum the same names hold the content.
func (n *node) isComments() bool {
	if !n.isBlock() || n.atom == atom.Main {
		return false
	}
	comments := func(w string) bool { return w == "comments" || w == "respond" || w == "commentlist" }
	return eachWord(n.attr("id"), comments) || eachWord(n.attr("class"), comments)
}

func (n *node) withinHeading() bool {
	for p := n.parent; p != nil; p = p.parent {
		if isHeading(p.atom) {
			return true
		}
	}
	return false
}

// boilerplateWords are parts of class names and ids of things around content.
var boilerplateWords = wordSet(`ad ads advert advertisement adsbygoogle banner breadcrumb breadcrumbs cookie cookies
	consent disqus footer gdpr hidden invisible masthead menu menubar modal nav navbar navigation newsletter
	outbrain pager pagination paging popup promo promoted recommendations recommended related rss share sharing
	shareit sidebar signup skip social sponsor sponsored subscribe subscription taboola toolbar tooltip widget
	noprint srOnly toc`)

func wordSet(words string) map[string]bool {
	m := map[string]bool{}
	for w := range strings.FieldsSeq(words) {
		m[w] = true
	}
	return m
}

func boilerplateNamed(names ...string) bool {
	for _, name := range names {
		if eachWord(name, func(w string) bool { return boilerplateWords[w] }) {
			return true
		}
	}
	return false
}

// eachWord calls f with the lower-case words of a class attribute or an id,
// split at anything but letters and before upper-case letters, until f
// returns true, and reports whether it did.
func eachWord(s string, f func(string) bool) bool {
	s = s[:min(len(s), 300)]
	start := -1
	for i := 0; i <= len(s); i++ {
		letter := i < len(s) && s[i]|0x20 >= 'a' && s[i]|0x20 <= 'z'
		upper := letter && s[i] < 'a' && i > 0 && s[i-1] >= 'a'
		if start >= 0 && (!letter || upper) {
			if f(strings.ToLower(s[start:i])) {
				return true
			}
			start = -1
		}
		if letter && start < 0 {
			start = i
		}
	}
	return false
}
