// SPDX-License-Identifier: Apache-2.0

package fetchserver

import (
	"bytes"
	"net/http"
	"strings"

	"github.com/klauspost/compress/s2"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/fetch"
)

// page is what the cache holds of an answer: the document in the form that was
// asked for, and, where there is another form, what it is made of. So the
// second form costs no second request. It does not change.
type page struct {
	doc  *Document
	resp *fetch.Response // without its body
	raw  bool            // doc is the raw form
	// body is the compressed body, of which the raw form is made; nil if doc
	// is the raw form, or there is no other.
	body []byte
}

// hasForms reports whether the raw form of a media type differs from the other.
func hasForms(mediaType string) bool {
	return isHTML(mediaType) || isJSON(mediaType) || isXML(mediaType)
}

func newPage(doc *Document, resp *fetch.Response, raw bool) *page {
	bare := *resp
	bare.Body = nil
	p := &page{doc: doc, resp: &bare, raw: raw}
	if !raw && resp.Status == http.StatusOK && doc.Image == nil && hasForms(resp.MediaType()) {
		p.body = bytes.Clone(s2.Encode(nil, resp.Body)) // without the room for a worse case
	}
	return p
}

// size is what the page takes in memory, in bytes.
func (p *page) size() int64 {
	n := len(p.doc.Text) + 8*len(p.doc.marks) + len(p.doc.Image) + len(p.body) + len(p.doc.URL.String()) + 1024
	for _, note := range p.doc.Notes {
		n += len(note)
	}
	for _, field := range []string{p.doc.Title, p.doc.Description} {
		n += len(field)
	}
	return int64(n)
}

// response returns an answer from which the other form of the page can be
// converted, or nil if there is none.
func (p *page) response() *fetch.Response {
	whole := *p.resp
	switch {
	case p.body != nil:
		body, err := s2.Decode(nil, p.body)
		if err != nil {
			return nil // which cannot be
		}
		whole.Body = body
	case p.raw && hasForms(p.doc.ContentType) && !p.doc.Truncated && p.doc.Link == nil && p.doc.Image == nil:
		// The text is the decoded body.
		whole.Header = whole.Header.Clone()
		whole.Header.Set("Content-Type", p.doc.ContentType+"; charset=utf-8")
		whole.Body = []byte(p.doc.Text)
	default:
		return nil
	}
	return &whole
}

func newDocument(resp *fetch.Response, content *Content) *Document {
	d := &Document{
		URL:         resp.URL,
		Status:      resp.Status,
		ContentType: resp.MediaType(),
		Metadata:    content.Metadata,
		Markdown:    content.Markdown,
		Image:       content.Image,
		Link:        content.Link,
		Truncated:   content.Truncated,
		ETag:        resp.Header.Get("ETag"),
		Notes:       content.Notes,
	}
	// As parts of the page, such as a title, they would keep all of it in memory.
	for _, field := range []*string{&d.Title, &d.Byline, &d.Site, &d.Published, &d.Lang, &d.Description} {
		*field = strings.Clone(*field)
	}
	d.setText(content.Text)
	if content.ContentType != "" {
		d.ContentType = content.ContentType
	}
	return d
}
