// SPDX-License-Identifier: Apache-2.0

package mcpheader

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// maxSafe is the largest integer that every JSON reader holds exactly: those
// beyond may not be in a header.
const maxSafe = 1<<53 - 1

// maxNumber is how many bytes the spelling of a number may have.
const maxNumber = 512

// convert returns the text of a JSON value that may be in a header ("Type
// conversion"), and false for values that may not.
func convert(raw []byte) (string, bool) {
	switch {
	case len(raw) == 0:
		return "", false
	case raw[0] == '"':
		return jsonrpc.Text(raw), true
	case raw[0] == 't' || raw[0] == 'f':
		return string(raw), true
	}
	return number(raw)
}

// number returns the decimal digits of a JSON number that is a safe integer,
// however it is spelled: 42, 42.0 and 4.2e1 are all "42".
func number(raw []byte) (string, bool) {
	if len(raw) == 0 || len(raw) > maxNumber || (raw[0] != '-' && (raw[0] < '0' || raw[0] > '9')) || !json.Valid(raw) {
		return "", false
	}
	digits, negative := strings.CutPrefix(string(raw), "-")
	zeros := 0 // to append
	if i := strings.IndexAny(digits, "eE"); i >= 0 {
		exponent, err := strconv.ParseInt(digits[i+1:], 10, 32)
		if err != nil {
			return "", false
		}
		digits, zeros = digits[:i], int(exponent)
	}
	whole, fraction, _ := strings.Cut(digits, ".")
	digits = strings.TrimLeft(whole+fraction, "0")
	significant := strings.TrimRight(digits, "0")
	zeros += len(digits) - len(significant) - len(fraction)
	switch {
	case significant == "":
		return "0", true
	case zeros < 0 || len(significant)+zeros > len("9007199254740991"):
		return "", false
	}
	n, err := strconv.ParseInt(significant+strings.Repeat("0", zeros), 10, 64)
	if err != nil || n > maxSafe {
		return "", false
	}
	if negative {
		n = -n
	}
	return strconv.FormatInt(n, 10), true
}

// equal reports whether text, of a header, means the value at span.
func equal(frame []byte, span jsonrpc.Span, text string) bool {
	switch raw := span.Of(frame); raw[0] {
	case '"':
		return jsonrpc.Is(frame, span, text)
	case 't', 'f':
		return string(raw) == text
	default:
		want, _ := number(raw)
		got, ok := number([]byte(text))
		return ok && got == want
	}
}

// repeatable reports whether a header may have the value at span.
func repeatable(frame []byte, span jsonrpc.Span) bool {
	switch raw := span.Of(frame); raw[0] {
	case '"', 't', 'f':
		return true
	default:
		_, ok := number(raw)
		return ok
	}
}
