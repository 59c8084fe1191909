// SPDX-License-Identifier: Apache-2.0

package jsonrpc

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
)

// Is reports whether span covers a JSON string whose decoded text is want.
func Is(frame []byte, span Span, want string) bool {
	raw := span.Of(frame)
	if len(raw) < 2 || raw[0] != '"' {
		return false
	}
	// Escapes make a string longer, never shorter.
	if len(raw) == len(want)+2 {
		return string(raw[1:len(raw)-1]) == want && strings.IndexByte(want, '\\') < 0
	}
	return len(raw) > len(want)+2 && bytes.IndexByte(raw, '\\') >= 0 && Text(raw) == want
}

// Text returns the decoded text of a JSON string as found by [Scan] or
// [Lookup], and the empty string for any other value. Lone surrogates decode
// to U+FFFD, as in [encoding/json].
func Text(raw []byte) string {
	if len(raw) < 2 || raw[0] != '"' {
		return ""
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1])
	}
	var text string
	if json.Unmarshal(raw, &text) != nil {
		return ""
	}
	return text
}

// Key returns a text that is the same for two ids or progress tokens that
// mean the same value in different spellings ("a" and "\u0061", 1 and 1.0),
// and that differs between strings and numbers. Numbers that neither an int64 nor
// a float64 tells apart have the same.
func Key(raw []byte) string {
	if len(raw) > 0 && raw[0] == '"' {
		return `"` + Text(raw)
	}
	// Peers keep numbers in an int64 or a float64; what neither holds apart
	// cannot be told apart when it comes back.
	if n, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
		return strconv.FormatInt(n, 10)
	}
	if f, err := strconv.ParseFloat(string(raw), 64); err == nil {
		if n := int64(f); float64(n) == f {
			return strconv.FormatInt(n, 10)
		}
		return strconv.FormatFloat(f, 'g', -1, 64)
	}
	return string(raw)
}
