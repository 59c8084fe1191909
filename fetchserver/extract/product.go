// SPDX-License-Identifier: Apache-2.0

package extract

import (
	"strings"
	"unicode"

	"golang.org/x/net/html/atom"
)

// A page about one product holds its name, its price, what it is and what it
// is made of. What a shop puts around that is no content: what customers wrote
// and asked, other products, terms. A description that is in JSON-LD only,
// because a script would show it, belongs to the content.

// dropBesideProduct drops what a shop puts around a product.
func (t *tree) dropBesideProduct() {
	t.dropStep(besideShare, (*node).isBesideProduct)
	t.dropSections(besideShare, besideProductHeadings)
}

// besideShare is the part of the text, one in so many, that must be left.
const besideShare = 6

// besideProductWords are parts of the names of what is around a product.
var besideProductWords = wordSet(`review reviews testimonial testimonials questions feedback upsell upsells sells
	crosssell disclaimer seller`)

// besideProductHeadings are what headings of it begin with.
var besideProductHeadings = []string{
	"also ", "complete the ", "customer reviews", "customers also", "customers who", "explore related",
	"frequently bought", "more from", "more like this", "often bought", "people also", "people are",
	"people who", "recently viewed", "recommended", "related ", "reviews", "similar ", "you may also", "you might also", "your recently",
}

func (n *node) isBesideProduct(total int32) bool {
	switch n.atom {
	case atom.Html, atom.Body, atom.Main, atom.Article, atom.H1:
		return false
	}
	if n.anchors > 0 || !n.isBlock() {
		return false
	}
	beside := func(w string) bool { return besideProductWords[w] }
	return eachWord(n.attr("class"), beside) || eachWord(n.attr("id"), beside)
}

// productDescription returns the description that JSON-LD has of a product, if
// the page does not show it and shows little else.
func (t *tree) productDescription() string {
	product := t.head.typed(func(t *thing) bool { return t.is("Product", "ProductGroup") })
	if product == nil {
		return ""
	}
	text := oneLine(plain(product.text("description")), 5000)
	if len(text) < 80 || len(text) < int(t.body.chars)/2 || t.shows(text) {
		return ""
	}
	return text
}

// shows reports whether the page shows a text, or the middle of it.
func (t *tree) shows(text string) bool {
	var b strings.Builder
	t.body.appendShown(&b)
	shown := letters(b.String())
	text = letters(text)
	third := len(text) / 3
	return strings.Contains(shown, text[third:third+min(third, 40)])
}

func (n *node) appendShown(b *strings.Builder) {
	if n.isText() {
		b.WriteString(n.text)
		return
	}
	for c := n.first; c != nil; c = c.next {
		if !c.dropped {
			c.appendShown(b)
		}
	}
}

// letters returns the letters and digits of a text.
func letters(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return r
		}
		return -1
	}, s)
}
