// SPDX-License-Identifier: Apache-2.0

package extract

import (
	"context"
	"net/url"
	"strings"

	"golang.org/x/net/html/atom"
)

// DefaultMaxOutput is the default cap on the Markdown of a page, in bytes.
const DefaultMaxOutput = 8 << 20

// Options say how to convert a page. The zero value is the default.
type Options struct {
	// URL is where the page came from; relative links are resolved against it,
	// or against the page's base element. Nil leaves relative links relative.
	URL *url.URL
	// WholePage converts everything visible instead of the main content.
	WholePage bool
	// Headline begins the Markdown with the heading of the page. Otherwise a
	// heading that repeats the title is left out: Document.Title has it.
	Headline bool
	// MaxOutput caps the Markdown in bytes. Default [DefaultMaxOutput].
	MaxOutput int
}

// Document is a converted page.
type Document struct {
	Metadata
	Markdown string // ends without a newline
	// MarkdownURL is where the page says that it is as Markdown, absolute;
	// empty if it does not (link rel=alternate type=text/markdown).
	MarkdownURL string
	// NeedsScripts says that the page is a shell which scripts would fill.
	NeedsScripts bool
	// Truncated says that the page was larger than the caps of this package
	// and that Markdown is only its beginning.
	Truncated bool
}

// HTML converts a page given as UTF-8. Any input is a page, so the only error
// is that of ctx.
func HTML(ctx context.Context, page string, o *Options) (*Document, error) {
	var opts Options
	if o != nil {
		opts = *o
	}
	if opts.MaxOutput <= 0 {
		opts.MaxOutput = DefaultMaxOutput
	}
	t, err := parse(ctx, page)
	if err != nil {
		return nil, err
	}
	t.body.measure()
	t.useNoscript()
	doc := &Document{Metadata: t.metadata(), NeedsScripts: t.needsScripts()}
	var roots []*node
	var headline *node
	if opts.WholePage {
		t.dropHidden()
		roots = []*node{t.body}
	} else {
		h := t.headline()
		roots = t.mainContent(h)
		if opts.Headline {
			headline = h
		}
	}
	base := baseURL(opts.URL, t.head.base)
	w := newWriter(ctx, base, opts.MaxOutput)
	w.notes.roots, w.whole = roots, opts.WholePage
	if headline != nil {
		headline.atom = atom.H1
		w.heading(headline)
	}
	for _, n := range roots {
		switch {
		case n.dropped:
		case n.isBlock():
			w.block(n)
		default:
			w.container(n)
		}
	}
	w.cap()
	if w.err != nil && w.err != errFull {
		return nil, w.err
	}
	doc.MarkdownURL = t.markdownURL(base)
	doc.Metadata.detach()
	doc.Markdown = strings.TrimRight(string(w.out), " \n")
	doc.Truncated = t.truncated || w.err == errFull
	return doc, nil
}

// dropHidden drops what a reader does not see, unless that is nearly all:
// pages that reveal themselves by script are hidden as a whole.
func (t *tree) dropHidden() {
	all := t.body.chars
	t.body.drop(func(n *node) bool { return n.hidden && !n.unfolds() && !n.isStreamed() })
	t.body.measure()
	if t.body.chars < all/keptShare {
		t.body.undrop(func(n *node) bool { return n.atom != atom.Noscript })
		t.body.measure()
	}
}

// baseURL resolves the base element's href (HTML section 4.2.3). One that is
// too long, and would be repeated in every link, is ignored.
func baseURL(page *url.URL, base string) *url.URL {
	if base == "" || len(base) > maxLink {
		return page
	}
	b, err := url.Parse(base)
	if err != nil {
		return page
	}
	if page != nil {
		b = page.ResolveReference(b)
	}
	if b.Scheme != "http" && b.Scheme != "https" {
		return page
	}
	return b
}
