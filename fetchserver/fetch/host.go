// SPDX-License-Identifier: Apache-2.0

package fetch

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// toASCII maps international names as browsers do (UTS #46 non-transitional,
// as the WHATWG URL standard asks, "domain to ASCII"). Underscores pass: such
// hosts exist.
var toASCII = idna.New(idna.MapForLookup(), idna.Transitional(false), idna.StrictDomainName(false),
	idna.CheckHyphens(false), idna.CheckJoiners(true), idna.BidiRule())

const (
	maxHost  = 253 // RFC 1035 section 2.3.4, in its written form
	maxLabel = 63
)

// canonicalHost reads a host as the WHATWG host parser does, and returns it in
// the one form in which it is compared, looked up and sent: a name in lower
// case and ASCII, or an address, which is returned too. What only looks like a
// name, such as 2130706433 or ①②⑦.1, becomes the address that C libraries and
// browsers take it for, so that it is judged as what it means.
func canonicalHost(host string) (string, netip.Addr, error) {
	none := netip.Addr{}
	if strings.Contains(host, "%") {
		return "", none, errors.New("it has a zone or a percent-encoded character")
	}
	if strings.Contains(host, ":") {
		addr, err := netip.ParseAddr(host)
		if err != nil {
			return "", none, errors.New("it is not an IPv6 address")
		}
		return addr.String(), addr, nil
	}
	if len(host) > 4*maxHost {
		return "", none, errors.New("it is too long")
	}
	name, err := asciiHost(host)
	if err != nil {
		return "", none, err
	}
	if endsInNumber(name) {
		addr, err := parseIPv4(name)
		return addr.String(), addr, err
	}
	return name, none, checkName(name)
}

func asciiHost(host string) (string, error) {
	lower := strings.ToLower(host)
	if isASCII(host) && !strings.Contains(lower, "xn--") {
		return lower, nil
	}
	invalid := errors.New("it is not a valid international name")
	name, err := toASCII.ToASCII(host)
	if err != nil || !utf8.ValidString(host) || !isASCII(name) {
		return "", invalid
	}
	name = strings.ToLower(name)
	if again, err := toASCII.ToASCII(name); err != nil || again != name {
		return "", invalid // others would read another name in it
	}
	return name, nil
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// checkName refuses what no DNS name for a web server has; a final dot is one.
func checkName(name string) error {
	name = strings.TrimSuffix(name, ".")
	if name == "" || len(name) > maxHost {
		return errors.New("a name has 1 to " + strconv.Itoa(maxHost) + " characters")
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > maxLabel {
			return errors.New("between dots there must be 1 to " + strconv.Itoa(maxLabel) + " characters")
		}
		for _, c := range []byte(label) {
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
				return errors.New("the character " + strconv.QuoteRune(rune(c)) + " is in no host name")
			}
		}
	}
	return nil
}

// endsInNumber is the WHATWG "ends in a number checker": its yes means that
// the host is an IPv4 address or nothing.
func endsInNumber(name string) bool {
	name = strings.TrimSuffix(name, ".")
	last := name[strings.LastIndexByte(name, '.')+1:]
	if last == "" {
		return false
	}
	if strings.Trim(last, "0123456789") == "" {
		return true
	}
	hex, ok := strings.CutPrefix(last, "0x")
	return ok && strings.Trim(hex, "0123456789abcdef") == ""
}

// parseIPv4 is the WHATWG "IPv4 parser": one to four numbers, decimal, octal
// after 0 or hexadecimal after 0x, of which the last fills what is left.
func parseIPv4(name string) (netip.Addr, error) {
	invalid := errors.New("it ends in a number but is not an IPv4 address")
	parts := strings.Split(strings.TrimSuffix(name, "."), ".")
	if len(parts) > 4 {
		return netip.Addr{}, invalid
	}
	var value uint64
	for i, part := range parts {
		n, ok := parseIPv4Number(part)
		limit := uint64(1) << 8
		if i == len(parts)-1 {
			limit = 1 << (8 * (5 - len(parts)))
		}
		if !ok || n >= limit {
			return netip.Addr{}, invalid
		}
		if i == len(parts)-1 {
			value |= n
		} else {
			value |= n << (8 * (3 - i))
		}
	}
	return netip.AddrFrom4([4]byte{byte(value >> 24), byte(value >> 16), byte(value >> 8), byte(value)}), nil
}

func parseIPv4Number(s string) (uint64, bool) {
	if s == "" {
		return 0, false
	}
	base := 10
	if hex, ok := strings.CutPrefix(s, "0x"); ok {
		s, base = hex, 16
	} else if s[0] == '0' && len(s) > 1 {
		s, base = s[1:], 8
	}
	if s == "" {
		return 0, true // 0x alone is zero
	}
	if strings.ContainsAny(s, "+-_") {
		return 0, false
	}
	n, err := strconv.ParseUint(s, base, 64)
	return n, err == nil
}
