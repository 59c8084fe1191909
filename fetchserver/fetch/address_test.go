// SPDX-License-Identifier: Apache-2.0

package fetch

import (
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
)

// private4 has one address of each IPv4 block that must be refused.
var private4 = []string{
	"0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.255.254",
	"168.63.129.16", "169.254.169.254", "169.254.170.2", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.0.192",
	"192.0.2.1", "192.88.99.1", "192.168.0.1", "192.168.255.255", "198.18.0.1", "198.19.255.255", "198.51.100.1",
	"203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
}

// embed4 writes an IPv4 address in the IPv6 forms that carry one.
func embed4(t testing.TB, text string) []netip.Addr {
	t.Helper()
	a := netip.MustParseAddr(text).As4()
	put := func(prefix string, at int, invert bool) netip.Addr {
		b := netip.MustParseAddr(prefix).As16()
		for i, octet := range a {
			if invert {
				octet = ^octet
			}
			b[at+i] = octet
		}
		return netip.AddrFrom16(b)
	}
	return []netip.Addr{
		put("::ffff:0:0", 12, false),   // mapped
		put("::", 12, false),           // compatible
		put("::ffff:0:0:0", 12, false), // SIIT
		put("64:ff9b::", 12, false),    // NAT64
		put("64:ff9b:1::", 12, false),  // local NAT64
		put("2002::1", 2, false),       // 6to4
		put("2001::", 12, true),        // Teredo
	}
}

func TestIsPublic(t *testing.T) {
	for _, text := range private4 {
		if IsPublic(netip.MustParseAddr(text)) {
			t.Errorf("IsPublic(%s) = true", text)
		}
		for _, addr := range embed4(t, text) {
			if IsPublic(addr) {
				t.Errorf("IsPublic(%s) = true; it carries %s", addr, text)
			}
		}
	}
	for _, text := range []string{
		"::", "::1", "fc00::1", "fd00:ec2::254", "fdff::1", "fe80::1", "febf::1", "fec0::1", "feff::1", "ff02::1", "ff0e::1",
		"100::1", "2001:db8::1", "3fff::1", "3fff:fff::1", "2001:2::1", "2001:10::1", "2001:20::1", "2001:2f::1", "2001:1ff::1",
		"5f00::1", "64:ff9b::808:808", "1fff::1", "4000::1", "2620:4f:8000::1", "2606:4700::1%eth0",
	} {
		if IsPublic(netip.MustParseAddr(text)) {
			t.Errorf("IsPublic(%s) = true", text)
		}
	}
	if IsPublic(netip.Addr{}) {
		t.Error("IsPublic of the zero Addr = true")
	}
	for _, text := range []string{
		"1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.1",
		"168.63.129.15", "168.63.129.17", "169.253.255.255", "169.255.0.1", "172.15.255.255", "172.32.0.0", "172.217.14.195",
		"192.0.1.1", "192.0.3.1", "192.88.98.1", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0",
		"223.255.255.255", "::ffff:8.8.8.8", "2606:4700:4700::1111", "2001:4860:4860::8888", "2001:200::1", "2a00:1450:4001::1",
		"2003::1", "2620:fe::fe", "3ffe::1", "2400:cb00::1",
	} {
		if !IsPublic(netip.MustParseAddr(text)) {
			t.Errorf("IsPublic(%s) = false", text)
		}
	}
}

// TestIsPublicData runs a larger list: every block's edges and embedded forms.
func TestIsPublicData(t *testing.T) {
	dir := os.Getenv("MCP_TEST_DATA")
	if dir == "" {
		t.Skip("MCP_TEST_DATA is not set: it names a directory with addresses/special-purpose.json")
	}
	text, err := os.ReadFile(filepath.Join(dir, "addresses", "special-purpose.json"))
	if err != nil {
		t.Fatal(err)
	}
	var data struct {
		Block [][2]string
		Allow []string
	}
	if err := json.Unmarshal(text, &data); err != nil {
		t.Fatal(err)
	}
	if len(data.Block) < 231 || len(data.Allow) < 22 {
		t.Fatalf("%d and %d addresses, want 231 and 22", len(data.Block), len(data.Allow))
	}
	for _, entry := range data.Block {
		if IsPublic(netip.MustParseAddr(entry[1])) {
			t.Errorf("%s: IsPublic(%s) = true", entry[0], entry[1])
		}
	}
	for _, text := range data.Allow {
		if !IsPublic(netip.MustParseAddr(text)) {
			t.Errorf("IsPublic(%s) = false", text)
		}
	}
}
