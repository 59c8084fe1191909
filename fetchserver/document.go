// SPDX-License-Identifier: Apache-2.0

package fetchserver

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/extract"
	"github.com/atrawog/mcp-oauth-gateway/fetchserver/fetch"
)

// maxImage is the largest image that is returned, in bytes.
const maxImage = 2 << 20

// document is a fetched resource in the form in which a model reads it, whole.
// Slices are cut from it afterwards.
type document struct {
	finalURL    *url.URL
	status      int
	contentType string
	title       string
	text        string
	image       []byte // instead of text
	markdown    bool   // text is Markdown
	partial     bool   // text is only the beginning of a huge page
}

// load fetches a URL and converts what it gets, when it is its turn.
func (s *Server) load(ctx context.Context, rawURL string, raw bool) (*document, error) {
	select {
	case s.working <- struct{}{}:
		defer func() { <-s.working }()
	case <-ctx.Done():
		return nil, errBusy
	}
	req := &fetch.Request{URL: rawURL}
	if s.robots != nil {
		req.Check = s.robots.Check
	}
	resp, err := s.client.Do(ctx, req)
	if err != nil {
		return nil, err
	}
	d, err := convert(ctx, resp, raw)
	if err != nil {
		return nil, err
	}
	if resp.Status < 200 || resp.Status > 299 {
		return nil, &statusError{resp: resp, text: d.text}
	}
	return d, nil
}

// convert turns a response into a document, by its media type.
func convert(ctx context.Context, resp *fetch.Response, raw bool) (*document, error) {
	d := &document{finalURL: resp.URL, status: resp.Status, contentType: resp.MediaType()}
	switch {
	case isHTML(d.contentType) && !raw:
		page, _ := resp.Text()
		converted, err := extract.HTML(ctx, page, &extract.Options{URL: resp.URL})
		if err != nil {
			return nil, err
		}
		d.title, d.text = converted.Title, converted.Markdown
		d.markdown, d.partial = true, converted.Truncated
	case isImage(resp):
		if len(resp.Body) > maxImage {
			return nil, &contentError{contentType: d.contentType, size: len(resp.Body), tooLarge: true}
		}
		d.image, d.contentType = resp.Body, http.DetectContentType(resp.Body)
	case isBinary(d.contentType, resp.Body) && resp.Status < 300:
		return nil, &contentError{contentType: d.contentType, size: len(resp.Body)}
	case isBinary(d.contentType, resp.Body): // of an error, the status says enough
	default:
		d.text, _ = resp.Text()
		d.markdown = d.contentType == "text/markdown" || isHTML(d.contentType)
	}
	return d, nil
}

func isHTML(mediaType string) bool {
	return mediaType == "text/html" || mediaType == "application/xhtml+xml"
}

// isImage reports whether the body is an image of a kind that models accept,
// by its bytes: the header may say anything.
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
