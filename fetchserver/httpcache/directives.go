// SPDX-License-Identifier: Apache-2.0

package httpcache

import (
	"net/http"
	"strings"
	"time"
)

const (
	// maxDelta stands for any delta-seconds too large to count (RFC 9111
	// section 1.2.2).
	maxDelta = 1 << 31
	// maxDirectives bounds how many directives of a field are looked at. More
	// have no honest use; none is read then, and the response is not kept.
	maxDirectives = 64
)

// directives is a Cache-Control field: its directives in lower case with their
// unquoted arguments. Of several with one name the first counts (RFC 9111
// section 4.2.1).
type directives map[string]argument

type argument struct {
	value string
	// broken says that the directive does not have the form of RFC 9111
	// section 5.2. Its presence counts, its argument cannot be trusted.
	broken bool
}

// parseDirectives reads all Cache-Control lines of h. What it cannot read
// makes a response less reusable, never more.
func parseDirectives(h http.Header) directives {
	lines := h["Cache-Control"]
	if len(lines) == 0 {
		return nil
	}
	d := make(directives)
	for _, line := range lines {
		for line != "" {
			var member string
			member, line = cutMember(line)
			if member = strings.Trim(member, " \t"); member == "" {
				continue // RFC 9110 section 5.6.1: empty elements are ignored
			}
			name, arg := parseDirective(member)
			if _, known := d[name]; known {
				continue
			}
			if len(d) == maxDirectives {
				return directives{"no-store": {broken: true}}
			}
			d[name] = arg
		}
	}
	return d
}

// cutMember splits a list at its first comma outside of a quoted string.
func cutMember(s string) (member, rest string) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			quoted = !quoted
		case quoted && s[i] == '\\':
			i++
		case !quoted && s[i] == ',':
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

func parseDirective(member string) (name string, arg argument) {
	name, value, given := strings.Cut(member, "=")
	if trimmed := strings.Trim(name, " \t"); trimmed != name {
		name, arg.broken = trimmed, true
	}
	name = strings.ToLower(name)
	if !given {
		return name, arg
	}
	if strings.HasPrefix(value, `"`) {
		var whole bool
		if value, whole = unquote(value); !whole {
			arg.broken = true
		}
	}
	arg.value = value
	return name, arg
}

// unquote undoes a quoted-string (RFC 9110 section 5.6.4) and reports whether
// s was one.
func unquote(s string) (string, bool) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), i == len(s)-1
		case '\\':
			if i++; i == len(s) {
				return b.String(), false
			}
		}
		b.WriteByte(s[i])
	}
	return b.String(), false
}

func (d directives) has(name string) bool {
	_, ok := d[name]
	return ok
}

// seconds returns the argument of a directive that has a number of seconds.
// valid is false when the directive is there without a number.
func (d directives) seconds(name string) (value time.Duration, present, valid bool) {
	arg, present := d[name]
	if !present {
		return 0, false, false
	}
	n, ok := deltaSeconds(arg.value)
	if arg.broken || !ok {
		return 0, true, false
	}
	return n, true, true
}

// deltaSeconds parses a number of seconds (RFC 9111 section 1.2.2): digits
// only, and what overflows is very long.
func deltaSeconds(s string) (time.Duration, bool) {
	if s == "" {
		return 0, false
	}
	n := int64(0)
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = min(n*10+int64(s[i]-'0'), maxDelta)
	}
	return time.Duration(n) * time.Second, true
}
