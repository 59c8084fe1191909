// SPDX-License-Identifier: Apache-2.0

package robots

import (
	"bytes"
	"strconv"
	"strings"
	"time"
)

const (
	// MaxSize is how much of a file is read, in bytes (RFC 9309 section 2.5
	// asks for at least 500 KiB).
	MaxSize = 512 << 10
	// maxLine bounds one line; the rest of a longer line is ignored.
	maxLine = 16 << 10
)

// Rules are the parsed form of a robots.txt file. The zero value allows
// everything.
type Rules struct {
	groups []group
	delays map[string]time.Duration // crawl-delay by product token
}

// A group is the rules for the crawlers that its user-agent lines name.
type group struct {
	agents []string // product tokens in lower case; "*" for all others
	rules  []rule
}

type rule struct {
	allow     bool
	pattern   string // octets outside ASCII percent-encoded
	canonical string // pattern with unreserved octets decoded as well, RFC 9309 section 2.2.2
}

// Parse reads the first [MaxSize] bytes of a file. There is no error: what
// cannot be understood is skipped, as RFC 9309 section 2.2 asks.
func Parse(body []byte) *Rules {
	body = trimBOM(body[:min(len(body), MaxSize)])
	p := parser{rules: &Rules{}}
	for len(body) > 0 {
		var line []byte
		if i := bytes.IndexAny(body, "\r\n"); i >= 0 {
			line, body = body[:i], body[i+1:]
		} else {
			line, body = body, nil
		}
		p.line(string(line[:min(len(line), maxLine)]))
	}
	return p.rules
}

// trimBOM removes a UTF-8 byte order mark, or the beginning of one.
func trimBOM(body []byte) []byte {
	for _, b := range []byte("\xEF\xBB\xBF") {
		if len(body) == 0 || body[0] != b {
			break
		}
		body = body[1:]
	}
	return body
}

type parser struct {
	rules *Rules
	// inAgents is true between the first user-agent line of a group and its
	// first rule: further user-agent lines belong to the same group.
	inAgents bool
	slow     []string // the agents that a crawl-delay line would be for
}

func (p *parser) line(line string) {
	line, _, _ = strings.Cut(line, "#")
	key, value, ok := splitLine(strings.Trim(line, " \t\x00\v\f"))
	if !ok {
		return
	}
	switch strings.ToLower(key) {
	case "user-agent", "useragent", "user agent":
		if !p.inAgents {
			p.rules.groups = append(p.rules.groups, group{})
			p.inAgents = true
			p.slow = nil
		}
		g := &p.rules.groups[len(p.rules.groups)-1]
		g.agents = append(g.agents, agentToken(value))
		p.slow = append(p.slow, agentToken(value))
	case "allow":
		p.rule(true, value)
	case "disallow", "dissallow", "dissalow", "disalow", "diasllow", "disallaw":
		p.rule(false, value)
	case "crawl-delay", "crawldelay":
		p.delay(value)
	}
}

// maxDelay is the longest crawl-delay that is believed.
const maxDelay = 24 * time.Hour

// delay notes a crawl-delay line, the seconds between two requests, for the
// user-agent lines before it. It is no part of RFC 9309, but common: a line
// that ends no group of rules, and yet a group of its own kind.
func (p *parser) delay(value string) {
	seconds, err := strconv.ParseFloat(value, 64)
	if err != nil || !(seconds > 0) {
		return
	}
	if p.rules.delays == nil {
		p.rules.delays = make(map[string]time.Duration)
	}
	for _, agent := range p.slow {
		p.rules.delays[agent] = time.Duration(min(seconds, maxDelay.Seconds()) * float64(time.Second))
	}
	p.slow = nil
}

func (p *parser) rule(allow bool, value string) {
	if len(p.rules.groups) == 0 {
		return // a rule before any user-agent line belongs to no one
	}
	p.inAgents = false
	if value == "" {
		return // an empty pattern matches nothing
	}
	g := &p.rules.groups[len(p.rules.groups)-1]
	pattern := escapePattern(value)
	g.rules = append(g.rules, rule{allow: allow, pattern: pattern, canonical: canonical(pattern)})
}

// splitLine splits "key: value". A missing colon is forgiven when exactly two
// words are left.
func splitLine(line string) (key, value string, ok bool) {
	if key, value, ok = strings.Cut(line, ":"); ok {
		return strings.TrimSpace(key), strings.TrimSpace(value), strings.TrimSpace(key) != ""
	}
	if words := strings.Fields(line); len(words) == 2 {
		return words[0], words[1], true
	}
	return "", "", false
}

// agentToken returns the product token at the start of a user-agent value:
// letters, "_" and "-" (RFC 9309 section 2.2.1).
func agentToken(value string) string {
	if value == "*" || strings.HasPrefix(value, "* ") || strings.HasPrefix(value, "*\t") {
		return "*"
	}
	return strings.ToLower(value[:tokenLength(value)])
}

func tokenLength(s string) int {
	for i := range len(s) {
		c := s[i] | 0x20
		if (c < 'a' || c > 'z') && s[i] != '_' && s[i] != '-' {
			return i
		}
	}
	return len(s)
}

// ProductToken returns the part of a User-Agent field value that robots.txt
// files name: the letters, "_" and "-" at its start.
func ProductToken(userAgent string) string {
	return userAgent[:tokenLength(userAgent)]
}
