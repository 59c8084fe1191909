// SPDX-License-Identifier: Apache-2.0

package main

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// hidden stands for what is not shown.
const hidden = "***"

var (
	secretNames = regexp.MustCompile(`(?i)secret|token|passw|pwd|passphrase|key|credential|private|cookie|authorization|signature|salt|webhook|dsn|conn(ection)?_?str|(^|[_-])(auth|pass|sig)($|[_-])`)

	// secretForms are values that tell what they are: JSON Web Tokens, keys in
	// PEM, URLs with a password, what issuers begin their tokens with, and
	// parameters that carry one.
	secretForms = regexp.MustCompile(`\beyJ[\w-]{5,}\.|-----BEGIN |://[^/\s@]*:[^/\s@]*@` +
		`|\b(gh[pousr]_|github_pat_|glpat-|xox[abeprs]-|sk-|[sr]k_(live|test)_|AKIA|ASIA|AIza|ya29\.|npm_|pypi-|dop_v1_|hf_|SG\.)\w` +
		`|(?i:\b(bearer|basic)\s+\S|(password|passwd|pwd|secret|token|key|signature|sig)=[^\s&;]+)`)

	words = regexp.MustCompile(`[A-Za-z0-9_+=-]{20,}`)
)

// secretName reports whether what a variable or a field of that name holds is
// likely to be secret.
func secretName(name string) bool { return secretNames.MatchString(name) }

// knownSecret reports whether a value has the form of a secret.
func knownSecret(value string) bool { return secretForms.MatchString(value) }

// random reports whether there is a word in a value that looks drawn by lot, as
// keys without a form of their own are: long, of letters and many digits.
func random(value string) bool {
	for _, word := range words.FindAllString(value, -1) {
		var lower, upper, digits int
		for _, r := range word {
			switch {
			case '0' <= r && r <= '9':
				digits++
			case 'a' <= r && r <= 'z':
				lower++
			case 'A' <= r && r <= 'Z':
				upper++
			}
		}
		if digits >= 2 && lower >= 3 && upper >= 3 || digits >= 6 && lower+upper >= 3 {
			return true
		}
	}
	return false
}

// ends are the first and the last characters of a secret that is long enough
// for them to give nothing away.
func ends(value string) string {
	const n = 4
	if utf8.RuneCountInString(value) < 4*n || strings.ContainsAny(value, " :/@") {
		return hidden
	}
	runes := []rune(value)
	return string(runes[:n]) + hidden + string(runes[len(runes)-n:])
}
