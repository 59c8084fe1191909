// SPDX-License-Identifier: Apache-2.0

package robots

import (
	"net/url"
	"slices"
	"strings"
	"time"
)

// AllowedURL reports whether a crawler that goes by any of agents may fetch u.
// Percent-encoding is compared in canonical form, so that %7E and ~ are the
// same octet (RFC 9309 section 2.2.2).
func (r *Rules) AllowedURL(u *url.URL, agents ...string) bool {
	path := u.EscapedPath()
	if u.RawQuery != "" || u.ForceQuery {
		path += "?" + u.RawQuery
	}
	path = canonical(escapePattern(path))
	return r.allowed(path, agents, func(ru *rule) string { return ru.canonical })
}

// AllowedPath reports whether a crawler may fetch a path with query. The path
// is taken as it is, octet by octet; escaping it is up to the caller. An empty
// path means "/".
func (r *Rules) AllowedPath(path string, agents ...string) bool {
	return r.allowed(path, agents, func(ru *rule) string { return ru.pattern })
}

func (r *Rules) allowed(path string, agents []string, pattern func(*rule) string) bool {
	if path == "" || path[0] != '/' {
		path = "/" + path
	}
	best, allow := 0, true
	groups, _ := r.groupsFor(lower(agents))
	for _, g := range groups {
		for j := range g.rules {
			ru := &g.rules[j]
			text := pattern(ru)
			// The longest match wins; of two equals the allowing one does
			// (RFC 9309 section 2.2.2).
			if len(text) < best || len(text) == best && (allow || !ru.allow) {
				continue
			}
			if matches(text, path) || ru.allow && matchesIndex(text, path) {
				best, allow = len(text), ru.allow
			}
		}
	}
	return allow
}

// groupsFor returns the groups that a crawler has to obey, and whether they
// name it: then they replace the ones for everybody. Several for the same
// crawler are one (RFC 9309 section 2.2.1).
func (r *Rules) groupsFor(agents []string) (groups []*group, specific bool) {
	var all []*group
	for i := range r.groups {
		g := &r.groups[i]
		if g.names(agents) {
			groups = append(groups, g)
		} else if slices.Contains(g.agents, "*") {
			all = append(all, g)
		}
	}
	if groups == nil {
		return all, false
	}
	return groups, true
}

func lower(agents []string) []string {
	tokens := make([]string, len(agents))
	for i, agent := range agents {
		tokens[i] = strings.ToLower(agent)
	}
	return tokens
}

// CrawlDelay returns the time that a crawler should leave between two requests,
// 0 if the file does not say. It is no part of RFC 9309.
func (r *Rules) CrawlDelay(agents ...string) time.Duration {
	if len(r.delays) == 0 {
		return 0
	}
	agents = lower(agents)
	if _, specific := r.groupsFor(agents); !specific {
		return r.delays["*"]
	}
	var delay time.Duration
	for _, agent := range agents {
		delay = max(delay, r.delays[agent])
	}
	return delay
}

// names reports whether the group is for one of agents, given in lower case.
func (g *group) names(agents []string) bool {
	for _, agent := range agents {
		if agent != "" && agent != "*" && slices.Contains(g.agents, agent) {
			return true
		}
	}
	return false
}

// matches compares a pattern with the start of path: "*" stands for any
// octets, "$" at the end for the end of the path. Taking the leftmost place
// for each literal piece is enough, so no step is ever taken back.
func matches(pattern, path string) bool {
	anchored := strings.HasSuffix(pattern, "$")
	pattern = strings.TrimSuffix(pattern, "$")
	piece, rest, star := strings.Cut(pattern, "*")
	if !strings.HasPrefix(path, piece) {
		return false
	}
	path = path[len(piece):]
	for star {
		piece, rest, star = strings.Cut(rest, "*")
		if !star && anchored {
			return strings.HasSuffix(path, piece)
		}
		i := strings.Index(path, piece)
		if i < 0 {
			return false
		}
		path = path[i+len(piece):]
	}
	return !anchored || path == ""
}

// matchesIndex lets a rule for /dir/index.html allow /dir/ as well, as large
// crawlers do.
func matchesIndex(pattern, path string) bool {
	slash := strings.LastIndexByte(pattern, '/')
	if slash < 0 || !strings.HasPrefix(pattern[slash:], "/index.htm") {
		return false
	}
	return matches(pattern[:slash+1]+"$", path)
}

const hexDigits = "0123456789ABCDEF"

// escapePattern percent-encodes octets outside ASCII and writes existing
// escapes with upper-case digits.
func escapePattern(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return r == '%' || r >= 0x80 }) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c >= 0x80:
			b.Write([]byte{'%', hexDigits[c>>4], hexDigits[c&15]})
		case c == '%' && isEscape(s, i):
			b.WriteString(strings.ToUpper(s[i : i+3]))
			i += 2
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// canonical decodes the escapes of unreserved characters (RFC 3986 section 2.3).
func canonical(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if isEscape(s, i) {
			if c := unhex(s[i+1])<<4 | unhex(s[i+2]); isUnreserved(c) {
				b.WriteByte(c)
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func isEscape(s string, i int) bool {
	return i+2 < len(s) && s[i] == '%' && isHex(s[i+1]) && isHex(s[i+2])
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f'
}

func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}

func isUnreserved(c byte) bool {
	return 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0
}
