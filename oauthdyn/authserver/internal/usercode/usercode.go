// SPDX-License-Identifier: Apache-2.0

// Package usercode makes and reads the codes that people type from one machine
// into another: RFC 8628 section 6.1.
package usercode

import (
	"crypto/rand"
	"strings"
)

// The alphabet has no vowels, so that no words come up, and no two letters that
// look alike. 20^8 is 34 bits.
const (
	alphabet = "BCDFGHJKLMNPQRSTVWXZ"
	length   = 8
)

// New makes a random code.
func New() string {
	code := make([]byte, 0, length)
	for len(code) < length {
		var b [1]byte
		rand.Read(b[:])
		if int(b[0]) < 256/len(alphabet)*len(alphabet) { // others would make some letters more likely
			code = append(code, alphabet[int(b[0])%len(alphabet)])
		}
	}
	return string(code)
}

// Format writes a code so that it is easy to read and to type.
func Format(code string) string {
	if len(code) != length {
		return ""
	}
	return code[:length/2] + "-" + code[length/2:]
}

// Parse reads what somebody has typed: in any case, and with any signs between.
// It returns "" if that cannot be a code.
func Parse(text string) string {
	if len(text) > 64 {
		return ""
	}
	code := strings.Map(func(r rune) rune {
		if r == ' ' || r == '\t' || r == '-' || r == '.' || r == '_' || r == '–' {
			return -1
		}
		return r
	}, strings.ToUpper(text))
	if len(code) != length || strings.Trim(code, alphabet) != "" {
		return ""
	}
	return code
}
