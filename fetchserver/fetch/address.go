// SPDX-License-Identifier: Apache-2.0

package fetch

import "net/netip"

// globalUnicast6 is the only IPv6 block from which addresses of the public
// Internet are assigned (RFC 4291 section 2.4). Starting from it, instead of
// listing what is special, refuses loopback, link-local, site-local, unique
// local, multicast, NAT64, SIIT, SRv6 and whatever is reserved later.
var globalUnicast6 = netip.MustParsePrefix("2000::/3")

// special holds the blocks that no public web server lives in, from the IANA
// special-purpose address registries.
var special = mustPrefixes(
	"0.0.0.0/8",         // this network, RFC 791
	"10.0.0.0/8",        // private use, RFC 1918
	"100.64.0.0/10",     // shared address space, RFC 6598
	"127.0.0.0/8",       // loopback, RFC 1122
	"168.63.129.16/32",  // Azure's wire server: a public address that is served inside every virtual network
	"169.254.0.0/16",    // link local, RFC 3927; cloud metadata services
	"172.16.0.0/12",     // private use, RFC 1918
	"192.0.0.0/24",      // IETF protocol assignments, RFC 6890
	"192.0.2.0/24",      // documentation, RFC 5737
	"192.31.196.0/24",   // AS112-v4, RFC 7535
	"192.52.193.0/24",   // AMT, RFC 7450
	"192.88.99.0/24",    // deprecated 6to4 relay anycast, RFC 7526
	"192.168.0.0/16",    // private use, RFC 1918
	"192.175.48.0/24",   // direct delegation AS112 service, RFC 7534
	"198.18.0.0/15",     // benchmarking, RFC 2544
	"198.51.100.0/24",   // documentation, RFC 5737
	"203.0.113.0/24",    // documentation, RFC 5737
	"224.0.0.0/4",       // multicast, RFC 1112
	"240.0.0.0/4",       // reserved, RFC 1112; limited broadcast, RFC 919
	"2001::/23",         // IETF protocol assignments, RFC 2928: Teredo, benchmarking, ORCHID, AMT
	"2001:db8::/32",     // documentation, RFC 3849
	"2002::/16",         // 6to4, RFC 3056: carries any IPv4 address
	"2620:4f:8000::/48", // direct delegation AS112 service, RFC 7534
	"3fff::/20",         // documentation, RFC 9637
)

// IsPublic reports whether addr is an ordinary unicast address of the public
// Internet. IPv4-mapped IPv6 addresses are judged as IPv4. An address with a
// zone, and the zero Addr, are not public.
func IsPublic(addr netip.Addr) bool {
	if !addr.IsValid() || addr.Zone() != "" {
		return false
	}
	addr = addr.Unmap()
	if addr.Is6() && !globalUnicast6.Contains(addr) {
		return false
	}
	return !contains(special, addr)
}

func contains(prefixes []netip.Prefix, addr netip.Addr) bool {
	for _, p := range prefixes {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

func mustPrefixes(texts ...string) []netip.Prefix {
	prefixes := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		prefixes[i] = netip.MustParsePrefix(text)
	}
	return prefixes
}
