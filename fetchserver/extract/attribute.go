// SPDX-License-Identifier: Apache-2.0

package extract

import (
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// keptAttributes are the ones this package looks at.
var keptAttributes = func() map[string]string {
	m := map[string]string{}
	for key := range strings.FieldsSeq(`alt alttext aria-hidden aria-label checked class colspan content data-lang data-language
		data-lazy-src data-original data-src data-srcset datetime height hidden href http-equiv id itemprop itemtype lang name
		property rel role rowspan shadowrootmode src srcset start style title type width`) {
		m[key] = key
	}
	return m
}()

// attributes returns the attributes of the current tag that are of interest.
// Of two with the same name the first counts.
func (p *parser) attributes(more bool) []attribute {
	start := len(p.attrSlab)
	if cap(p.attrSlab)-start < len(keptAttributes) {
		p.attrSlab, start = make([]attribute, 0, 4*slabSize), 0
	}
	for more {
		var key, val []byte
		key, val, more = p.z.TagAttr()
		name, ok := keptAttributes[string(key)]
		if ok && !has(p.attrSlab[start:], name) {
			p.attrSlab = append(p.attrSlab, attribute{name, string(val)})
		}
	}
	return p.attrSlab[start:len(p.attrSlab):len(p.attrSlab)]
}

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
		if p.z.Next() == html.TextToken && h.title == "" {
			h.title = oneLine(string(p.z.Text()), maxTitle)
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
