// SPDX-License-Identifier: Apache-2.0

//go:build linux

package deploycheck

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"

	"golang.org/x/net/html"
)

// signIn opens the address of a sign-in as a person's browser does, fills in
// the forms and says yes, and follows the last redirect to the program that waits
// for it on loopback.
func signIn(client *http.Client, address string) error {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	browser := *client
	browser.Jar = jar
	res, err := browser.Get(address)
	for range 10 {
		if err != nil {
			return err
		}
		page, readErr := io.ReadAll(io.LimitReader(res.Body, 1<<20))
		res.Body.Close()
		if readErr != nil {
			return readErr
		}
		if res.Request.URL.Hostname() == "127.0.0.1" { // the program itself
			return nil
		}
		if res.StatusCode != http.StatusOK {
			return fmt.Errorf("%s: %s\n%s", res.Request.URL.Redacted(), res.Status, page)
		}
		var action string
		var fields url.Values
		if action, fields, err = firstForm(string(page)); err != nil {
			return fmt.Errorf("%s: %w\n%s", res.Request.URL.Redacted(), err, page)
		}
		to, err := res.Request.URL.Parse(action)
		if err != nil {
			return err
		}
		req, err := http.NewRequest(http.MethodPost, to.String(), strings.NewReader(fields.Encode()))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Origin", to.Scheme+"://"+to.Host)
		res, err = browser.Do(req)
		if err != nil {
			return err
		}
	}
	return errors.New("the sign-in does not end")
}

// firstForm fills in the first form of a page and presses its first button.
func firstForm(page string) (action string, fields url.Values, err error) {
	doc, err := html.Parse(strings.NewReader(page))
	if err != nil {
		return "", nil, err
	}
	attr := func(n *html.Node, name string) string {
		for _, a := range n.Attr {
			if a.Key == name {
				return a.Val
			}
		}
		return ""
	}
	for n := range doc.Descendants() {
		if n.Data != "form" {
			continue
		}
		fields, pressed := url.Values{}, false
		for in := range n.Descendants() {
			switch {
			case in.Data == "input" && attr(in, "type") == "password":
				fields.Set(attr(in, "name"), password)
			case in.Data == "input" && attr(in, "type") == "text":
				fields.Set(attr(in, "name"), username)
			case in.Data == "input" && attr(in, "type") == "hidden":
				fields.Set(attr(in, "name"), attr(in, "value"))
			case in.Data == "button" && !pressed:
				fields.Set(attr(in, "name"), attr(in, "value"))
				pressed = true
			}
		}
		return attr(n, "action"), fields, nil
	}
	return "", nil, errors.New("no form on the page")
}
