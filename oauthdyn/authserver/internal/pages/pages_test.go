// SPDX-License-Identifier: Apache-2.0

package pages

import (
	"net/http/httptest"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestFormTarget(t *testing.T) {
	for uri, want := range map[string]string{
		"":                                   "",
		"https://client.example/cb?x=1":      " https://client.example",
		"https://client.example:8443/cb":     " https://client.example:8443",
		"http://127.0.0.1:1234/cb":           " http://127.0.0.1:1234",
		"http://[::1]:1234/cb":               " http:", // CSP has no IPv6 literals
		"cursor://anysphere.cursor-mcp/cb":   " cursor:",
		"com.example.app:/oauth2redirect":    " com.example.app:",
		"https://client.example/;script-src": " https://client.example",
	} {
		if got := formTarget(uri); got != want {
			t.Errorf("%s: %q, want %q", uri, got, want)
		}
	}
}

func TestStyleIsCoveredByItsHash(t *testing.T) {
	rec := httptest.NewRecorder()
	Render(rec, 200, Error{Title: "Title", Text: "Text"}, "")
	_, rest, ok := strings.Cut(rec.Body.String(), "<style>")
	sheet, _, ok2 := strings.Cut(rest, "</style>")
	if !ok || !ok2 || !strings.Contains(rec.Header().Get("Content-Security-Policy"), "style-src "+hash(sheet)) {
		t.Errorf("the policy %q does not allow the style sheet of the page", rec.Header().Get("Content-Security-Policy"))
	}
	if strings.Contains(rec.Body.String(), " style=") {
		t.Error("inline styles are not covered by the policy")
	}
}

// The page that leads away does so without a script, and also for those whose
// browser does not move on by itself.
func TestLeave(t *testing.T) {
	const to = "https://login.example/authorize?state=a&scope=b+c"
	rec := httptest.NewRecorder()
	Render(rec, 200, Leave{Name: "<Example> & Co", URL: to}, "")
	if got := rec.Header().Get("Refresh"); got != "0; url="+to {
		t.Errorf("Refresh: %q", got)
	}
	body := rec.Body.String()
	for _, text := range []string{`<a class="button" href="https://login.example/authorize?state=a&amp;scope=b&#43;c" rel="noreferrer">`, "Continue to &lt;Example&gt; &amp; Co"} {
		if !strings.Contains(body, text) {
			t.Errorf("no %s in %s", text, body)
		}
	}
	if rec.Header().Get("Referrer-Policy") != "no-referrer" || strings.Contains(body, "<script") {
		t.Error("the page tells where it comes from, or needs a script")
	}
	rec = httptest.NewRecorder()
	Render(rec, 200, Error{Title: "Title", Text: "Text"}, "")
	if rec.Header().Get("Refresh") != "" {
		t.Error("another page leads away")
	}
}

func FuzzClean(f *testing.F) {
	for _, s := range []string{"", "name", "a\u202eb", "\u200b\u200d", "a\n\nb", strings.Repeat("ä", 200), "e\u0301\u0301", "\xff\xfe", "\U000e0041", "\u3000x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := Clean(s)
		if !utf8.ValidString(got) || utf8.RuneCountInString(got) > 2*maxShown+1 || strings.TrimSpace(got) != got || strings.Contains(got, "  ") {
			t.Errorf("%q became %q", s, got)
		}
		for _, r := range got {
			if !unicode.IsPrint(r) || unicode.Is(unicode.Cf, r) {
				t.Errorf("%q became %q, which holds %U", s, got, r)
			}
		}
	})
}
