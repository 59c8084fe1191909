// SPDX-License-Identifier: Apache-2.0

package quality

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/internal/quality/dataset"
)

// aeb scores article bodies: the multisets of sequences of four words of both
// texts are compared page by page. Precision and recall are means over pages,
// F1 is their harmonic mean, accuracy is how often all words are the same.
type aeb struct{}

func (aeb) Name() string { return "aeb" }

func (aeb) Source() string {
	return `Article extraction benchmark: bodies of 181 news articles and blog posts.
https://github.com/scrapinghub/article-extraction-benchmark at 4a3bc97 (2026-03), MIT; the pages belong to third parties.
To get it: clone; aeb/ground-truth.json is its ground-truth.json, aeb/html.tar a tar of its directory html.
Published numbers are those of that repository, or its stored outputs scored the same way.`
}

func (aeb) Run(ctx context.Context, dir string, o *Options) (*Report, error) {
	pages, err := measure(ctx, dataset.AEB(dir), o, func(p *dataset.Page, got string) Page {
		return scoreShingles(words(p.Want), words(got))
	})
	if err != nil {
		return nil, err
	}
	// A page without a text has no precision, as in the benchmark's own script.
	some := func(text func(*Page) string) func(*Page) bool {
		return func(p *Page) bool { return len(words(text(p))) > 0 }
	}
	precision := mean(pages, some(func(p *Page) string { return p.Got }), func(p *Page) float64 { return p.Precision })
	recall := mean(pages, some(func(p *Page) string { return p.Want }), func(p *Page) float64 { return p.Recall })
	accuracy := mean(pages, nil, func(p *Page) float64 {
		if p.exact {
			return 1
		}
		return 0
	})
	f1 := harmonic(precision, recall)
	return &Report{
		Values: map[string]float64{"F1": f1, "precision": precision, "recall": recall, "accuracy": accuracy},
		Pages:  pages,
		Table: [][]string{
			{"extractor", "F1", "precision", "recall", "accuracy"},
			{fmt.Sprintf("this (%d pages)", len(pages)), number(f1), number(precision), number(recall), number(accuracy)},
			{"AutoExtract (service)", ".970", ".984", ".956", ".470"},
			{"rs_trafilatura", ".970"},
			{"go-trafilatura 1.12.2", ".962", ".945", ".979", ".287"},
			{"trafilatura 2.0.0", ".958"},
			{"readeck go-readability 2.1.3", ".952", ".918", ".989", ".182"},
			{"Diffbot (service)", ".951", ".958", ".944", ".348"},
			{"Readability.js 0.6.0", ".947", ".914", ".982", ".160"},
			{"whole page as text", ".670", ".506", ".994", ".000"},
		},
	}, nil
}

const shingle = 4

// scoreShingles compares the multisets of four-word sequences. A text of fewer
// words is one sequence.
func scoreShingles(want, got []string) Page {
	p := Page{exact: slices.Equal(want, got)}
	counts := map[string]int{}
	total := shingles(want, func(s string) { counts[s]++ })
	match := 0
	found := shingles(got, func(s string) {
		if counts[s] > 0 {
			counts[s]--
			match++
		}
	})
	p.Precision, p.Recall = ratio(match, found, total), ratio(match, total, found)
	p.F1 = harmonic(p.Precision, p.Recall)
	return p
}

// ratio is match/of, and 1 when there is nothing in either text.
func ratio(match, of, other int) float64 {
	switch {
	case of > 0:
		return float64(match) / float64(of)
	case other > 0:
		return 0
	}
	return 1
}

func shingles(words []string, each func(string)) (n int) {
	if len(words) == 0 {
		return 0
	}
	for i := range max(1, len(words)-shingle+1) {
		each(strings.Join(words[i:min(i+shingle, len(words))], " "))
		n++
	}
	return n
}

func harmonic(a, b float64) float64 {
	if a+b == 0 {
		return 0
	}
	return 2 * a * b / (a + b)
}
