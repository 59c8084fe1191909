// SPDX-License-Identifier: Apache-2.0

package fetchserver

import (
	"net/http"
	"strings"
	"testing"
)

func TestMarkdownLink(t *testing.T) {
	for field, want := range map[string]string{
		`</a.md>; rel="alternate"; type="text/markdown"`:                                   "/a.md",
		`</a.md>;type=text/markdown;rel=alternate`:                                         "/a.md",
		`</a.md>; REL="Alternate canonical"; TYPE="Text/Markdown"`:                         "/a.md",
		`</style.css>; rel=preload, </a.md>; rel=alternate; type=text/markdown`:            "/a.md",
		`</x>; title="a, <b>; rel=alternate", </a.md>; rel=alternate; type=text/markdown`:  "/a.md",
		`</a,b.md>; rel=alternate; type=text/markdown`:                                     "/a,b.md",
		`</feed>; rel=alternate; type="application/rss+xml"`:                               "",
		`</a.md>; rel=stylesheet; type=text/markdown`:                                      "",
		`</a.md>; title="rel=alternate"; type=text/markdown`:                               "",
		`</a.md; rel=alternate; type=text/markdown`:                                        "",
		`a.md; rel=alternate; type=text/markdown`:                                          "",
		`<` + strings.Repeat("a", 9000) + `>; rel=alternate; type=text/markdown`:           "",
		strings.Repeat("</x>; rel=x,", 100) + `</a.md>; rel=alternate; type=text/markdown`: "",
		``: "",
	} {
		if got := markdownLink(http.Header{"Link": {field}}); got != want {
			t.Errorf("%.80s: %.80q, want %q", field, got, want)
		}
	}
	several := http.Header{"Link": {"</x>; rel=next", "</a.md>; rel=alternate; type=text/markdown"}}
	if got := markdownLink(several); got != "/a.md" {
		t.Errorf("in a second line: %q", got)
	}
}
