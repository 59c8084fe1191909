// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strings"
)

// errNoFeed: the text is something else.
var errNoFeed = errors.New("feed: neither RSS, Atom nor JSON Feed")

const (
	maxElement = 64 << 10 // bytes that are collected of one element
	maxDepth   = 100
)

// ParseXML reads RSS or Atom. The text is UTF-8, whatever its declaration says.
func ParseXML(s string) (*Feed, error) {
	d := xml.NewDecoder(strings.NewReader(s))
	d.Strict = false
	d.Entity = xml.HTMLEntity
	d.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil }
	p := &parser{decoder: d}
	for {
		token, err := d.Token()
		if err != nil {
			break // what came before counts: many feeds are broken at their end
		}
		switch token := token.(type) {
		case xml.StartElement:
			if len(p.path) == 0 && !isRoot(token.Name.Local) {
				return nil, errNoFeed
			}
			if len(p.path) >= maxDepth {
				return nil, errors.New("feed: nested too deeply")
			}
			p.start(token)
		case xml.EndElement:
			p.end()
		case xml.CharData:
			p.data(token)
		}
		if p.feed.Truncated {
			break
		}
	}
	if !p.rooted {
		return nil, errNoFeed
	}
	return &p.feed, nil
}

func isRoot(name string) bool { return name == "rss" || name == "RDF" || name == "feed" }

// parser collects the elements of feeds and of their entries by name. The
// namespaces that matter have names that do not clash, except for Media RSS
// and iTunes, which repeat titles and descriptions: those are skipped.
type parser struct {
	decoder *xml.Decoder
	feed    Feed
	rooted  bool
	path    []string
	skip    int // depth at which a skipped element began, 0 if none
	text    strings.Builder

	inEntry bool
	fields  map[string]string
}

func (p *parser) start(e xml.StartElement) {
	name := e.Name.Local
	p.path = append(p.path, name)
	p.rooted = true
	if p.skip > 0 {
		return
	}
	if strings.Contains(e.Name.Space, "search.yahoo.com/mrss") || strings.Contains(e.Name.Space, "itunes") || name == "image" || name == "textInput" || name == "source" {
		p.skip = len(p.path)
		return
	}
	if name == "item" || name == "entry" {
		p.inEntry, p.fields = true, map[string]string{}
	}
	if lang := attr(e, "lang"); lang != "" && !p.inEntry && p.feed.Lang == "" {
		p.feed.Lang = line(lang, 35)
	}
	if href := attr(e, "href"); name == "link" && href != "" {
		if rel := attr(e, "rel"); rel == "" || rel == "alternate" {
			p.put("link", href)
		}
	}
	if !p.within("title", "description", "summary", "content", "encoded") {
		p.text.Reset()
	} else {
		p.data([]byte(" ")) // elements of XHTML in a text
	}
}

// within reports whether one of the elements around the innermost has one of
// the names.
func (p *parser) within(names ...string) bool {
	for _, open := range p.path[:len(p.path)-1] {
		if slices.Contains(names, open) {
			return true
		}
	}
	return false
}

func (p *parser) data(text []byte) {
	if p.skip == 0 && p.text.Len() < maxElement {
		p.text.WriteString(cut(string(text), maxElement-p.text.Len()))
	}
}

func (p *parser) end() {
	if len(p.path) == 0 {
		return
	}
	name := p.path[len(p.path)-1]
	defer func() { p.path = p.path[:len(p.path)-1] }()
	if p.skip > 0 {
		if p.skip == len(p.path) {
			p.skip = 0
		}
		return
	}
	switch name {
	case "item", "entry":
		p.entry()
	case "name":
		if p.within("author") {
			p.put("author", p.text.String())
		}
	default:
		if !p.within("title", "description", "summary", "content", "encoded") {
			p.put(name, p.text.String())
			p.text.Reset()
		}
	}
}

// put keeps the first value of a field of the entry or the feed.
func (p *parser) put(name, value string) {
	if value = strings.TrimSpace(value); value == "" {
		return
	}
	if p.inEntry {
		if p.fields[name] == "" {
			p.fields[name] = value
		}
		return
	}
	field := map[string]*string{
		"title": &p.feed.Title, "description": &p.feed.Description, "subtitle": &p.feed.Description,
		"link": &p.feed.Link, "language": &p.feed.Lang,
	}[name]
	if field != nil && *field == "" {
		*field = text(value, maxSummary)
	}
}

func (p *parser) entry() {
	f := p.fields
	p.inEntry = false
	link := f["link"]
	if link == "" && strings.HasPrefix(f["guid"], "http") {
		link = f["guid"]
	}
	p.feed.add(Entry{
		Title:     text(f["title"], maxLine),
		Link:      strings.TrimSpace(link),
		Author:    text(first(f["author"], f["creator"]), maxLine),
		Published: date(first(f["pubDate"], f["published"], f["date"], f["updated"])),
		Summary:   text(first(f["description"], f["summary"], f["encoded"], f["content"]), maxSummary),
	})
}

func attr(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}
