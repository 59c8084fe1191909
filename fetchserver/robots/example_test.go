// SPDX-License-Identifier: Apache-2.0

package robots_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/robots"
)

func ExampleParse() {
	rules := robots.Parse([]byte("User-agent: *\nDisallow: /private/\nAllow: /private/tour\nCrawl-delay: 2\n"))
	for _, path := range []string{"/", "/private/diary", "/private/tour"} {
		fmt.Println(path, rules.AllowedPath(path, "examplebot"))
	}
	fmt.Println(rules.CrawlDelay("examplebot"))
	// Output:
	// / true
	// /private/diary false
	// /private/tour true
	// 2s
}

// A checker asks each origin once, by whatever client the program has.
func ExampleChecker() {
	var fetch robots.FetchFunc = func(_ context.Context, robotsURL string) (status int, body []byte, err error) {
		fmt.Println("asked:", robotsURL)
		return http.StatusOK, []byte("User-agent: examplebot\nDisallow: /drafts/\n"), nil
	}
	agent := robots.ProductToken("ExampleBot/2.1 (+https://bot.example)")
	checker := robots.NewChecker(fetch, []string{agent}, &robots.Options{MaxOrigins: 100})
	for _, link := range []string{"https://site.example/post", "https://site.example/drafts/7"} {
		u, err := url.Parse(link)
		if err != nil {
			fmt.Println(err)
			return
		}
		err = checker.Check(context.Background(), u)
		var disallowed *robots.DisallowedError
		fmt.Println(u.Path, errors.As(err, &disallowed))
	}
	// Output:
	// asked: https://site.example/robots.txt
	// /post false
	// /drafts/7 true
}
