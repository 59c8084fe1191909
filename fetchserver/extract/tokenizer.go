// SPDX-License-Identifier: Apache-2.0

package extract

import (
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// tokenizer splits a page into start tags, end tags and text by the rules of
// HTML section 13.2.5, and passes over comments and declarations. Texts, names
// and values are pieces of the page: nothing is copied but what has character
// references. The tests compare it with golang.org/x/net/html.
type tokenizer struct {
	page string
	pos  int

	// The current token.
	text        string // as it stands in the page
	literal     bool   // text has no character references
	name        string // of a tag, as it stands in the page
	atom        atom.Atom
	attrs       []attribute // the ones of interest
	selfClosing bool

	rawName string // of the element whose content comes next and has no tags
	foreign bool   // inside svg or math, where no element is like that
	pass    bool   // attributes are not of interest

	slab []attribute
}

type tokenKind uint8

const (
	endOfPage tokenKind = iota
	textToken
	startTag
	endTag
)

func (z *tokenizer) next() tokenKind {
	if z.rawName != "" {
		if text := z.rawText(); text != "" {
			z.text = text
			return textToken
		}
	}
	for z.pos < len(z.page) {
		start := z.pos
		at := strings.IndexByte(z.page[start:], '<')
		if at < 0 {
			at = len(z.page) - start
		}
		// A "<" that begins no tag is text.
		for start+at < len(z.page) && !isMarkup(z.page[start+at+1:]) {
			more := strings.IndexByte(z.page[start+at+1:], '<')
			if more < 0 {
				at = len(z.page) - start
			} else {
				at += more + 1
			}
		}
		if at > 0 {
			z.pos = start + at
			z.text, z.literal = z.page[start:z.pos], false
			return textToken
		}
		switch c := z.page[start+1]; {
		case c == '!':
			z.declaration()
		case c == '?':
			z.skipTo(">")
		case c != '/':
			z.pos = start + 1
			if z.tag() {
				z.enterRawText()
				return startTag
			}
		case isLetter(z.page[start+2]):
			z.pos = start + 2
			pass := z.pass
			z.pass = true
			ok := z.tag()
			z.pass = pass
			if ok {
				return endTag
			}
		default: // "</" and something else
			z.skipTo(">")
		}
	}
	return endOfPage
}

// isMarkup reports whether what follows a "<" makes it more than text.
func isMarkup(s string) bool {
	if s == "" {
		return false
	}
	switch c := s[0]; {
	case c == '/':
		return len(s) > 1
	case c == '!' || c == '?':
		return true
	default:
		return isLetter(c)
	}
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// skipTo moves behind the next mark, or to the end.
func (z *tokenizer) skipTo(mark string) {
	if i := strings.Index(z.page[z.pos:], mark); i >= 0 {
		z.pos += i + len(mark)
	} else {
		z.pos = len(z.page)
	}
}

// declaration passes over a comment, a DOCTYPE or the like. In foreign content
// CDATA sections are text, but nobody reads that.
func (z *tokenizer) declaration() {
	rest := z.page[z.pos:]
	switch {
	case strings.HasPrefix(rest, "<!-->"), strings.HasPrefix(rest, "<!--->"):
		z.skipTo(">")
	case strings.HasPrefix(rest, "<!--"):
		z.pos += 4
		comment := z.page[z.pos:]
		if end := strings.Index(comment, "-->"); end >= 0 {
			comment = comment[:end+3]
		}
		if bang := strings.Index(comment, "--!>"); bang >= 0 {
			comment = comment[:bang+4]
		}
		z.pos += len(comment)
	case z.foreign && strings.HasPrefix(rest, "<![CDATA["):
		z.skipTo("]]>")
	default:
		z.skipTo(">")
	}
}

// tag reads a tag from its name on and reports whether it is complete: one
// that the page ends in is none.
func (z *tokenizer) tag() bool {
	s := z.page
	i := z.pos
	for i < len(s) && !isSpace(s[i]) && s[i] != '/' && s[i] != '>' {
		i++
	}
	z.name = s[z.pos:i]
	z.atom = lookup(z.name)
	z.attrs, z.selfClosing = nil, false
	first := len(z.slab)
	if !z.pass && cap(z.slab)-first < maxAttributes {
		z.slab, first = make([]attribute, 0, 4*slabSize), 0
	}
	for i < len(s) {
		switch c := s[i]; {
		case isSpace(c):
			i++
			continue
		case c == '/':
			i++
			z.selfClosing = i < len(s) && s[i] == '>'
			continue
		case c == '>':
			z.pos = i + 1
			if end := len(z.slab); end > first {
				z.attrs = z.slab[first:end:end]
			}
			return true
		}
		start := i
		for i++; i < len(s) && !isSpace(s[i]) && s[i] != '/' && s[i] != '>' && s[i] != '='; i++ {
		}
		key, val := s[start:i], ""
		for i < len(s) && isSpace(s[i]) {
			i++
		}
		if i < len(s) && s[i] == '=' {
			val, i = attributeValue(s, i+1)
		}
		if z.pass {
			continue
		}
		if key = attributeName(key); key != "" && !has(z.slab[first:], key) && len(z.slab)-first < maxAttributes {
			z.slab = append(z.slab, attribute{key, decodeValue(val)})
		}
	}
	z.pos = len(s)
	return false
}

// attributeValue reads an attribute's value behind the "=" and returns it with the
// position behind it.
func attributeValue(s string, i int) (string, int) {
	for i < len(s) && isSpace(s[i]) {
		i++
	}
	if i == len(s) || s[i] == '>' {
		return "", i
	}
	if q := s[i]; q == '"' || q == '\'' {
		end := strings.IndexByte(s[i+1:], q)
		if end < 0 {
			return "", len(s)
		}
		return s[i+1 : i+1+end], i + end + 2
	}
	start := i
	for i < len(s) && !isSpace(s[i]) && s[i] != '>' {
		i++
	}
	return s[start:i], i
}

// lookup finds the atom of a tag's name in any case.
func lookup(name string) atom.Atom {
	var b [24]byte
	if len(name) > len(b) {
		return 0
	}
	for i := 0; i < len(name); i++ {
		c := name[i]
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		b[i] = c
	}
	return atom.Lookup(b[:len(name)])
}

// enterRawText notes that the content of an element has no tags.
func (z *tokenizer) enterRawText() {
	if z.foreign {
		return
	}
	switch z.atom {
	case atom.Script, atom.Style, atom.Xmp, atom.Iframe, atom.Noembed, atom.Noframes, atom.Plaintext, atom.Textarea, atom.Title:
		z.rawName = z.atom.String()
	}
}

// rawText returns the content of an element without tags up to its end tag.
func (z *tokenizer) rawText() string {
	name := z.rawName
	z.rawName = ""
	z.literal = name != "textarea" && name != "title"
	start := z.pos
	switch name {
	case "plaintext":
		z.pos = len(z.page)
	case "script":
		z.pos = endOfScript(z.page, start)
	default:
		for z.pos < len(z.page) {
			at := strings.Index(z.page[z.pos:], "</")
			if at < 0 {
				z.pos = len(z.page)
				break
			}
			z.pos += at
			if isTagOf(z.page[z.pos+2:], name) {
				break
			}
			z.pos += 2
		}
	}
	return z.page[start:z.pos]
}

// isTagOf reports whether s begins with a tag's name and what ends it.
func isTagOf(s, name string) bool {
	return len(s) > len(name) && strings.EqualFold(s[:len(name)], name) &&
		(isSpace(s[len(name)]) || s[len(name)] == '/' || s[len(name)] == '>')
}

// endOfScript finds the end tag of a script. In a comment inside it a script
// element may be quoted (HTML section 13.2.5.15 and following).
func endOfScript(page string, pos int) int {
	const (
		normal = iota
		escaped
		doubleEscaped
	)
	state, close := normal, 0 // where the comment ends
	for pos < len(page) {
		at := strings.IndexByte(page[pos:], '<')
		if at < 0 {
			return len(page)
		}
		pos += at
		if state != normal && pos >= close {
			state = normal
		}
		rest := page[pos+1:]
		switch {
		case state == normal && strings.HasPrefix(rest, "!--"):
			state = escaped
			// The two hyphens may already be those of the end.
			if end := strings.Index(page[pos+2:], "-->"); end >= 0 {
				close = pos + 2 + end + 3
			} else {
				close = len(page)
			}
		case state == escaped && isTagOf(rest, "script"):
			state = doubleEscaped
		case rest != "" && rest[0] == '/' && isTagOf(rest[1:], "script"):
			if state != doubleEscaped {
				return pos
			}
			state = escaped
		}
		pos++
	}
	return len(page)
}

// decoded returns the current text with its character references replaced.
func (z *tokenizer) decoded() string {
	if z.literal || strings.IndexByte(z.text, '&') < 0 {
		return z.text
	}
	return html.UnescapeString(z.text)
}

// decodeValue replaces the character references in an attribute's value. There
// one without a semicolon is none if a letter, a digit or "=" follows, so that
// the parameters of a URL survive (HTML section 13.2.5.73).
func decodeValue(s string) string {
	at := strings.IndexByte(s, '&')
	if at < 0 {
		return s
	}
	var b strings.Builder
	for at >= 0 {
		b.WriteString(s[:at])
		s = s[at:]
		end := 1
		for end < len(s) && (s[end] == '#' && end == 1 || isWordByte(s[end]) && s[end] < 0x80) {
			end++
		}
		ref := s[:end]
		switch {
		case end < len(s) && s[end] == ';':
			end++
			b.WriteString(html.UnescapeString(s[:end]))
		case len(ref) > 1 && ref[1] == '#':
			b.WriteString(html.UnescapeString(ref))
		case end < len(s) && s[end] == '=':
			b.WriteString(ref)
		default:
			// Only a whole name counts; those that need no semicolon are one character.
			if c := html.UnescapeString(ref); len([]rune(c)) == 1 {
				ref = c
			}
			b.WriteString(ref)
		}
		s = s[end:]
		at = strings.IndexByte(s, '&')
	}
	b.WriteString(s)
	return b.String()
}
