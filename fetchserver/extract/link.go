// SPDX-License-Identifier: Apache-2.0

package extract

import (
	"net/url"
	"strconv"
	"strings"
)

// maxLink is the longest link target that is kept, in bytes.
const maxLink = 2048

// link returns an absolute link target as Markdown, or "" if there is none
// that a reader could follow.
func (w *writer) link(href string) string {
	return w.resolve(href, "http", "https", "mailto", "tel")
}

func (w *writer) resolve(href string, schemes ...string) string {
	href = strings.TrimSpace(href)
	if href == "" || len(href) > maxLink {
		return ""
	}
	u, err := url.Parse(removeBreaks(href))
	if err != nil {
		return ""
	}
	if w.base != nil {
		u = w.base.ResolveReference(u)
	}
	allowed := u.Scheme == ""
	for _, s := range schemes {
		allowed = allowed || u.Scheme == s
	}
	if !allowed {
		return ""
	}
	return destination(u.String())
}

// removeBreaks drops tabs and line breaks, which browsers ignore in URLs.
func removeBreaks(s string) string {
	if !strings.ContainsAny(s, "\t\n\r") {
		return s
	}
	return strings.NewReplacer("\t", "", "\n", "", "\r", "").Replace(s)
}

// destination escapes what a link destination without angle brackets cannot
// hold (CommonMark section 6.3), and what is not ASCII, as browsers do.
func destination(s string) string {
	balanced := balancedParens(s)
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c <= ' ' || c >= 0x7F || c == '<' || c == '>' || c == '\\' || c == '`' || c == '|':
			b.WriteString("%" + strings.ToUpper(strconv.FormatUint(uint64(c)+0x100, 16)[1:]))
		case (c == '(' || c == ')') && !balanced:
			b.WriteString("%2" + string('8'+c-'('))
		case c == '&' && isEntity(s[i:], false):
			b.WriteByte('\\')
			b.WriteByte(c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

func balancedParens(s string) bool {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '(':
			depth++
		case ')':
			depth--
		}
		if depth < 0 || depth > 30 {
			return false
		}
	}
	return depth == 0
}

// imageSource returns the target of an image, from the attributes that pages
// use when they load it later, or "" if it is no image to speak of.
func (w *writer) imageSource(n *node) string {
	if isPixel(n.attr("width")) || isPixel(n.attr("height")) {
		return ""
	}
	for _, candidate := range []string{
		n.attr("data-src"), n.attr("data-original"), n.attr("src"), largest(n.attr("data-srcset")), largest(n.attr("srcset")),
	} {
		if src := w.resolve(candidate, "http", "https"); src != "" {
			return src
		}
	}
	return ""
}

func isPixel(size string) bool {
	n, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(size), "px"))
	return err == nil && n <= 1
}

// largest returns the last candidate of a srcset, which lists them in
// ascending order by custom.
func largest(srcset string) string {
	srcset = strings.TrimSpace(srcset)
	if len(srcset) > 2*maxLink {
		srcset = srcset[:2*maxLink]
		srcset = srcset[:max(strings.LastIndexByte(srcset, ','), 0)]
	}
	if i := strings.LastIndex(srcset, ", "); i >= 0 {
		srcset = srcset[i+2:]
	}
	target, _, _ := strings.Cut(strings.TrimSpace(srcset), " ")
	return target
}
