// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/shproxy"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/testserver"
)

// A browser gets a page that loads nothing and runs nothing.
func TestStatusPage(t *testing.T) {
	good := wrap(t, "good", "testserver", testserver.Good)
	_, session := openSession(t, good)
	url := newTestAdmin(t, good) + "/status"
	resp, body := get(t, url, "Accept", "text/html,*/*;q=0.8")
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/html; charset=utf-8" || resp.Header.Get("Vary") != "Accept" {
		t.Errorf("%s %v", resp.Status, resp.Header)
	}
	style, _, _ := strings.Cut(body[strings.Index(body, "<style>")+len("<style>"):], "</style>")
	sum := sha256.Sum256([]byte(style))
	allowed := "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	if csp := resp.Header.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'; style-src "+allowed+";") || strings.Contains(csp, "unsafe") {
		t.Errorf("policy %q does not fit the style", csp)
	}
	for _, want := range []string{">good <span", "/good/mcp", `class="state ok"`, "<dt>sessions</dt><dd>1</dd>", version(), `<html lang="en">`, `name="viewport"`} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %s:\n%s", want, body)
		}
	}
	for _, not := range []string{session, "<script", "http-equiv", "ZgotmplZ"} {
		if strings.Contains(body, not) {
			t.Errorf("the page holds %s", not)
		}
	}
	if _, body := get(t, url+"?refresh", "Accept", "text/html"); !strings.Contains(body, `<meta http-equiv="refresh" content="10">`) {
		t.Error("the page does not refresh when it is told to")
	}
}

// What servers write is shown as text, whatever it is.
func TestStatusPageEscapes(t *testing.T) {
	const hostile = `</pre><script>alert(1)</script><img src=x onerror="alert(2)">&amp;` + "\x1b[31m\u202e\x00'"
	status := shproxy.Status{
		Name: hostile, State: shproxy.StateFailed, Versions: []string{hostile}, StartError: hostile,
		Stderr:  []string{hostile, "second"},
		Methods: []shproxy.MethodStatus{{Method: hostile, Outcomes: map[string]int64{"ok": 12, "timed_out": 3, "error": 1}, Latency: shproxy.Latency{P50: 0.0123, P99: 1.5}}},
	}
	w := httptest.NewRecorder()
	statusPage(w, report{Servers: []serverStatus{{Path: hostile, Status: status}}}, false)
	body := w.Body.String()
	const shown = `&lt;/pre&gt;&lt;script&gt;alert(1)&lt;/script&gt;&lt;img src=x onerror=&#34;alert(2)&#34;&gt;&amp;amp;&#39;`
	// As name, in the label of the table, as path, version, error and method, and on stderr.
	if n := strings.Count(body, shown); n != 7 {
		t.Errorf("the text is shown %d times:\n%s", n, body)
	}
	if rest := strings.ReplaceAll(body, shown, ""); strings.Contains(rest, "alert") {
		t.Errorf("the text is shown in another way, too:\n%s", body)
	}
	if strings.ContainsAny(body, "\x1b\x00\u202e") {
		t.Error("the page holds control characters")
	}
	for _, want := range []string{"<td>12</td><td>12.3 ms</td><td>1.5 s</td><td>1 error, 3 timed out</td>", "last 2 lines", "second\n"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %s:\n%s", want, body)
		}
	}
}

func TestClean(t *testing.T) {
	for line, want := range map[string]string{
		"plain":                                 "plain",
		"\x1b[1;31mred\x1b[0m and \x1b[Kmore":   "red and more",
		"\x1b]0;title\x07text":                  "text",
		"\x1b]8;;http://x\x1b\\link":            "link",
		"a\tb":                                  "a b",
		"a\r\x08b\x7f":                          "ab",
		"\u202eevil\u2066\u200b":                "evil",
		"über 日本":                               "über 日本",
		"bad \xff utf-8":                        "bad \ufffd utf-8",
		"\x1b[":                                 "[",
		strings.Repeat("é", maxShownLine):       strings.Repeat("é", maxShownLine/2) + " …",
		"x" + strings.Repeat("é", maxShownLine): "x" + strings.Repeat("é", maxShownLine/2-1) + " …",
	} {
		if got := clean(line); got != want {
			t.Errorf("%.60q is shown as %.60q, want %.60q", line, got, want)
		}
	}
}

func TestShow(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 999: "999 B", 1000: "1 kB", 1234: "1.23 kB", 99_990: "100 kB", 999_400: "999 kB", 999_500: "1 MB", 5e9: "5 GB", 7e15: "7000 TB",
	} {
		if got := showBytes(n); got != want {
			t.Errorf("%d bytes are shown as %s, want %s", n, got, want)
		}
	}
	for s, want := range map[float64]string{
		0: "0 µs", 0.00005: "50 µs", 0.0001: "100 µs", 0.0009996: "1 ms", 0.0125: "12.5 ms", 0.9996: "1 s", 99.999: "100 s",
	} {
		if got := showSeconds(s); got != want {
			t.Errorf("%v seconds are shown as %s, want %s", s, got, want)
		}
	}
}
