// SPDX-License-Identifier: Apache-2.0

package extract

import (
	"net/url"
	"strings"

	"golang.org/x/net/html/atom"
)

// Metadata is what a page says about itself, in JSON-LD, Open Graph, Dublin
// Core and other meta elements, and in its text. Each field is one line and
// may be empty. It is as trustworthy as the page.
type Metadata struct {
	Title       string
	Byline      string // who wrote it
	Site        string // the name of the publication
	Published   string // RFC 3339, date or date and time; as the page has it if that is ambiguous
	Lang        string // BCP 47
	Description string
}

// detach copies the fields, which are pieces of the page, so that they do not
// keep all of it in memory.
func (m *Metadata) detach() {
	for _, field := range []*string{&m.Title, &m.Byline, &m.Site, &m.Published, &m.Lang, &m.Description} {
		*field = strings.Clone(*field)
	}
}

// Caps in code points.
const (
	maxTitle       = 300
	maxByline      = 200
	maxSite        = 100
	maxDescription = 500
	maxLang        = 40
)

const (
	maxMetaValues = 10   // of one name
	maxMetaBytes  = 4096 // of one value
)

// head is what a page says about itself outside of its text.
type head struct {
	title    string
	lang     string
	base     string // href of the first base element
	markdown string // href of the first alternate link that is Markdown
	meta     map[string][]string
	ld       []*thing
	ldBytes  int
	ldValues int
	scripts  int // script elements that run
}

// metaNames are the names of meta elements that are kept, in lower case.
var metaNames = wordSet(`application-name article:author article:published_time author byl citation_author
	citation_date citation_publication_date content-language date date.created date.issued datepublished dc.creator
	dc.date dc.date.created dc.date.issued dc.description dc.language dc.title dcterms.created dcterms.creator
	dcterms.date dcterms.description dcterms.issued dcterms.title description og:article:author
	og:article:published_time og:description og:locale og:pubdate og:site_name og:title og:type parsely-author
	parsely-pub-date pubdate publish-date publish_date publishdate publication_date sailthru.author sailthru.date
	twitter:creator twitter:description twitter:title`)

func (h *head) addMeta(attrs []attribute) {
	content := strings.TrimSpace(value(attrs, "content"))
	if content == "" || len(content) > maxMetaBytes {
		return
	}
	for _, key := range [...]string{"name", "property", "itemprop", "http-equiv"} {
		name := value(attrs, key)
		if name == "" || len(name) > 40 {
			continue
		}
		name = strings.ToLower(name)
		if metaNames[name] && len(h.meta[name]) < maxMetaValues {
			if h.meta == nil {
				h.meta = map[string][]string{}
			}
			h.meta[name] = append(h.meta[name], content)
		}
	}
}

func (h *head) addLink(attrs []attribute) {
	if h.markdown != "" {
		return
	}
	media, _, _ := strings.Cut(value(attrs, "type"), ";")
	if strings.EqualFold(strings.TrimSpace(media), "text/markdown") && hasToken(value(attrs, "rel"), "alternate") {
		h.markdown = strings.TrimSpace(value(attrs, "href"))
	}
}

func hasToken(list, token string) bool {
	for t := range strings.FieldsSeq(list) {
		if strings.EqualFold(t, token) {
			return true
		}
	}
	return false
}

func (h *head) addLD(block string) {
	if h.ldBytes += len(block); h.ldBytes > maxLDBytes {
		return
	}
	things, kept := readLD(block, maxLDValues-h.ldValues)
	h.ld, h.ldValues = append(h.ld, things...), h.ldValues+kept
}

// first returns the first of the named meta values that is not empty.
func (h *head) first(names ...string) string {
	for _, name := range names {
		if v := h.meta[name]; len(v) > 0 {
			return v[0]
		}
	}
	return ""
}

// typed returns the first thing of the page that is of one of the types.
func (h *head) typed(is func(*thing) bool) *thing {
	for _, t := range h.ld {
		if is(t) {
			return t
		}
	}
	return nil
}

func isArticleType(t *thing) bool {
	for _, name := range t.types {
		if strings.HasSuffix(name, "Article") || strings.HasSuffix(name, "Posting") && name != "JobPosting" || name == "Report" {
			return true
		}
	}
	return false
}

func isWorkType(t *thing) bool {
	return isArticleType(t) || t.is("WebPage", "Recipe", "Product", "Event", "JobPosting", "Course", "Book", "Review", "VideoObject",
		"SoftwareApplication", "HowTo", "QAPage", "FAQPage", "Dataset", "ItemPage", "AboutPage", "ProfilePage")
}

// byID finds what {"@id": ...} refers to.
func (h *head) byID(t *thing) *thing {
	if t == nil || t.id == "" || len(t.props) > 0 {
		return t
	}
	for _, other := range h.ld {
		if other.id == t.id && len(other.props) > 0 {
			return other
		}
	}
	return t
}

// names returns the names of the persons or organisations in a property.
func (h *head) names(t *thing, property string) []string {
	var names []string
	for _, v := range t.values(property) {
		name := v.text
		if v.thing != nil {
			who := h.byID(v.thing)
			if name = who.text("name"); name == "" {
				name = strings.TrimSpace(who.text("givenName") + " " + who.text("familyName"))
			}
		}
		if name != "" && len(names) < maxMetaValues {
			names = append(names, name)
		}
	}
	return names
}

// metadata collects what the page says about itself. What is meant for
// machines that know the vocabulary goes first.
func (t *tree) metadata() Metadata {
	h := &t.head
	article := h.typed(isArticleType)
	work := article
	if work == nil {
		work = h.typed(isWorkType)
	}
	if work == nil {
		work = &thing{}
	}
	seen := t.survey(t.isArticle || article != nil)

	var m Metadata
	m.Site = h.first("og:site_name")
	if m.Site == "" {
		if site := h.typed(func(t *thing) bool { return t.is("WebSite") }); site != nil {
			m.Site = site.text("name")
		}
	}
	if m.Site == "" && article != nil {
		if names := h.names(article, "publisher"); len(names) > 0 {
			m.Site = names[0]
		}
	}
	if m.Site == "" {
		m.Site = h.first("application-name")
	}
	m.Site = oneLine(plain(m.Site), maxSite)
	if isAddress(m.Site) {
		m.Site = ""
	}

	social := h.first("og:title", "twitter:title", "dcterms.title", "dc.title")
	m.Title = trimSite(h.title, m.Site, social, work.text("headline"), seen.heading)
	for _, other := range []string{social, work.text("headline"), work.text("name"), seen.heading} {
		if m.Title == "" {
			m.Title = oneLine(plain(other), maxTitle)
		}
	}

	m.Byline = t.byline(work, seen)
	m.Published = t.published(work, seen)

	m.Lang = h.lang
	for _, other := range []string{h.first("content-language"), h.first("dc.language"), work.text("inLanguage"), h.first("og:locale")} {
		if m.Lang == "" {
			m.Lang = languageTag(other)
		}
	}

	for _, other := range []string{
		h.first("description"), h.first("og:description"), h.first("twitter:description"), h.first("dcterms.description", "dc.description"),
		work.text("description"),
	} {
		if m.Description == "" {
			m.Description = oneLine(plain(other), maxDescription)
		}
	}
	// The texts are pieces of the page, which must not live as long as they do.
	for _, field := range []*string{&m.Title, &m.Byline, &m.Site, &m.Published, &m.Lang, &m.Description} {
		*field = strings.Clone(*field)
	}
	return m
}

// languageTag makes a language tag of a locale as Open Graph writes them.
func languageTag(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), ",")
	s = strings.ReplaceAll(s, "_", "-")
	for i := 0; i < len(s); i++ {
		if !isWordByte(s[i]) && s[i] != '-' {
			return ""
		}
	}
	if len(s) < 2 || len(s) > 35 {
		return ""
	}
	return s
}

func isAddress(s string) bool {
	return strings.Contains(s, "://") || strings.HasPrefix(s, "www.") || strings.HasPrefix(s, "@")
}

// titleSeparators stand between the title of a page and the name of its site.
var titleSeparators = []string{" | ", " - ", " – ", " — ", " · ", " • ", " :: ", " » ", " / ", ": "}

// trimSite takes the name of the site off a title, but only where it is certain
// that it is one: because the page names its site, or because it has the rest
// as its title elsewhere.
func trimSite(title, site string, same ...string) string {
	for _, separator := range titleSeparators {
		if i := strings.LastIndex(title, separator); i > 0 {
			rest, tail := strings.TrimSpace(title[:i]), strings.TrimSpace(title[i+len(separator):])
			if rest != "" && site != "" && strings.EqualFold(tail, site) {
				return rest
			}
		}
		if i := strings.Index(title, separator); i > 0 {
			rest, start := strings.TrimSpace(title[i+len(separator):]), strings.TrimSpace(title[:i])
			if rest != "" && site != "" && strings.EqualFold(start, site) {
				return rest
			}
		}
	}
	for _, s := range same {
		s = oneLine(plain(s), maxTitle)
		rest := len(title) - len(s)
		if rest <= 0 || len(s) < 10 || len(s) < rest {
			continue
		}
		for _, separator := range titleSeparators {
			if strings.EqualFold(title[:len(s)], s) && strings.HasPrefix(title[len(s):], separator) ||
				separator != ": " && strings.EqualFold(title[rest:], s) && strings.HasSuffix(title[:rest], separator) {
				return s
			}
		}
	}
	return title
}

// survey is what the text of a page says about the page.
type survey struct {
	article bool   // the page says that it is one
	heading string // the first h1
	author  string // marked up as such
	tries   int    // to read it
	date    string // marked up as the date of publication
	times   []string
	byline  string // by the name of the class only
	dated   string
	items   map[string]int // number of microdata items by type
	buys    int            // buttons that put something into a cart
}

// survey walks the page once.
func (t *tree) survey(article bool) *survey {
	s := &survey{article: article, items: map[string]int{}}
	s.walk(t.body, false)
	t.seen = s
	return s
}

// walk looks at what is below n; aside says that n is beside the content.
func (s *survey) walk(n *node, aside bool) {
	for c := n.first; c != nil; c = c.next {
		if c.isText() || c.dropped {
			continue
		}
		switch c.atom {
		case atom.H1:
			if s.heading == "" {
				s.heading = c.line(maxTitle)
			}
		case atom.Nav, atom.Aside, atom.Footer:
			s.walk(c, true)
			continue
		case atom.Time:
			date := c.attr("datetime")
			if date == "" && c.chars < 60 {
				date = c.line(60)
			}
			if date != "" && !aside && len(s.times) < maxMetaValues {
				s.times = append(s.times, date)
			}
		}
		if !aside && len(c.attrs) > 0 {
			s.marked(c)
		}
		if c.buys() {
			s.buys++
		}
		s.walk(c, aside)
	}
}

func (s *survey) marked(n *node) {
	if item := n.attr("itemtype"); item != "" && len(s.items) < 50 {
		s.items[localName(item)]++
	}
	itemprop := n.attr("itemprop")
	if s.author == "" && n.chars > 0 && n.chars < maxByline && s.tries < maxMetaValues {
		if n.atom == atom.A && hasToken(n.attr("rel"), "author") || hasToken(itemprop, "author") {
			name := n
			if d := n.descendant(func(d *node) bool { return hasToken(d.attr("itemprop"), "name") }); d != nil {
				name = d
			}
			s.author = name.line(maxByline)
			s.tries++
		}
	}
	if s.date == "" && hasToken(itemprop, "datePublished") {
		for _, date := range []string{n.attr("datetime"), n.attr("content"), n.line(60)} {
			if s.date == "" {
				s.date = date
			}
		}
	}
	if !s.article || n.chars == 0 || n.chars > 60 || s.byline != "" && s.dated != "" {
		return
	}
	eachWord(n.attr("class"), func(w string) bool {
		switch w {
		case "byline", "author":
			if s.byline == "" {
				s.byline = n.byName()
			}
		case "date", "published", "posted", "dateline":
			if s.dated == "" && publication(n.line(60)) != n.line(60) {
				s.dated = publication(n.line(60))
			}
		}
		return s.byline != "" && s.dated != ""
	})
}

// byName returns the text of n if it looks like a name: a link's, or a few
// words after "by".
func (n *node) byName() string {
	link := n
	if n.atom != atom.A {
		link = n.descendant(func(d *node) bool { return d.atom == atom.A && d.chars > 0 })
	}
	name := n.line(maxByline)
	if link != nil {
		name = link.line(maxByline)
	} else if len(name) < 4 || !strings.EqualFold(name[:3], "by ") {
		return ""
	}
	if words := strings.Count(name, " ") + 1; words > 6 || strings.ContainsAny(name, "0123456789:/|") {
		return ""
	}
	return name
}

// line returns the text below n on one line.
func (n *node) line(limit int) string {
	var b strings.Builder
	steps := 2000 // what is in so many nodes is not one line
	n.appendSome(&b, 8*limit, &steps)
	return oneLine(b.String(), limit)
}

// appendSome appends text below n until b holds enough.
func (n *node) appendSome(b *strings.Builder, enough int, steps *int) {
	if n.isText() {
		b.WriteString(n.text[:min(len(n.text), enough)])
		return
	}
	for c := n.first; c != nil && b.Len() < enough && *steps > 0; c = c.next {
		*steps--
		if c.isBlock() || c.atom == atom.Br {
			b.WriteByte(' ')
		}
		c.appendSome(b, enough, steps)
	}
}

func (t *tree) byline(work *thing, seen *survey) string {
	h := &t.head
	for _, names := range [][]string{
		h.names(work, "author"), h.meta["citation_author"], h.meta["parsely-author"], h.meta["sailthru.author"], h.meta["author"],
		h.meta["byl"], h.meta["article:author"], h.meta["og:article:author"], h.meta["dcterms.creator"], h.meta["dc.creator"],
		h.names(work, "creator"), {seen.author}, {seen.byline},
	} {
		if line := joinNames(names); line != "" {
			return line
		}
	}
	return ""
}

// joinNames makes a byline; addresses of profiles are no names.
func joinNames(names []string) string {
	var line []string
	known := map[string]bool{}
	for _, name := range names {
		name = strings.Trim(oneLine(plain(name), maxByline), " ,")
		if len(name) > 3 && strings.EqualFold(name[:3], "by ") {
			name = strings.TrimSpace(name[3:])
		}
		key := strings.ToLower(name)
		if name == "" || isAddress(name) || known[key] || key == "admin" || key == "null" || key == "undefined" {
			continue
		}
		known[key] = true
		line = append(line, name)
	}
	return oneLine(strings.Join(line, ", "), maxByline)
}

func (t *tree) published(work *thing, seen *survey) string {
	h := &t.head
	candidates := []string{
		work.text("datePublished"),
		h.first("article:published_time", "og:article:published_time"),
		h.first("citation_publication_date", "citation_date"),
		h.first("dcterms.created", "dcterms.issued", "dc.date.created", "dc.date.issued", "date.created", "date.issued"),
		h.first("parsely-pub-date", "sailthru.date", "pubdate", "publishdate", "publish-date", "publish_date", "publication_date", "og:pubdate"),
		h.first("datepublished"),
		seen.date,
		h.first("dcterms.date", "dc.date", "date"),
		work.text("dateCreated"), work.text("uploadDate"),
	}
	// Times in the text belong to the page if it is an article, or if there
	// is only one: those of a list belong to its items.
	if len(seen.times) == 1 || len(seen.times) > 0 && seen.article {
		candidates = append(candidates, seen.times[0])
	}
	candidates = append(candidates, seen.dated)
	for _, c := range candidates {
		if date := publication(c); date != "" {
			return date
		}
	}
	return ""
}

// markdownURL is where the page says that it is as Markdown.
func (t *tree) markdownURL(base *url.URL) string {
	href := t.head.markdown
	if href == "" || len(href) > maxLink {
		return ""
	}
	u, err := url.Parse(removeBreaks(href))
	if err != nil {
		return ""
	}
	if base != nil {
		u = base.ResolveReference(u)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return ""
	}
	u.Fragment = ""
	return u.String()
}
