// SPDX-License-Identifier: Apache-2.0

package fetch

import (
	"net/http"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// accept asks for Markdown first; the rest keeps servers that know nothing of
// it from answering 406.
const accept = "text/markdown, text/html;q=0.9, application/xhtml+xml;q=0.9, text/plain;q=0.9, */*;q=0.8"

// conditionalFields are about one resource.
var conditionalFields = []string{"If-Modified-Since", "If-None-Match"}

// freeFields may be set by any caller: they say what the caller can read and
// already has.
var freeFields = append([]string{"Accept", "Accept-Language", "Cache-Control"}, conditionalFields...)

// refusedFields may never be set: they belong to the connection, to this
// package or to a browser, carry the credentials of somebody, say who asks, or
// open doors that are not the caller's.
var refusedFields = map[string]bool{
	"Accept-Encoding": true, "Authorization": true, "Client-Ip": true, "Connection": true, "Content-Encoding": true,
	"Content-Length": true, "Cookie": true, "Cookie2": true, "Expect": true, "Forwarded": true, "Host": true,
	"Http2-Settings": true, "Keep-Alive": true, "Metadata": true, "Metadata-Flavor": true, "Origin": true,
	"Te": true, "Trailer": true, "Transfer-Encoding": true, "True-Client-Ip": true, "Upgrade": true,
	"User-Agent": true, "Via": true, "X-Client-Ip": true, "X-Cluster-Client-Ip": true, "X-Google-Metadata-Request": true,
	"X-Host": true, "X-Http-Method": true, "X-Http-Method-Override": true, "X-Method-Override": true,
	"X-Original-Url": true, "X-Real-Ip": true, "X-Remote-Addr": true, "X-Remote-Ip": true, "X-Rewrite-Url": true,
}

var refusedPrefixes = []string{"Connection-", "Proxy-", "Sec-", "X-Aws-Ec2-Metadata-", "X-Forwarded-", "X-Metadata-"}

// CheckHeaderName reports whether a header field is one that
// [Options.AllowHeaders] can allow. It cannot be one that steers the connection
// (Host, Connection, Transfer-Encoding, ...), carries credentials
// (Authorization, Cookie, Proxy-Authorization), forges who asks (Forwarded,
// X-Forwarded-*, X-Real-Ip, Origin, ...), overrides the URL or the method, or
// unlocks a metadata service. The error is an *[Error].
func CheckHeaderName(name string) error {
	key := http.CanonicalHeaderKey(name)
	refused := refusedFields[key]
	for _, prefix := range refusedPrefixes {
		refused = refused || strings.HasPrefix(key, prefix)
	}
	switch {
	case !httpguts.ValidHeaderFieldName(name):
		return &Error{Code: CodeHeader, Detail: "a header field has a name that is not valid"}
	case refused:
		return &Error{Code: CodeHeader, Detail: "the header field " + key + " may not be set"}
	}
	return nil
}

// callerHeader checks the header of a request and returns it in canonical form.
func (c *Client) callerHeader(r *Request) (http.Header, error) {
	own := make(http.Header, len(r.Header))
	for name, values := range r.Header {
		key := http.CanonicalHeaderKey(name)
		if err := CheckHeaderName(name); err != nil {
			return nil, err
		}
		allowed := slices.Contains(freeFields, key) || key == "Content-Type" && len(r.Body) > 0 ||
			slices.ContainsFunc(c.opts.AllowHeaders, func(a string) bool { return strings.EqualFold(a, key) })
		if !allowed {
			return nil, &Error{Code: CodeHeader, Detail: "the header field " + key + " is not one that the operator allows"}
		}
		for _, value := range values {
			if !httpguts.ValidHeaderFieldValue(value) {
				return nil, &Error{Code: CodeHeader, Detail: "the header field " + key + " has a value that is not valid"}
			}
		}
		own[key] = append(own[key], values...)
	}
	return own, nil
}
