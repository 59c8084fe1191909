// SPDX-License-Identifier: Apache-2.0

package fetchserver

import (
	"crypto/sha256"
	"net/url"
	"time"

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

	digest [sha256.Size]byte // of Text
	marks  []int             // byte offsets of each markEvery-th code point, if there are longer ones
}

// Link stands for a resource that is left where it is, such as an image of
// more than 2 MiB.
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
