// SPDX-License-Identifier: Apache-2.0

package fetch

import (
	"bytes"
	"mime"
	"net/http"
)

// sniff guesses a media type. [http.DetectContentType] sees HTML only at the
// very start of a body; a page may begin with comments or an XML declaration.
func sniff(body []byte) string {
	mediaType, _, _ := mime.ParseMediaType(http.DetectContentType(body))
	if mediaType == "text/plain" || mediaType == "text/xml" {
		head := bytes.ToLower(body[:min(len(body), 1024)])
		if bytes.Contains(head, []byte("<!doctype html")) || bytes.Contains(head, []byte("<html")) {
			return "text/html"
		}
	}
	return mediaType
}

// LooksBinary reports whether a body is not text, whatever its media type
// says: it has a NUL or another control character that no text uses in its
// first 1024 bytes (WHATWG MIME Sniffing section 7.2).
func LooksBinary(body []byte) bool {
	if bytes.HasPrefix(body, []byte("\xFE\xFF")) || bytes.HasPrefix(body, []byte("\xFF\xFE")) {
		return false // UTF-16
	}
	for _, b := range body[:min(len(body), 1024)] {
		switch {
		case b <= 0x08, b == 0x0B, b >= 0x0E && b <= 0x1A, b >= 0x1C && b <= 0x1F:
			return true
		}
	}
	return false
}
