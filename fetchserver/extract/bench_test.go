// SPDX-License-Identifier: Apache-2.0

package extract_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/extract"
	"golang.org/x/net/html"
)

// aebPages reads the pages of the article extraction benchmark.
func aebPages(tb testing.TB) [][]byte {
	dir := os.Getenv("MCP_TEST_DATA")
	if dir == "" {
		tb.Skip("set MCP_TEST_DATA to a directory with aeb/html.tar (pages of github.com/scrapinghub/article-extraction-benchmark)")
	}
	f, err := os.Open(filepath.Join(dir, "aeb", "html.tar"))
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	var pages [][]byte
	for archive := tar.NewReader(f); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return pages
		}
		if err != nil {
			tb.Fatal(err)
		}
		if !strings.HasSuffix(h.Name, ".gz") {
			continue
		}
		z, err := gzip.NewReader(archive)
		if err != nil {
			tb.Fatal(err)
		}
		page, err := io.ReadAll(z)
		if err != nil {
			tb.Fatal(err)
		}
		pages = append(pages, page)
	}
}

// BenchmarkAEB converts each page once per operation.
func BenchmarkAEB(b *testing.B) {
	pages := aebPages(b)
	perPage := func(b *testing.B) {
		b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*len(pages)), "us/page")
	}
	b.Run("markdown", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			for _, page := range pages {
				if _, err := extract.HTML(b.Context(), string(page), nil); err != nil {
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
