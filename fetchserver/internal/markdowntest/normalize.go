// SPDX-License-Identifier: Apache-2.0

package markdowntest

import (
	"slices"
	"strings"
	"unicode"

	"golang.org/x/net/html"
)

// Normalize brings HTML into the form in which the CommonMark specification
// compares it: white space outside of pre is one space, and none beside block
// elements; attributes are sorted; references are characters.
func Normalize(s string) string {
	n := normalizer{afterTag: true}
	z := html.NewTokenizer(strings.NewReader(s))
	for {
		switch t := z.Next(); t {
		case html.ErrorToken:
			return string(n.out)
		case html.TextToken:
			n.text(z.Token().Data)
		case html.StartTagToken, html.SelfClosingTagToken, html.EndTagToken:
			n.tag(z.Token())
		default:
			n.out = append(n.out, z.Raw()...)
			n.afterTag = false
		}
	}
}

type normalizer struct {
	out      []byte
	tagName  string // the last tag
	tagEnds  bool   // it was an end tag
	afterTag bool   // nothing came since
	pre      bool
}

func (n *normalizer) text(s string) {
	if n.afterTag && n.tagName == "br" {
		s = strings.TrimLeft(s, "\n")
	}
	if !n.pre {
		s = collapse(s)
		if n.afterTag && isBlock(n.tagName) {
			s = strings.TrimLeft(s, " ")
			if n.tagEnds {
				s = strings.TrimRight(s, " ")
			}
		}
	}
	n.out = append(n.out, html.EscapeString(s)...)
	n.afterTag = false
}

func collapse(s string) string {
	var b strings.Builder
	space := false
	for _, r := range s {
		if unicode.IsSpace(r) {
			if !space {
				b.WriteByte(' ')
			}
			space = true
			continue
		}
		space = false
		b.WriteRune(r)
	}
	return b.String()
}

func (n *normalizer) tag(t html.Token) {
	ends := t.Type == html.EndTagToken
	if t.Data == "pre" {
		n.pre = !ends
	}
	if isBlock(t.Data) && !(ends && t.Data == "pre") {
		n.out = []byte(strings.TrimRightFunc(string(n.out), unicode.IsSpace))
	}
	n.out = append(n.out, '<')
	if ends {
		n.out = append(n.out, '/')
	}
	n.out = append(n.out, t.Data...)
	slices.SortFunc(t.Attr, func(a, b html.Attribute) int { return strings.Compare(a.Key, b.Key) })
	for _, a := range t.Attr {
		n.out = append(append(append(n.out, ' '), a.Key...), `="`...)
		n.out = append(append(n.out, html.EscapeString(a.Val)...), '"')
	}
	n.out = append(n.out, '>')
	n.tagName, n.tagEnds, n.afterTag = t.Data, ends || t.Type == html.SelfClosingTagToken, true
}

func isBlock(name string) bool {
	switch name {
	case "article", "aside", "blockquote", "body", "button", "canvas", "caption", "col", "colgroup", "dd", "div", "dl", "dt",
		"embed", "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hgroup",
		"hr", "iframe", "li", "map", "object", "ol", "output", "p", "pre", "progress", "script", "section", "style", "table",
		"tbody", "td", "textarea", "tfoot", "th", "thead", "tr", "ul", "video":
		return true
	}
	return false
}
