// SPDX-License-Identifier: Apache-2.0

package fetch

import (
	"bytes"
	"mime"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// MediaType returns the media type of the body in lower case, without
// parameters. It is that of the Content-Type field, except where servers are
// known to say what is not so (in the spirit of the WHATWG MIME Sniffing
// standard): when the field is absent, broken or says nothing, such as
// application/octet-stream; when text is HTML, PDF or another format with an
// unmistakable beginning; when HTML is a feed; when XML is XHTML.
func (r *Response) MediaType() string {
	declared, _ := r.contentType()
	kind, _, _ := strings.Cut(declared, "/")
	switch {
	case declared == "" || slices.Contains(meaningless, declared):
		return sniff(r.Body)
	case len(r.Body) == 0:
		return declared
	case declared == "text/html" || declared == "application/xhtml+xml":
		if t := signature(r.Body); t != "" {
			return t
		}
		if t := markup(r.Body); t == "application/rss+xml" || t == "application/atom+xml" {
			return t
		}
	case declared == "text/plain":
		if t := signature(r.Body); t != "" {
			return t
		}
		if markup(r.Body) == "text/html" {
			return "text/html"
		}
	case declared == "text/xml" || declared == "application/xml":
		if t := markup(r.Body); t == "text/html" {
			return "application/xhtml+xml"
		} else if t != "" {
			return t
		}
	case kind == "text":
		if t := signature(r.Body); t == "application/pdf" {
			return t
		}
	}
	return declared
}

// contentType reads the Content-Type field as browsers do (WHATWG MIME
// Sniffing, "parse a MIME type"): what is broken behind the type does not hide
// it, and of two parameters the first counts. The type is "" if there is none.
func (r *Response) contentType() (mediaType, charset string) {
	essence, rest, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	mediaType = strings.ToLower(strings.Trim(essence, " \t"))
	kind, subtype, _ := strings.Cut(mediaType, "/")
	if !isToken(kind) || !isToken(subtype) {
		mediaType = ""
	}
	for parameter := range strings.SplitSeq(rest, ";") {
		name, value, _ := strings.Cut(parameter, "=")
		if strings.EqualFold(strings.TrimSpace(name), "charset") {
			return mediaType, strings.Trim(strings.TrimSpace(value), `"'`)
		}
	}
	return mediaType, ""
}

func isToken(s string) bool { return httpguts.ValidHeaderFieldName(s) }

// meaningless types say no more than that there is a body.
var meaningless = []string{
	"*/*", "application/binary", "application/download", "application/force-download", "application/octet-stream",
	"application/octetstream", "application/unknown", "application/x-download", "application/x-unknown",
	"binary/octet-stream", "content/unknown", "unknown/unknown",
}

// sniff guesses a media type.
func sniff(body []byte) string {
	if utf16Order(body) != "" {
		return "text/plain"
	}
	mediaType, _, _ := mime.ParseMediaType(http.DetectContentType(body))
	if mediaType == "text/plain" || mediaType == "text/xml" {
		if t := markup(body); t != "" {
			return t
		}
	}
	return mediaType
}

// signature returns the type of a format that begins in a way in which no text
// does, or "".
func signature(body []byte) string {
	mediaType, _, _ := mime.ParseMediaType(http.DetectContentType(body))
	switch kind, _, _ := strings.Cut(mediaType, "/"); {
	case kind == "image", kind == "audio", kind == "video", kind == "font",
		mediaType == "application/pdf", mediaType == "application/zip", mediaType == "application/x-gzip":
		if mediaType == "image/bmp" || !LooksBinary(body) && mediaType != "application/pdf" {
			return "" // "BM" may begin a sentence
		}
		return mediaType
	}
	return ""
}

// markup looks behind white space, comments and declarations, where
// [http.DetectContentType] stops, for the first element of a page or feed. It
// returns "" if there is none.
func markup(body []byte) string {
	head := bytes.TrimPrefix(body[:min(len(body), 4096)], []byte("\xEF\xBB\xBF"))
	for {
		head = bytes.TrimLeft(head, " \t\r\n\f")
		var end string
		switch {
		case hasPrefixFold(head, "<!--"):
			end = "-->"
		case hasPrefixFold(head, "<?"):
			end = "?>"
		case hasPrefixFold(head, "<!doctype html"), isElement(head, "html"):
			return "text/html"
		case hasPrefixFold(head, "<!doctype"):
			end = ">"
		case isElement(head, "rss"), isElement(head, "rdf:rdf") && bytes.Contains(head, []byte("purl.org/rss/1.0")):
			return "application/rss+xml"
		case isElement(head, "feed") && bytes.Contains(head, []byte("http://www.w3.org/2005/Atom")):
			return "application/atom+xml"
		default:
			return ""
		}
		i := bytes.Index(head, []byte(end))
		if i < 0 {
			return ""
		}
		head = head[i+len(end):]
	}
}

func isElement(head []byte, name string) bool {
	return hasPrefixFold(head, "<"+name) && len(head) > len(name)+1 && bytes.IndexByte([]byte(" \t\r\n\f/>"), head[len(name)+1]) >= 0
}

func hasPrefixFold(b []byte, prefix string) bool {
	return len(b) >= len(prefix) && strings.EqualFold(string(b[:len(prefix)]), prefix)
}

// LooksBinary reports whether a body is not text, whatever its media type
// says: it has a NUL or another control character that no text uses in its
// first 1024 bytes (WHATWG MIME Sniffing section 7.2), and is not UTF-16.
func LooksBinary(body []byte) bool {
	if bytes.HasPrefix(body, []byte("\xFE\xFF")) || bytes.HasPrefix(body, []byte("\xFF\xFE")) || utf16Order(body) != "" {
		return false
	}
	for _, b := range body[:min(len(body), 1024)] {
		switch {
		case b <= 0x08, b == 0x0B, b >= 0x0E && b <= 0x1A, b >= 0x1C && b <= 0x1F:
			return true
		}
	}
	return false
}
