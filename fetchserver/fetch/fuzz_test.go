// SPDX-License-Identifier: Apache-2.0

package fetch

import (
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"code.dny.dev/ssrf"
)

// FuzzURL looks for a URL that passes although it means an address that is not
// public, or that is read differently the second time.
func FuzzURL(f *testing.F) {
	for _, form := range append(forms("127.0.0.1"), forms("1.1.1.1")...) {
		f.Add("http://"+form+"/", "")
	}
	for _, raw := range []string{
		"https://example.com/", "http://user@127.0.0.1:80/", "http://[::1%25lo]/", "http://0x7f.1/", "http://example.com:99999/",
		"HTTP://EXAMPLE.com:443#@x", "http://[::ffff:127.0.0.1]:80/", "//x", "http://a\\b", "https://bücher.example/ü?ü#ü", "http://1.1.1.1#@127.0.0.1",
		"?x#y", "//127.0.0.1", "/%2e%2e/%zz", "http:/127.0.0.1", "\thttp://a\n/", "http://xn--\u00AD1.2130706433/",
	} {
		f.Add(raw, "https://example.com/a/b?c")
	}
	p := newPolicy(&Options{})
	f.Fuzz(func(t *testing.T, raw, from string) {
		base, err := p.parseURL(from, nil)
		if err != nil {
			base = nil
		}
		u, err := p.parseURL(raw, base)
		if err != nil {
			return
		}
		if port, err := portOf(u); err != nil || port != 80 && port != 443 {
			t.Errorf("%q: port %d, %v", raw, port, err)
		}
		if u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.Hostname() == "" {
			t.Errorf("%q was accepted as %#v", raw, u)
		}
		if addr, err := netip.ParseAddr(u.Hostname()); err == nil && !IsPublic(addr) {
			t.Errorf("%q leads to %s", raw, addr)
		}
		if endsInNumber(u.Hostname()) && !netip.MustParseAddr(u.Hostname()).IsValid() {
			t.Errorf("%q has the host %s", raw, u.Hostname())
		}
		if strings.ContainsFunc(u.RequestURI(), func(r rune) bool { return r <= ' ' || r >= 0x7F }) {
			t.Errorf("%q makes the request target %q", raw, u.RequestURI())
		}
		if again, err := p.parseURL(u.String(), nil); err != nil || again.String() != u.String() {
			t.Errorf("%q is %s, which is read again as %v, %v", raw, u, again, err)
		}
		if std, err := url.Parse(u.String()); err != nil || std.Host != u.Host || std.RequestURI() != u.RequestURI() {
			t.Errorf("%q is %s, which net/url reads as %v, %v", raw, u, std, err)
		}
	})
}

// FuzzAddress compares the verdict on addresses with that of another library,
// generated from the IANA registries.
func FuzzAddress(f *testing.F) {
	for _, text := range private4 {
		addr := netip.MustParseAddr(text)
		f.Add(addr.AsSlice())
		for _, in6 := range embed4(f, text) {
			f.Add(in6.AsSlice())
		}
	}
	for _, text := range []string{"1.1.1.1", "2606:4700::1", "2001:4860:4860::8888", "2620:4f:8000::1", "2001:1::1", "3ffe::1"} {
		f.Add(netip.MustParseAddr(text).AsSlice())
	}
	other := ssrf.New()
	f.Fuzz(func(t *testing.T, b []byte) {
		addr, ok := netip.AddrFromSlice(b)
		if !ok {
			return
		}
		addr = addr.Unmap() // as it is dialled
		network := "tcp4"
		if addr.Is6() {
			network = "tcp6"
		}
		if refused := other.Safe(network, netip.AddrPortFrom(addr, 443).String(), nil); refused != nil && IsPublic(addr) {
			t.Errorf("%s is public here, but not there: %v", addr, refused)
		}
	})
}
