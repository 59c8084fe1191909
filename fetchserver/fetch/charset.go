// SPDX-License-Identifier: Apache-2.0

package fetch

import (
	"bytes"
	"mime"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/html"
	"golang.org/x/net/html/charset"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/unicode"
)

// metaWindow is how far into a page a declaration of its encoding is looked
// for. Browsers look at 1024 bytes; one real page in eight declares it later.
const metaWindow = 64 << 10

// MediaType returns the media type of a Content-Type field in lower case,
// without parameters; when the field is absent or broken, it is guessed from
// the body (WHATWG MIME Sniffing).
func (r *Response) MediaType() string {
	if mediaType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); strings.Contains(mediaType, "/") {
		return mediaType
	}
	return sniff(r.Body)
}

// Text returns the body as UTF-8, and the name of the encoding it came in.
//
// A byte order mark decides; then a declared encoding whose bytes may look
// like ASCII; then, if the whole body is valid UTF-8, it is UTF-8, whatever is
// declared; then the Content-Type field; then a meta element in the first 64
// KiB; then a guess. Bytes that do not fit become U+FFFD.
func (r *Response) Text() (text, name string) {
	_, params, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	enc, name := detect(r.Body, params["charset"])
	return decode(r.Body, enc), name
}

func detect(body []byte, header string) (encoding.Encoding, string) {
	switch {
	case bytes.HasPrefix(body, []byte("\xEF\xBB\xBF")):
		return unicode.UTF8BOM, "utf-8"
	case bytes.HasPrefix(body, []byte("\xFE\xFF")):
		return unicode.UTF16(unicode.BigEndian, unicode.UseBOM), "utf-16be"
	case bytes.HasPrefix(body, []byte("\xFF\xFE")):
		return unicode.UTF16(unicode.LittleEndian, unicode.UseBOM), "utf-16le"
	}
	enc, name := charset.Lookup(header)
	if enc != nil && !asciiCompatible(name) {
		return enc, name
	}
	if utf8.Valid(body) {
		if metaEnc, metaName := charset.Lookup(metaCharset(body)); enc == nil && metaEnc != nil && sevenBit(metaName) {
			return metaEnc, metaName
		}
		return encoding.Nop, "utf-8"
	}
	if enc == nil {
		// A page cannot tell in ASCII that it is UTF-16, so that is a mistake.
		if enc, name = charset.Lookup(metaCharset(body)); enc != nil && strings.HasPrefix(name, "utf-16") {
			enc = nil
		}
	}
	if enc == nil {
		return guess(body)
	}
	return enc, name
}

// guess takes UTF-8 with a few broken places for UTF-8, and the rest for
// windows-1252, the default of browsers.
func guess(body []byte) (encoding.Encoding, string) {
	broken, multibyte := 0, 0
	for b := body; len(b) > 0; {
		if b[0] < utf8.RuneSelf {
			b = b[1:]
			continue
		}
		r, size := utf8.DecodeRune(b)
		if r == utf8.RuneError && size == 1 {
			broken++
		} else {
			multibyte++
		}
		b = b[size:]
	}
	if multibyte > 4*broken {
		return encoding.Nop, "utf-8"
	}
	return charset.Lookup("windows-1252")
}

// sevenBit encodings use only ASCII bytes, so their text is valid UTF-8 too.
func sevenBit(name string) bool { return name == "iso-2022-jp" || name == "hz-gb-2312" }

func asciiCompatible(name string) bool {
	return !sevenBit(name) && !strings.HasPrefix(name, "utf-16") && name != "replacement"
}

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

// metaCharset returns the encoding that a meta element declares, or "".
func metaCharset(body []byte) string {
	z := html.NewTokenizer(bytes.NewReader(body[:min(len(body), metaWindow)]))
	for {
		switch z.Next() {
		case html.ErrorToken:
			return ""
		case html.StartTagToken, html.SelfClosingTagToken:
			name, more := z.TagName()
			if string(name) != "meta" {
				continue
			}
			var direct, content string
			var isContentType bool
			for more {
				var key, value []byte
				key, value, more = z.TagAttr()
				switch string(key) {
				case "charset":
					direct = string(value)
				case "content":
					content = string(value)
				case "http-equiv":
					isContentType = strings.EqualFold(string(value), "content-type")
				}
			}
			if direct == "" && isContentType {
				direct = charsetIn(content)
			}
			if enc, _ := charset.Lookup(direct); enc != nil {
				return direct
			}
		}
	}
}

// charsetIn finds charset=NAME in a content attribute, which is often too
// broken for mime.ParseMediaType.
func charsetIn(content string) string {
	_, rest, found := strings.Cut(strings.ToLower(content), "charset")
	rest = strings.TrimLeft(rest, " \t\r\n")
	if !found || !strings.HasPrefix(rest, "=") {
		return ""
	}
	rest = strings.Trim(rest[1:], " \t\r\n\"'")
	if end := strings.IndexAny(rest, " ;,\"'"); end >= 0 {
		rest = rest[:end]
	}
	return rest
}
