// SPDX-License-Identifier: Apache-2.0

package fetch

import (
	"context"
	"net/netip"
	"slices"
	"strconv"
	"syscall"
)

// policy says where a client may connect to. It is immutable.
type policy struct {
	prefixes     []netip.Prefix
	denied       []netip.Prefix
	endpoints    []netip.AddrPort
	ports        []uint16
	allowDomains []Domain
	denyDomains  []Domain
	httpsOnly    bool
}

func newPolicy(o *Options) *policy {
	p := &policy{
		prefixes:     unmapped(o.AllowPrefixes),
		denied:       unmapped(o.DenyPrefixes),
		ports:        append([]uint16{80, 443}, o.Ports...),
		allowDomains: slices.Clone(o.AllowDomains),
		denyDomains:  slices.Clone(o.DenyDomains),
		httpsOnly:    o.HTTPSOnly,
	}
	for _, e := range o.AllowEndpoints {
		p.endpoints = append(p.endpoints, netip.AddrPortFrom(e.Addr().Unmap(), e.Port()))
	}
	return p
}

// unmapped writes prefixes of IPv4-mapped addresses as those of IPv4, which is
// how addresses are judged.
func unmapped(prefixes []netip.Prefix) []netip.Prefix {
	var out []netip.Prefix
	for _, prefix := range prefixes {
		if addr := prefix.Addr(); addr.Is4In6() && prefix.Bits() >= 96 {
			prefix = netip.PrefixFrom(addr.Unmap(), prefix.Bits()-96)
		}
		out = append(out, prefix.Masked())
	}
	return out
}

// portAllowed is the early answer for a URL. A port that only an allowed
// endpoint has passes here and is judged together with its address by
// checkDial.
func (p *policy) portAllowed(port uint16) bool {
	return slices.Contains(p.ports, port) ||
		slices.ContainsFunc(p.endpoints, func(e netip.AddrPort) bool { return e.Port() == port })
}

// control is a net.Dialer ControlContext hook: it runs for each address that
// is about to be connected to, after names were resolved, so that there is no
// moment between the check and the use.
func (p *policy) control(ctx context.Context, network, address string, _ syscall.RawConn) error {
	target, err := netip.ParseAddrPort(address)
	if err != nil || (network != "tcp4" && network != "tcp6") {
		err = &Error{Code: CodeAddress, Detail: "cannot judge " + network + " address " + address}
	} else {
		err = p.checkDial(target)
	}
	detail := address + " may be connected to"
	if err != nil {
		detail = address + " is refused"
	}
	Trace(ctx, Event{Stage: "dial", Detail: detail, Err: err})
	return err
}

func (p *policy) checkDial(target netip.AddrPort) error {
	if target.Addr().Zone() != "" {
		return &Error{Code: CodeAddress, Detail: "the address " + target.Addr().String() + " has a zone, which is not allowed"}
	}
	target = netip.AddrPortFrom(target.Addr().Unmap(), target.Port())
	if p.isDenied(target.Addr()) {
		return &Error{Code: CodeAddress, Detail: "the host leads to " + target.Addr().String() + ", which is on the operator's list of refused addresses"}
	}
	if slices.Contains(p.endpoints, target) {
		return nil
	}
	if !p.mayConnect(target.Addr()) {
		return &Error{Code: CodeAddress, Detail: "the host leads to " + target.Addr().String() + ", which is not an address of the public Internet"}
	}
	if !slices.Contains(p.ports, target.Port()) {
		return &Error{Code: CodePort, Detail: "port " + strconv.Itoa(int(target.Port())) + " is not allowed"}
	}
	return nil
}

// nat64 is the well-known prefix of translators, which connect to the IPv4
// address in the last four octets (RFC 6052). Whoever allows it, because the
// network has no other way to IPv4, means the public addresses behind it.
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

func translated(addr netip.Addr) (netip.Addr, bool) {
	if !nat64.Contains(addr) {
		return addr, false
	}
	b := addr.As16()
	return netip.AddrFrom4([4]byte(b[12:])), true
}

func (p *policy) isDenied(addr netip.Addr) bool {
	behind, _ := translated(addr)
	return contains(p.denied, addr) || contains(p.denied, behind)
}

func (p *policy) mayConnect(addr netip.Addr) bool {
	if behind, ok := translated(addr); ok {
		return contains(p.prefixes, addr) && p.mayConnect(behind)
	}
	return IsPublic(addr) || contains(p.prefixes, addr)
}
