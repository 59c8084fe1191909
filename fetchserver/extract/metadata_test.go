// SPDX-License-Identifier: Apache-2.0

package extract_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/extract"
)

func TestMetadata(t *testing.T) {
	type M = extract.Metadata
	for _, test := range []struct {
		name, page string
		want       M
	}{
		{"JSON-LD with a graph and references", `<script type="application/ld+json">{"@context":"https://schema.org","@graph":[
			{"@type":"WebSite","name":"The &amp; Paper"},{"@type":"WebPage","name":"page","datePublished":"2001-01-01"},
			{"@type":["NewsArticle"],"headline":"News","author":{"@id":"#p"},"datePublished":"2024-05-06T07:08:09+0200","inLanguage":"de","description":"What <b>happened<\/b>"},
			{"@type":"Person","@id":"#p","name":"Zo\u00eb 😀 \"Z\""}]}</script><title>News | The & Paper</title>`,
			M{"News", `Zoë 😀 "Z"`, "The & Paper", "2024-05-06T07:08:09+02:00", "de", "What happened"}},
		{"JSON-LD: authors in an array, publisher", `<script type='application/ld+json; charset=utf-8'><!-- [{"@type":"http://schema.org/BlogPosting",
			"author":["A", {"name":["B"]}, {"givenName":"C","familyName":"D"}, "a", "https://example.com/me"],"publisher":{"name":"P"},}] --></script>`,
			M{"", "A, B, C D", "P", "", "", ""}},
		{"broken JSON-LD: what can be read is kept", "<script type=application/ld+json>{\"@type\":\"Article\",\"author\":\"A\nB\",\"headline\":\"H\", \"description\": \"cut off", M{"H", "A B", "", "", "", "cut off"}},
		{"Open Graph", `<html lang=en-GB><meta property=og:title content="T"><meta property="og:site_name" content=S><meta property="og:description" content="D &amp; d">
			<meta property="article:published_time" content="2024-05-06"><meta property="article:author" content="https://example.com/x"><meta name=Author content="By  X  Y">`,
			M{"T", "X Y", "S", "2024-05-06", "en-GB", "D & d"}},
		{"cards", `<meta name=twitter:title content=T><meta name=twitter:description content=D><meta property=og:locale content=pt_BR>`, M{"T", "", "", "", "pt-BR", "D"}},
		{"Dublin Core", `<meta name=DC.Title content=T><meta name=DC.Creator content=A><meta name=DC.creator content=B><meta name=DCTERMS.issued content="2 May 2024"><meta name=DC.Description content=D>`,
			M{"T", "A, B", "", "2024-05-02", "", "D"}},
		{"scholarly", `<meta name=citation_author content="Roe, R."><meta name=citation_author content="Doe, J."><meta name=citation_publication_date content="2023/4/5">`,
			M{"", "Roe, R., Doe, J.", "", "2023-04-05", "", ""}},
		{"microdata and rel=author", `<article><h1>T</h1><a rel="author nofollow" href=/x>X <b>Y</b></a><time itemprop=datePublished datetime="2024-05-06T07:08Z">May</time></article>`,
			M{"T", "X Y", "", "2024-05-06T07:08:00Z", "", ""}},
		{"the only time", `<p>On <time datetime=2024-05-06>6 May</time>`, M{"", "", "", "2024-05-06", "", ""}},
		{"times of a list belong to its items", `<p><time datetime=2024-05-06>6 May</time><p><time datetime=2024-05-07>7 May</time>`, M{}},
		{"times beside the content", `<aside><time datetime=2024-05-06>6 May</time></aside><p>x`, M{}},
		{"names of classes, in an article", `<meta property=og:type content=article><div class=post-byline>By <a href=/x>X Y</a></div><span class=entry-date>May 6, 2024</span>`,
			M{"", "X Y", "", "2024-05-06", "", ""}},
		{"and elsewhere not", `<div class=post-byline>By <a href=/x>X Y</a></div><span class=entry-date>May 6, 2024</span>`, M{}},
		{"ambiguous date stays as it is", `<meta name=date content="03/04/2024">`, M{"", "", "", "03/04/2024", "", ""}},
		{"no date", `<meta name=date content="yesterday"><meta name=pubdate content="0001-01-01T00:00:00Z">`, M{}},
		{"title: site named", `<meta property=og:site_name content="my site"><title>a - b | My Site</title>`, M{"a - b", "", "my site", "", "", ""}},
		{"title: site in front", `<meta property=og:site_name content="my site"><title>My Site: a</title>`, M{"a", "", "my site", "", "", ""}},
		{"title: the heading says the same", `<title>All about separators - Somewhere</title><h1>All about separators</h1>`, M{Title: "All about separators"}},
		{"title: not certain", `<title>Cats - Dogs</title><h1>Cats and dogs</h1>`, M{Title: "Cats - Dogs"}},
		{"title: only the site", `<meta property=og:site_name content="S"><title>S</title>`, M{Title: "S", Site: "S"}},
		{"hidden characters", "<meta name=description content='a\u202eb\n c'>", M{Description: "ab c"}},
		{"too long", `<meta name=description content="` + strings.Repeat("x", 1000) + `"><meta name=author content="` + strings.Repeat("y", 5000) + `">`,
			M{Description: strings.Repeat("x", 499) + "…"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			doc, err := extract.HTML(t.Context(), test.page, nil)
			if err != nil || doc.Metadata != test.want {
				t.Errorf("%v\n got %q\nwant %q", err, doc.Metadata, test.want)
			}
		})
	}
}

func TestMarkdownURL(t *testing.T) {
	base, err := url.Parse("https://example.com/docs/page?x=1")
	if err != nil {
		t.Fatal(err)
	}
	for link, want := range map[string]string{
		`<link rel=alternate type=text/markdown href=page.md#top>`:                  "https://example.com/docs/page.md",
		`<link rel="ALTERNATE x" type="Text/Markdown; charset=utf-8" href="/p.md">`: "https://example.com/p.md",
		`<base href=/other/><link rel=alternate type=text/markdown href=page.md>`:   "https://example.com/other/page.md",
		`<link rel=alternate type=text/html href=page.html>`:                        "",
		`<link rel=stylesheet type=text/markdown href=page.md>`:                     "",
		`<link rel=alternate type=text/markdown href="javascript:alert(1)">`:        "",
		`<link rel=alternate type=text/markdown href="` + strings.Repeat("x", 5000): "",
	} {
		doc, err := extract.HTML(t.Context(), link, &extract.Options{URL: base})
		if err != nil || doc.MarkdownURL != want {
			t.Errorf("%.80s: %q, %v, want %q", link, doc.MarkdownURL, err, want)
		}
	}
}

func TestNeedsScripts(t *testing.T) {
	for _, test := range []struct {
		name, page string
		want       bool
	}{
		{"React", `<!doctype html><html><head><title>App</title><script defer src=/static/js/main.js></script></head><body><noscript>You need to enable JavaScript to run this app.</noscript><div id="root"></div></body></html>`, true},
		{"Vue", `<title>App</title><div id=app></div><script type=module src=/assets/index.js></script>`, true},
		{"Next", `<body><div id="__next"><div></div></div><script id="__NEXT_DATA__" type="application/json">{"props":{}}</script><script src=/_next/main.js></script>`, true},
		{"loading", `<noscript><strong>Please turn on JavaScript.</strong></noscript><app-root>Loading …</app-root><script src=main.js></script>`, true},
		{"menu around an empty application", `<header><a href=/>Home</a> <a href=/in>Sign in</a></header><div id=root></div><footer>© 2025</footer><script src=x.js></script>`, true},
		{"script only", `<script>document.write("x")</script>`, true},
		{"short page", `<title>Moved</title><h1>We moved</h1><p>New address: Example Street 1.<script src=count.js></script><noscript><img src=pixel.gif></noscript>`, false},
		{"short page in a container of an application", `<div id=root><p>Closed on Sundays.</div><script src=x.js></script>`, false},
		{"no scripts", `<div id=root></div>`, false},
		{"picture", `<div id=app><img src=x.png alt=""></div><script src=x.js></script><p>A picture`, false},
		{"data is no script", `<div id=root></div><script type="application/ld+json">{}</script>`, false},
		{"long page with a widget", `<p>` + strings.Repeat("Text of a page. ", 20) + `<div id=app></div><script src=x.js></script><noscript>Enable JavaScript for comments.</noscript>`, false},
		{"text for readers without scripts", `<noscript><p>` + strings.Repeat("Text of a page. ", 20) + `</noscript><div id=app></div><script src=x.js></script>`, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			doc, err := extract.HTML(t.Context(), test.page, nil)
			if err != nil || doc.NeedsScripts != test.want {
				t.Errorf("%v, %v, %q", err, doc.NeedsScripts, doc.Markdown)
			}
		})
	}
}

func TestNoscript(t *testing.T) {
	text := strings.Repeat("Words of the thread. ", 20)
	for _, test := range []struct{ name, page, want, not string }{
		{"the page is in it", "<header>Site</header><div id=app></div><noscript><div><p>" + text + "</noscript>", "Words of", ""},
		{"notices and second images", "<p>" + text + "<noscript><b>Enable scripts</b></noscript><p>end", "end", "Enable"},
		{"in a paragraph", "<p>" + text + "<noscript><div>Not this</div></noscript> <b>one</b> paragraph", text + "**one** paragraph", "Not this"},
		{"what it leaves open ends with it", "<p>" + text + "<noscript><ul><li><table><tr><td>Not this</noscript><p>end", "\n\nend", "Not this"},
		{"what it closes stays open", "<ul><li>" + text + "<noscript></li></ul>Not this</noscript><li>end</ul>", "\n- end", "Not this"},
	} {
		t.Run(test.name, func(t *testing.T) {
			doc, err := extract.HTML(t.Context(), test.page, nil)
			if err != nil || !strings.Contains(doc.Markdown, test.want) || test.not != "" && strings.Contains(doc.Markdown, test.not) {
				t.Errorf("%v, %q", err, doc.Markdown)
			}
		})
	}
}
