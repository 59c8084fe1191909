// SPDX-License-Identifier: Apache-2.0

package fetch

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
)

// follow returns the hop that resp, the answer to h, redirects to, or nil when
// resp is to be used itself.
func (c *Client) follow(ctx context.Context, h *hop, resp *http.Response) (*hop, error) {
	next, err := c.nextHop(h, resp)
	if err == nil && next == nil {
		return nil, nil
	}
	e := Event{Stage: "redirect", URL: redact(h.url), Detail: "status " + strconv.Itoa(resp.StatusCode), Err: err}
	if next != nil {
		e.Detail += " to " + redact(next.url) + " with " + next.method
		if !sameOrigin(h.url, next.url) {
			e.Detail += ", another origin"
		}
	}
	Trace(ctx, e)
	return next, err
}

func (c *Client) nextHop(h *hop, resp *http.Response) (*hop, error) {
	target, err := c.redirectTarget(h.url, resp)
	if err != nil || target == nil {
		return nil, err
	}
	refuse := func(detail string) error {
		return &Error{Code: CodeRedirect, URL: redact(h.url), Detail: detail}
	}
	same := sameOrigin(h.url, target)
	next := &hop{url: target, method: h.method, body: h.body, header: maps.Clone(h.header), passed: append(h.passed, h.url.String())}
	safe := h.method == http.MethodGet || h.method == http.MethodHead
	switch resp.StatusCode {
	case http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		if !safe && !same {
			return nil, refuse("a redirect would repeat the " + h.method + " request to another origin, " + target.Host + ", which is not done")
		}
	default: // as browsers do; RFC 9110 section 15.4 allows it
		if !safe {
			next.method, next.body = http.MethodGet, nil
			next.header.Del("Content-Type")
		}
	}
	if limit := max(c.opts.MaxRedirects, 0); len(h.passed) >= limit {
		return nil, refuse("more than " + strconv.Itoa(limit) + " redirects")
	}
	if next.method == h.method && slices.Contains(next.passed, target.String()) {
		return nil, refuse("the redirects go in a circle; the page may need cookies, which are not kept")
	}
	if !same {
		next.header = nil
	}
	for _, name := range conditionalFields {
		next.header.Del(name)
	}
	return next, nil
}

// redirectTarget returns the URL that resp, the answer for u, redirects to,
// judged like a URL of the caller, or nil. 300 and 305 are never followed: the
// first has no single target, the second is a proxy (RFC 9110 section 15.4).
func (c *Client) redirectTarget(u *url.URL, resp *http.Response) (*url.URL, error) {
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default:
		return nil, nil
	}
	location := resp.Header.Get("Location")
	if location == "" {
		return nil, nil
	}
	refuse := func(detail string) error {
		return &Error{Code: CodeRedirect, URL: redact(u), Detail: detail}
	}
	if len(slices.Compact(slices.Clone(resp.Header.Values("Location")))) > 1 {
		return nil, refuse("the answer redirects to several targets at once")
	}
	next, err := c.policy.parseURL(location, u)
	if own, ok := errors.AsType[*Error](err); ok && own.Code == CodeURL {
		return nil, refuse("the redirect is not followed: " + own.Detail)
	}
	if err != nil {
		return nil, err
	}
	if u.Scheme == "https" && next.Scheme == "http" {
		return nil, refuse("a redirect from https to http is not followed")
	}
	return next, nil
}
