// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver"
	"github.com/atrawog/mcp-oauth-gateway/fetchserver/fetch"
)

func (a *app) explainCommand() *cobra.Command {
	return a.readCommand(&cobra.Command{
		Use:   "explain URL",
		Short: "Show each decision on the way to a page",
		Long: `Fetches a page and shows each decision on the way, in order and with the time since
the beginning: what the URL may be, DNS, the verdict on each address, robots.txt,
the cache, redirects, the answer, how the character set was found, what the page is
taken for. If it was not fetched: where the way ended, and which setting would
change that.

Queries of URLs are not shown. Exit codes: 0 it was fetched, 1 it was not, 2 wrong
use.`,
		Example: `  fetchserver explain https://example.com/
  fetchserver explain http://127.0.0.1:8080/ --allow-private 127.0.0.1:8080
  fetchserver explain https://example.com/ --json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return &usageError{text: "want one URL", hint: "fetchserver explain https://example.com/"}
			}
			return nil
		},
	}, func(r *reading, own *pflag.FlagSet) {
		own.BoolVar(&r.json, "json", false, "print a JSON object for each decision, one on a line")
	}, func(ctx context.Context, r *reading, args []string) error { return r.explainURL(ctx, args[0]) })
}

// A decision is an event and when it came.
type decision struct {
	at time.Duration
	fetch.Event
}

// A way is what led to a page, or did not.
type way struct {
	start     time.Time
	mu        sync.Mutex
	decisions []decision
	outcome   fetchserver.Outcome
}

func (w *way) add(e fetch.Event) decision {
	w.mu.Lock()
	defer w.mu.Unlock()
	d := decision{time.Since(w.start), e}
	w.decisions = append(w.decisions, d)
	return d
}

// refused is the first of the decisions with an error at the end of the way: the
// others tell the consequences. It is nil if there is none.
func (w *way) refused() (first *decision) {
	for i := len(w.decisions) - 1; i >= 0 && w.decisions[i].Err != nil; i-- {
		first = &w.decisions[i]
	}
	return first
}

func (r *reading) explainURL(ctx context.Context, rawURL string) error {
	w := &way{}
	server, header, end, err := r.open(func(o *fetchserver.Options) { o.Observe = func(o fetchserver.Outcome) { w.outcome = o } })
	if err != nil {
		return err
	}
	defer end()
	var out story
	if r.json {
		out = &lines{w: r.stdout}
	} else {
		p := &prose{w: r.stdout, width: 80, color: isTerminal(r.stdout) && r.config.environment.colors()}
		p.about(withoutSecrets(rawURL))
		out = p
	}
	w.start = time.Now()
	traced := fetch.WithTrace(ctx, func(e fetch.Event) { out.decided(w.add(e)) })
	d, err := server.Fetch(traced, &fetchserver.Request{URL: rawURL, Raw: r.raw, ByPerson: r.prompt, Header: header})
	result := r.result(w, rawURL, d, err)
	result.at = time.Since(w.start)
	if err := out.ended(result); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return fmt.Errorf("interrupted")
	}
	if err != nil {
		return &saidError{exitFailure}
	}
	return nil
}

// An ending is what became of the page.
type ending struct {
	at      time.Duration
	outcome fetchserver.Outcome
	// document is nil if there is none; then the others tell about it.
	document *fetchserver.Document
	stage    string // at which the way ended
	told     string // what the tool says
	advice   string // which setting would change that, or how little the page says, or ""
}

func (r *reading) result(w *way, rawURL string, d *fetchserver.Document, err error) *ending {
	w.mu.Lock()
	defer w.mu.Unlock()
	e := &ending{outcome: w.outcome, document: d}
	if err == nil {
		if r.render.Value == "off" && slices.ContainsFunc(d.Notes, func(note string) bool { return strings.Contains(note, "filled in by scripts") }) {
			e.advice = "--render auto runs the scripts of such pages"
		}
		return e
	}
	e.told = fetchserver.Explain(err)
	refused := w.refused()
	e.advice = r.advice(rawURL, refused, err)
	switch n := len(w.decisions); {
	case refused != nil:
		e.stage = refused.Stage
	case w.outcome.Result == fetchserver.ResultStatus:
		e.stage = "response"
	case n > 0:
		e.stage = w.decisions[n-1].Stage
	}
	return e
}

// facts are what there is to know of a document, a name and a text each.
func (e *ending) facts() [][2]string {
	d := e.document
	kind := "text"
	switch {
	case d.Image != nil:
		kind = "an image"
	case d.Link != nil:
		kind = "a link"
	case d.Markdown:
		kind = "Markdown"
	}
	facts := [][2]string{
		{"url", withoutSecrets(d.URL.String())},
		{"result", fmt.Sprintf("status %d, %s, as %s", d.Status, d.ContentType, kind)},
		{"size", fmt.Sprintf("%s bytes received, %s decoded, %s characters returned", thousands(e.outcome.Received), thousands(e.outcome.Decoded), thousands(int64(d.Length)))},
		{"title", d.Title}, {"byline", d.Byline}, {"site", d.Site}, {"published", d.Published}, {"language", d.Lang},
		{"robots.txt", strings.ReplaceAll(string(d.Robots), "_", " ")},
		{"cache", string(e.outcome.Cache) + freshness(d)},
		{"waited", waited(e.outcome.Waited)},
	}
	if d.Truncated {
		facts = append(facts, [2]string{"truncated", "only the beginning was converted"})
	}
	for _, note := range d.Notes {
		facts = append(facts, [2]string{"note", note})
	}
	return facts
}

func freshness(d *fetchserver.Document) string {
	if d.Freshness <= 0 {
		return ""
	}
	return ", fresh for " + d.Freshness.Round(time.Second).String()
}

func waited(d time.Duration) string {
	if d < time.Millisecond {
		return ""
	}
	return milliseconds(d) + " for its turn"
}

func milliseconds(d time.Duration) string {
	return strconv.FormatFloat(float64(d.Microseconds())/1000, 'f', 1, 64) + " ms"
}

// thousands writes a number with commas.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// withoutSecrets is a URL as it is shown: keys may hide in the query.
func withoutSecrets(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil {
		return "not a URL"
	}
	return (&url.URL{Scheme: u.Scheme, Opaque: u.Opaque, Host: u.Host, Path: u.Path, RawPath: u.RawPath}).String()
}
