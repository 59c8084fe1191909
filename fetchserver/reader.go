// SPDX-License-Identifier: Apache-2.0

package fetchserver

import (
	"context"
	"net/http"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/fetch"
)

// Request says which document is wanted.
type Request struct {
	// URL is an absolute http or https URL.
	URL string
	// Raw leaves HTML as it is.
	Raw bool
	// ByPerson says that a person asked for this very URL: robots.txt, which
	// is for automated clients, is not asked.
	ByPerson bool
	// Continue says that the caller has read the beginning of the document and
	// wants the rest of the same.
	Continue bool
	// Method, Header and Body go to the origin as in [fetch.Request]. The zero
	// values make a plain GET, the only kind of request that is cached.
	Method string
	Header http.Header
	Body   []byte
}

// Renderer runs the scripts of a page. Package render has one.
type Renderer interface {
	// Render returns the answer with the HTML of the page after its scripts
	// ran as the body. It obeys r as [fetch.Client.Do] does.
	Render(ctx context.Context, r *fetch.Request) (*fetch.Response, error)
}

// Fetch returns a document: from the cache, or from its origin if robots.txt
// allows it, when it is its turn. It is what the tools, the prompt and the
// resources do. [Explain] puts its error into words. Each decision is reported
// to the trace of ctx, see [fetch.WithTrace].
func (s *Server) Fetch(ctx context.Context, r *Request) (*Document, error) {
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	start := time.Now()
	o := Outcome{Cache: CacheBypass}
	d, err := s.load(ctx, r, &o)
	o.Duration = time.Since(start)
	o.Result, o.Reason = resultOf(err)
	if s.opts.Observe != nil {
		s.opts.Observe(o)
	}
	return d, err
}

// load gets a document and notes in o what there is to count.
func (s *Server) load(ctx context.Context, r *Request, o *Outcome) (*Document, error) {
	asked := time.Now()
	select {
	case s.working <- struct{}{}:
		defer func() { <-s.working }()
	case <-ctx.Done():
		return nil, errBusy
	}
	o.Waited = time.Since(asked)
	req := &fetch.Request{URL: r.URL, Method: r.Method, Header: r.Header, Body: r.Body}
	if s.robots != nil && !r.ByPerson {
		req.Check = s.robots.Check
	}
	resp, err := s.client.Do(ctx, req)
	if err != nil {
		return nil, err
	}
	o.Status, o.Received, o.Decoded = resp.Status, resp.Received, int64(len(resp.Body))
	d, err := s.document(ctx, resp, r.Raw)
	if err != nil {
		return nil, err
	}
	if resp.Status < 200 || resp.Status > 299 {
		return nil, &statusError{resp: resp, text: d.Text, boundary: s.boundary(d.URL.String(), d.Text)}
	}
	d.Robots = RobotsNotAsked
	if req.Check != nil {
		d.Robots = RobotsAllowed
	}
	return d, nil
}

// document converts a response.
func (s *Server) document(ctx context.Context, resp *fetch.Response, raw bool) (*Document, error) {
	content, err := s.convert(ctx, resp, raw)
	if err != nil {
		return nil, err
	}
	d := &Document{
		URL:         resp.URL,
		Status:      resp.Status,
		ContentType: resp.MediaType(),
		Metadata:    content.Metadata,
		Text:        content.Text,
		Length:      utf8.RuneCountInString(content.Text),
		Markdown:    content.Markdown,
		Image:       content.Image,
		Link:        content.Link,
		Truncated:   content.Truncated,
		ETag:        resp.Header.Get("ETag"),
		Notes:       slices.Concat(resp.Notes, content.Notes),
	}
	if content.ContentType != "" {
		d.ContentType = content.ContentType
	}
	return d, nil
}
