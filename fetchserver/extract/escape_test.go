// SPDX-License-Identifier: Apache-2.0

package extract_test

import (
	"net/url"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/extract"
)

// Text stays text, also where it is spread over elements or meets the
// delimiters of Markdown.
func TestTextStaysText(t *testing.T) {
	testInline(t, []inlineTest{
		{"tag over elements", "&lt;<span>script&gt;x&lt;/script&gt;</span>", `\<script>x\</script>`},
		{"entity over elements", "&amp;<span>lt;b&gt;</span>", `\&lt;b>`},
		{"entity over three elements", "&amp;l<span>t</span><span>;</span>", `\&lt;`},
		{"ampersand before bold", "AT&amp;<b>T</b>", `AT&**T**`},
		{"comparison", "a &lt; b &amp; c", `a < b & c`},
		{"bold asterisk", "<b>*</b>", `**\***`},
		{"bold list mark", "<b>* x</b>", `**\* x**`},
		{"asterisk before the end of bold", "<b>required *</b>", `**required \***`},
		{"product", "2 * 3", `2 * 3`},
	})
}

// What a reader cannot see is not told to a model either.
func TestHiddenText(t *testing.T) {
	testInline(t, []inlineTest{
		{"text", "a\u200Eb\U000E0041c\U000E0101d", "abcd"},
		{"alternative text", "<img src=i alt='a\u202E\U000E0041b'>", "![ab](https://example.com/i)"},
		{"query", "<a href='/?q=\U000E0041'>x</a>", "[x](https://example.com/?q=%F3%A0%81%81)"},
		{"mail address", "<a href='mailto:\U000E0041a@b'>x</a>", "[x](mailto:%F3%A0%81%81a@b)"},
	})
}

type inlineTest struct{ name, html, want string }

// testInline converts paragraphs.
func testInline(t *testing.T, tests []inlineTest) {
	base, err := url.Parse("https://example.com/")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			doc, err := extract.HTML(t.Context(), "<p>"+test.html, &extract.Options{URL: base})
			if err != nil || doc.Markdown != test.want {
				t.Errorf("%v, got %q, want %q", err, doc.Markdown, test.want)
			}
		})
	}
}
