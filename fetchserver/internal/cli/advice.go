// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/fetch"
	"github.com/atrawog/mcp-oauth-gateway/fetchserver/robots"
)

// advice tells which setting would change what kept a page from being fetched.
func (r *reading) advice(rawURL string, refused *decision, err error) string {
	failed, ok := errors.AsType[*fetch.Error](err)
	if _, forbidden := errors.AsType[*robots.DisallowedError](err); forbidden && !ok {
		return "--ignore-robots-txt fetches what such files forbid; --prompt fetches this one as the prompt does, for a person who chose it"
	}
	if !ok {
		return ""
	}
	target := failed.URL
	if target == "" {
		target = rawURL
	}
	u, parseErr := url.Parse(target)
	if parseErr != nil {
		u = &url.URL{}
	}
	switch failed.Code {
	case fetch.CodeAddress:
		return r.adviseAddress(u, refused)
	case fetch.CodePort:
		if addr, err := netip.ParseAddr(u.Hostname()); err == nil && !fetch.IsPublic(addr) {
			return "--allow-private " + u.Host + " allows this address and port"
		}
		if port := u.Port(); port != "" {
			return "--allow-port " + port + " allows this port everywhere; --allow-private ADDR:" + port + " at one address"
		}
		return "--allow-port N allows a port everywhere"
	case fetch.CodeDomain:
		if len(r.allowDomains) > 0 {
			return "only what --allow-domain names may be fetched, and nothing that --deny-domain names; --allow-domain " + u.Hostname() + " adds this host"
		}
		return "--deny-domain refuses this host"
	case fetch.CodeURL:
		if r.httpsOnly && strings.EqualFold(u.Scheme, "http") {
			return "--https-only refuses it"
		}
	case fetch.CodeRedirect:
		if strings.HasPrefix(failed.Detail, "more than ") {
			return "--max-redirects follows more"
		}
	case fetch.CodeTooLarge:
		return "--max-bytes takes larger bodies; now it is " + r.maxBytes.String()
	case fetch.CodeTimeout:
		return "--timeout gives the whole fetch more time, now it is " + r.timeout.String() + "; --first-byte-timeout the beginning of an answer, now " + r.firstByte.String()
	case fetch.CodeTLS:
		return "--ca-file trusts an authority of your own; certificates are always checked"
	case fetch.CodeHeader:
		return "some header fields are never sent, whatever is allowed"
	case fetch.CodeProxy:
		return "--proxy-url, --proxy-file and --proxy-from-env say which proxy is used"
	}
	return ""
}

var dialled = regexp.MustCompile(`^(\S+) is refused`)

// adviseAddress names the address that was refused, if the trace or the URL tells
// it.
func (r *reading) adviseAddress(u *url.URL, refused *decision) string {
	var target netip.AddrPort
	if refused != nil {
		if match := dialled.FindStringSubmatch(refused.Detail); match != nil {
			target, _ = netip.ParseAddrPort(match[1])
		}
	}
	if addr, err := netip.ParseAddr(u.Hostname()); err == nil && !target.IsValid() {
		port := map[string]uint16{"http": 80, "https": 443}[u.Scheme]
		if n, err := strconv.ParseUint(u.Port(), 10, 16); err == nil {
			port = uint16(n)
		}
		target = netip.AddrPortFrom(addr, port)
	}
	if !target.IsValid() {
		return "--allow-private names addresses that may be fetched from although they are not public"
	}
	target = netip.AddrPortFrom(target.Addr().Unmap(), target.Port())
	for _, text := range r.denyCIDRs {
		if prefix, err := network(text); err == nil && prefix.Contains(target.Addr()) {
			return "--deny-cidr " + text + " refuses this address"
		}
	}
	return "--allow-private " + target.String() + " allows this address and port, --allow-private " + target.Addr().String() + " the address"
}
