// SPDX-License-Identifier: Apache-2.0

package extract

import (
	"strings"
	"unicode"

	"golang.org/x/net/html/atom"
)

// headline returns the heading that repeats the title of the page, or nil. Of
// several, one of which may be the name of the site, it is the longest.
func (t *tree) headline() *node {
	titles := []string{wordsOf(t.head.title), wordsOf(t.head.first("og:title")), wordsOf(t.head.first("twitter:title"))}
	var best *node
	t.body.descendant(func(n *node) bool {
		if !n.hidden && (best == nil || n.chars > best.chars) && n.isHeadline(titles) {
			best = n
		}
		return false
	})
	return best
}

// dropHeadline drops the headline h, and what little is above it, from the
// content: it is the title of the document.
func dropHeadline(h *node, roots []*node) {
	if h == nil {
		return
	}
	for i, root := range roots {
		if !root.contains(h) {
			continue
		}
		h.dropped = true
		before := int32(0)
		for n := h; n != root; n = n.parent {
			for s := n.parent.first; s != n; s = s.next {
				before += s.chars
			}
		}
		for _, r := range roots[:i] {
			before += r.chars
		}
		if before > 300 {
			return
		}
		for n := h; n != root; n = n.parent {
			for s := n.parent.first; s != n; s = s.next {
				s.dropped = true
			}
		}
		for _, r := range roots[:i] {
			r.dropped = true
		}
		return
	}
}

// isHeadline reports whether n is a heading of the first or second level with
// the words of a title.
func (n *node) isHeadline(titles []string) bool {
	if n.atom != atom.H1 && n.atom != atom.H2 || n.chars == 0 || n.chars > maxTitle {
		return false
	}
	text := wordsOf(n.line(4 * maxTitle))
	if text == "" {
		return false
	}
	for _, title := range titles {
		if title == text || n.atom == atom.H1 && len(text) > 10 && strings.HasPrefix(title, text) {
			return true
		}
	}
	return n.atom == atom.H1 && len(titles[0]) > 10 && strings.Contains(titles[0], text)
}

// wordsOf keeps letters and digits, in lower case.
func wordsOf(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, s)
}
