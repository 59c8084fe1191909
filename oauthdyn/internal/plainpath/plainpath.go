// SPDX-License-Identifier: Apache-2.0

// Package plainpath tells the paths of requests that every program reads alike
// from those that a proxy, a guard and a server could take for different places.
package plainpath

import (
	"net/url"
	"strings"
	"unicode/utf8"
)

// maxBytes bounds a path.
const maxBytes = 8 << 10

// Parse returns the decoded form of an escaped path. It is not ok if the path is
// not absolute, has an empty, "." or ".." segment, a backslash, a semicolon or
// a control character, or an escape that decodes to a slash, a question mark, a
// number sign or a percent sign.
// A slash at the end is fine.
func Parse(escaped string) (path string, ok bool) {
	if len(escaped) > maxBytes || strings.ContainsAny(escaped, "?#") {
		return "", false
	}
	if !strings.Contains(escaped, "%") {
		return escaped, plain(escaped)
	}
	path, err := url.PathUnescape(escaped)
	if err != nil || strings.Count(path, "/") != strings.Count(escaped, "/") || strings.ContainsAny(path, "%?#") {
		return "", false
	}
	return path, plain(path)
}

func plain(path string) bool {
	if !strings.HasPrefix(path, "/") || !utf8.ValidString(path) {
		return false
	}
	for i := range len(path) {
		if c := path[i]; c < ' ' || c == 0x7f || c == '\\' || c == ';' {
			return false
		}
	}
	rest := path[1:]
	for rest != "" {
		var segment string
		segment, rest, _ = strings.Cut(rest, "/")
		if segment == "" || segment == "." || segment == ".." {
			return false
		}
	}
	return true
}

// Under reports whether a plain path is prefix or below it. "/" and "" are above
// every path.
func Under(path, prefix string) bool {
	prefix = strings.TrimSuffix(prefix, "/")
	return strings.HasPrefix(path, prefix) && (len(path) == len(prefix) || path[len(prefix)] == '/')
}
