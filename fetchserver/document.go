// SPDX-License-Identifier: Apache-2.0

package fetchserver

import (
	"net/url"
	"time"
	"unicode/utf8"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/extract"
)

// Document is a fetched resource in the form in which a model reads it, whole;
// slices are cut from it afterwards. It is shared by all who ask for it, and
// must not be changed.
type Document struct {
	URL         *url.URL // the URL that answered, after redirects
	Status      int      // the HTTP status
	ContentType string   // the media type of the resource
	extract.Metadata
	Text      string   // UTF-8
	Length    int      // of Text, in code points
	Markdown  bool     // Text is Markdown
	Image     []byte   // a PNG, JPEG, GIF or WebP image instead of Text
	Link      *Link    // instead of Text, for what is too large to be handed on
	Truncated bool     // Text is only the beginning of a huge resource
	ETag      string   // of the resource, as the origin gave it
	Robots    Robots   // what robots.txt had to say
	Notes     []string // what a reader should know about how it was got, a sentence each

	// Freshness is how long the origin lets a cache use the document, from
	// now; 0 means not at all. Public says that others may be given it.
	Freshness time.Duration
	Public    bool
}

// Link stands for a resource that is left where it is.
type Link struct {
	Name string // the last part of its path
	Size int64  // in bytes
}

// Robots says what robots.txt had to do with a document.
type Robots string

// The two possibilities: what is forbidden is no document.
const (
	RobotsAllowed  Robots = "allowed"
	RobotsNotAsked Robots = "not_asked" // a person asked for the document, or the operator ignores such files
)

// slice returns at most length code points of the text from the code point
// start on.
func (d *Document) slice(start, length int) string {
	if d.Length == len(d.Text) { // one byte each
		from := min(start, d.Length)
		return d.Text[from : from+min(length, d.Length-from)]
	}
	return slice(d.Text, start, length)
}

// slice returns at most length code points of s from the code point start on.
func slice(s string, start, length int) string {
	from := offset(s, start)
	s = s[from:]
	return s[:offset(s, length)]
}

// offset returns the byte offset of the n-th code point, or len(s).
func offset(s string, n int) int {
	if n >= len(s) {
		return len(s)
	}
	at := 0
	for ; n > 0 && at < len(s); n-- {
		if s[at] < utf8.RuneSelf {
			at++
			continue
		}
		_, size := utf8.DecodeRuneInString(s[at:])
		at += size
	}
	return at
}
