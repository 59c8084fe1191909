// SPDX-License-Identifier: Apache-2.0

package fetch

import (
	"errors"
	"slices"
	"strconv"
	"strings"
)

// A Domain is an entry of a list of hosts:
//
//	example.com     this host alone
//	*.example.com   every host below it, at any depth, but not itself
//	.example.com    both
//	192.0.2.7       this address, where a URL names it instead of a name
//
// Names are compared as they are looked up: in lower case, international names
// in their ASCII form (UTS #46), without a final dot. The zero value matches
// nothing.
type Domain struct {
	host        string
	self, below bool
}

// ParseDomain reads an entry.
func ParseDomain(text string) (Domain, error) {
	rest := strings.TrimSpace(text)
	d := Domain{self: true}
	if after, ok := strings.CutPrefix(rest, "*."); ok {
		rest, d.self, d.below = after, false, true
	} else if after, ok := strings.CutPrefix(rest, "."); ok {
		rest, d.below = after, true
	}
	host, addr, err := canonicalHost(strings.TrimSuffix(strings.TrimPrefix(rest, "["), "]"))
	switch {
	case err != nil:
		return Domain{}, errors.New("fetch: " + strconv.Quote(text) + " is not a domain: " + err.Error() + "; write example.com, *.example.com or .example.com")
	case addr.IsValid() && d.below:
		return Domain{}, errors.New("fetch: " + strconv.Quote(text) + ": there is nothing below an address; write a prefix such as 192.0.2.0/24 into the list of prefixes")
	}
	d.host = strings.TrimSuffix(host, ".")
	return d, nil
}

// Matches reports whether the entry is for host.
func (d Domain) Matches(host string) bool {
	canonical, _, err := canonicalHost(host)
	return err == nil && d.matches(strings.TrimSuffix(canonical, "."))
}

// matches takes a canonical host without its final dot.
func (d Domain) matches(host string) bool {
	if d.host == "" {
		return false
	}
	if host == d.host {
		return d.self
	}
	before, ok := strings.CutSuffix(host, d.host)
	return ok && d.below && strings.HasSuffix(before, ".")
}

// String returns the entry in its canonical form.
func (d Domain) String() string {
	switch {
	case d.below && d.self:
		return "." + d.host
	case d.below:
		return "*." + d.host
	}
	return d.host
}

// UnmarshalText is [ParseDomain], for flags and configuration files.
func (d *Domain) UnmarshalText(text []byte) error {
	parsed, err := ParseDomain(string(text))
	if err == nil {
		*d = parsed
	}
	return err
}

// MarshalText is [Domain.String].
func (d Domain) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

func anyMatches(domains []Domain, host string) bool {
	host = strings.TrimSuffix(host, ".")
	return slices.ContainsFunc(domains, func(d Domain) bool { return d.matches(host) })
}
