// SPDX-License-Identifier: Apache-2.0

package extract_test

import (
	"strings"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/extract"
)

// TestPageTypes checks what belongs to pages that are no articles.
func TestPageTypes(t *testing.T) {
	text := strings.Repeat("Words about it, and more of them. ", 8)
	description := "A kettle of copper that boils a litre in three minutes and keeps it warm for two hours, as only JSON-LD says."
	product := `<script type="application/ld+json">{"@type":"Product","name":"Kettle","description":"` + description + `"}</script><h1>Kettle</h1>`
	for _, test := range []struct{ name, page, want, not string }{
		{"reviews of a product", product + "<p>" + text + "<div class=product-reviews><h2>Reviews</h2><p>Too loud for me.</div>", "Words about", "Too loud"},
		{"reviews that are the page", "<h1>Books</h1><p>" + text + "<div class=reviews><p>Too long for me.</div>", "Too long", ""},
		{"other products", product + "<p>" + text + "<section><h2>You may also like</h2><p>A teapot.</section>", "Words about", "teapot"},
		{"description in JSON-LD only", product + "<p>€ 59", "boils a litre", ""},
		{"description that is shown", product + "<p>" + strings.ToUpper(description[:1]) + description[1:] + "<p>€ 59", "boils a litre", "says.\n\n€ 59\n\nA kettle"},
		{"description beside much text", product + "<p>" + text, "Words about", "boils a litre"},
		{"items of a list", strings.Repeat("<p>A short line of the page.", 12) + `<div><a href=/1>The great refractor is back in service</a> <a href=/2>Open nights in April and May, and how to come</a> <a href=/3>Students find an asteroid on old plates</a></div>`,
			"asteroid", ""},
		{"names of sections", "<p>" + text + text + `<div><a href=/1>Telescopes and more</a> <a href=/2>Open nights</a> <a href=/3>Asteroids and comets</a></div>`, "Words about", "Asteroids"},
		{"comments under an article", `<meta property=article:published_time content=2025-01-02><p>` + text + `<div id=comments><p>` + text + `First!</div>`, "Words about", "First!"},
		{"comments on a forum", `<meta property=article:published_time content=2025-01-02><div itemscope itemtype="https://schema.org/DiscussionForumPosting"><p>` + text +
			`<div id=comments><p>` + text + `First!</div></div>`, "First!", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			doc, err := extract.HTML(t.Context(), test.page, nil)
			if err != nil || !strings.Contains(doc.Markdown, test.want) || test.not != "" && strings.Contains(doc.Markdown, test.not) {
				t.Errorf("%v, %q", err, doc.Markdown)
			}
		})
	}
}
