// SPDX-License-Identifier: Apache-2.0

package extract

import (
	"flag"
	"net/url"
	"os"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/html"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/internal/markdowntest"
)

// FuzzMarkdown converts whole pages and has the Markdown rendered: the text
// must be the page's text, neither more nor less, whatever in it looks like
// Markdown. White space and marks of lists are not compared.
func FuzzMarkdown(f *testing.F) {
	for _, page := range []string{
		"<p>a *b* _c_ `d` [e](f) &lt;g&gt; &amp;amp;", "<b>a</b>b<i>c<b>d</b></i>e<b>(f)</b>g<i>*</i>", "<h1>a<br>b #</h1><hr><pre>c\n```\n\td</pre>", "<ul><li>a<p>b<li>- c<ol start=3><li>d</ul>e",
		"<table><tr><th>a|b<th>c<tr><td><code>d|`e</code><td>f<br>g</table>", "<blockquote>a<p>b<blockquote>c</blockquote>d<ul><li>e</ul>f</blockquote>g", "<a href=x>a<b>b]</b></a>[c]<a href=y><h2>d</h2>e</a>",
		"<dl><dt>a<dd>b<dd>c</dl><details><summary>d</summary>e</details>", "a<br>1. b<br># c<br>> d<br>=== <br>---<br>+ e<br>~~~", "<code>a`</code>`<code> b </code><kbd>``</kbd>x<del>y~</del>~",
		"<p>a<sub>b</sub><sup>c</sup><q>d</q>", "<b><p>a</p><p>b</p></b><i><div>c</div></i>", "0&lt;0@0&gt;00", "1~2 ~3~ a__b__c **d ** e", "<p>&#35; a</p><p>[a]: b</p><p>[^a]: b</p><p>[x] c", "<p>a\\<b>\\</b>\\*<i>!</i><a href=b>c</a>",
		"<ul><li><ul><li>a</ul>b<li></ul><ul><li>c</ul>", "<li>a<table><tr><td>b<td>c<tr><td>d<td>e</table>f", "<p>&amp;<b>lt;</b>&<i>amp;</i>&l<i>t</i>;", "<p>*<b>*</b>*</p><p>_<i>a</i>_</p><p><b>a</b>*b*<b>c</b>",
	} {
		f.Add(page)
	}
	base := &url.URL{Scheme: "https", Host: "example.com", Path: "/"}
	f.Fuzz(func(t *testing.T, page string) {
		if len(page) > 1<<12 || !utf8.ValidString(page) {
			return
		}
		tree, err := parse(t.Context(), page)
		if err != nil {
			t.Fatal(err)
		}
		if tree.body.descendant(isUncomparable) != nil {
			return
		}
		if fuzzing := flag.Lookup("test.fuzz"); fuzzing != nil && fuzzing.Value.String() != "" && os.Getenv("EXTRACT_FUZZ_TEXT") == "" {
			_, err := HTML(t.Context(), page, &Options{URL: base, WholePage: true})
			if err != nil {
				t.Fatal(err)
			}
			return // the texts of seeds are compared, those of other pages on request
		}
		var want strings.Builder
		shown(tree.body, &want)
		doc, err := HTML(t.Context(), page, &Options{URL: base, WholePage: true})
		if err != nil {
			t.Fatal(err)
		}
		if !utf8.ValidString(doc.Markdown) || len(doc.Markdown) > 64*len(page)+1<<10 {
			t.Fatalf("%d bytes of Markdown from %d", len(doc.Markdown), len(page))
		}
		if got := renderedText(markdowntest.GFM(doc.Markdown)); got != withoutSpace(want.String()) {
			t.Errorf("%q\nbecame %q\n got %q\nwant %q", page, doc.Markdown, got, withoutSpace(want.String()))
		}
		// What was converted once is Markdown that converts to the same text.
		again, err := HTML(t.Context(), markdowntest.GFM(doc.Markdown), &Options{URL: base, WholePage: true})
		if err != nil {
			t.Fatal(err)
		}
		if once, twice := renderedText(markdowntest.GFM(doc.Markdown)), renderedText(markdowntest.GFM(again.Markdown)); once != twice {
			t.Errorf("%q\nbecame %q\n then %q", page, doc.Markdown, again.Markdown)
		}
	})
}

// isUncomparable: elements whose text is left out or written in other words
// on purpose, or whose order is another one.
func isUncomparable(n *node) bool {
	if n.atom == 0 {
		return false
	}
	return n.hidden || n.dropped || isTablePart(n.atom) || isGutter(n) ||
		strings.Contains(" math q sup video audio iframe noscript pre img input sub ", " "+n.atom.String()+" ") ||
		strings.HasPrefix(n.attr("href"), "#") || n.attr("aria-label") != "" || n.attr("id") != ""
}

func shown(n *node, b *strings.Builder) {
	if n.isText() {
		b.WriteString(n.text)
	}
	for c := n.first; c != nil; c = c.next {
		shown(c, b)
	}
}

// renderedText is the text of rendered Markdown.
func renderedText(page string) string {
	var b strings.Builder
	z := html.NewTokenizer(strings.NewReader(page))
	for {
		switch z.Next() {
		case html.ErrorToken:
			return withoutSpace(b.String())
		case html.TextToken:
			b.Write(z.Text())
		}
	}
}

// withoutSpace removes white space, and what a text can lose to it: soft hyphens
// and the like are gone already.
func withoutSpace(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return r
	}, cleanText(s))
}
