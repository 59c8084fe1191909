// SPDX-License-Identifier: Apache-2.0

package fetch

import (
	"bytes"
	"strings"
	letters "unicode"
	"unicode/utf8"

	"golang.org/x/net/html"
	"golang.org/x/net/html/charset"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/unicode"
)

// metaWindow is how far into a page a declaration of its encoding is looked
// for. Browsers look at 1024 bytes; one real page in eight declares it later.
const metaWindow = 64 << 10

// Text returns the body as UTF-8, and the name of the encoding it came in.
//
// A byte order mark decides; then a declared encoding whose bytes may look
// like ASCII; then, if the whole body is valid UTF-8, it is UTF-8, whatever is
// declared; then the Content-Type field; then a meta element or an XML
// declaration in the first 64 KiB; then a guess from the bytes, as far as it
// is certain; then the default of browsers for the page's language. Labels are
// those of the WHATWG Encoding standard. Bytes that do not fit become U+FFFD.
func (r *Response) Text() (text, name string) {
	enc, name, _ := r.charset()
	return decode(r.Body, enc), name
}

// charset also tells how the encoding was found.
func (r *Response) charset() (enc encoding.Encoding, name, source string) {
	_, label := r.contentType()
	return detect(r.Body, label)
}

func detect(body []byte, header string) (enc encoding.Encoding, name, source string) {
	const mark = "its byte order mark"
	switch {
	case bytes.HasPrefix(body, []byte("\xEF\xBB\xBF")):
		return unicode.UTF8BOM, "utf-8", mark
	case bytes.HasPrefix(body, []byte("\xFE\xFF")):
		return unicode.UTF16(unicode.BigEndian, unicode.UseBOM), "utf-16be", mark
	case bytes.HasPrefix(body, []byte("\xFF\xFE")):
		return unicode.UTF16(unicode.LittleEndian, unicode.UseBOM), "utf-16le", mark
	}
	const field = "the Content-Type field"
	enc, name = charset.Lookup(header)
	if enc != nil && !asciiCompatible(name) {
		return enc, name, field
	}
	if order := utf16Order(body); order != "" {
		enc, name = charset.Lookup(order)
		return enc, name, "its zero bytes"
	}
	if utf8.Valid(body) {
		// Seven-bit encodings use only ASCII bytes, so their text is valid too.
		if enc == nil && bytes.IndexByte(body, 0x1B) >= 0 {
			if bytes.Contains(body, []byte("\x1B$B")) || bytes.Contains(body, []byte("\x1B$@")) {
				enc, name = charset.Lookup("iso-2022-jp")
				return enc, name, "its escape sequences"
			}
		}
		return encoding.Nop, "utf-8", "being valid"
	}
	if enc != nil {
		return enc, name, field
	}
	declared, lang := prescan(body)
	// A page cannot tell in ASCII that it is UTF-16, so that is a mistake.
	if enc, name = charset.Lookup(declared); enc != nil && !strings.HasPrefix(name, "utf-16") {
		return enc, name, "the page's declaration"
	}
	if name, source = guess(body, lang); name == "utf-8" {
		return encoding.Nop, name, source
	}
	enc, name = charset.Lookup(name)
	return enc, name, source
}

func asciiCompatible(name string) bool {
	return name != "iso-2022-jp" && name != "replacement" && !strings.HasPrefix(name, "utf-16")
}

// utf16Order recognises UTF-16 without a byte order mark: it begins with two
// characters of ASCII, as markup does, and its beginning can be read. It
// returns "" for anything else.
func utf16Order(body []byte) string {
	if len(body) < 8 {
		return ""
	}
	order, name := unicode.LittleEndian, "utf-16le"
	a, b := body[0], body[2]
	if a == 0 && b == 0 {
		order, name = unicode.BigEndian, "utf-16be"
		a, b = body[1], body[3]
	} else if body[1] != 0 || body[3] != 0 {
		return ""
	}
	if !readable(rune(a)) || !readable(rune(b)) {
		return ""
	}
	head, err := unicode.UTF16(order, unicode.IgnoreBOM).NewDecoder().Bytes(body[:min(len(body), 1024)&^1])
	if err != nil {
		return ""
	}
	strange := 0
	for _, r := range string(head) {
		if !readable(r) {
			strange++
		}
	}
	if strange*20 > utf8.RuneCount(head) {
		return ""
	}
	return name
}

func readable(r rune) bool { return r != utf8.RuneError && (letters.IsPrint(r) || letters.IsSpace(r)) }

func decode(body []byte, enc encoding.Encoding) string {
	if enc == encoding.Nop {
		return strings.ToValidUTF8(string(body), "\uFFFD")
	}
	text, err := enc.NewDecoder().Bytes(body)
	if err != nil {
		text = body
	}
	return strings.ToValidUTF8(string(text), "\uFFFD")
}

// prescan returns the encoding that a page declares, and its language; each
// may be "".
func prescan(body []byte) (declared, lang string) {
	head := body[:min(len(body), metaWindow)]
	declared = xmlEncoding(head)
	z := html.NewTokenizer(bytes.NewReader(head))
	for {
		switch z.Next() {
		case html.ErrorToken:
			return declared, lang
		case html.StartTagToken, html.SelfClosingTagToken:
			name, more := z.TagName()
			switch string(name) {
			case "html":
				lang = attributes(z, more)["lang"]
			case "meta":
				a := attributes(z, more)
				label := a["charset"]
				if label == "" && strings.EqualFold(a["http-equiv"], "content-type") {
					label = charsetIn(a["content"])
				}
				if enc, _ := charset.Lookup(label); enc != nil {
					return label, lang
				}
			}
		}
	}
}

// attributes returns the first value of each attribute.
func attributes(z *html.Tokenizer, more bool) map[string]string {
	a := make(map[string]string)
	for more {
		var key, value []byte
		key, value, more = z.TagAttr()
		if _, seen := a[string(key)]; !seen && len(a) < 100 {
			a[string(key)] = string(value)
		}
	}
	return a
}

// xmlEncoding returns the encoding of an XML declaration.
func xmlEncoding(head []byte) string {
	declaration, _, found := bytes.Cut(head, []byte("?>"))
	if !found || !bytes.HasPrefix(declaration, []byte("<?xml")) || len(declaration) > 1024 {
		return ""
	}
	return valueIn(string(declaration), "encoding")
}

// charsetIn finds charset=NAME in a content attribute, which is often too
// broken for mime.ParseMediaType.
func charsetIn(content string) string { return valueIn(strings.ToLower(content), "charset") }

func valueIn(text, name string) string {
	_, rest, found := strings.Cut(text, name)
	rest = strings.TrimLeft(rest, " \t\r\n")
	if !found || !strings.HasPrefix(rest, "=") {
		return ""
	}
	rest = strings.TrimLeft(rest[1:], " \t\r\n\"'")
	if end := strings.IndexAny(rest, " \t\r\n;,\"'"); end >= 0 {
		rest = rest[:end]
	}
	return rest
}
