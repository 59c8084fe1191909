// SPDX-License-Identifier: Apache-2.0

package fetchserver

import (
	"encoding/base64"
	"net/http"
	"strings"
	"unicode/utf8"
)

// nameField repeats the name or URI of a request in its header.
const nameField = "Mcp-Name"

// decodeName undoes the Base64 form of Mcp-Name, in which clients send what a
// header field cannot carry, such as the URI of a page with a "ü" in it (MCP
// 2026-07-28, Streamable HTTP, Value Encoding). The SDK compares the field as it
// came.
func decodeName(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if name, ok := encodedName(r.Header.Get(nameField)); ok {
			r.Header.Set(nameField, name)
		}
		next.ServeHTTP(w, r)
	})
}

// encodedName decodes a value in Base64. What is not valid stays as it is, for
// the SDK to refuse.
func encodedName(value string) (name string, ok bool) {
	coded, ok := strings.CutPrefix(value, "=?base64?")
	if !ok {
		return "", false
	}
	if coded, ok = strings.CutSuffix(coded, "?="); !ok {
		return "", false
	}
	decoded, err := base64.StdEncoding.Strict().DecodeString(coded)
	if err != nil || !utf8.Valid(decoded) {
		return "", false
	}
	return string(decoded), true
}
