// SPDX-License-Identifier: Apache-2.0

// Package feed reads RSS (0.9x, 1.0, 2.0), Atom (RFC 4287) and JSON Feed 1.1,
// and writes them as a web page, from which a list in Markdown is made like
// from any other page.
package feed

import (
	"html"
	"strings"
	"time"
	"unicode/utf8"

	xhtml "golang.org/x/net/html"
)

// Bounds of what is taken from a feed: entries, and code points of a line and
// of a summary.
const (
	maxEntries = 1000
	maxLine    = 300
	maxSummary = 500
)

// Feed is a list of entries, newest first as a rule.
type Feed struct {
	Title, Description string
	Link               string // to the site
	Lang               string
	Entries            []Entry
	Truncated          bool // there are more entries
}

// Entry is one of a feed. What it does not say is empty.
type Entry struct {
	Title, Link, Author string
	Published           string // RFC 3339, or as it was found
	Summary             string // plain text
}

// add appends an entry, up to the bound.
func (f *Feed) add(e Entry) {
	if len(f.Entries) >= maxEntries {
		f.Truncated = true
		return
	}
	f.Entries = append(f.Entries, e)
}

// HTML returns the feed as a page: a heading, and a list of the entries.
func (f *Feed) HTML() string {
	var b strings.Builder
	element := func(name, text string) {
		if text != "" {
			b.WriteString("<" + name + ">" + html.EscapeString(text) + "</" + name + ">")
		}
	}
	element("h1", f.Title)
	element("p", f.Description)
	b.WriteString("<ul>")
	for _, e := range f.Entries {
		title := e.Title
		if title == "" {
			title = e.Link
		}
		b.WriteString("<li><p>")
		if e.Link != "" {
			b.WriteString(`<a href="` + html.EscapeString(e.Link) + `">` + html.EscapeString(title) + "</a>")
		} else {
			b.WriteString(html.EscapeString(title))
		}
		for _, detail := range []string{e.Author, e.Published} {
			if detail != "" {
				b.WriteString(", " + html.EscapeString(detail))
			}
		}
		b.WriteString("</p>")
		element("p", e.Summary)
		b.WriteString("</li>")
	}
	b.WriteString("</ul>")
	return b.String()
}

// text returns what a reader sees of HTML, in one line of at most limit code
// points.
func text(markup string, limit int) string {
	if !strings.ContainsAny(markup, "<&") {
		return line(markup, limit)
	}
	var b strings.Builder
	z := xhtml.NewTokenizer(strings.NewReader(markup))
	hidden := 0
	for b.Len() < 4*limit+64 {
		switch z.Next() {
		case xhtml.ErrorToken:
			return line(b.String(), limit)
		case xhtml.TextToken:
			if hidden == 0 {
				b.Write(z.Text())
			}
		case xhtml.StartTagToken:
			if isHidden(z) {
				hidden++
			} else {
				b.WriteByte(' ')
			}
		case xhtml.EndTagToken:
			if isHidden(z) {
				hidden = max(hidden-1, 0)
			} else {
				b.WriteByte(' ')
			}
		}
	}
	return line(b.String(), limit)
}

func isHidden(z *xhtml.Tokenizer) bool {
	name, _ := z.TagName()
	return string(name) == "script" || string(name) == "style"
}

// line makes one line of at most limit code points.
func line(s string, limit int) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "\uFFFD")), " ")
	if len(s) <= limit {
		return s
	}
	n := 0
	for at := range s {
		if n++; n > limit {
			return s[:at] + "…"
		}
	}
	return s
}

// layouts are those that feeds use: RFC 822 with its usual mistakes, RFC 3339
// and a date alone.
var layouts = []string{
	time.RFC1123Z, time.RFC1123, "Mon, 2 Jan 2006 15:04:05 -0700", "Mon, 2 Jan 2006 15:04:05 MST",
	"2 Jan 2006 15:04:05 -0700", "2 Jan 2006 15:04:05 MST", "Mon, 2 Jan 2006 15:04 -0700",
	time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04Z07:00", time.DateOnly,
}

// date returns a point in time as RFC 3339, or what was found if it is none.
func date(s string) string {
	s = line(s, 60)
	for _, layout := range layouts {
		if t, err := time.Parse(layout, s); err == nil {
			if layout == time.DateOnly {
				return s
			}
			return t.UTC().Format(time.RFC3339)
		}
	}
	return s
}

// first returns the first text that is not empty.
func first(texts ...string) string {
	for _, t := range texts {
		if strings.TrimSpace(t) != "" {
			return t
		}
	}
	return ""
}

// cut bounds what is collected of one element.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}
