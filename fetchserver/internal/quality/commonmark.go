// SPDX-License-Identifier: Apache-2.0

package quality

import (
	"context"
	"fmt"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/extract"
	"github.com/atrawog/mcp-oauth-gateway/fetchserver/internal/markdowntest"
)

// commonmark counts examples that stay what they are on the way from HTML to
// Markdown and back.
type commonmark struct{}

func (commonmark) Name() string { return "commonmark" }

func (commonmark) Source() string {
	return `CommonMark round trip: the HTML of the specification's examples, without the sections on raw HTML, to Markdown and
back by goldmark, compared by the specification's own normalization.
https://github.com/commonmark/commonmark-spec at HEAD of 2026-11, CC-BY-SA 4.0.
To get it: clone; commonmark/spec-tests.json is the output of test/spec_tests.py --dump-tests.
Other numbers are those of the named library on the same examples.`
}

func (commonmark) Run(ctx context.Context, dir string, _ *Options) (*Report, error) {
	examples, err := markdowntest.Examples(dir)
	if err != nil {
		return nil, err
	}
	misses := markdowntest.RoundTrip(examples, func(html string) string {
		doc, failed := extract.HTML(ctx, html, &extract.Options{WholePage: true})
		if failed != nil {
			err = failed
			return ""
		}
		return doc.Markdown
	})
	if err != nil {
		return nil, err
	}
	survive := len(examples) - len(misses)
	return &Report{
		Values: map[string]float64{"survive": float64(survive), "of": float64(len(examples))},
		Table: [][]string{
			{"converter", "examples that survive"},
			{"this", fmt.Sprintf("%d of %d", survive, len(examples))},
			{"turndown 7.2.5 with GFM", "526 of 588"},
			{"html-to-markdown (Go) 2.5.2", "502 of 588"},
			{"node-html-markdown 2.0.0", "397 of 588"},
		},
	}, nil
}
