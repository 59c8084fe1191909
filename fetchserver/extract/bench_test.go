// SPDX-License-Identifier: Apache-2.0

package extract_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/extract"
	"github.com/atrawog/mcp-oauth-gateway/fetchserver/fetch"
	"github.com/atrawog/mcp-oauth-gateway/fetchserver/internal/quality/dataset"
)

// aebPages reads the pages of the article extraction benchmark.
func aebPages(tb testing.TB) [][]byte {
	dir := extract.DataDir(tb, "aeb/html.tar (pages of github.com/scrapinghub/article-extraction-benchmark)")
	var pages [][]byte
	for page, err := range dataset.AEB(dir) {
		if err != nil {
			tb.Fatal(err)
		}
		pages = append(pages, page.HTML)
	}
	return pages
}

// BenchmarkAEB converts each page once per operation, from its bytes to
// Markdown, and parses it as the standard says for comparison.
func BenchmarkAEB(b *testing.B) {
	pages := aebPages(b)
	perPage := func(b *testing.B) {
		b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*len(pages)), "us/page")
	}
	b.Run("markdown", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			for _, page := range pages {
				r := fetch.Response{Header: http.Header{}, Body: page}
				text, _ := r.Text()
				if _, err := extract.HTML(b.Context(), text, nil); err != nil {
					b.Fatal(err)
				}
			}
		}
		perPage(b)
	})
	b.Run("x-net-parse", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			for _, page := range pages {
				if _, err := html.Parse(bytes.NewReader(page)); err != nil && !strings.Contains(err.Error(), "512") {
					b.Fatal(err)
				}
			}
		}
		perPage(b)
	})
}
