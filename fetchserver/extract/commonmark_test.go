// SPDX-License-Identifier: Apache-2.0

package extract_test

import (
	"os"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/extract"
	"github.com/atrawog/mcp-oauth-gateway/fetchserver/internal/markdowntest"
)

func TestCommonMark(t *testing.T) {
	dir := os.Getenv("MCP_TEST_DATA")
	if dir == "" {
		t.Skip("set MCP_TEST_DATA to a directory with " + markdowntest.SpecFile + " (the examples of github.com/commonmark/commonmark-spec)")
	}
	examples, err := markdowntest.Examples(dir)
	if err != nil {
		t.Fatal(err)
	}
	misses := markdowntest.RoundTrip(examples, func(html string) string {
		doc, err := extract.HTML(t.Context(), html, &extract.Options{WholePage: true})
		if err != nil {
			t.Fatal(err)
		}
		return doc.Markdown
	})
	for _, m := range misses {
		t.Logf("example %d, %s\n md %q\n in %q\n out %q\n got %q", m.Number, m.Section, m.Markdown, m.HTML, m.Got, m.GotHTML)
	}
	t.Logf("%d of %d", len(examples)-len(misses), len(examples))
}
