// SPDX-License-Identifier: Apache-2.0

package extract

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/fetch"
	"github.com/atrawog/mcp-oauth-gateway/fetchserver/internal/quality/dataset"
)

// The parser of golang.org/x/net/html follows the HTML standard to the letter.
// The tests here compare with it what users see: the tags, the attributes and
// the text in its order, and which block holds it.

// ourTokens and theirTokens write a page's tokens one a line.
func ourTokens(page string) []string {
	var list []string
	z := tokenizer{page: page}
	for {
		switch z.next() {
		case endOfPage:
			return list
		case textToken:
			list = addText(list, z.decoded())
		case startTag:
			var line strings.Builder
			line.WriteString("<" + strings.ToLower(z.name))
			for _, a := range z.attrs {
				fmt.Fprintf(&line, " %s=%q", a.key, a.val)
			}
			list = append(list, line.String())
			z.slab = nil
		case endTag:
			list = append(list, "</"+strings.ToLower(z.name))
		}
	}
}

func theirTokens(page string) []string {
	var list []string
	z := html.NewTokenizer(strings.NewReader(page))
	for {
		switch z.Next() {
		case html.ErrorToken:
			return list
		case html.TextToken:
			list = addText(list, string(z.Text()))
		case html.StartTagToken, html.SelfClosingTagToken:
			t := z.Token()
			var line strings.Builder
			line.WriteString("<" + t.Data)
			var seen []string
			for _, a := range t.Attr {
				if attributeName(a.Key) != "" && !slices.Contains(seen, a.Key) {
					seen = append(seen, a.Key)
					fmt.Fprintf(&line, " %s=%q", a.Key, a.Val)
				}
			}
			if t.DataAtom == atom.Noscript {
				z.NextIsNotRawText()
			}
			list = append(list, line.String())
		case html.EndTagToken:
			list = append(list, "</"+z.Token().Data)
		}
	}
}

func addText(list []string, text string) []string {
	if text == "" {
		return list
	}
	if n := len(list); n > 0 && list[n-1][0] == '"' {
		list[n-1] += text
		return list
	}
	return append(list, `"`+text)
}

var tokenPages = []string{
	"<p>a &amp; b &lt;c&gt; &notit; &copy &#65; &#x41 &unknown; &", "<a href='?a=1&copy=2&amp;b&lt=3&lt' title=\"&quot;x\" class=x/y>z</a>",
	"a < b <3 <> </> </3> <a", "<!-- c -->x<!-->y<!--->z<!-- a -- b --!>w<!doctype html><?php x ?>v<!x>u", "<!-- open", "<p class", "<p class=", "<p class=\"x",
	"<p class = 'a' CLASS=b id = c/>x<br/>y<IMG SRC=x ALT>", "<p =x id=1 / id=2>x", "<script>a<b</script >x<script><!--<script></script>--></script>y", "<script><!--<script></script>x",
	"<script><!-- x --><script></script>y", "<script><!--></script>x", "<style>a</styl></style>b", "<title>a &amp; <b></title>c", "<textarea>&lt;<p></textarea>d", "<xmp><b></xmp><plaintext><b>&amp;",
	"<noscript><p>x</noscript>", "<iframe><p></iframe>x", "<p\n\tclass\n=\nx\n>y</p\n>z", "<a\fhref=x\fid=y>", "<p/class=x>y", "</p class=x>y", "<a href=x?y=1&amp;z=\"q'>w", "<É>x<a É=1 id=2>",
}

func TestTokenizer(t *testing.T) {
	for _, page := range tokenPages {
		if got, want := ourTokens(page), theirTokens(page); !slices.Equal(got, want) {
			t.Errorf("%s\n got %q\nwant %q", page, got, want)
		}
	}
}

func FuzzTokenizer(f *testing.F) {
	for _, page := range tokenPages {
		f.Add(page)
	}
	f.Fuzz(func(t *testing.T, page string) {
		// The oracle makes "\n" of "\r" and replaces NUL; the parser here drops both.
		page = strings.NewReplacer("\r", "", "\x00", "").Replace(strings.ToValidUTF8(page, "?"))
		if got, want := ourTokens(page), theirTokens(page); !slices.Equal(got, want) {
			t.Errorf("%q\n got %q\nwant %q", page, got, want)
		}
	})
}

// outline writes the text of a page with the blocks that hold it.
type outline struct {
	lines []string
	path  []string
}

func (o *outline) text(s string) {
	s = strings.Join(strings.Fields(cleanText(s)), "")
	if s == "" {
		return
	}
	path := strings.Join(o.path, " ") + ": "
	if n := len(o.lines); n > 0 && strings.HasPrefix(o.lines[n-1], path) {
		o.lines[n-1] += s
		return
	}
	o.lines = append(o.lines, path+s)
}

// inOutline are the elements whose place in the tree decides about Markdown.
func inOutline(a atom.Atom) bool {
	switch a {
	case atom.P, atom.Li, atom.Ul, atom.Ol, atom.Blockquote, atom.Pre, atom.Table, atom.Tr, atom.Td, atom.Th, atom.Dt, atom.Dd, atom.Caption:
		return true
	}
	return isHeading(a)
}

func (o *outline) ours(n *node) {
	if n.isText() {
		o.text(n.text)
		return
	}
	if inOutline(n.atom) {
		o.path = append(o.path, n.atom.String())
	}
	for c := n.first; c != nil; c = c.next {
		o.ours(c)
	}
	if inOutline(n.atom) {
		o.path = o.path[:len(o.path)-1]
	}
}

func (o *outline) theirs(n *html.Node) {
	switch {
	case n.Type == html.TextNode:
		o.text(n.Data)
		return
	case n.Type == html.ElementNode && kindOf(n.DataAtom)&skipped != 0 || n.DataAtom == atom.Head || n.Namespace == "svg" || n.DataAtom == atom.Title:
		return
	}
	if inOutline(n.DataAtom) {
		o.path = append(o.path, n.DataAtom.String())
	}
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		o.theirs(c)
	}
	if inOutline(n.DataAtom) {
		o.path = o.path[:len(o.path)-1]
	}
}

func outlines(t *testing.T, page string) (ours, theirs []string) {
	tree, err := parse(context.Background(), page)
	if err != nil {
		t.Fatal(err)
	}
	var o outline
	o.ours(tree.body)
	root, err := html.ParseWithOptions(strings.NewReader(page), html.ParseOptionEnableScripting(false))
	if err != nil {
		t.Skipf("the oracle refuses the page: %v", err)
	}
	var w outline
	w.theirs(root)
	return o.lines, w.lines
}

// TestTree compares repairs. Left out are those that differ with a reason: cells
// outside of a table are blocks, for fragments; formatting is not opened again
// in the next paragraph (see the package comment); a paragraph in a select
// shows; noscript, video and the like hold what is in them.
func TestTree(t *testing.T) {
	for _, page := range []string{
		// Omitted end tags.
		"<p>a<p>b<ul><li>c<li>d<ul><li>e</ul><li>f</ul>g", "<dl><dt>a<dd>b<dt>c<dd><p>d</dl>e", "<table><tr><td>a<td>b<tr><th>c</table>d", "<p>a<h2>b</h2>c", "<p>a<div>b</div>c", "<p>a<table><tr><td>b</table>",
		"<ul><li><p>a<li>b</ul>", "<ul><li><div>a<li>b</ul>", "<ul><li><table><tr><td><li>a</table><li>b</ul>", "<h1>a<h2>b</h1>c", "<p><button><p>a</button>b", "<table><caption>a<tr><td>b</table>",
		"<table><thead><tr><th>a<tbody><tr><td>b<tfoot><tr><td>c</table>", "<li>a<li>b", "<blockquote><p>a<blockquote><p>b</blockquote>c</blockquote>d",
		// Wrong nesting.
		"<b><p>a</b>b</p>c", "<a href=1>a<a href=2>b</a>c", "<p><b>a<p>b</b>c", "<i><ul><li>a</i><li>b</ul>c", "<ul><li>a</ul></ul></li>b", "<table><tr><td><b>a</table>b", "<div><p>a</div>b</p>c", "</p>a</br>b",
		"<h2>a</h3>b", "<p>a</div>b</p>c", "<p><center>a</center>b", "<ul><ul><li>a</ul></ul>",
		// Content of other kinds.
		"<p>a<svg><title>b</title><path/><style>x</style></svg>c", "<p>a<svg><p>b", "<p>a<select><option>b<option>c</select>d", "<p>a<textarea><p>b</textarea>c", "<p>a<template><p>b</template>c",
		"<p>a<iframe><p>b</iframe>c", "<p>a<math><mi>b</mi><mo>=</mo></math>c", "a<plaintext><p>b</p>", "a<xmp><p>b</xmp>c", "<title>a</title>b", "<p>a<object><p>b</object>c",
		"<p>a<video>b</video>c", "<pre>\na\n b</pre>c", "<image src=x>a", "<form><p>a<form>b</form>c</form>d", "<body><p>a</body>b</html>c", "<frameset><frame></frameset>", "<p>a<script>b</script>c<style>d</style>e",
	} {
		ours, theirs := outlines(t, "<!doctype html>"+page)
		if !slices.Equal(ours, theirs) {
			t.Errorf("%s\nours   %q\ntheirs %q", page, ours, theirs)
		}
	}
}

// TestTreeOfPages compares the text of real pages.
func TestTreeOfPages(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	dir := DataDir(t, "aeb/html.tar (github.com/scrapinghub/article-extraction-benchmark)")
	pages, same, text := 0, 0, 0
	for page, err := range dataset.AEB(dir) {
		if err != nil {
			t.Fatal(err)
		}
		r := fetch.Response{Header: map[string][]string{}, Body: page.HTML}
		decoded, _ := r.Text()
		ours, theirs := outlines(t, decoded)
		pages++
		join := func(lines []string) string {
			var b strings.Builder
			for _, l := range lines {
				_, s, _ := strings.Cut(l, ": ")
				b.WriteString(s)
			}
			return b.String()
		}
		if slices.Equal(ours, theirs) {
			same++
		} else if testing.Verbose() {
			for i := range min(len(ours), len(theirs)) {
				if ours[i] != theirs[i] {
					t.Logf("%s\nours   %.200q\ntheirs %.200q", page.ID, ours[i], theirs[i])
					break
				}
			}
		}
		if join(ours) == join(theirs) {
			text++
		}
	}
	if text < pages || same < pages || pages == 0 {
		t.Errorf("%d pages: %d with the same text, %d also in the same blocks", pages, text, same)
	}
}
