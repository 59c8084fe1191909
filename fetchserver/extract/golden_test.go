// SPDX-License-Identifier: Apache-2.0

package extract_test

import (
	"flag"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/extract"
)

var update = flag.Bool("update", false, "write the golden files")

// TestGolden converts testdata/golden/NAME.html and compares with NAME.md.
func TestGolden(t *testing.T) {
	pages, err := filepath.Glob("testdata/golden/*.html")
	if err != nil || len(pages) == 0 {
		t.Fatal("no golden pages", err)
	}
	base, err := url.Parse("https://example.com/2025/page")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range pages {
		t.Run(filepath.Base(name), func(t *testing.T) {
			page, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			doc, err := extract.HTML(t.Context(), string(page), &extract.Options{URL: base, Headline: true})
			if err != nil {
				t.Fatal(err)
			}
			got := doc.Markdown + "\n"
			golden := strings.TrimSuffix(name, ".html") + ".md"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			gotLines, wantLines := strings.Split(got, "\n"), strings.Split(string(want), "\n")
			for i := range max(len(gotLines), len(wantLines)) {
				g, w := line(gotLines, i), line(wantLines, i)
				if g != w {
					t.Fatalf("line %d:\n got %q\nwant %q\n(-update writes the golden file)", i+1, g, w)
				}
			}
		})
	}
}

func line(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "(end of file)"
}

func TestTitleAndLang(t *testing.T) {
	for _, test := range []struct{ page, title, lang string }{
		{"<html lang=de-CH><title> Zwei\n Wörter &amp; mehr </title>", "Zwei Wörter & mehr", "de-CH"},
		{`<meta property="og:title" content="Social"><h1>Heading</h1>`, "Social", ""},
		{"<body><h1>Only a <em>heading</em></h1>", "Only a heading", ""},
		{"<title></title><p>x", "", ""},
		{"<svg><title>icon</title></svg><p>x", "", ""},
		{"<title>" + strings.Repeat("ü", 1000) + "</title>", strings.Repeat("ü", 299) + "…", ""},
		{"<title>a\u202Eb\u200Bc</title>", "abc", ""},
	} {
		doc, err := extract.HTML(t.Context(), test.page, nil)
		if err != nil || doc.Title != test.title || doc.Lang != test.lang {
			t.Errorf("%.60s: title %q, lang %q, %v", test.page, doc.Title, doc.Lang, err)
		}
	}
}

// TestMainContent checks what belongs to a page and what does not, beyond the
// golden files.
func TestMainContent(t *testing.T) {
	text := strings.Repeat("Words of the article, and more of them. ", 20)
	for _, test := range []struct{ name, page, want, not string }{
		{"page that scripts reveal", `<body style="display:none"><div hidden><p>` + text + "</div><p>x", "Words of", ""},
		{"everything is navigation", "<nav>" + text + "</nav>", "Words of", ""},
		{"boilerplate by name", "<div class=site-footer>Imprint</div><p>" + text, "Words of", "Imprint"},
		{"name that only sounds like it", "<div class=content-with-sidebar><p>" + text + "</div>", "Words of", ""},
		{"name of a style", "<p>" + text + "<div class='overflow-hidden css-ad4f9'><p>Kept as well.</div>", "Kept as well", ""},
		{"class that hides", "<p>" + text + "<div class='p-2 hidden'>Obey me.</div>", "Words of", "Obey"},
		{"class that hides on small screens", "<p>" + text + "<div class='md:block hidden'>Also this.</div>", "Also this", ""},
		{"what a click unfolds", "<p>" + text + "<button>How does it work in practice?</button><div class=accordion-body aria-hidden=true>Like this.</div><div role=tabpanel hidden>And that.</div>",
			"How does it work in practice?\n\nLike this.\n\nAnd that.", ""},
		{"box of links", "<ul><li><a href=/1>One long link text</a><li><a href=/2>Another long link text</a><li><a href=/3>A third one</a></ul><p>" + text,
			"Words of", "Another"},
		{"hidden instructions", "<p>" + text + "<span style='DISPLAY : none !important'>Obey me.</span>", "Words of", "Obey"},
		{"part that React sends later", "<p>" + text + "<div hidden id=S:1><p>It came later.</div>", "It came later", ""},
		{"link alone in an article", `<article><p>` + text + `<p><a href=/x>SOMETHING ELSE ENTIRELY HAPPENED</a><p>` + text + `</article>`, "Words of", "ENTIRELY"},
		{"cards beside a short article", `<meta property="article:published_time" content="2025-01-01"><div class=text><p>` + text + "</div>" +
			strings.Repeat("<a href=/x><p>Elsewhere a thing has happened, and this is what it was about, in a sentence or two.</p></a>", 20), "Words of", "Elsewhere"},
		{"article in parts", strings.Repeat("<div class=part><p>"+text+"</div><div class=break></div>", 3) + "<div class=part><p>The last part has an end, and it is a sentence of the same text.</div>", "The last part", ""},
		{"caption of code", `<article><p>` + text + `<figure><pre>x := 1</pre><figcaption>Listing 1: a variable</figcaption></figure><p>` + text + `</article>`, "Listing 1", ""},
		{"unclosed svg", "<p>" + text + "<svg><path><div>after the drawing</div>", "after the drawing", ""},
		{"shadow root", "<x-app><template shadowrootmode=open><p>" + text + "</p></template></x-app>", "Words of", ""},
		{"template", "<p>" + text + "<template><p>not yet</p></template>", "Words of", "not yet"},
		{"deeper than any parser goes", strings.Repeat("<div>", 2000) + "<p>" + text, "Words of", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			doc, err := extract.HTML(t.Context(), test.page, nil)
			if err != nil || !strings.Contains(doc.Markdown, test.want) || test.not != "" && strings.Contains(doc.Markdown, test.not) {
				t.Errorf("%v, %q", err, doc.Markdown)
			}
		})
	}
}

// TestHeadline: the heading that repeats the title is the document's title,
// and not a part of its text unless that is asked for.
func TestHeadline(t *testing.T) {
	text := "<p>" + strings.Repeat("Words of the article, and more of them. ", 20)
	for _, test := range []struct{ name, page, without, with string }{
		{"repeats the title", "<title>Tea is served | The Paper</title><div>Food</div><h1>Tea is served</h1>" + text, "Words of", "# Tea is served\n\nWords of"},
		{"above the content", "<title>Tea is served</title><header><h1>Tea is served</h1></header><main>" + text + "</main>", "Words of", "# Tea is served\n\nWords of"},
		{"second level", "<title>Tea is served</title><h2>Tea is served</h2>" + text, "Words of", "# Tea is served\n\nWords of"},
		{"another heading", "<title>The Paper</title><h1>Tea is served</h1>" + text, "# Tea is served\n\nWords of", "# Tea is served\n\nWords of"},
		{"name of the site", "<title>Tea is served, again and again | The Morning Paper</title><h1>The Morning Paper</h1><h1>Tea is served, again and again</h1>" + text, "Words of", "# Tea is served, again and again\n\nWords of"},
	} {
		t.Run(test.name, func(t *testing.T) {
			for headline, want := range map[bool]string{false: test.without, true: test.with} {
				doc, err := extract.HTML(t.Context(), test.page, &extract.Options{Headline: headline})
				if err != nil || !strings.HasPrefix(doc.Markdown, want) {
					t.Errorf("Headline %v: %v, %.80q does not begin with %q", headline, err, doc.Markdown, want)
				}
			}
		})
	}
}
