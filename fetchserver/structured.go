// SPDX-License-Identifier: Apache-2.0

package fetchserver

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/extract"
	"github.com/atrawog/mcp-oauth-gateway/fetchserver/fetch"
	"github.com/atrawog/mcp-oauth-gateway/fetchserver/internal/feed"
)

func isJSON(mediaType string) bool {
	return mediaType == "application/json" || mediaType == "text/json" || strings.HasSuffix(mediaType, "+json")
}

func isXML(mediaType string) bool {
	return mediaType == "application/xml" || mediaType == "text/xml" || strings.HasSuffix(mediaType, "+xml")
}

// convertStructured makes a list of a feed, and other JSON readable. What it
// does not know stays as it is.
func convertStructured(ctx context.Context, resp *fetch.Response) (*Content, error) {
	text, _ := resp.Text()
	parse := feed.ParseXML
	if isJSON(resp.MediaType()) {
		parse = feed.ParseJSON
	}
	if f, err := parse(text); err == nil {
		return convertFeed(ctx, f, resp)
	}
	if isJSON(resp.MediaType()) {
		text = indent(text)
	}
	return &Content{Text: text}, nil
}

// convertFeed writes a feed as a page, so that its links and texts are treated
// like those of any page.
func convertFeed(ctx context.Context, f *feed.Feed, resp *fetch.Response) (*Content, error) {
	d, err := extract.HTML(ctx, f.HTML(), &extract.Options{URL: resp.URL, WholePage: true})
	if err != nil {
		return nil, err
	}
	c := &Content{
		Metadata:  extract.Metadata{Title: f.Title, Lang: f.Lang, Description: f.Description},
		Text:      d.Markdown,
		Markdown:  true,
		Truncated: d.Truncated || f.Truncated,
		Notes:     []string{"This is a feed, shown as a list with the beginning of each entry; raw=true returns it as it is."},
	}
	return c, nil
}

// Bounds of what is indented: deep nesting would make much of little.
const (
	maxIndented = 1 << 20
	maxNesting  = 32
)

// indent lays out JSON for reading. What is not JSON, huge or deep stays as it
// is, and so do the texts of numbers.
func indent(text string) string {
	if len(text) > maxIndented || nesting(text) > maxNesting {
		return text
	}
	var b bytes.Buffer
	if json.Indent(&b, []byte(text), "", "  ") != nil {
		return text
	}
	return strings.TrimSpace(b.String())
}

// nesting returns the depth of JSON.
func nesting(text string) int {
	depth, deepest, quoted := 0, 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[' || c == '{':
			depth++
			deepest = max(deepest, depth)
		case c == ']' || c == '}':
			depth--
		}
	}
	return deepest
}
