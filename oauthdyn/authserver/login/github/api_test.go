// SPDX-License-Identifier: Apache-2.0

package github

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestAPIURL(t *testing.T) {
	for site, want := range map[string]string{
		"https://github.com":               "https://api.github.com",
		"https://octo.ghe.com":             "https://api.octo.ghe.com",
		"https://github.example.com":       "https://github.example.com/api/v3",
		"https://git.example.com:8443/hub": "https://git.example.com:8443/hub/api/v3",
		"https://ghe.com.evil.example":     "https://ghe.com.evil.example/api/v3",
	} {
		u, err := url.Parse(site)
		if err != nil {
			t.Fatal(err)
		}
		if got := apiURL(u); got != want {
			t.Errorf("%s: %s, want %s", site, got, want)
		}
	}
}

func TestDefaultURLs(t *testing.T) {
	l, err := New(Options{ClientID: "id", ClientSecret: "secret", URL: "https://github.com/"})
	if err != nil {
		t.Fatal(err)
	}
	if l.api.url != "https://api.github.com" || l.config.Endpoint.TokenURL != "https://github.com/login/oauth/access_token" {
		t.Errorf("%s, %s", l.api.url, l.config.Endpoint.TokenURL)
	}
}

func TestNextPage(t *testing.T) {
	for link, want := range map[string]string{
		"": "",
		`<https://api.github.com/user/orgs?page=2>; rel="next", <https://api.github.com/user/orgs?page=9>; rel="last"`:            "https://api.github.com/user/orgs?page=2",
		`<https://api.github.com/user/orgs?page=1>; rel="prev", <https://api.github.com/user/orgs?page=3>; title="x"; rel="next"`: "https://api.github.com/user/orgs?page=3",
		`<https://api.github.com/user/orgs?page=1>; rel="prev"`:                                                                   "",
		`rel="next"`: "",
	} {
		if got := nextPage(http.Header{"Link": {link}}); got != want {
			t.Errorf("%s: %q, want %q", link, got, want)
		}
	}
}

func FuzzNextPage(f *testing.F) {
	f.Add(`<https://api.github.com/user/orgs?page=2>; rel="next"`)
	f.Add(`<>;rel="next",>`)
	f.Fuzz(func(t *testing.T, link string) {
		if next := nextPage(http.Header{"Link": {link}}); !strings.Contains(link, next) {
			t.Errorf("%q became %q", link, next)
		}
	})
}

func TestRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // the clock stands still
		soon := strconv.FormatInt(time.Now().Add(10*time.Minute).Unix(), 10)
		for _, test := range []struct {
			status int
			header map[string]string
			want   time.Duration
		}{
			{403, nil, 0},
			{404, map[string]string{"Retry-After": "90"}, 0},
			{403, map[string]string{"X-Ratelimit-Remaining": "12"}, 0},
			{429, nil, time.Minute},
			{403, map[string]string{"Retry-After": "90"}, 90 * time.Second},
			{403, map[string]string{"Retry-After": "-5"}, time.Minute},
			{403, map[string]string{"Retry-After": "999999999"}, time.Hour},
			{403, map[string]string{"X-Ratelimit-Remaining": "0"}, time.Minute},
			{403, map[string]string{"X-Ratelimit-Remaining": "0", "X-Ratelimit-Reset": soon}, 10 * time.Minute},
			{403, map[string]string{"X-Ratelimit-Remaining": "0", "X-Ratelimit-Reset": "1"}, time.Minute},
			{403, map[string]string{"X-Ratelimit-Remaining": "0", "X-Ratelimit-Reset": "99999999999"}, time.Hour},
		} {
			res := &http.Response{StatusCode: test.status, Header: http.Header{}}
			for name, value := range test.header {
				res.Header.Set(name, value)
			}
			if got := retryAfter(res); got != test.want {
				t.Errorf("%d %v: %v, want %v", test.status, test.header, got, test.want)
			}
		}
	})
}
