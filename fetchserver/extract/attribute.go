// SPDX-License-Identifier: Apache-2.0

package extract

import (
	"strings"

	"golang.org/x/net/html/atom"
)

// attributeName returns the name of an attribute that this package looks at,
// in lower case, or "".
func attributeName(key string) string {
	switch key {
	case "alt", "alttext", "aria-hidden", "aria-label", "checked", "class", "colspan", "content", "data-lang",
		"data-language", "data-lazy-src", "data-original", "data-src", "data-srcset", "datetime", "display",
		"encoding", "height", "hidden", "href", "http-equiv", "id", "itemprop", "itemtype", "lang", "name",
		"property", "rel", "role", "rowspan", "shadowrootmode", "src", "srcset", "start", "style", "title", "type",
		"width":
		return key
	}
	for i := range len(key) {
		if key[i] >= 'A' && key[i] <= 'Z' {
			return attributeName(strings.ToLower(key))
		}
	}
	return ""
}

// maxAttributes bounds what is kept of a tag; there are not as many names.
const maxAttributes = 64

func has(attrs []attribute, key string) bool {
	for i := range attrs {
		if attrs[i].key == key {
			return true
		}
	}
	return false
}

func value(attrs []attribute, key string) string {
	for i := range attrs {
		if attrs[i].key == key {
			return attrs[i].val
		}
	}
	return ""
}

func isHidden(attrs []attribute) bool {
	for i := range attrs {
		switch attrs[i].key {
		case "hidden":
			return attrs[i].val != "until-found"
		case "aria-hidden":
			if attrs[i].val == "true" {
				return true
			}
		case "style":
			if s := attrs[i].val; strings.Contains(s, "none") &&
				strings.Contains(strings.ToLower(strings.Join(strings.Fields(s), "")), "display:none") {
				return true
			}
		}
	}
	return false
}

// document takes from html, head, body, meta, link, base and title what the
// page says about itself.
func (p *parser) document(a atom.Atom, attrs []attribute) {
	h := &p.tree.head
	switch a {
	case atom.Html:
		if h.lang == "" {
			h.lang = oneLine(value(attrs, "lang"), maxLang)
		}
	case atom.Base:
		if h.base == "" {
			h.base = strings.TrimSpace(value(attrs, "href"))
		}
	case atom.Meta:
		h.addMeta(attrs)
		switch value(attrs, "property") {
		case "og:type":
			p.tree.isArticle = p.tree.isArticle || value(attrs, "content") == "article"
		case "article:published_time":
			p.tree.isArticle = true
		}
	case atom.Link:
		h.addLink(attrs)
	case atom.Title:
		if p.z.next() == textToken && h.title == "" {
			h.title = oneLine(p.z.decoded(), maxTitle)
		}
	}
}

// oneLine collapses white space and cuts after limit code points.
func oneLine(s string, limit int) string {
	if len(s) > 8*limit {
		s = s[:8*limit]
	}
	s = strings.Join(strings.Fields(cleanText(strings.ToValidUTF8(s, ""))), " ")
	if r := []rune(s); len(r) > limit {
		return string(r[:limit-1]) + "…"
	}
	return s
}
