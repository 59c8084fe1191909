// SPDX-License-Identifier: Apache-2.0

// Package upstream is what logins at identity providers have in common: the
// requests to the provider, and the way of the browser there and back.
package upstream

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
	"unicode"

	"golang.org/x/oauth2"
)

const (
	requestTimeout = 20 * time.Second
	maxBody        = 1 << 20
	maxHeader      = 64 << 10
	maxRedirects   = 3
	maxText        = 300 // of a provider's words in our log
)

// NewClient returns a client whose requests end in time, whose replies are
// bounded, and which is redirected within an origin only. Nil stands for a
// transport like http.DefaultTransport.
func NewClient(transport http.RoundTripper) *http.Client {
	if transport == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.MaxResponseHeaderBytes = maxHeader
		transport = t
	}
	return &http.Client{Transport: bounded{transport}, Timeout: requestTimeout, CheckRedirect: sameOrigin}
}

func sameOrigin(req *http.Request, via []*http.Request) error {
	first := via[0]
	if req.URL.Scheme != first.URL.Scheme || req.URL.Host != first.URL.Host {
		return fmt.Errorf("redirected to another host, %s", req.URL.Host)
	}
	if first.Method != http.MethodGet || len(via) > maxRedirects {
		return errors.New("redirected")
	}
	return nil
}

// bounded limits the size of replies.
type bounded struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	if r.Header.Get("Accept") == "" {
		r.Header.Set("Accept", "application/json") // GitHub's token endpoint needs to be told
	}
	r.Header.Set("User-Agent", "oauthdyn")
	res, err := b.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	res.Body = &limited{res.Body, maxBody}
	return res, nil
}

type limited struct {
	io.ReadCloser
	left int
}

func (l *limited) Read(p []byte) (int, error) {
	if l.left <= 0 {
		// Whether the body ends here, or is too long.
		if n, err := l.ReadCloser.Read(make([]byte, 1)); n == 0 {
			return 0, err
		}
		return 0, errors.New("reply is longer than 1 MiB")
	}
	n, err := l.ReadCloser.Read(p[:min(len(p), l.left)])
	l.left -= n
	return n, err
}

// Brief returns an error that fits into a log: one line, bounded, and without
// what a token endpoint has answered, which could be secret.
func Brief(err error) error {
	if e, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		err = fmt.Errorf("token endpoint: %s %s %s", e.Response.Status, e.ErrorCode, e.ErrorDescription)
	}
	text := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, err.Error())
	if text = strings.Join(strings.Fields(text), " "); len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "") + "…"
	}
	return errors.New(text)
}

// CheckURL parses the address of a provider: https, or http on a loopback
// address.
func CheckURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Hostname() == "" || u.User != nil:
		return nil, fmt.Errorf("%q is not an absolute URL", raw)
	case u.RawQuery != "" || u.ForceQuery || strings.Contains(raw, "#"):
		return nil, fmt.Errorf("%q has a query or fragment; remove it", raw)
	}
	return u, CheckEndpoint(raw)
}

// CheckEndpoint checks the scheme of an address that a provider names.
func CheckEndpoint(raw string) error {
	u, err := url.Parse(raw)
	if err != nil || u.Hostname() == "" {
		return fmt.Errorf("%q is not an absolute URL", raw)
	}
	addr, err := netip.ParseAddr(u.Hostname())
	if u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "localhost" || err == nil && addr.IsLoopback()) {
		return nil
	}
	return fmt.Errorf("%q must use https (http is accepted on a loopback address only)", raw)
}
