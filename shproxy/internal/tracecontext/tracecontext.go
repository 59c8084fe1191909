// SPDX-License-Identifier: Apache-2.0

// Package tracecontext reads W3C Trace Context and W3C Baggage from HTTP headers,
// strictly: what it returns can be passed on to anybody.
package tracecontext

import (
	"net/http"
	"strings"
)

// Context is where in a trace a request stands, as the values of the headers
// of the same names.
type Context struct {
	TraceParent string
	TraceState  string // empty if there is none that is valid
	Baggage     string // likewise
}

// The headers, in the form of [http.Header] keys.
const (
	headerTraceParent = "Traceparent"
	headerTraceState  = "Tracestate"
	headerBaggage     = "Baggage"
)

const (
	// maxTraceState and maxBaggage are how much of a header is passed on, in
	// bytes: what the standards make everybody take, and no more.
	maxTraceState = 512
	maxBaggage    = 8192
	// maxTraceParent leaves room for what future versions add.
	maxTraceParent = 128
	// maxTraceStates is how many members a tracestate may have.
	maxTraceStates = 32
)

// FromHeader returns the context of a request. It reports false if there is no
// valid traceparent, which costs no more than looking.
func FromHeader(h http.Header) (c Context, ok bool) {
	parent := h[headerTraceParent]
	if len(parent) != 1 || !validTraceParent(parent[0]) {
		return c, false
	}
	c.TraceParent = parent[0]
	if state := joined(h[headerTraceState], maxTraceState); validTraceState(state) {
		c.TraceState = state
	}
	if baggage := joined(h[headerBaggage], maxBaggage); validBaggage(baggage) {
		c.Baggage = baggage
	}
	return c, true
}

// validTraceParent checks a traceparent header (Trace Context level 2, section
// 3.2): version, trace-id, parent-id and flags in lower-case hexadecimal digits.
// A future version may append to that.
func validTraceParent(s string) bool {
	const length = len("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	if len(s) < length || len(s) > maxTraceParent {
		return false
	}
	version, trace, parent, flags := s[:2], s[3:35], s[36:52], s[53:55]
	if s[2] != '-' || s[35] != '-' || s[52] != '-' || !isLowerHex(version) || !isLowerHex(trace) || !isLowerHex(parent) || !isLowerHex(flags) {
		return false
	}
	if strings.Trim(trace, "0") == "" || strings.Trim(parent, "0") == "" {
		return false
	}
	switch version {
	case "ff":
		return false
	case "00":
		return len(s) == length
	}
	return len(s) == length || s[length] == '-' && all(s, isVisible)
}

// validTraceState checks a tracestate header (Trace Context level 2, section
// 3.3): members with different keys.
func validTraceState(s string) bool {
	keys := make(map[string]bool)
	for member := range strings.SplitSeq(s, ",") {
		member = strings.Trim(member, " \t")
		if member == "" {
			continue // allowed
		}
		key, value, ok := strings.Cut(member, "=")
		if !ok || keys[key] || len(keys) == maxTraceStates || !validStateKey(key) || !validStateValue(value) {
			return false
		}
		keys[key] = true
	}
	return len(keys) > 0
}

func validStateKey(key string) bool {
	return key != "" && len(key) <= 256 && (isLower(key[0]) || isDigit(key[0])) &&
		all(key, func(c byte) bool { return isLower(c) || isDigit(c) || strings.IndexByte("_-*/@", c) >= 0 })
}

// validStateValue takes printable ASCII; that there is no comma is known, and
// that no blank is at the end.
func validStateValue(value string) bool {
	return value != "" && len(value) <= 256 &&
		all(value, func(c byte) bool { return (c == ' ' || isVisible(c)) && c != '=' })
}

// validBaggage checks a baggage header (W3C Baggage, section 3.2): members with
// properties.
func validBaggage(s string) bool {
	for member := range strings.SplitSeq(s, ",") {
		first := true
		for part := range strings.SplitSeq(member, ";") {
			key, value, ok := strings.Cut(part, "=")
			if !isToken(strings.Trim(key, " \t")) || first && !ok || !all(strings.Trim(value, " \t"), isBaggageOctet) {
				return false
			}
			first = false
		}
	}
	return true
}

// joined is the value of a header that may come in several lines (RFC 9110
// section 5.3), or empty if it is longer than the limit.
func joined(lines []string, limit int) string {
	size := len(lines) - 1
	for _, line := range lines {
		size += len(line)
	}
	if size > limit {
		return ""
	}
	return strings.Join(lines, ",")
}

func all(s string, is func(byte) bool) bool {
	for i := range len(s) {
		if !is(s[i]) {
			return false
		}
	}
	return true
}

func isLowerHex(s string) bool {
	return all(s, func(c byte) bool { return isDigit(c) || 'a' <= c && c <= 'f' })
}

func isDigit(c byte) bool   { return '0' <= c && c <= '9' }
func isLower(c byte) bool   { return 'a' <= c && c <= 'z' }
func isVisible(c byte) bool { return 0x21 <= c && c <= 0x7e }

func isBaggageOctet(c byte) bool { return isVisible(c) && strings.IndexByte(`",;\`, c) < 0 }

// isToken is token of RFC 9110 section 5.6.2.
func isToken(s string) bool {
	return s != "" && all(s, func(c byte) bool { return isVisible(c) && strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) < 0 })
}
