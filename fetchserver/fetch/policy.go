// SPDX-License-Identifier: Apache-2.0

package fetch

import (
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// maxURL bounds the length of a URL in bytes (RFC 9110 section 4.1 asks for at
// least 8000).
const maxURL = 8192

// policy says where a client may connect to. It is immutable.
type policy struct {
	prefixes  []netip.Prefix
	endpoints []netip.AddrPort
	ports     []uint16
}

func newPolicy(o *Options) *policy {
	p := &policy{ports: append([]uint16{80, 443}, o.Ports...)}
	for _, prefix := range o.AllowPrefixes {
		if addr := prefix.Addr(); addr.Is4In6() && prefix.Bits() >= 96 {
			prefix = netip.PrefixFrom(addr.Unmap(), prefix.Bits()-96)
		}
		p.prefixes = append(p.prefixes, prefix.Masked())
	}
	for _, e := range o.AllowEndpoints {
		p.endpoints = append(p.endpoints, netip.AddrPortFrom(e.Addr().Unmap(), e.Port()))
	}
	return p
}

// parseURL checks the parts of a URL that can be judged without resolving it.
func (p *policy) parseURL(raw string) (*url.URL, error) {
	raw = strings.TrimSpace(raw)
	if len(raw) > maxURL {
		return nil, &Error{Code: CodeURL, Detail: "the URL is longer than " + strconv.Itoa(maxURL) + " bytes"}
	}
	u, err := url.Parse(raw)
	if err != nil {
		return nil, &Error{Code: CodeURL, Detail: "the URL cannot be parsed", Err: err}
	}
	if err := p.checkURL(u); err != nil {
		return nil, err
	}
	return u, nil
}

func (p *policy) checkURL(u *url.URL) error {
	refuse := func(code Code, detail string) error {
		return &Error{Code: code, URL: redact(u), Detail: detail}
	}
	switch {
	case u.Scheme == "":
		return refuse(CodeURL, "the URL has no scheme; it must start with https:// or http://")
	case u.Scheme != "http" && u.Scheme != "https":
		return refuse(CodeURL, "the scheme "+strconv.Quote(u.Scheme)+" is not supported; only https and http are")
	case u.Opaque != "" || u.Hostname() == "":
		return refuse(CodeURL, "the URL has no host")
	case u.User != nil:
		return refuse(CodeURL, "the URL contains a user name or password, which is not allowed")
	case strings.Contains(u.Hostname(), "%"):
		return refuse(CodeAddress, "IPv6 addresses with a zone are not allowed")
	}
	port, err := portOf(u)
	if err != nil {
		return refuse(CodeURL, "the port is not a number from 1 to 65535")
	}
	if !p.portAllowed(port) {
		return refuse(CodePort, "port "+strconv.Itoa(int(port))+" is not allowed")
	}
	return nil
}

// portAllowed is the early answer for a URL. A port that only an allowed
// endpoint has passes here and is judged together with its address by
// checkDial.
func (p *policy) portAllowed(port uint16) bool {
	return slices.Contains(p.ports, port) ||
		slices.ContainsFunc(p.endpoints, func(e netip.AddrPort) bool { return e.Port() == port })
}

// control is a net.Dialer Control hook: it runs for each address that is about
// to be connected to, after names were resolved, so that there is no moment
// between the check and the use.
func (p *policy) control(network, address string, _ syscall.RawConn) error {
	target, err := netip.ParseAddrPort(address)
	if err != nil || (network != "tcp4" && network != "tcp6") {
		return &Error{Code: CodeAddress, Detail: "cannot judge " + network + " address " + address}
	}
	return p.checkDial(target)
}

func (p *policy) checkDial(target netip.AddrPort) error {
	if target.Addr().Zone() != "" {
		return &Error{Code: CodeAddress, Detail: "the address " + target.Addr().String() + " has a zone, which is not allowed"}
	}
	target = netip.AddrPortFrom(target.Addr().Unmap(), target.Port())
	if slices.Contains(p.endpoints, target) {
		return nil
	}
	if !IsPublic(target.Addr()) && !contains(p.prefixes, target.Addr()) {
		return &Error{Code: CodeAddress, Detail: "the host leads to " + target.Addr().String() + ", which is not an address of the public Internet"}
	}
	if !slices.Contains(p.ports, target.Port()) {
		return &Error{Code: CodePort, Detail: "port " + strconv.Itoa(int(target.Port())) + " is not allowed"}
	}
	return nil
}

func portOf(u *url.URL) (uint16, error) {
	text := u.Port()
	if text == "" {
		if u.Scheme == "https" {
			return 443, nil
		}
		return 80, nil
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err == nil && port == 0 {
		err = strconv.ErrRange
	}
	return uint16(port), err
}

// sameOrigin compares scheme, host and port (RFC 6454 section 5).
func sameOrigin(a, b *url.URL) bool {
	pa, errA := portOf(a)
	pb, errB := portOf(b)
	return errA == nil && errB == nil && a.Scheme == b.Scheme && pa == pb && strings.EqualFold(a.Hostname(), b.Hostname())
}

// redact returns u without userinfo, query and fragment, which may hold
// secrets, for logs and errors.
func redact(u *url.URL) string {
	c := *u
	c.User, c.RawQuery, c.ForceQuery, c.Fragment, c.RawFragment = nil, "", false, "", ""
	return c.String()
}
