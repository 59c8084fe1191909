// SPDX-License-Identifier: Apache-2.0

package fetch

import (
	"net/http"
	"net/url"
	"strings"
)

// accept asks for Markdown first; the rest keeps servers that know nothing of
// it from answering 406.
const accept = "text/markdown, text/html;q=0.9, application/xhtml+xml;q=0.9, text/plain;q=0.8, */*;q=0.5"

// redirectTarget returns where resp, the answer for u, redirects to, judged
// like a URL of the caller, or nil when resp is to be used itself. 300 and 305
// are never followed: the first has no single target, the second is a proxy
// (RFC 9110 section 15.4).
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
	refuse := func(detail string, err error) error {
		return &Error{Code: CodeRedirect, URL: redact(u), Detail: detail, Err: err}
	}
	if len(location) > maxURL {
		return nil, refuse("the redirect target is too long", nil)
	}
	next, err := u.Parse(location)
	if err != nil {
		return nil, refuse("the redirect target cannot be parsed", err)
	}
	if err := c.policy.checkURL(next); err != nil {
		return nil, err
	}
	if u.Scheme == "https" && next.Scheme == "http" {
		return nil, refuse("a redirect from https to http is not followed", nil)
	}
	return next, nil
}

// refusedFields may not be set by a caller: they belong to the connection, to
// this package, to the browser, or open doors that are not the caller's.
var refusedFields = map[string]bool{
	"Accept-Encoding": true, "Connection": true, "Content-Encoding": true, "Content-Length": true,
	"Cookie": true, "Cookie2": true, "Expect": true, "Forwarded": true, "Host": true, "Http2-Settings": true,
	"Keep-Alive": true, "Metadata": true, "Metadata-Flavor": true, "Origin": true, "Proxy-Connection": true,
	"Te": true, "Trailer": true, "Transfer-Encoding": true, "Upgrade": true, "Via": true,
	"X-Aws-Ec2-Metadata-Token": true, "X-Aws-Ec2-Metadata-Token-Ttl-Seconds": true,
	"X-Google-Metadata-Request": true, "X-Real-Ip": true,
}

var refusedPrefixes = []string{"Proxy-", "Sec-", "X-Forwarded-", "X-Metadata-"}

func checkHeader(h http.Header) error {
	for name := range h {
		key := http.CanonicalHeaderKey(name)
		refused := refusedFields[key]
		for _, prefix := range refusedPrefixes {
			refused = refused || strings.HasPrefix(key, prefix)
		}
		if refused {
			return &Error{Code: CodeHeader, Detail: "the header field " + key + " may not be set"}
		}
	}
	return nil
}
