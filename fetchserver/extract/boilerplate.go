// SPDX-License-Identifier: Apache-2.0

package extract

import (
	"strings"

	"golang.org/x/net/html/atom"
)

// dropBoilerplate drops what is recognisably not content, in steps. What a step
// leaves has to be a fair part of what it found, or the step was wrong about
// this page and is taken back.
func (t *tree) dropBoilerplate() {
	t.dropStep(visibleShare, (*node).isLandmark)
	t.dropStep(namedShare, (*node).isNamedBoilerplate)
	boxes := t.dropStep(linkedShare, (*node).isLinkBox)
	if !t.saysArticle() && !t.isProduct() {
		t.keepCards(boxes)
	}
}

// One part in so many must be left by a step.
const (
	visibleShare = 50
	namedShare   = 4
	linkedShare  = 3
)

// dropStep drops what judge accepts, which is given the amount of text there is.
// It returns what it dropped.
func (t *tree) dropStep(part int32, judge func(n *node, total int32) bool) []*node {
	total := t.body.chars
	var dropped []*node
	t.body.drop(func(n *node) bool {
		if !judge(n, total) {
			return false
		}
		dropped = append(dropped, n)
		return true
	})
	t.body.measure()
	if t.body.chars < total/part {
		for _, n := range dropped {
			n.dropped = false
		}
		t.body.measure()
		return nil
	}
	return dropped
}

// dropSections is dropStep for sections whose heading begins with one of the
// phrases.
func (t *tree) dropSections(part int32, phrases []string) {
	total := t.body.chars
	var sections []*node
	t.body.drop(func(n *node) bool {
		if n.anchors > 0 || n.chars > total*3/4 || !n.isBlock() {
			return false
		}
		h := n.leadHeading()
		if h == nil || h.chars == n.chars || h.chars > 80 {
			return false
		}
		text := strings.ToLower(h.line(80))
		for _, p := range phrases {
			if strings.HasPrefix(text, p) {
				sections = append(sections, n)
				return true
			}
		}
		return false
	})
	t.body.measure()
	if t.body.chars < total/part {
		for _, n := range sections {
			n.dropped = false
		}
		t.body.measure()
	}
}

// leadHeading returns the heading that the text of n begins with, or nil.
func (n *node) leadHeading() *node {
	for range 12 {
		first := n.first
		for steps := 0; first != nil && (first.dropped || first.chars == 0); first = first.next {
			if steps++; steps > 20 {
				return nil
			}
		}
		if first == nil || first.isText() {
			return nil
		}
		if isHeading(first.atom) || first.attr("role") == "heading" {
			return first
		}
		n = first
	}
	return nil
}

// isLandmark reports whether n is something beside the content by its element
// or its role. Total is the amount of text on the page.
func (n *node) isLandmark(total int32) bool {
	switch n.atom {
	case atom.Nav, atom.Footer, atom.Aside, atom.Menu, atom.Dialog, atom.Search:
		return n.chars < total/2 || n.anchors == 0
	case atom.Header:
		return (n.chars < total/4 || n.anchors == 0) && !n.within(atom.Article) && !n.within(atom.Main) || n.linkDensity() > .5
	case atom.Button:
		return !n.withinHeading() && !n.isLongButton()
	case atom.Html, atom.Body, atom.Main, atom.Article, atom.Pre, atom.Code, atom.H1, atom.Table, atom.Tbody, atom.Tr:
		return false
	}
	switch n.attr("role") {
	case "navigation", "banner", "contentinfo", "complementary", "search", "dialog", "alertdialog", "menu", "menubar", "toolbar":
		return n.chars < total/2 || n.anchors == 0
	}
	return false
}

// isNamedBoilerplate is isLandmark for what the names of n say.
func (n *node) isNamedBoilerplate(total int32) bool {
	switch n.atom {
	case atom.Html, atom.Body, atom.Main, atom.Article, atom.Pre, atom.Code, atom.H1, atom.Table, atom.Tbody, atom.Tr:
		return false
	}
	if n.chars >= total/2 || !n.isBlock() && n.atom != atom.Span && n.atom != atom.A {
		return false
	}
	return boilerplateNamed(n.attr("class"), n.attr("id")) || hiddenByClass(n.attr("class"))
}

// isLinkBox reports whether n is a box of links; total is the amount of text on
// the page.
func (n *node) isLinkBox(total int32) bool {
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
	consent disqus footer gdpr masthead menu menubar modal nav navbar navigation newsletter
	outbrain pager pagination paging popup promo promoted recommendations recommended related rss share sharing
	shareit sidebar signup skip social sponsor sponsored subscribe subscription taboola toolbar tooltip widget
	noprint`)

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
// returns true, and reports whether it did. A name in which letters follow
// digits was made by a program and has no words.
func eachWord(s string, f func(string) bool) bool {
	s = s[:min(len(s), 300)]
	for i := 0; i < len(s); {
		start, digits, made := i, false, false
		for ; i < len(s) && isNameByte(s[i]); i++ {
			digit := s[i] <= '9'
			made = made || digits && !digit
			digits = digits || digit
		}
		if !made && eachPart(s[start:i], f) {
			return true
		}
		i++
	}
	return false
}

func isNameByte(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' }

// eachPart is eachWord for a name of letters with digits at its end.
func eachPart(s string, f func(string) bool) bool {
	start := 0
	for i := 0; i <= len(s); i++ {
		letter := i < len(s) && s[i] > '9'
		if letter && (i == 0 || s[i] >= 'a' || s[i-1] < 'a') {
			continue
		}
		if i > start && f(strings.ToLower(s[start:i])) {
			return true
		}
		if !letter {
			return false
		}
		start = i
	}
	return false
}

// hiddenByClass reports whether one of the class names that style sheets use
// for it hides an element on every screen.
func hiddenByClass(class string) bool {
	hidden, shown := false, false
	for name := range strings.FieldsSeq(class[:min(len(class), 1000)]) {
		switch name {
		case "hidden", "invisible", "is-hidden", "d-none", "visually-hidden", "sr-only", "screen-reader-text":
			hidden = true
		}
		// Shown from some width of the screen on: md:block, d-lg-flex.
		if i := strings.LastIndexAny(name, ":-"); i > 0 {
			switch name[i+1:] {
			case "block", "flex", "grid", "inline", "table", "visible":
				shown = true
			}
		}
	}
	return hidden && !shown
}

// unfoldingWords are parts of the names of boxes whose content appears when a
// reader clicks: pages hide it to save room, not to withhold it.
var unfoldingWords = wordSet(`accordion answer collapse collapsed collapsible expand expandable expander faq
	pane panel readmore tab tabbed tabpanel tabs toggle`)

// unfolds reports whether n, which is hidden, is such a box.
func (n *node) unfolds() bool {
	if n.attr("role") == "tabpanel" {
		return true
	}
	if !n.isBlock() || n.atom == atom.Noscript {
		return false
	}
	unfolding := func(w string) bool { return unfoldingWords[w] }
	return eachWord(n.attr("class"), unfolding) || eachWord(n.attr("id"), unfolding) ||
		n.parent != nil && eachWord(n.parent.attr("class"), unfolding)
}

// isLongButton reports whether n is a button with a text that is read rather
// than pressed, like a question that unfolds its answer.
func (n *node) isLongButton() bool {
	if n.chars < 25 || n.chars > 500 {
		return false
	}
	text := n.textContent()
	words := strings.Count(text, " ") + 1
	return words >= 8 || words >= 4 && strings.HasSuffix(text, "?")
}
