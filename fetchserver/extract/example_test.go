// SPDX-License-Identifier: Apache-2.0

package extract_test

import (
	"context"
	"fmt"
	"net/url"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/extract"
)

const tides = `<!doctype html><html lang="en"><head><title>Tides - Sea Letters</title>
<meta property="og:site_name" content="Sea Letters"><meta name="author" content="Ana Brandt">
<meta property="article:published_time" content="2026-10-02"></head><body>
<nav><a href="/">Home</a> <a href="/about">About</a></nav>
<article><h1>Tides</h1><p>The sea rises and falls twice a day, pulled by <a href="/moon">the Moon</a> and,
less than half as much, by the Sun. Sailors have known that for as long as they have kept records.</p>
<p>When both pull along one line, the tide is high; when they pull at a right angle, it is low.
Between the two lies a week, and every harbour has a table that says what that means for its quays.</p></article>
<footer>Imprint. Privacy. Cookies.</footer></body></html>`

func ExampleHTML() {
	page, err := url.Parse("https://sea.example/tides")
	if err != nil {
		fmt.Println(err)
		return
	}
	doc, err := extract.HTML(context.Background(), tides, &extract.Options{URL: page})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s, by %s in %s, %s\n\n", doc.Title, doc.Byline, doc.Site, doc.Published)
	fmt.Println(doc.Markdown)
	// Output:
	// Tides, by Ana Brandt in Sea Letters, 2026-10-02
	//
	// The sea rises and falls twice a day, pulled by [the Moon](https://sea.example/moon) and, less than half as much, by the Sun. Sailors have known that for as long as they have kept records.
	//
	// When both pull along one line, the tide is high; when they pull at a right angle, it is low. Between the two lies a week, and every harbour has a table that says what that means for its quays.
}
