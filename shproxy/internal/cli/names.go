// SPDX-License-Identifier: Apache-2.0

package cli

import "strings"

const (
	letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	digits  = "0123456789"

	// token68 are the characters of a bearer token: RFC 6750 section 2.1.
	token68 = letters + digits + "-._~+/="
	// tchar are the characters of a header's name: RFC 9110 section 5.6.2.
	tchar = letters + digits + "!#$%&'*+-.^_`|~"
)

// consistsOf reports whether s has at least one character and no others than
// the given ones.
func consistsOf(s, characters string) bool { return s != "" && strings.Trim(s, characters) == "" }
