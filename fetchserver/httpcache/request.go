// SPDX-License-Identifier: Apache-2.0

package httpcache

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// query is a request as the cache sees it.
type query struct {
	key     key
	flight  flightKey
	cc      directives
	bypass  bool // neither answered nor kept
	reading bool // Request.Continue
	safe    bool // RFC 9110 section 9.2.1
}

// unserved are fields that ask for what is not kept, such as a part, or that
// only the origin can judge.
var unserved = []string{"If-Match", "If-Range", "If-Unmodified-Since", "Range"}

func parseRequest(r *Request) *query {
	q := &query{key: key{normalize(r.URL), r.Partition, r.Variant}, cc: parseDirectives(r.Header), reading: r.Continue}
	if q.cc == nil && strings.EqualFold(strings.TrimSpace(r.Header.Get("Pragma")), "no-cache") {
		q.cc = directives{"no-cache": {}} // RFC 9111 section 5.4
	}
	q.flight = flightKey{q.key, fingerprint(r.Header)}
	switch r.Method {
	case "", http.MethodGet:
		q.safe = true
	case http.MethodHead, http.MethodOptions, http.MethodTrace:
		q.safe, q.bypass = true, true
	default:
		q.bypass = true
	}
	if q.cc.has("no-store") {
		q.bypass = true // RFC 9111 section 5.2.1.5
	}
	for _, name := range unserved {
		if _, present := r.Header[name]; present {
			q.bypass = true
		}
	}
	return q
}

// normalize writes URLs of one resource alike (RFC 9110 section 4.2.3).
func normalize(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return raw
	}
	u.Fragment, u.RawFragment = "", ""
	u.Scheme, u.Host = strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	switch {
	case u.Scheme == "http":
		u.Host = strings.TrimSuffix(u.Host, ":80")
	case u.Scheme == "https":
		u.Host = strings.TrimSuffix(u.Host, ":443")
	}
	if u.Path == "" {
		u.Path = "/"
	}
	return u.String()
}

// fingerprint tells requests apart that may get different responses.
func fingerprint(h http.Header) string {
	if len(h) == 0 {
		return ""
	}
	names := make([]string, 0, len(h))
	for name := range h {
		names = append(names, name)
	}
	slices.Sort(names)
	var b strings.Builder
	for _, name := range names {
		b.WriteString(name + ":" + fieldValue(h, name) + "\n")
	}
	return b.String()
}

// notModified evaluates the conditions of a request against a response (RFC
// 9111 section 4.3.2).
func notModified(r *Request, resp http.Header) bool {
	if tags, present := r.Header["If-None-Match"]; present {
		own := strings.TrimPrefix(resp.Get("ETag"), "W/")
		for _, line := range tags {
			for line != "" {
				var tag string
				tag, line = cutMember(line)
				tag = strings.Trim(tag, " \t")
				if tag == "*" || own != "" && strings.TrimPrefix(tag, "W/") == own {
					return true
				}
			}
		}
		return false
	}
	since, ok := httpDate(r.Header.Get("If-Modified-Since"))
	if !ok {
		return false
	}
	modified, ok := httpDate(resp.Get("Last-Modified"))
	if !ok {
		modified, ok = httpDate(resp.Get("Date"))
	}
	return ok && !modified.After(since)
}
