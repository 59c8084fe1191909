// SPDX-License-Identifier: Apache-2.0

// Package pages renders what the person at the browser sees. The pages need no
// script, load nothing, cannot be framed, and escape everything.
package pages

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"unicode"
)

//go:embed *.html style.css
var files embed.FS

var (
	style     = mustRead("style.css")
	styleHash = hash(style)
	// Most programs that link this package never show a page, so they are
	// parsed when one is needed.
	templates = sync.OnceValue(func() *template.Template {
		return template.Must(template.New("").
			Funcs(template.FuncMap{"style": func() template.CSS { return template.CSS(style) }, "date": date}).
			ParseFS(files, "*.html"))
	})
)

func mustRead(name string) string {
	data, err := files.ReadFile(name)
	if err != nil {
		panic(err)
	}
	return string(data)
}

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// A Page is the content of one of the templates.
type Page interface{ template() string }

// Consent asks whether a client may act for the person.
type Consent struct {
	Action   string // where the form goes
	Tx, CSRF string

	Client    string // display name
	ClientURI string // its home page; empty if there is none to be linked
	Voucher   string // the host of its client ID metadata document; empty: it registered itself
	Username  string // empty: not signed in yet
	Host      string // of the redirect URI
	Loopback  bool   // the redirect URI leads to the person's own computer
	Private   bool   // the redirect URI opens an installed program by its scheme
	Code      string // that a device shows, which there is no redirect to; empty: none
	Resources []Resource
	Scopes    []Scope
	Apps      string // the page where consent is withdrawn
}

// Resource is an MCP server that the client wants to use.
type Resource struct{ Name, URI string }

// Scope is a permission in words.
type Scope struct{ Name, Text string }

// Device asks for the code that another machine shows.
type Device struct {
	Action  string
	CSRF    string
	Code    string // known already, and to be compared; empty: to be entered
	Problem string
}

// Login asks who the person is.
type Login struct {
	Action   string
	Tx, CSRF string
	Client   string
	Fields   []Field
	Problem  string
	Submit   string
}

// Field is one input of the Login page.
type Field struct{ Name, Label, Type, Autocomplete, Value string }

// Choose lets the person choose how to sign in.
type Choose struct {
	Action   string // where the form goes that cancels
	Tx, CSRF string
	Client   string
	Choices  []Choice
}

// Choice is one way to sign in.
type Choice struct{ Label, URL string }

// Leave sends the browser to another site.
type Leave struct {
	Name string // of the site
	URL  string
}

// Done tells the person that nothing is left to do here.
type Done struct {
	Title  string
	Text   string
	Advice string
}

// Error tells the person why it does not go on.
type Error struct {
	Title  string
	Text   string
	Advice string
}

func (Consent) template() string { return "consent.html" }
func (Login) template() string   { return "login.html" }
func (Choose) template() string  { return "choose.html" }
func (Leave) template() string   { return "leave.html" }
func (Device) template() string  { return "device.html" }
func (Done) template() string    { return "error.html" }
func (Error) template() string   { return "error.html" }

// Render writes a page. Browsers apply form-action to the redirects that follow
// a form, so that the redirect URI must be named; empty: there is none.
func Render(w http.ResponseWriter, status int, p Page, redirectURI string) {
	var body bytes.Buffer
	if err := templates().ExecuteTemplate(&body, p.template(), p); err != nil {
		http.Error(w, "the page cannot be shown", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src "+styleHash+
		"; form-action 'self'"+formTarget(redirectURI)+"; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	if leave, ok := p.(Leave); ok {
		h.Set("Refresh", "0; url="+leave.URL)
	}
	w.WriteHeader(status)
	// The browser may be gone; there is nobody to tell.
	_, _ = w.Write(body.Bytes())
}

// formTarget returns the source expression of a redirect URI: its origin, or
// its scheme if CSP cannot express the origin.
func formTarget(redirectURI string) string {
	u, err := url.Parse(redirectURI)
	if err != nil || u.Scheme == "" {
		return ""
	}
	if (u.Scheme == "https" || u.Scheme == "http") && !strings.Contains(u.Host, "[") {
		return " " + u.Scheme + "://" + u.Host
	}
	return " " + u.Scheme + ":"
}

// maxShown bounds a text that a client chose, in characters.
const maxShown = 80

// Clean makes a text chosen by a client fit to be shown beside our own: one
// line, without characters that are invisible or reorder what stands around
// them, and cut.
func Clean(s string) string {
	var b strings.Builder
	n, space := 0, false
	for _, r := range s {
		if unicode.IsSpace(r) {
			space = n > 0
			continue
		}
		if !unicode.IsPrint(r) || n == 0 && unicode.IsMark(r) { // marks would change our own text
			continue
		}
		if n++; n > maxShown {
			return b.String() + "…"
		}
		if space {
			b.WriteByte(' ')
			space = false
		}
		b.WriteRune(r)
	}
	return b.String()
}
