// SPDX-License-Identifier: Apache-2.0

package fetch

import (
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// maxURL bounds the length of a URL in bytes (RFC 9110 section 4.1 asks for at
// least 8000).
const maxURL = 8192

// parseURL reads and judges a URL that somebody typed or a page redirected to;
// base is that page, or nil. What is returned is canonical: scheme and host in
// lower case and ASCII, no default port, every character escaped that must be.
// Where RFC 3986 and the WHATWG URL standard read an authority differently,
// the URL is refused, so that nobody else can read another host in it.
func (p *policy) parseURL(raw string, base *url.URL) (*url.URL, error) {
	raw = strings.Trim(raw, " \t\r\n\f")
	refuse := func(detail string) error { return &Error{Code: CodeURL, Detail: detail} }
	tooLong := refuse("the URL is longer than " + strconv.Itoa(maxURL) + " bytes")
	if len(raw) > maxURL {
		return nil, tooLong
	}
	if strings.ContainsFunc(raw, func(r rune) bool { return r < 0x20 || r == 0x7F }) {
		return nil, refuse("the URL contains a control character, such as a line break")
	}
	if strings.HasPrefix(raw, "///") { // a path to some, a host to browsers
		return nil, refuse("the URL has no host")
	}
	text, err := escapeText(raw)
	if err != nil {
		return nil, err
	}
	if base == nil {
		base = &url.URL{}
	}
	// Dot segments go, in absolute URLs too: robots.txt is matched against what
	// the origin will take the path for.
	u, err := base.Parse(text)
	if err != nil {
		return nil, refuse("the URL cannot be parsed; it must look like https://example.com/page")
	}
	if err := p.judgeURL(u); err != nil {
		return nil, err
	}
	if len(u.String()) > maxURL { // escapes take room, and so does a base
		return nil, tooLong
	}
	return u, nil
}

// escapeText percent-encodes what browsers encode behind the authority:
// net/url would keep some of it as it is, and decode other escapes on the way.
func escapeText(raw string) (string, error) {
	rest := 0
	if i := strings.Index(raw, "//"); i == 0 || i > 0 && raw[i-1] == ':' && !strings.ContainsAny(raw[:i], "/?#") {
		rest = len(raw)
		if end := strings.IndexAny(raw[i+2:], "/?#\\"); end >= 0 {
			rest = i + 2 + end
		}
	}
	var b strings.Builder
	b.WriteString(raw[:rest])
	inPath := true
	for i := rest; i < len(raw); i++ {
		c := raw[i]
		switch {
		case c == '#':
			return b.String() + "#" + escapeAll(raw[i+1:]), nil
		case c == '?':
			inPath = false
			b.WriteByte(c)
		case c == '\\' && inPath:
			// Browsers take it for a slash, others for a character of a name.
			return "", &Error{Code: CodeURL, Detail: `the URL contains a backslash; write / or %5C`}
		case c == '%' && inPath && !isEscape(raw, i):
			b.WriteString("%25")
		case c == '%' && inPath && strings.EqualFold(raw[i:i+3], "%2e"):
			b.WriteByte('.') // two of them are a dot segment all the same
			i += 2
		case mustEscape(c):
			writeEscape(&b, c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), nil
}

// escapeAll is for a fragment, which is never sent.
func escapeAll(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c == '%' && !isEscape(s, i) || c == '#' || c == '\\' || mustEscape(c) {
			writeEscape(&b, c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

func mustEscape(c byte) bool { return c >= 0x7F || strings.IndexByte(" \"<>`{}|^", c) >= 0 }

func writeEscape(b *strings.Builder, c byte) {
	const digits = "0123456789ABCDEF"
	b.Write([]byte{'%', digits[c>>4], digits[c&15]})
}

func isEscape(s string, i int) bool {
	isHex := func(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f' }
	return i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2])
}

// judgeURL makes u canonical and applies the rules that need no look-up.
func (p *policy) judgeURL(u *url.URL) error {
	refuse := func(code Code, detail string) error {
		return &Error{Code: code, URL: redact(u), Detail: detail}
	}
	switch {
	case u.Scheme == "":
		return refuse(CodeURL, "the URL has no scheme; it must start with https:// or http://")
	case u.Scheme != "http" && u.Scheme != "https":
		return refuse(CodeURL, "the scheme "+strconv.Quote(u.Scheme)+" is not supported; only https and http are")
	case p.httpsOnly && u.Scheme != "https":
		return refuse(CodeURL, "only https URLs may be fetched")
	case u.User != nil:
		return refuse(CodeURL, "the URL contains a user name or password, which is not allowed")
	case u.Opaque != "" || u.Hostname() == "":
		return refuse(CodeURL, "the URL has no host")
	case strings.Contains(u.Hostname(), "%"):
		return refuse(CodeAddress, "IPv6 addresses with a zone are not allowed")
	case strings.Contains(u.Host, "[") != strings.Contains(u.Hostname(), ":"):
		return refuse(CodeURL, "the host is not valid: only IPv6 addresses stand in brackets")
	}
	host, addr, err := canonicalHost(u.Hostname())
	if err != nil {
		return refuse(CodeURL, "the host is not valid: "+err.Error())
	}
	port, err := portOf(u)
	if err != nil {
		return refuse(CodeURL, "the port is not a number from 1 to 65535")
	}
	u.Host = joinHost(host, port, u.Scheme)
	if err := p.judgeHost(host, addr, port); err != nil {
		return withURL(err, u)
	}
	return nil
}

// joinHost leaves out the port that the scheme implies.
func joinHost(host string, port uint16, scheme string) string {
	if port == defaultPort(scheme) {
		if strings.Contains(host, ":") {
			return "[" + host + "]"
		}
		return host
	}
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}

// judgeHost applies the rules for hosts and ports that need no look-up. addr
// is valid if the host is an address.
func (p *policy) judgeHost(host string, addr netip.Addr, port uint16) error {
	switch {
	case anyMatches(p.denyDomains, host):
		return &Error{Code: CodeDomain, Detail: "the host " + host + " is on the operator's list of refused domains"}
	case len(p.allowDomains) > 0 && !anyMatches(p.allowDomains, host):
		return &Error{Code: CodeDomain, Detail: "the host " + host + " is not on the operator's list of allowed domains"}
	case !p.portAllowed(port):
		return &Error{Code: CodePort, Detail: "port " + strconv.Itoa(int(port)) + " is not allowed"}
	case addr.IsValid():
		return p.checkDial(netip.AddrPortFrom(addr, port))
	}
	return nil
}

func defaultPort(scheme string) uint16 {
	if scheme == "https" {
		return 443
	}
	return 80
}

func portOf(u *url.URL) (uint16, error) {
	if u.Port() == "" {
		return defaultPort(u.Scheme), nil
	}
	return parsePort(u.Port())
}

func parsePort(text string) (uint16, error) {
	port, err := strconv.ParseUint(text, 10, 16)
	if err == nil && port == 0 {
		err = strconv.ErrRange
	}
	return uint16(port), err
}

// sameOrigin compares scheme, host and port (RFC 6454 section 5) of two
// canonical URLs.
func sameOrigin(a, b *url.URL) bool { return a.Scheme == b.Scheme && a.Host == b.Host }

// redact returns u without userinfo, query and fragment, which may hold
// secrets, for logs and errors.
func redact(u *url.URL) string {
	c := *u
	c.User, c.RawQuery, c.ForceQuery, c.Fragment, c.RawFragment = nil, "", false, "", ""
	if c.Opaque != "" {
		c.Opaque = "…" // what a scheme without // means is anybody's guess
	}
	return c.String()
}
