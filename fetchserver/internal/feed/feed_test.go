// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

const rss = `<?xml version="1.0" encoding="windows-1252"?>
<rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:media="http://search.yahoo.com/mrss/">
<channel><title>News &amp; more</title><link>https://example.com/</link><description>What happens</description><language>en-gb</language>
<image><title>Logo</title><url>https://example.com/logo.png</url></image>
<item><title><![CDATA[Tea & <i>cake</i>]]></title><link>https://example.com/tea</link><dc:creator>Ada</dc:creator>
<pubDate>Mon, 02 Nov 2026 09:30:00 +0100</pubDate><media:title>Picture</media:title>
<description>&lt;p&gt;Hot&lt;/p&gt;&lt;p&gt;and sweet&lt;/p&gt;&lt;script&gt;no()&lt;/script&gt;</description></item>
<item><guid>https://example.com/guid</guid><content:encoded><![CDATA[<b>Only</b> content]]></content:encoded><pubDate>yesterday</pubDate></item>
</channel></rss>`

const atom = `<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="de"><title>Atom</title><subtitle>sub</subtitle>
<link rel="self" href="https://example.com/feed"/><link href="https://example.com/"/>
<entry><title type="html">A &amp;lt; B</title><link rel="edit" href="https://example.com/edit"/><link href="https://example.com/a"/>
<author><name>Bob</name><email>bob@example.com</email></author><updated>2026-11-02T08:00:00Z</updated>
<content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml"><p>One</p><p>two</p><title>odd</title></div></content></entry></feed>`

const rdf = `<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/">
<channel><title>Old</title><link>https://example.org/</link></channel>
<item><title>First</title><link>https://example.org/1</link><dc:date>2026-11-02</dc:date></item></rdf:RDF>`

const jsonFeed = `{"version":"https://jsonfeed.org/version/1.1","title":"J","home_page_url":"https://example.net/","language":"fr",
"items":[{"id":"1","url":"https://example.net/1","title":"T","content_html":"<p>a<p>b","date_published":"2026-11-02T09:00:00+01:00","authors":[{"name":"X"},{"name":"Y"}]},
{"id":"2","external_url":"https://example.net/2","content_text":"1 < 2","author":{"name":"Z"}}]}`

func TestParse(t *testing.T) {
	for name, test := range map[string]struct {
		parse func(string) (*Feed, error)
		text  string
		want  Feed
	}{
		"RSS 2.0": {ParseXML, rss, Feed{Title: "News & more", Description: "What happens", Link: "https://example.com/", Lang: "en-gb", Entries: []Entry{
			{"Tea & cake", "https://example.com/tea", "Ada", "2026-11-02T08:30:00Z", "Hot and sweet"},
			{"", "https://example.com/guid", "", "yesterday", "Only content"},
		}}},
		"Atom": {ParseXML, atom, Feed{Title: "Atom", Description: "sub", Link: "https://example.com/", Lang: "de", Entries: []Entry{
			{"A < B", "https://example.com/a", "Bob", "2026-11-02T08:00:00Z", "One two odd"},
		}}},
		"RSS 1.0": {ParseXML, rdf, Feed{Title: "Old", Link: "https://example.org/", Entries: []Entry{
			{"First", "https://example.org/1", "", "2026-11-02", ""},
		}}},
		"JSON Feed": {ParseJSON, jsonFeed, Feed{Title: "J", Link: "https://example.net/", Lang: "fr", Entries: []Entry{
			{"T", "https://example.net/1", "X, Y", "2026-11-02T08:00:00Z", "a b"},
			{"", "https://example.net/2", "Z", "", "1 < 2"},
		}}},
		"broken at its end": {ParseXML, rdf[:strings.Index(rdf, "</item>")+7] + "<item><title>cut & of", Feed{Title: "Old", Link: "https://example.org/", Entries: []Entry{
			{"First", "https://example.org/1", "", "2026-11-02", ""},
		}}},
	} {
		got, err := test.parse(test.text)
		if err != nil || !reflect.DeepEqual(*got, test.want) {
			t.Errorf("%s: %+v, %v, want %+v", name, got, err, test.want)
		}
	}
	for name, text := range map[string]string{
		"empty": "", "text": "no feed", "other XML": "<svg><title>x</title></svg>", "HTML": "<!doctype html><html><body>x",
		"deep": "<rss>" + strings.Repeat("<a>", 200),
	} {
		if f, err := ParseXML(text); err == nil {
			t.Errorf("%s: %+v", name, f)
		}
	}
	for _, text := range []string{"", "[]", `{"version":"1","items":[]}`} {
		if f, err := ParseJSON(text); err == nil {
			t.Errorf("%s: %+v", text, f)
		}
	}
}

func TestBounds(t *testing.T) {
	long := strings.Repeat("ä ", 100_000)
	f, err := ParseXML("<rss><channel>" + strings.Repeat("<item><title>x</title><description>"+long[:3000]+"</description></item>", 1200) + "</channel></rss>")
	if err != nil || len(f.Entries) != maxEntries || !f.Truncated {
		t.Errorf("%d entries, %v", len(f.Entries), err)
	}
	f, err = ParseXML("<rss><channel><item><title>" + long + "</title><description>" + long + "</description></item></channel></rss>")
	if err != nil || len([]rune(f.Entries[0].Title)) != maxLine+1 || len([]rune(f.Entries[0].Summary)) != maxSummary+1 {
		t.Errorf("title of %d, summary of %d, %v", len([]rune(f.Entries[0].Title)), len([]rune(f.Entries[0].Summary)), err)
	}
}

func TestHTML(t *testing.T) {
	f := &Feed{Title: "A & B", Entries: []Entry{
		{Title: "<b>x", Link: `https://example.com/"><script>`, Author: "Ada", Published: "2026-11-02", Summary: "1 < 2"},
		{Link: "https://example.com/"},
		{Title: "no link"},
	}}
	want := `<h1>A &amp; B</h1><ul>` +
		`<li><p><a href="https://example.com/&#34;&gt;&lt;script&gt;">&lt;b&gt;x</a>, Ada, 2026-11-02</p><p>1 &lt; 2</p></li>` +
		`<li><p><a href="https://example.com/">https://example.com/</a></p></li>` +
		`<li><p>no link</p></li></ul>`
	if got := f.HTML(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func FuzzFeed(f *testing.F) {
	for _, text := range []string{rss, atom, rdf, jsonFeed, "<rss", "<feed><entry><title>x<"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, parse := range []func(string) (*Feed, error){ParseXML, ParseJSON} {
			feed, err := parse(s)
			if err != nil {
				continue
			}
			for _, e := range feed.Entries {
				if len([]rune(e.Summary)) > maxSummary+1 || strings.Contains(e.Title, "\n") {
					t.Errorf("%+v", e)
				}
				if _, err := time.Parse(time.RFC3339, e.Published); err != nil && len([]rune(e.Published)) > 61 {
					t.Errorf("date %q", e.Published)
				}
			}
			_ = feed.HTML()
		}
	})
}
