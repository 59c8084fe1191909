// SPDX-License-Identifier: Apache-2.0

// Package browser signs a person in without a screen: it opens an authorization
// URL, fills in the forms that it finds, consents, and follows the redirect to
// the client's callback. It is for tests and demonstrations against package
// authserver; other servers may show forms that it does not understand.
package browser

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync"
)

const (
	maxSteps = 20      // requests of one sign-in
	maxPage  = 1 << 20 // bytes of a page
)

// A Browser is a person at a browser. The zero value of the optional fields is
// fine. Cookies are kept from one Open to the next, so that a second sign-in
// finds the session of the first. It is safe for concurrent use; one sign-in
// waits for the other.
type Browser struct {
	// Username and Password go into the sign-in form.
	Username, Password string

	// With is the label of the way to sign in, "GitHub" for example, that the
	// person chooses on a page that offers several.
	With string

	// Deny makes the person say no on the first page that asks.
	Deny bool

	// Client sends the requests. Its redirect policy is not used; its Jar is,
	// if it has one. Nil: http.DefaultTransport with a jar of its own.
	Client *http.Client

	mu sync.Mutex
	// mu guards the fields below.
	client   *http.Client
	userCode string // to enter
}

// Open opens an authorization URL and returns when the client's callback has
// answered with less than 400. It fits into oauthdyn.Config.OpenURL.
func (b *Browser) Open(ctx context.Context, authorizationURL string) error {
	callback, err := b.Authorize(ctx, authorizationURL)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	res, _, err := b.do(ctx, http.MethodGet, callback, nil)
	if err == nil && res.StatusCode >= 400 {
		err = fmt.Errorf("browser: the callback answered %s", res.Status)
	}
	return err
}

// Authorize opens an authorization URL and returns the redirect to the client's
// callback, with the code or the error, without following it.
func (b *Browser) Authorize(ctx context.Context, authorizationURL string) (*url.URL, error) {
	at, err := url.Parse(authorizationURL)
	if err != nil {
		return nil, errors.New("browser: the authorization URL is not a URL")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	callback, err := b.walk(ctx, at, callbackOf(at))
	if err == nil && callback == nil {
		err = errors.New("browser: no form on the page, and no callback")
	}
	return callback, err
}

// Enter opens the page for the code of a device (RFC 8628), enters the code,
// consents and signs in. It returns when a page has nothing more to ask.
func (b *Browser) Enter(ctx context.Context, verificationURI, userCode string) error {
	at, err := url.Parse(verificationURI)
	if err != nil {
		return errors.New("browser: the verification URI is not a URL")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.userCode = userCode
	_, err = b.walk(ctx, at, func(*url.URL) bool { return false })
	return err
}

// walk goes from page to page, until it is led to a callback, which it returns,
// or nothing is asked any more. The caller holds b.mu.
func (b *Browser) walk(ctx context.Context, at *url.URL, isCallback func(*url.URL) bool) (*url.URL, error) {
	if err := b.start(); err != nil {
		return nil, err
	}
	method, values := http.MethodGet, url.Values(nil)
	for range maxSteps {
		res, body, err := b.do(ctx, method, at, values)
		if err != nil {
			return nil, err
		}
		page := parse(body)
		if address := page.leadsTo(res.Header, b.With); address != "" {
			if at, err = at.Parse(address); err != nil {
				return nil, errors.New("browser: led to something that is not a URL")
			}
			if isCallback(at) {
				return at, nil
			}
			method, values = http.MethodGet, nil
			continue
		}
		if page.problem != "" || page.form == nil && res.StatusCode >= 400 {
			return nil, fmt.Errorf("browser: %s: %s", res.Status, page.text())
		}
		if page.form == nil {
			return nil, nil
		}
		method = page.form.method
		values = page.form.fill(b)
		if at, err = at.Parse(page.form.action); err != nil {
			return nil, errors.New("browser: the form leads to something that is not a URL")
		}
	}
	return nil, fmt.Errorf("browser: no end after %d steps", maxSteps)
}

// start prepares the client once. The caller holds b.mu.
func (b *Browser) start() error {
	if b.client != nil {
		return nil
	}
	client := &http.Client{}
	if b.Client != nil {
		*client = *b.Client
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if client.Jar == nil {
		jar, err := cookiejar.New(nil)
		if err != nil {
			return err
		}
		client.Jar = jar
	}
	b.client = client
	return nil
}

// callbackOf tells the client's redirect URI from the pages of the server.
func callbackOf(authorization *url.URL) func(*url.URL) bool {
	uri, err := url.Parse(authorization.Query().Get("redirect_uri"))
	if err != nil || uri.Scheme == "" {
		return func(u *url.URL) bool { return u.Host != authorization.Host || u.Scheme != authorization.Scheme }
	}
	return func(u *url.URL) bool {
		return u.Scheme == uri.Scheme && u.Host == uri.Host && u.Path == uri.Path && u.Opaque == uri.Opaque
	}
}

// do sends one request and reads the reply. The caller holds b.mu.
func (b *Browser) do(ctx context.Context, method string, u *url.URL, values url.Values) (*http.Response, []byte, error) {
	var body io.Reader
	if method == http.MethodPost {
		body = strings.NewReader(values.Encode())
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		return nil, nil, errors.New("browser: cannot open this URL")
	}
	req.Header.Set("Accept", "text/html")
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	res, err := b.client.Do(req)
	if failed := (*url.Error)(nil); errors.As(err, &failed) {
		// Without the URL: a callback holds the code.
		return nil, nil, fmt.Errorf("browser: %s %s://%s%s: %w", method, u.Scheme, u.Host, u.Path, failed.Err)
	}
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	page, err := io.ReadAll(io.LimitReader(res.Body, maxPage))
	return res, page, err
}
