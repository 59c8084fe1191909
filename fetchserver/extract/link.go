// SPDX-License-Identifier: Apache-2.0

package extract

import (
	"net/url"
	"strconv"
	"strings"
)

// maxLink is the longest link target that is kept, in bytes.
const maxLink = 2048

// link returns the target of a link as Markdown, absolute if there is a base,
// and whether it is one that a reader could follow.
func (w *writer) link(n *node) (string, bool) {
	href := n.attr("href")
	if href == "" && !has(n.attrs, "href") {
		return "", false
	}
	return w.resolve(href)
}

// resolve makes a reference absolute and writes it as a Markdown destination.
// It goes by RFC 3986 but leaves alone what browsers leave alone, so that
// addresses stay as their authors wrote them.
func (w *writer) resolve(ref string) (string, bool) {
	ref = trimSpace(ref)
	if len(ref) > maxLink {
		return "", false
	}
	ref = removeBreaks(ref)
	switch scheme := schemeOf(ref); {
	case isUnsafeScheme(scheme):
		return "", false
	case scheme != "" || w.base == nil:
		return destination(ref), true
	}
	if u, err := url.Parse(ref); err == nil {
		return destination(w.base.ResolveReference(u).String()), true
	}
	// Something that RFC 3986 does not know, as "%" or a space in the host.
	root := w.base.Scheme + "://" + w.base.Host
	switch {
	case strings.HasPrefix(ref, "//"):
		return destination(w.base.Scheme + ":" + ref), true
	case strings.HasPrefix(ref, "/"):
		return destination(root + ref), true
	}
	dir := w.base.EscapedPath()
	return destination(root + dir[:strings.LastIndexByte(dir, '/')+1] + ref), true
}

// schemeOf returns the scheme of a URL in lower case, or "".
func schemeOf(ref string) string {
	for i := 0; i < len(ref); i++ {
		switch c := ref[i]; {
		case c|0x20 >= 'a' && c|0x20 <= 'z':
		case i > 0 && (c >= '0' && c <= '9' || c == '+' || c == '-' || c == '.'):
		case i > 0 && c == ':':
			return strings.ToLower(ref[:i])
		default:
			return ""
		}
	}
	return ""
}

// isUnsafeScheme names the schemes whose URLs are programs, contain what they
// name, or mean something only inside the browser.
func isUnsafeScheme(scheme string) bool {
	switch scheme {
	case "javascript", "vbscript", "data", "blob", "about", "file", "filesystem", "view-source":
		return true
	}
	return false
}

// removeBreaks drops tabs and line breaks, which browsers ignore in URLs.
func removeBreaks(s string) string {
	if !strings.ContainsAny(s, "\t\n\r") {
		return s
	}
	return strings.NewReplacer("\t", "", "\n", "", "\r", "").Replace(s)
}

// destination escapes what a link destination cannot hold (CommonMark section
// 6.3), with angle brackets where parentheses do not match, and what is not ASCII, as browsers do.
func destination(s string) string {
	clean, parens := true, false
	for i := 0; i < len(s) && clean; i++ {
		c := s[i]
		parens = parens || c == '(' || c == ')'
		clean = c > ' ' && c < 0x7F && c != '<' && c != '>' && c != '\\' && c != '`' && c != '|' && c != '&'
	}
	if clean && !parens {
		return s
	}
	var b strings.Builder
	angle := !balancedParens(s)
	if angle {
		b.WriteByte('<')
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c <= ' ' || c >= 0x7F || c == '<' || c == '>' || c == '\\' || c == '`' || c == '|':
			b.WriteString("%" + strings.ToUpper(strconv.FormatUint(uint64(c)+0x100, 16)[1:]))
		case c == '&' && isEntity(s[i:], false):
			b.WriteString(`\&`)
		default:
			b.WriteByte(c)
		}
	}
	if angle {
		b.WriteByte('>')
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
