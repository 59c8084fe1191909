// SPDX-License-Identifier: Apache-2.0

package mcpheader

import (
	"encoding/base64"
	"errors"
	"strings"
	"unicode/utf8"
)

const prefix, suffix = "=?base64?", "?="

// Encode returns the value of an Mcp-Name or Mcp-Param header for a text
// ("Value Encoding"): the text itself if it is plain ASCII that a header
// carries unchanged, and its base64 form between =?base64? and ?= otherwise.
// The empty text gets the second form, too: an empty header is allowed, but
// there are servers that take it for none.
func Encode(text string) string {
	if plain(text) {
		return text
	}
	return prefix + base64.StdEncoding.EncodeToString([]byte(text)) + suffix
}

// plain reports whether a header can hold text as it is.
func plain(text string) bool {
	if text == "" || text[0] == ' ' || text[len(text)-1] == ' ' {
		return false
	}
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			return false
		}
	}
	return !strings.HasPrefix(text, prefix) || !strings.HasSuffix(text, suffix)
}

// Decode returns the text that the value of an Mcp-Name or Mcp-Param header
// stands for. White space around the value is no part of it (RFC 9110 section
// 5.5). A value without both of the markers, in this case, is literal. It is
// an error if the value has characters other than visible ASCII, space and
// tab, and if what is between the markers is not base64 of UTF-8 with its
// padding (RFC 4648 section 4).
func Decode(value string) (string, error) {
	value = trim(value)
	if !visible(value) {
		return "", errInvalid
	}
	inner, ok := strings.CutPrefix(value, prefix)
	if !ok {
		return value, nil
	}
	if inner, ok = strings.CutSuffix(inner, suffix); !ok {
		return value, nil
	}
	text, err := base64.StdEncoding.Strict().DecodeString(inner)
	if err != nil {
		return "", errBase64
	}
	if !utf8.Valid(text) {
		return "", errUTF8
	}
	return string(text), nil
}

var (
	errInvalid = errors.New("has invalid characters")
	errBase64  = errors.New("is not valid base64")
	errUTF8    = errors.New("is base64 of something else than UTF-8")
)

// trim cuts off optional white space (RFC 9110 section 5.6.3).
func trim(value string) string { return strings.Trim(value, " \t") }

// visible reports whether value has visible ASCII, spaces and tabs only.
func visible(value string) bool {
	for i := range len(value) {
		if c := value[i]; (c < ' ' && c != '\t') || c > '~' {
			return false
		}
	}
	return true
}
