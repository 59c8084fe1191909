// SPDX-License-Identifier: Apache-2.0

package quality

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"unicode"

	"golang.org/x/net/html"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/extract"
	"github.com/atrawog/mcp-oauth-gateway/fetchserver/fetch"
	"github.com/atrawog/mcp-oauth-gateway/fetchserver/internal/markdowntest"
	"github.com/atrawog/mcp-oauth-gateway/fetchserver/internal/quality/dataset"
)

// text converts a page to Markdown and returns the text of that.
func text(ctx context.Context, p *dataset.Page) (string, error) {
	r := fetch.Response{Header: http.Header{}, Body: p.HTML}
	page, _ := r.Text()
	u, _ := url.Parse(p.URL) // nil leaves links relative, and they do not count
	doc, err := extract.HTML(ctx, page, &extract.Options{URL: u})
	if err != nil {
		return "", err
	}
	return rendered(doc.Markdown), nil
}

// rendered returns the text that a reader of the Markdown sees. Elements that
// begin a line in a browser begin one here.
func rendered(md string) string {
	var out strings.Builder
	for z := html.NewTokenizer(strings.NewReader(markdowntest.GFM(md))); ; {
		switch z.Next() {
		case html.ErrorToken:
			return out.String()
		case html.TextToken:
			out.Write(z.Text())
		case html.StartTagToken, html.SelfClosingTagToken:
			switch name, _ := z.TagName(); string(name) {
			case "a", "em", "strong", "code", "del", "sub", "sup":
			default:
				out.WriteByte('\n')
			}
		}
	}
}

// words splits as Python's \w+ does: letters, numbers and underscores.
func words(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) && r != '_' })
}
