// SPDX-License-Identifier: Apache-2.0

package quality

import (
	"context"
	"fmt"
	"strings"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/internal/quality/dataset"
)

// wcxb scores pages of seven types: the multisets of lower-case words of both
// texts are compared page by page, and F1 is the mean over pages. "with" is
// the share of snippets that are found and have to be, "without" of those that
// are found and must not be.
type wcxb struct{}

func (wcxb) Name() string { return "wcxb" }

func (wcxb) Source() string {
	return `Web content extraction benchmark, development split: 1497 pages of seven types.
https://github.com/Murrough-Foley/web-content-extraction-benchmark at c039d5e (2026-04), CC-BY-4.0; the pages belong to third parties.
To get it: clone; wcxb/html.tar is a tar of dev/html, wcxb/ground-truth.tar.gz one of dev/ground-truth.
Published numbers are those of that repository, or of the named library run over the same pages.`
}

// pageTypes in the order of their numbers.
var pageTypes = []string{"article", "service", "product", "collection", "forum", "listing", "documentation"}

func (wcxb) Run(ctx context.Context, dir string, o *Options) (*Report, error) {
	pages, err := measure(ctx, dataset.WCXB(dir), o, func(p *dataset.Page, got string) Page {
		page := scoreWords(words(strings.ToLower(p.Want)), words(strings.ToLower(got)))
		page.with, page.without = snippets(got, p.With), snippets(got, p.Without)
		return page
	})
	if err != nil {
		return nil, err
	}
	r := &Report{Values: map[string]float64{}, Pages: pages}
	ours := [][]string{{"pages", "count", "F1", "precision", "recall", "with", "without"}}
	for _, name := range append([]string{""}, pageTypes...) {
		only := func(p *Page) bool { return name == "" || p.Type == name }
		prefix, title := name+" ", name
		if name == "" {
			prefix, title = "", "all"
		}
		n := 0
		for i := range pages {
			if only(&pages[i]) {
				n++
			}
		}
		row := []string{title, fmt.Sprint(n)}
		for _, value := range []struct {
			name string
			of   func(*Page) float64
		}{
			{"F1", func(p *Page) float64 { return p.F1 }},
			{"precision", func(p *Page) float64 { return p.Precision }},
			{"recall", func(p *Page) float64 { return p.Recall }},
			{"with", func(p *Page) float64 { return p.with }},
			{"without", func(p *Page) float64 { return p.without }},
		} {
			v := mean(pages, only, value.of)
			r.Values[prefix+value.name] = v
			row = append(row, number(v))
		}
		ours = append(ours, row)
	}
	head, this := []string{"extractor, F1", "all"}, []string{"this", number(r.Values["F1"])}
	for _, name := range pageTypes {
		head, this = append(head, name), append(this, number(r.Values[name+" F1"]))
	}
	r.Table = append(ours, nil, head, this,
		[]string{"rs-trafilatura", ".859"},
		[]string{"MinerU-HTML 0.6B (GPU)", ".827"},
		[]string{"go-trafilatura 1.12.2, recall", ".815", ".938", ".775", ".591", ".590", ".565", ".622", ".927"},
		[]string{"trafilatura", ".791"},
		[]string{"readeck go-readability 2.1.3", ".785", ".934", ".744", ".499", ".522", ".487", ".534", ".912"},
		[]string{"dom-smoothie", ".762"},
		[]string{"ReaderLM-v2", ".741"},
		[]string{"whole page as text", ".689", ".798", ".671", ".399", ".475", ".472", ".588", ".809"},
		[]string{"Readability", ".675"},
	)
	return r, nil
}

// scoreWords compares multisets of words. A page without content is right only
// without text.
func scoreWords(want, got []string) Page {
	counts := map[string]int{}
	for _, w := range want {
		counts[w]++
	}
	match := 0
	for _, w := range got {
		if counts[w] > 0 {
			counts[w]--
			match++
		}
	}
	switch {
	case len(want) == 0 && len(got) == 0:
		return Page{Precision: 1, Recall: 1, F1: 1}
	case len(want) == 0 || len(got) == 0:
		return Page{}
	}
	p := Page{Precision: float64(match) / float64(len(got)), Recall: float64(match) / float64(len(want))}
	p.F1 = harmonic(p.Precision, p.Recall)
	return p
}

// snippets is the share of snippets that text has.
func snippets(text string, list []string) float64 {
	if len(list) == 0 {
		return 1
	}
	text = strings.ToLower(text)
	found := 0
	for _, s := range list {
		if strings.Contains(text, strings.ToLower(s)) {
			found++
		}
	}
	return float64(found) / float64(len(list))
}
