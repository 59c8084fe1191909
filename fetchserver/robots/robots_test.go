// SPDX-License-Identifier: Apache-2.0

package robots_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/robots"
)

func TestAllowedURL(t *testing.T) {
	for _, test := range []struct {
		name, file, path string
		want             bool
	}{
		{"empty file", "", "/", true},
		{"disallow all", "User-agent: *\nDisallow: /", "/x", false},
		{"empty disallow", "User-agent: *\nDisallow:", "/x", true},
		{"prefix", "User-agent: *\nDisallow: /fish", "/fishheads/yummy.html", false},
		{"prefix is case-sensitive", "User-agent: *\nDisallow: /fish", "/Fish.asp", true},
		{"longest match allows", "User-agent: *\nDisallow: /\nAllow: /public/", "/public/a", true},
		{"longest match disallows", "User-agent: *\nAllow: /p\nDisallow: /page", "/page", false},
		{"equal length allows", "User-agent: *\nDisallow: /page\nAllow: /page", "/page", true},
		{"star", "User-agent: *\nDisallow: /*.php", "/a/b.php?x=1", false},
		{"star matches nothing too", "User-agent: *\nDisallow: /a*b", "/ab", false},
		{"several stars", "User-agent: *\nDisallow: /a*b*c", "/a/b/b/c/d", false},
		{"several stars in another order", "User-agent: *\nDisallow: /a*c*b", "/a/b/b/c/d", true},
		{"dollar", "User-agent: *\nDisallow: /*.gif$", "/x.gif", false},
		{"dollar is the end", "User-agent: *\nDisallow: /*.gif$", "/x.gif?y", true},
		{"dollar finds the last", "User-agent: *\nDisallow: /*.gif$", "/x.gif.gif", false},
		{"dollar inside is literal", "User-agent: *\nDisallow: /a$b", "/a$b", false},
		{"only dollar", "User-agent: *\nDisallow: $", "/", true},
		{"query", "User-agent: *\nDisallow: /*?id=", "/p?a=1", true},
		{"own group replaces star", "User-agent: *\nDisallow: /\n\nUser-agent: testbot\nDisallow: /x", "/y", true},
		{"own group applies", "User-agent: *\nAllow: /\n\nUser-agent: TestBot/2.0\nDisallow: /x", "/x", false},
		{"other bots do not count", "User-agent: test\nDisallow: /\n\nUser-agent: testbot-news\nDisallow: /", "/x", true},
		{"second token", "User-agent: compat\nDisallow: /x", "/x", false},
		{"groups are merged", "User-agent: testbot\nDisallow: /a\n\nUser-agent: x\nDisallow: /\n\nUser-agent: testbot\nDisallow: /b", "/b", false},
		{"several agents in a group", "User-agent: a\nUser-agent: testbot\n\nDisallow: /", "/x", false},
		{"sitemap does not end a group", "User-agent: testbot\nSitemap: https://x/s.xml\nUser-agent: b\nDisallow: /", "/x", false},
		{"rules before a group", "Disallow: /\nUser-agent: testbot\nAllow: /y", "/x", true},
		{"comments", "User-agent: * # all\nDisallow: /x # not this\n#Disallow: /", "/y", true},
		{"carriage returns", "User-agent: *\rDisallow: /x\r\n", "/x", false},
		{"missing colons", "User-agent *\nDisallow /x", "/x", false},
		{"misspelt", "User-agent: *\nDissallow: /x", "/x", false},
		{"byte order mark", "\xEF\xBB\xBFUser-agent: *\nDisallow: /x", "/x", false},
		{"HTML instead", "<html><body>User-agent: *<br>Disallow: /</body></html>", "/x", true},
		{"escape in the rule", "User-agent: *\nDisallow: /%7Ejoe/", "/~joe/x", false},
		{"escape in the URL", "User-agent: *\nDisallow: /~joe/", "/%7ejoe/x", false},
		{"reserved escapes stay", "User-agent: *\nDisallow: /a/b", "/a%2Fb", true},
		{"lower-case escapes", "User-agent: *\nDisallow: /a%2fb", "/a%2Fb", false},
		{"non-ASCII rule", "User-agent: *\nDisallow: /ü", "/%C3%BC", false},
		{"non-ASCII URL", "User-agent: *\nDisallow: /%c3%bc", "/ü", false},
		{"index page", "User-agent: *\nDisallow: /d\nAllow: /d/index.html", "/d/", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			u, err := url.Parse("https://example.com" + test.path)
			if err != nil {
				t.Fatal(err)
			}
			if got := robots.Parse([]byte(test.file)).AllowedURL(u, "TestBot", "Compat"); got != test.want {
				t.Errorf("allowed = %v, want %v", got, test.want)
			}
		})
	}
}

func TestParseIsBounded(t *testing.T) {
	beyond := strings.Repeat("# filler\n", robots.MaxSize/9+1) + "User-agent: *\nDisallow: /\n"
	if u, _ := url.Parse("https://example.com/x"); !robots.Parse([]byte(beyond)).AllowedURL(u, "bot") {
		t.Error("a rule beyond MaxSize counted")
	}
	// Many rules with many stars against a long path: linear, so no time to speak of.
	var file strings.Builder
	file.WriteString("User-agent: *\n")
	for file.Len() < robots.MaxSize-5000 {
		fmt.Fprintf(&file, "Disallow: /%sb\n", strings.Repeat("*a", 2000))
	}
	u, err := url.Parse("https://example.com/" + strings.Repeat("a", 8000))
	if err != nil {
		t.Fatal(err)
	}
	if !robots.Parse([]byte(file.String())).AllowedURL(u, "bot") {
		t.Error("a pattern matched that does not")
	}
}

func TestProductToken(t *testing.T) {
	for in, want := range map[string]string{
		"fetchserver/1.0 (+https://x)": "fetchserver", "My-Bot_x 2": "My-Bot_x", "": "", "1bot": "", "fetchserver": "fetchserver",
	} {
		if got := robots.ProductToken(in); got != want {
			t.Errorf("ProductToken(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzRules(f *testing.F) {
	f.Add("User-agent: *\nDisallow: /a*b$\nAllow: /%7e", "/a/b")
	f.Add("\xEF\xBB\xBFuser-agent a\ndisallow /\r\rallow: *", "?")
	f.Add("User-agent: *\nDisallow: /*/index.html", "//")
	f.Fuzz(func(t *testing.T, file, path string) {
		rules := robots.Parse([]byte(file))
		if rules.AllowedPath(path, "bot") != rules.AllowedPath(path, "BOT") {
			t.Error("the agent's case matters")
		}
		if u, err := url.Parse("https://example.com" + path); err == nil {
			rules.AllowedURL(u, "bot", "*", "")
		}
	})
}

func TestCrawlDelay(t *testing.T) {
	for _, test := range []struct {
		file string
		want time.Duration
	}{
		{"User-agent: *\nCrawl-delay: 5", 5 * time.Second},
		{"User-agent: *\nCrawl-delay: 0.5\nDisallow: /x", 500 * time.Millisecond},
		{"User-agent: *\nCrawl-delay: 9\n\nUser-agent: testbot\nCrawl-delay: 2", 2 * time.Second},
		{"User-agent: *\nCrawl-delay: 9\n\nUser-agent: testbot\nDisallow:", 0},
		{"User-agent: *\nCrawl-delay: 2\nCrawl-delay: 3", 2 * time.Second},
		{"User-agent: testbot\nCrawl-delay: 2\nUser-agent: *\nCrawl-delay: 9", 2 * time.Second},
		{"User-agent: testbot\nUser-agent: b\nCrawl-delay: 2\n\nUser-agent: c\nCrawl-delay: 9", 2 * time.Second},
		{"User-agent: *\nCrawl-delay: 1e99", 24 * time.Hour},
		{"User-agent: *\nCrawl-delay: NaN", 0},
		{"User-agent: *\nCrawl-delay: -1", 0},
		{"User-agent: *\nCrawl-delay: soon", 0},
		{"Crawl-delay: 5", 0},
		{"", 0},
	} {
		if got := robots.Parse([]byte(test.file)).CrawlDelay("TestBot"); got != test.want {
			t.Errorf("%q: %v, want %v", test.file, got, test.want)
		}
	}
}
