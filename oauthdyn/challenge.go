// SPDX-License-Identifier: Apache-2.0

package oauthdyn

import (
	"net/http"
	"strings"
)

// Challenge is one challenge of a WWW-Authenticate header: RFC 9110 section
// 11.6.1, with the parameters of RFC 6750 section 3 and RFC 9728 section 5.1.
type Challenge struct {
	// Scheme is the authentication scheme in lower case, such as "bearer".
	Scheme string

	// Params holds the parameters by lower-case name. Of a repeated
	// parameter the first is kept.
	Params map[string]string
}

// ResourceMetadata returns the resource_metadata parameter: the URL of the
// protected resource metadata.
func (c Challenge) ResourceMetadata() string { return c.Params["resource_metadata"] }

// Scopes returns the scope parameter as a list.
func (c Challenge) Scopes() []string { return strings.Fields(c.Params["scope"]) }

// Code returns the error parameter, such as "insufficient_scope".
func (c Challenge) Code() string { return c.Params["error"] }

// String formats the challenge as a header value, with the parameters realm,
// error, error_description, scope and resource_metadata, in this order. Others
// are left out.
func (c Challenge) String() string {
	var b strings.Builder
	switch c.Scheme {
	case "bearer", "basic":
		b.WriteString(strings.ToUpper(c.Scheme[:1]) + c.Scheme[1:])
	default:
		b.WriteString(c.Scheme)
	}
	sep := " "
	for _, name := range []string{"realm", "error", "error_description", "scope", "resource_metadata"} {
		if v, ok := c.Params[name]; ok {
			b.WriteString(sep + name + `="` + quoteParam(v) + `"`)
			sep = ", "
		}
	}
	return b.String()
}

// quoteParam escapes a quoted-string and drops what must not be in a header.
func quoteParam(v string) string {
	var b strings.Builder
	for _, r := range v {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r >= 0x20 && r < 0x7f:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// ParseChallenges reads all WWW-Authenticate challenges of a response. It is
// tolerant: what cannot be read is left out.
func ParseChallenges(h http.Header) []Challenge {
	var all []Challenge
	for _, value := range h.Values("WWW-Authenticate") {
		all = append(all, parseChallenges(value)...)
	}
	return all
}

// BearerChallenge returns the first Bearer challenge of a response.
func BearerChallenge(h http.Header) (Challenge, bool) {
	for _, c := range ParseChallenges(h) {
		if c.Scheme == "bearer" {
			return c, true
		}
	}
	return Challenge{}, false
}

// parseChallenges reads the list of challenges in one header value. A token
// that is followed by "=" is a parameter of the challenge before it; any other
// token starts a challenge.
func parseChallenges(s string) []Challenge {
	var list []Challenge
	for {
		s = strings.TrimLeft(s, " \t,")
		if s == "" {
			return list
		}
		token, rest := cutToken(s)
		if token == "" {
			return list
		}
		after := strings.TrimLeft(rest, " \t")
		if !strings.HasPrefix(after, "=") || len(list) == 0 {
			list = append(list, Challenge{Scheme: strings.ToLower(token), Params: map[string]string{}})
			s = skipToken68(rest)
			continue
		}
		value, rest, ok := cutValue(strings.TrimLeft(after[1:], " \t"))
		if !ok {
			return list
		}
		params := list[len(list)-1].Params
		if name := strings.ToLower(token); !has(params, name) {
			params[name] = value
		}
		s = rest
	}
}

func has(params map[string]string, name string) bool {
	_, ok := params[name]
	return ok
}

// cutToken splits a leading token (RFC 9110 section 5.6.2) off s.
func cutToken(s string) (token, rest string) {
	i := 0
	for i < len(s) && isTokenByte(s[i]) {
		i++
	}
	return s[:i], s[i:]
}

func isTokenByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}

// cutValue splits a leading token or quoted-string off s.
func cutValue(s string) (value, rest string, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		value, rest = cutToken(s)
		return value, rest, value != ""
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:], true
		case '\\':
			i++
			if i == len(s) {
				return "", "", false
			}
		}
		b.WriteByte(s[i])
	}
	return "", "", false
}

// skipToken68 passes over what follows a scheme in token68 form, such as the
// data of Negotiate: one word that ends at a comma or at the end, with nothing
// but padding behind an equals sign.
func skipToken68(s string) string {
	word := strings.TrimLeft(s, " \t")
	i := 0
	for i < len(word) && (isTokenByte(word[i]) || word[i] == '/') {
		i++
	}
	end := strings.TrimLeft(word[i:], "=")
	end = strings.TrimLeft(end, " \t")
	if i > 0 && (end == "" || end[0] == ',') {
		return end
	}
	return s
}
