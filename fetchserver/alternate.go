// SPDX-License-Identifier: Apache-2.0

package fetchserver

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/fetch"
	"github.com/atrawog/mcp-oauth-gateway/fetchserver/httpcache"
)

// purposeMarkdown is the purpose of fetching the Markdown that a page offers.
// Such a page leads to no further ones, so that no two wait for each other.
const purposeMarkdown = "markdown"

// replaceByMarkdown gives a page the text of the Markdown that its site offers
// for it, if there is any and it can be had.
func (t *trip) replaceByMarkdown(ctx context.Context, p *page, content *Content, answer *httpcache.Response[*page]) {
	target := content.MarkdownURL
	if target == "" && isHTML(p.resp.MediaType()) {
		target = markdownLink(p.resp.Header)
	}
	if target == "" {
		return
	}
	base := p.resp.URL
	u, err := base.Parse(target)
	if err != nil || u.Scheme != base.Scheme || u.Host != base.Host || *withoutFragment(u) == *withoutFragment(base) {
		return
	}
	r := t.at(u)
	r.Continue = false
	resp, info, err := t.server.get(ctx, r, purposeMarkdown)
	detail := "the Markdown that the page offers cannot be had, so its HTML is converted"
	if err == nil && isMarkdownOf(resp.Value, base) {
		detail = "the page offers Markdown, which is used"
		doc := *p.doc
		doc.setText(resp.Value.doc.Text)
		doc.Markdown, doc.Truncated = true, resp.Value.doc.Truncated
		doc.Notes = []string{"The text is the Markdown version that the site offers at " + resp.Value.doc.URL.String() + "."}
		p.doc = &doc
		answer.Composed, answer.FreshUntil = true, time.Now().Add(info.FreshFor)
	}
	fetch.Trace(ctx, fetch.Event{Stage: "convert", Detail: detail})
}

// isMarkdownOf reports whether a page is Markdown of the origin of base. Sites
// answer with HTML for whatever they do not have.
func isMarkdownOf(p *page, base *url.URL) bool {
	d := p.doc
	return p.resp.Status == http.StatusOK && d.URL.Scheme == base.Scheme && d.URL.Host == base.Host &&
		(d.ContentType == "text/markdown" || d.ContentType == "text/x-markdown" || d.ContentType == "text/plain") &&
		strings.TrimSpace(d.Text) != ""
}

func withoutFragment(u *url.URL) *url.URL {
	c := *u
	c.Fragment, c.RawFragment = "", ""
	return &c
}

// markdownLink returns the target of a link of the header with the relation
// alternate and the type text/markdown (RFC 8288), or "".
func markdownLink(h http.Header) string {
	for _, line := range h["Link"] {
		for range 32 {
			_, rest, found := strings.Cut(line, "<")
			target, rest, whole := strings.Cut(rest, ">")
			if !found || !whole {
				break
			}
			var parameters string
			parameters, line = cutLink(rest)
			if len(target) <= maxURLLength && isMarkdownAlternate(parameters) {
				return target
			}
		}
	}
	return ""
}

// cutLink splits a list of links at the first comma outside of a quoted string.
func cutLink(s string) (link, rest string) {
	quoted := false
	for i := range len(s) {
		switch {
		case s[i] == '"':
			quoted = !quoted
		case s[i] == ',' && !quoted:
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

func isMarkdownAlternate(parameters string) bool {
	alternate, markdown := false, false
	for parameter := range strings.SplitSeq(parameters, ";") {
		name, value, _ := strings.Cut(parameter, "=")
		value = strings.ToLower(strings.Trim(value, " \t\""))
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "rel":
			alternate = slices.Contains(strings.Fields(value), "alternate")
		case "type":
			markdown = value == "text/markdown"
		}
	}
	return alternate && markdown
}
