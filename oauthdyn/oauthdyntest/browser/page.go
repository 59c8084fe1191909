// SPDX-License-Identifier: Apache-2.0

package browser

import (
	"bytes"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/html"
)

// A page is what a person sees of an HTML document: its first form, the links,
// and the text.
type page struct {
	form    *form
	links   map[string]string // addresses by text
	heading string
	problem string // text of an element with role=alert
	words   string
}

type form struct {
	method, action string
	inputs         []input
	buttons        []input
}

type input struct{ name, kind, value, autocomplete, label string }

// parse reads a document as far as it can be read.
func parse(data []byte) page {
	p := page{links: map[string]string{}}
	doc, err := html.Parse(bytes.NewReader(data))
	if err != nil {
		return p
	}
	for n := range doc.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		switch {
		case n.Data == "form" && p.form == nil:
			p.form = parseForm(n)
		case n.Data == "a":
			p.links[text(n)] = attr(n, "href")
		case n.Data == "h1" && p.heading == "":
			p.heading = text(n)
		case n.Data == "p" && p.words == "":
			p.words = text(n)
		}
		if attr(n, "role") == "alert" && p.problem == "" {
			p.problem = text(n)
		}
	}
	return p
}

// leadsTo returns where the browser goes without a form: by a redirect, by a page
// that moves on by itself, or by the link that signs in with something.
func (p page) leadsTo(header http.Header, with string) string {
	if location := header.Get("Location"); location != "" {
		return location
	}
	if _, address, ok := strings.Cut(header.Get("Refresh"), "url="); ok {
		return address
	}
	if with != "" {
		return p.links["Sign in with "+with]
	}
	return ""
}

// text sums the page up for an error message.
func (p page) text() string {
	said := p.problem
	if said == "" {
		said = p.words
	}
	if p.heading == "" && said == "" {
		return "no form on the page"
	}
	return strings.TrimSpace(p.heading + ": " + said)
}

func parseForm(n *html.Node) *form {
	f := &form{method: http.MethodGet, action: attr(n, "action")}
	if strings.EqualFold(attr(n, "method"), "post") {
		f.method = http.MethodPost
	}
	for c := range n.Descendants() {
		in := input{name: attr(c, "name"), kind: attr(c, "type"), value: attr(c, "value"), autocomplete: attr(c, "autocomplete")}
		switch {
		case c.Type != html.ElementNode:
		case c.Data == "button" || c.Data == "input" && in.kind == "submit":
			in.label = strings.ToLower(text(c) + " " + in.value)
			f.buttons = append(f.buttons, in)
		case c.Data == "input" && in.name != "":
			f.inputs = append(f.inputs, in)
		}
	}
	return f
}

// fill answers the form as the person would.
func (f *form) fill(b *Browser) url.Values {
	values := url.Values{}
	for _, in := range f.inputs {
		switch {
		case in.kind == "password":
			in.value = b.Password
		case in.name == "user_code":
			in.value = b.userCode
		case in.kind != "hidden" && (in.autocomplete == "username" || in.name == "username" || in.name == "login"):
			in.value = b.Username
		}
		values.Add(in.name, in.value)
	}
	if button := f.button(b.Deny); button.name != "" {
		values.Set(button.name, button.value)
	}
	return values
}

// button returns the button that says no, or else the first one that does not.
func (f *form) button(deny bool) input {
	saysNo := func(b input) bool {
		return slices.ContainsFunc([]string{"deny", "cancel", "reject"}, func(word string) bool { return strings.Contains(b.label, word) })
	}
	i := slices.IndexFunc(f.buttons, func(b input) bool { return saysNo(b) == deny })
	if i < 0 {
		return input{}
	}
	return f.buttons[i]
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// text returns the text of an element in one line.
func text(n *html.Node) string {
	var b strings.Builder
	for c := range n.Descendants() {
		if c.Type == html.TextNode {
			b.WriteString(c.Data + " ")
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}
