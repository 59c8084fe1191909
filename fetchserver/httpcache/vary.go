// SPDX-License-Identifier: Apache-2.0

package httpcache

import (
	"net/http"
	"slices"
	"strings"
)

// maxVary bounds the fields a response may vary on; more are taken as "*".
const maxVary = 32

// varyOn lists the request fields that selected a response, in canonical form
// (RFC 9110 section 12.5.5).
func varyOn(h http.Header) []string {
	var names []string
	for _, line := range h["Vary"] {
		for name := range strings.SplitSeq(line, ",") {
			name = http.CanonicalHeaderKey(strings.Trim(name, " \t"))
			if name == "*" || len(names) >= maxVary {
				return []string{"*"}
			}
			if name != "" && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// selected reports whether two requests are alike in the fields named (RFC
// 9111 section 4.1).
func selected(names []string, a, b http.Header) bool {
	for _, name := range names {
		if fieldValue(a, name) != fieldValue(b, name) {
			return false
		}
	}
	return true
}

// fieldValue combines the lines of a field, without the white space that has
// no meaning.
func fieldValue(h http.Header, name string) string {
	lines := h[name]
	switch {
	case len(lines) == 0:
		return "\x00" // absent is not the same as empty
	case len(lines) == 1 && !strings.ContainsAny(lines[0], ", \t"):
		return lines[0]
	}
	parts := strings.Split(strings.Join(lines, ","), ",")
	for i := range parts {
		parts[i] = strings.Trim(parts[i], " \t")
	}
	return strings.Join(parts, ",")
}
