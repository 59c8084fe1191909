// SPDX-License-Identifier: Apache-2.0

package service

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed" // the page's parts
	"encoding/base64"
	"encoding/json"
	"html/template"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

var (
	//go:embed status.html
	statusHTML string
	//go:embed status.css
	statusCSS string

	// Most programs never show the page, so it is parsed when it is needed.
	statusTemplate = sync.OnceValue(func() *template.Template { return NewStatusTemplate("status", nil, statusHTML) })
	pageCSP        = sync.OnceValue(func() string {
		sum := sha256.Sum256([]byte(statusCSS))
		return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
			"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	})
)

// NewStatusTemplate parses the page of a program that shows more than an [Admin]
// does. Its template has the functions style (the style sheet), uptime (of
// seconds) and those given, and the template "peers" for what [Peers.Ask] returns.
func NewStatusTemplate(name string, funcs template.FuncMap, text string) *template.Template {
	t := template.New(name).Funcs(template.FuncMap{
		"style":  func() template.CSS { return template.CSS(statusCSS) },
		"uptime": func(s float64) string { return (time.Duration(s) * time.Second).String() },
	}).Funcs(funcs)
	template.Must(t.Parse(statusHTML)) // for its part about peers
	return template.Must(t.Parse(text))
}

// ownStatus is the answer of /status.
type ownStatus struct {
	Program string       `json:"program"`
	Version string       `json:"version"`
	Uptime  float64      `json:"uptime_seconds"`
	State   string       `json:"status"` // as /readyz has it
	Error   string       `json:"error,omitempty"`
	Facts   []Fact       `json:"facts"`
	Peers   []PeerStatus `json:"peers,omitempty"`
}

// status answers programs with JSON and people with a page.
func (a *Admin) status(w http.ResponseWriter, r *http.Request) {
	answer := ownStatus{Program: a.Program, Version: a.Version, Uptime: time.Since(a.since).Round(time.Second).Seconds(), Facts: []Fact{}}
	ctx, cancel := context.WithTimeout(r.Context(), readyTime)
	defer cancel()
	own := a.Probes.state(ctx)
	answer.State, answer.Error = own.Status, own.Error
	if a.Facts != nil {
		answer.Facts = append(answer.Facts, a.Facts()...)
	}
	answer.Peers = a.Peers.Ask(r)
	w.Header().Set("Vary", "Accept")
	if PrefersHTML(r.Header.Values("Accept")) {
		WriteStatusPage(w, statusTemplate(), answer)
		return
	}
	WriteStatus(w, answer)
}

// WriteStatus writes a status as JSON that is not to be kept.
func WriteStatus(w http.ResponseWriter, status any) {
	body, err := json.MarshalIndent(status, "", "  ")
	if err != nil {
		http.Error(w, "the status cannot be written as JSON", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(append(body, '\n')) // whoever asked may be gone
}

// WriteStatusPage writes a page of [NewStatusTemplate], on which nothing but its
// own style may act, whatever gets into it.
func WriteStatusPage(w http.ResponseWriter, page *template.Template, data any) {
	var body bytes.Buffer
	if err := page.Execute(&body, data); err != nil {
		http.Error(w, "the page cannot be shown", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", pageCSP())
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	_, _ = w.Write(body.Bytes()) // the browser may be gone
}

// PrefersHTML reports whether a client would rather have a page than JSON: its
// Accept header names text/html, and does not name JSON with at least the same
// weight (RFC 9110 section 12.5.1).
func PrefersHTML(accept []string) bool {
	var html, json float64
	for part := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		mediaType, params, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		weight := 1.0
		if q, ok := params["q"]; ok {
			weight, _ = strconv.ParseFloat(q, 64)
		}
		switch mediaType {
		case "text/html":
			html = weight
		case "application/json":
			json = weight
		}
	}
	return html > json
}
