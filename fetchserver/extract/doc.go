// SPDX-License-Identifier: Apache-2.0

// Package extract turns an HTML page into Markdown: its main content, without
// navigation, advertising and scripts, with absolute links.
//
//	doc, err := extract.HTML(ctx, page, &extract.Options{URL: pageURL})
//	fmt.Println(doc.Title)
//	fmt.Println(doc.Markdown)
//
// The Markdown is CommonMark with the tables and strikethrough of GitHub
// Flavored Markdown.
//
// # Page types
//
// What the content of a page is depends on what the page is for. An article is
// its text. A thread of a forum is each post with its author and date, so that
// comments count there and only there. A page about a product is its name,
// price, description and specifications, without what customers wrote and
// without other products. A list is its items with what they say. Other pages,
// such as those about services, are everything but the frame of the site.
// Panels that a click unfolds belong to the content on all of them. The type
// is taken from Open Graph, JSON-LD, microdata and the build of the page,
// never from its address.
//
// # Hostile pages
//
// Pages are untrusted. Time is linear in the size of the page, memory and
// output are capped, and the context is looked at on the way. Tokenizer and
// tree are this package's own: they follow the HTML standard, except that an
// element is never created twice, and that what nests too deep joins its
// parent. The repair rules of the standard reopen formatting elements, which
// lets a page of a few hundred kilobytes grow into gigabytes of nodes. Tests
// compare the result with that of golang.org/x/net/html.
package extract
