// SPDX-License-Identifier: Apache-2.0

package extract_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/extract"
)

// hostilePages are generated pages that have brought converters down. Under
// the race detector, which makes all this ten times slower, they are smaller.
var hostilePages = []struct {
	name string
	page func() string
}{
	{"huge spans", func() string {
		return "<table><tr><td colspan=1000000 rowspan=65534>a<td>b<tr><td colspan=1000000 rowspan=65534>c<td>d</table>"
	}},
	{"many huge spans", func() string {
		return "<table>" + strings.Repeat("<tr>"+strings.Repeat("<td colspan=1000 rowspan=65534>x", 300), 300/scale) + "</table>"
	}},
	{"megabyte of delimiters", func() string { return "<p>" + strings.Repeat("*_[`", 1<<18/scale) }},
	{"delimiters in elements", func() string { return "<p>" + strings.Repeat("<b>*</b>_<i>[</i>`", 60000/scale) }},
	{"100k nested div", func() string { return strings.Repeat("<div>", 100000/scale) + "deep" }},
	{"50k nested b", func() string { return strings.Repeat("<b>", 50000/scale) + "deep" }},
	{"5k nested tables", func() string { return strings.Repeat("<table><tr><td>", 5000) + "deep" }},
	{"20k nested quotes", func() string { return strings.Repeat("<blockquote>a<p>b", 20000/scale) }},
	{"20k nested lists", func() string { return strings.Repeat("<ul><li>a", 20000/scale) }},
	{"200k paragraphs", func() string { return strings.Repeat("<p>word, word", 200000/scale) }},
	{"500k br", func() string { return strings.Repeat("x<br>", 500000/scale) }},
	{"3000x100 table", func() string {
		return "<table>" + strings.Repeat("<tr>"+strings.Repeat("<td>1|2", 100), 3000/scale) + "</table>"
	}},
	{"reopened formatting", func() string { // a parser by the standard makes 400 nodes of each <p>
		var b strings.Builder
		for i := range 400 {
			fmt.Fprintf(&b, "<p><b class=%d>", i)
		}
		return b.String() + strings.Repeat("<p>x", 100000/scale)
	}},
	{"misnested formatting", func() string { return strings.Repeat("<b><p><i></b><a href=/x></i></p>", 50000/scale) }},
	{"ten megabytes of text", func() string { return "<p>" + strings.Repeat("many words & more, ", 10<<20/19/scale) }},
	{"ten megabytes of tags", func() string { return strings.Repeat("<i>", 10<<20/3/scale) }},
	{"ten megabytes of attributes", func() string { return strings.Repeat("<a href=x id=y class=z>", 10<<20/23/scale) }},
	{"one long line of code", func() string { return "<pre>" + strings.Repeat("`", 5<<20/scale) }},
	{"code with a line per element", func() string { return "<pre>" + strings.Repeat("<div>x</div>", 300000/scale) + "</pre>" }},
	{"long base, many links", func() string {
		return "<base href=https://example.com/" + strings.Repeat("a", 2000) + "/><body>" + strings.Repeat("<a href=x>y</a> ", 500000/scale)
	}},
	{"long base, many images", func() string {
		return "<base href=https://example.com/" + strings.Repeat("a", 2000) + "/><body>" + strings.Repeat("<img src=x>", 500000/scale)
	}},
	{"huge base, many cards", func() string {
		return "<base href=https://example.com/" + strings.Repeat("a", 1<<20) + "/><body>" + strings.Repeat("<a href=x>y<div></div></a>", 4000/scale)
	}},
	{"list marks on every level", func() string {
		return strings.Repeat("<ol><li><blockquote>", 2000) + strings.Repeat("<br>x", 500000/scale)
	}},
	{"rows in strays", func() string { return strings.Repeat("<table><div><tr><td>", 500) + "x" }},
	{"open comment", func() string { return "<p>a<!--" + strings.Repeat("-->x<!--", 300000/scale) }},
	{"unclosed everything", func() string { return strings.Repeat("<table><tr><td><select><option><svg><math>", 20000/scale) }},
	{"a style on every letter", func() string { return "<p>" + strings.Repeat("<b><i>a</i></b>.<i>b<b>c</b></i>", 60000/scale) }},
	{"styles that cannot be", func() string { return "<p>" + strings.Repeat("a<b>(b)</b>c", 100000/scale) }},
	{"links to footnotes", func() string {
		return "<p>" + strings.Repeat("<sup><a href=#n1>1</a></sup>", 100000/scale) + strings.Repeat("<ol><li id=n1>x</ol>", 20000/scale)
	}},
	{"code that never ends", func() string { return strings.Repeat("<code>a`", 250000/scale) }},
	{"footnotes of one letter", func() string {
		var b strings.Builder
		for i := range 30000 / scale {
			fmt.Fprintf(&b, "<sup><a href=#n%d>*</a></sup><p id=n%d>x", i, i)
		}
		return b.String()
	}},
	{"nested formulas", func() string { return strings.Repeat("<math><msup><mi>a", 100000/scale) }},
	{"references", func() string {
		return "<p title='" + strings.Repeat("&amp", 1<<18/scale) + "'>" + strings.Repeat("&am&#", 1<<19/scale)
	}},
	{"comments in scripts", func() string { return strings.Repeat("<script><!--<script>", 100000/scale) }},
	{"unclosed tags", func() string { return strings.Repeat("<a b='", 200000/scale) }},
	{"pictures without images", func() string { return "<picture>" + strings.Repeat("<source><img>", 100000/scale) }},
	{"placeholders", func() string {
		return strings.Repeat("<img src=data:x> ", 100000/scale) + "<noscript><img src=x></noscript>"
	}},
	{"headings of sections on a product page", func() string {
		return `<meta property=og:type content=product><div>` + strings.Repeat("<div><div><h2>Similar items</h2>x</div></div>", 200000/scale)
	}},
	{"empty siblings before headings", func() string {
		return `<meta property=og:type content=product>` + strings.Repeat("<div>", 200) + strings.Repeat("<i></i>", 300000/scale) + strings.Repeat("<h2>also</h2>x", 1000)
	}},
	{"many itemtypes and buttons", func() string {
		return strings.Repeat("<div itemtype=https://schema.org/Product><button>Add to cart</button><a rel=author>x</a></div>", 100000/scale)
	}},
	{"authors without names", func() string {
		return strings.Repeat("<div itemprop=author>", 250) + strings.Repeat("<i></i>", 300000/scale)
	}},
	{"link-dense nest", func() string {
		return strings.Repeat("<div class=x>", 250) + "<a href=x>" + strings.Repeat("y", 50) + "</a>" + strings.Repeat("<i></i>", 300000/scale)
	}},
}

// hostileMemory is what converting a hostile page may take, in MB: the whole
// process, its page included.
const hostileMemory = 256

// TestHostilePages converts each page in a process of its own and looks at the
// memory that it took from the system.
//
//	go test ./extract -run TestHostilePages -v
//
// prints the time and the memory of each.
func TestHostilePages(t *testing.T) {
	if name := os.Getenv("EXTRACT_HOSTILE_PAGE"); name != "" {
		hostileChild(t, name)
		return
	}
	if testing.Short() {
		t.Skip("takes seconds")
	}
	for _, test := range hostilePages {
		t.Run(test.name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestHostilePages$", "-test.v")
			cmd.Env = append(os.Environ(), "EXTRACT_HOSTILE_PAGE="+test.name, "GOGC=", "GOMEMLIMIT=", "GORACE=atexit_sleep_ms=0")
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			for line := range strings.Lines(string(out)) {
				if _, rest, ok := strings.Cut(line, "RESULT "); ok {
					t.Log(strings.TrimSpace(rest))
				}
			}
		})
	}
}

// hostileChild converts the page with the name both ways.
func hostileChild(t *testing.T, name string) {
	base, err := url.Parse("https://example.com/dir/")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range hostilePages {
		if test.name != name {
			continue
		}
		page := test.page()
		for _, whole := range []bool{false, true} {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			doc, err := extract.HTML(t.Context(), page, &extract.Options{URL: base, WholePage: whole})
			if err != nil {
				t.Fatal(err)
			}
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			t.Logf("RESULT whole page %v: %d KB in %d ms, %d MB of the system, %d MB allocated, %d KB of Markdown", whole, len(page)>>10,
				took.Milliseconds(), after.Sys>>20, (after.TotalAlloc-before.TotalAlloc)>>20, len(doc.Markdown)>>10)
			if !raceEnabled && after.Sys>>20 > hostileMemory {
				t.Errorf("whole page %v: %d MB taken from the system", whole, after.Sys>>20)
			}
			if len(doc.Markdown) > extract.DefaultMaxOutput+1024 {
				t.Errorf("whole page %v: %d bytes of Markdown", whole, len(doc.Markdown))
			}
			runtime.GC()
		}
	}
}

func TestContextEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := extract.HTML(ctx, "<p>x", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v", err)
	}
}

func TestMaxOutput(t *testing.T) {
	doc, err := extract.HTML(t.Context(), strings.Repeat("<p>äöü", 1000), &extract.Options{MaxOutput: 1001})
	if err != nil || !doc.Truncated || len(doc.Markdown) > 1001 || doc.Markdown != strings.ToValidUTF8(doc.Markdown, "?") {
		t.Errorf("truncated %v, %d bytes, %v", doc.Truncated, len(doc.Markdown), err)
	}
}

func FuzzHTML(f *testing.F) {
	for _, seed := range []string{
		"<title>a</title><body><p>x <b>y<i>z</b></i><a href=//x>l</a>", "<table><tr><td colspan=9>x|y<td rowspan=0><tr><th>",
		"<ul><li>a<ol start=9999999999><li><pre class=language-go>\n`x`</pre></ul></ul>", "<svg><p>a<math></svg></math><select><div>",
		"<blockquote><h1>#</h1>1. x<br>- y<br>***<hr><dl><dt>*a*<dd>b", "<img src=data:x srcset='a 1x, b 2x' alt=']'><code>``</code>",
		"<p>&amp;lt; \\ ~~~ *_* <kbd> </kbd>&#x202e;", "<main><article><div class=sidebar>x</div><nav>y",
	} {
		f.Add(seed, true)
	}
	base, _ := url.Parse("https://example.com/dir/page?q#f")
	f.Fuzz(func(t *testing.T, page string, whole bool) {
		page = strings.ToValidUTF8(page, "?")
		doc, err := extract.HTML(t.Context(), page, &extract.Options{URL: base, WholePage: whole, MaxOutput: 1 << 16})
		if err != nil {
			t.Fatal(err)
		}
		if doc.Markdown != strings.ToValidUTF8(doc.Markdown, "?") || strings.Contains(doc.Title, "\n") {
			t.Errorf("not clean: %q, %q", doc.Title, doc.Markdown)
		}
	})
}
