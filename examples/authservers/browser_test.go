// SPDX-License-Identifier: Apache-2.0

package authservers_test

import (
	"context"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
)

var (
	formTag   = regexp.MustCompile(`(?s)<form\b([^>]*)>(.*?)</form>`)
	inputTag  = regexp.MustCompile(`<(?:input|button)\b([^>]*)>`)
	attribute = regexp.MustCompile(`([a-z-]+)\s*=\s*"([^"]*)"`)
)

// A person signs in and consents to whatever the pages ask.
type person struct {
	name, password string
}

var alice = person{name: "alice", password: "the password of alice"}

// maxPages is how many pages a login may have.
const maxPages = 8

// visit opens a page as a browser would, and fills in the first form of each
// page until there is a page without one.
func (p person) visit(ctx context.Context, page string) error {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	browser := &http.Client{Jar: jar}
	method, form := http.MethodGet, url.Values{}
	for range maxPages {
		req, err := http.NewRequestWithContext(ctx, method, page, strings.NewReader(form.Encode()))
		if err != nil {
			return err
		}
		if method == http.MethodPost {
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		resp, err := browser.Do(req)
		if err != nil {
			return err
		}
		body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
		_ = resp.Body.Close()
		switch {
		case err != nil:
			return err
		case resp.StatusCode != http.StatusOK:
			return fmt.Errorf("%s: %s", resp.Status, body)
		}
		found := formTag.FindStringSubmatch(string(body))
		if found == nil {
			return nil
		}
		next, err := resp.Request.URL.Parse(attributes(found[1])["action"])
		if err != nil {
			return err
		}
		method, page, form = http.MethodPost, next.String(), p.fill(found[2])
	}
	return fmt.Errorf("the login has more than %d pages", maxPages)
}

// fill returns the fields of a form, and presses the button that agrees.
func (p person) fill(form string) url.Values {
	values := url.Values{}
	for _, tag := range inputTag.FindAllStringSubmatch(form, -1) {
		switch a := attributes(tag[1]); {
		case a["name"] == "login" || a["name"] == "username":
			values.Set(a["name"], p.name)
		case a["type"] == "password":
			values.Set(a["name"], p.password)
		case a["type"] == "hidden" || a["name"] == "accept":
			values.Set(a["name"], a["value"])
		}
	}
	return values
}

func attributes(tag string) map[string]string {
	found := map[string]string{}
	for _, a := range attribute.FindAllStringSubmatch(tag, -1) {
		found[a[1]] = html.UnescapeString(a[2])
	}
	return found
}
