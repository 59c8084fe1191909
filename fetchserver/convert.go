// SPDX-License-Identifier: Apache-2.0

package fetchserver

import (
	"context"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/extract"
	"github.com/atrawog/mcp-oauth-gateway/fetchserver/fetch"
)

// maxImage is the largest image that is returned, in bytes.
const maxImage = 2 << 20

// Content is what a model can read of a response.
type Content struct {
	Metadata  extract.Metadata
	Text      string   // UTF-8
	Markdown  bool     // Text is Markdown
	Image     []byte   // instead of Text
	Link      *Link    // instead of Text
	Truncated bool     // Text is only the beginning
	Notes     []string // what a reader should know, a sentence each
	// ContentType is the media type that the bytes show, if it is another than
	// the response's.
	ContentType string

	// MarkdownURL and NeedsScripts are what a page says about itself: see
	// [extract.Document].
	MarkdownURL  string
	NeedsScripts bool
}

// A Converter turns the body of a response into text. It obeys ctx, and its
// work is bounded whatever the bytes are.
type Converter func(ctx context.Context, r *fetch.Response) (*Content, error)

// convert makes content of a response, and tells the trace of ctx what.
func (s *Server) convert(ctx context.Context, resp *fetch.Response, raw bool) (*Content, error) {
	converting, ended := s.part(ctx, PartExtract, "", resp.MediaType())
	c, err := s.chooseConverter(converting, resp, raw)
	ended(0, err)
	if fetch.Traced(ctx) {
		e := fetch.Event{Stage: "convert", Detail: resp.MediaType() + ", " + strconv.Itoa(len(resp.Body)) + " bytes", Err: err}
		if err == nil {
			e.Detail += " to " + c.summary()
		}
		fetch.Trace(ctx, e)
	}
	return c, err
}

// summary says in a few words what the content is.
func (c *Content) summary() string {
	switch {
	case c.Image != nil:
		return "an image"
	case c.Link != nil:
		return "a link, since it is too large"
	}
	words := strconv.Itoa(utf8.RuneCountInString(c.Text)) + " characters"
	if c.Markdown {
		words += " of Markdown"
	}
	if c.Truncated {
		words += ", the beginning only"
	}
	if c.NeedsScripts {
		words += "; the page would be filled in by scripts"
	}
	return words
}

// chooseConverter chooses by media type. What is no text, and has no converter,
// is an error.
func (s *Server) chooseConverter(ctx context.Context, resp *fetch.Response, raw bool) (*Content, error) {
	mediaType := resp.MediaType()
	if c := s.opts.Converters[mediaType]; c != nil {
		return c(ctx, resp)
	}
	switch {
	case isHTML(mediaType) && !raw:
		return convertHTML(ctx, resp)
	case (isJSON(mediaType) || isXML(mediaType)) && !raw && !isImage(resp) && !fetch.LooksBinary(resp.Body):
		return convertStructured(ctx, resp)
	case isImage(resp):
		return convertImage(resp)
	case isBinary(mediaType, resp.Body) && resp.Status < 300:
		return nil, &contentError{contentType: mediaType, size: len(resp.Body)}
	case isBinary(mediaType, resp.Body): // of an error, the status says enough
		return &Content{}, nil
	}
	text, _ := resp.Text()
	return &Content{Text: text, Markdown: mediaType == "text/markdown" || isHTML(mediaType)}, nil
}

func convertHTML(ctx context.Context, resp *fetch.Response) (*Content, error) {
	page, _ := resp.Text()
	d, err := extract.HTML(ctx, page, &extract.Options{URL: resp.URL, Headline: true})
	if err != nil {
		return nil, err
	}
	var notes []string
	if d.NeedsScripts {
		notes = append(notes, noteScriptsNotRun)
	}
	return &Content{
		Notes:        notes,
		Metadata:     d.Metadata,
		Text:         d.Markdown,
		Markdown:     true,
		Truncated:    d.Truncated,
		MarkdownURL:  d.MarkdownURL,
		NeedsScripts: d.NeedsScripts,
	}, nil
}

// convertImage returns images as images, by their bytes: the header may say
// anything.
func convertImage(resp *fetch.Response) (*Content, error) {
	mediaType := http.DetectContentType(resp.Body)
	if len(resp.Body) > maxImage {
		return &Content{Link: &Link{Name: path.Base(resp.URL.Path), Size: int64(len(resp.Body))}, ContentType: mediaType}, nil
	}
	return &Content{Image: resp.Body, ContentType: mediaType}, nil
}

func isHTML(mediaType string) bool {
	return mediaType == "text/html" || mediaType == "application/xhtml+xml"
}

// isImage reports whether the body is an image of a kind that models accept.
func isImage(resp *fetch.Response) bool {
	return slices.Contains([]string{"image/png", "image/jpeg", "image/gif", "image/webp"}, http.DetectContentType(resp.Body))
}

func isBinary(mediaType string, body []byte) bool {
	if fetch.LooksBinary(body) {
		return true
	}
	kind, _, _ := strings.Cut(mediaType, "/")
	switch {
	case strings.HasSuffix(mediaType, "+xml"), strings.HasSuffix(mediaType, "+json"):
		return false
	case kind == "image", kind == "audio", kind == "video", kind == "font", mediaType == "application/pdf":
		return true
	}
	return false
}
