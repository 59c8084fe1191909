// SPDX-License-Identifier: Apache-2.0

package fetch

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
)

func codeOf(err error) Code {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	if err != nil {
		return Code("not an *Error: " + err.Error())
	}
	return ""
}

func TestCheckURL(t *testing.T) {
	c := New(&Options{Ports: []uint16{8443}, AllowEndpoints: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:9000")}})
	for _, test := range []struct {
		url  string
		want Code
	}{
		{"https://example.com", ""},
		{"  http://example.com/a?b#c\n", ""},
		{"HTTPS://EXAMPLE.COM:443/", ""},
		{"http://example.com:/", ""},
		{"https://example.com:8443/", ""},
		{"http://example.com:9000/", ""}, // judged with its address, at dial time
		{"http://[2606:4700::1]/", ""},
		{"", CodeURL},
		{"example.com/page", CodeURL},
		{"//example.com/page", CodeURL},
		{"/page", CodeURL},
		{"http://", CodeURL},
		{"http:///path", CodeURL},
		{"http:example.com", CodeURL},
		{"http://:80/", CodeURL},
		{"file:///etc/passwd", CodeURL},
		{"ftp://example.com/", CodeURL},
		{"gopher://example.com/", CodeURL},
		{"javascript:alert(1)", CodeURL},
		{"data:text/html,x", CodeURL},
		{"jar:http://example.com!/", CodeURL},
		{"http://user@example.com/", CodeURL},
		{"http://user:pw@example.com/", CodeURL},
		{"http://@example.com/", CodeURL},
		{"http://example.com:0/", CodeURL},
		{"http://example.com:65536/", CodeURL},
		{"http://example.com:8o/", CodeURL},
		{"http://exa mple.com/", CodeURL},
		{"http://example.com\\@127.0.0.1/", CodeURL},
		{"http://exam\x00ple.com/", CodeURL},
		{"http://example.com/\r\nHost: x", CodeURL},
		{"http://[fe80::1%25eth0]/", CodeAddress},
		{"http://[::1", CodeURL},
		{"http://example.com:22/", CodePort},
		{"http://example.com:6379/", CodePort},
		{"http://example.com/" + strings.Repeat("a", maxURL), CodeURL},
		{"http://example.com/" + strings.Repeat("ä", maxURL/4), CodeURL}, // with its escapes
	} {
		if got := codeOf(c.CheckURL(test.url)); got != test.want {
			t.Errorf("CheckURL(%.60q) = %q, want %q", test.url, got, test.want)
		}
	}
}

func TestCheckDial(t *testing.T) {
	p := newPolicy(&Options{
		Ports:         []uint16{8443},
		AllowPrefixes: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("::ffff:192.168.7.0/120"), netip.MustParsePrefix("fd00::/64")},
		AllowEndpoints: []netip.AddrPort{
			netip.MustParseAddrPort("127.0.0.1:9000"), netip.MustParseAddrPort("[::ffff:127.0.0.2]:9001"), netip.MustParseAddrPort("[::1]:9002"),
		},
	})
	for _, test := range []struct {
		network, address string
		want             Code
	}{
		{"tcp4", "1.1.1.1:443", ""},
		{"tcp4", "1.1.1.1:8443", ""},
		{"tcp4", "1.1.1.1:9000", CodePort}, // the port is that of another address only
		{"tcp4", "10.1.2.3:80", ""},
		{"tcp4", "10.1.2.3:9000", CodePort},
		{"tcp4", "10.2.0.1:80", CodeAddress},
		{"tcp4", "192.168.7.9:80", ""},
		{"tcp4", "192.168.8.9:80", CodeAddress},
		{"tcp4", "127.0.0.1:9000", ""},
		{"tcp6", "[::ffff:127.0.0.1]:9000", ""},
		{"tcp4", "127.0.0.1:80", CodeAddress},
		{"tcp4", "127.0.0.1:9001", CodeAddress},
		{"tcp4", "127.0.0.2:9001", ""},
		{"tcp6", "[::1]:9002", ""},
		{"tcp6", "[::1]:9000", CodeAddress},
		{"tcp6", "[fd00::5]:443", ""},
		{"tcp6", "[fd00:0:0:1::5]:443", CodeAddress},
		{"tcp6", "[fd00::5%eth0]:443", CodeAddress},
		{"tcp6", "[::ffff:169.254.169.254]:80", CodeAddress},
		{"udp4", "1.1.1.1:443", CodeAddress},
		{"tcp4", "nonsense", CodeAddress},
	} {
		if got := codeOf(p.control(t.Context(), test.network, test.address, nil)); got != test.want {
			t.Errorf("control(%s, %s) = %q, want %q", test.network, test.address, got, test.want)
		}
	}
}
