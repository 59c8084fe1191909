// SPDX-License-Identifier: Apache-2.0

package fetch

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"testing"
)

// forms writes an IPv4 address in the ways in which C libraries, browsers and
// other programs read one.
func forms(text string) []string {
	b := netip.MustParseAddr(text).As4()
	n := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
	out := []string{
		text,
		text + ".",
		fmt.Sprintf("%d", n),
		fmt.Sprintf("0%o", n),
		fmt.Sprintf("000000%o", n),
		fmt.Sprintf("0x%x", n),
		fmt.Sprintf("0X%08X", n),
		fmt.Sprintf("0x%x.", n),
		fmt.Sprintf("%d.%d", b[0], n&0xFFFFFF),
		fmt.Sprintf("%d.%d.%d", b[0], b[1], n&0xFFFF),
		fmt.Sprintf("0%o.0%o.0%o.0%o", b[0], b[1], b[2], b[3]),
		fmt.Sprintf("00%o.0%o.%d.0x%x", b[0], b[1], b[2], b[3]),
		fmt.Sprintf("0x%x.0x%x.0x%x.0x%x", b[0], b[1], b[2], b[3]),
		fmt.Sprintf("0x%x.%d", b[0], n&0xFFFFFF),
		fmt.Sprintf("0x%x.0%o.%d", b[0], b[1], n&0xFFFF),
	}
	// Digits and dots that international names map to ASCII ones (UTS #46).
	shift := func(zero rune, dot string) string {
		digits := strings.Map(func(r rune) rune {
			if r == '.' {
				return r
			}
			return zero + r - '0'
		}, text)
		return strings.ReplaceAll(digits, ".", dot)
	}
	circled := strings.Map(func(r rune) rune {
		switch {
		case r == '0':
			return '⓪'
		case r > '0' && r <= '9':
			return '①' + r - '1'
		}
		return r
	}, text)
	return append(out,
		circled,
		shift('０', "."),
		shift('０', "．"),
		shift('𝟎', "."),
		shift('𝟘', "。"),
		strings.ReplaceAll(text, ".", "。"),
		strings.ReplaceAll(text, ".", "｡"),
		strings.Replace(text, ".", "\u00AD.", 1), // a soft hyphen is nothing
		strings.Replace(text, ".", "\u200B.", 1), // nor is a zero-width space
	)
}

func TestFormsOfAddresses(t *testing.T) {
	p := newPolicy(&Options{})
	for _, text := range []string{"127.0.0.1", "10.0.0.1", "169.254.169.254", "192.168.1.1", "0.0.0.0", "168.63.129.16", "255.255.255.255", "172.17.0.2"} {
		for _, form := range forms(text) {
			if _, err := p.parseURL("http://"+form+"/", nil); codeOf(err) != CodeAddress {
				t.Errorf("%s written as %s: %v, want an address refused", text, form, err)
			}
			u, _ := url.Parse("http://example.com/")
			if _, err := p.parseURL("//"+form+"/", u); codeOf(err) != CodeAddress {
				t.Errorf("%s written as %s in a redirect: %v", text, form, err)
			}
		}
		for _, addr := range embed4(t, text) {
			for _, form := range []string{addr.String(), addr.StringExpanded(), strings.ToUpper(addr.StringExpanded())} {
				if _, err := p.parseURL("http://["+form+"]/", nil); codeOf(err) != CodeAddress {
					t.Errorf("%s in %s: %v, want an address refused", text, form, err)
				}
			}
		}
	}
	for _, form := range forms("93.184.216.34") {
		u, err := p.parseURL("http://"+form+"/", nil)
		if err != nil || u.Host != "93.184.216.34" {
			t.Errorf("%s = %v, %v; want 93.184.216.34", form, u, err)
		}
	}
}

// The verdicts and hosts are those of the WHATWG URL standard, except where
// a comment says that this package is stricter.
func TestCanonicalURL(t *testing.T) {
	p := newPolicy(&Options{})
	base, err := p.parseURL("https://example.com/dir/page?q#f", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ in, want string }{
		{"https://EXAMPLE.com:443/a", "https://example.com/a"},
		{"http://example.com:80", "http://example.com"},
		{"https://example.com:80/", "https://example.com:80/"},
		{"https://bücher.example/straße?käse=öl", "https://xn--bcher-kva.example/stra%C3%9Fe?k%C3%A4se=%C3%B6l"},
		{"https://faß.de/", "https://xn--fa-hia.de/"},
		{"https://ＧＯ。example/", "https://go.example/"},
		{"https://xn--bcher-kva.example/", "https://xn--bcher-kva.example/"},
		{"https://foo_bar.example/", "https://foo_bar.example/"},
		{"https://example.com./", "https://example.com./"},
		{"https://16843009/", "https://1.1.1.1/"},
		{"https://[2606:4700:0000::1111]/", "https://[2606:4700::1111]/"},
		{"https://example.com/100%", "https://example.com/100%25"},
		{"https://example.com/%zz%2Fü", "https://example.com/%25zz%2F%C3%BC"},
		{"https://example.com/a b?c d", "https://example.com/a%20b?c%20d"},
		{"https://example.com/?q=\\", "https://example.com/?q=\\"},
		{"https://example.com/#a#b", "https://example.com/#a%23b"},
		{"https://example.com?x", "https://example.com?x"},
		{"https://example.com/?u=http://127.0.0.1/", "https://example.com/?u=http://127.0.0.1/"},
		{"https://example.com/http://127.0.0.1/", "https://example.com/http://127.0.0.1/"},
		{"https://example.com#@127.0.0.1/", "https://example.com#@127.0.0.1/"},
		{"https://example.com?@127.0.0.1/", "https://example.com?@127.0.0.1/"},
		{"https://example.com/public/../private/./a", "https://example.com/private/a"},
		{"https://example.com/public/%2e%2E/private/.%2e/a%2eb", "https://example.com/a.b"},
		{"https://example.com/../../a/..", "https://example.com/"},
		{"https://example.com/a%2F..%2Fb", "https://example.com/a%2F..%2Fb"},
		{"../up", "https://example.com/up"},
		{"?only", "https://example.com/dir/page?only"},
		{"//other.example/x", "https://other.example/x"},
		{"täg", "https://example.com/dir/t%C3%A4g"},
	} {
		u, err := p.parseURL(test.in, base)
		if err != nil || u.String() != test.want {
			t.Errorf("%s = %v, %v; want %s", test.in, u, err, test.want)
			continue
		}
		again, err := p.parseURL(u.String(), nil)
		if err != nil || again.String() != u.String() {
			t.Errorf("%s is read again as %v, %v", u, again, err)
		}
	}
	for _, test := range []struct {
		in   string
		want Code
	}{
		{"http://256.256.256.256/", CodeURL},
		{"http://1.2.3.4.5/", CodeURL},
		{"http://4294967296/", CodeURL},    // one more than fits; some readers take the lower 32 bits, which are 0.0.0.0
		{"http://6425673729/", CodeURL},    // 127.0.0.1 + 2^32
		{"http://0x17f000001/", CodeURL},   // the same
		{"http://127.0.0.1.1/", CodeURL},   //
		{"http://127.0.0.0x100/", CodeURL}, //
		{"http://127.1.0x/", CodeAddress},  // 0x is zero
		{"http://example.0x7f/", CodeURL},
		{"http://example.1/", CodeURL},
		{"http://08.1.1.1/", CodeURL},
		{"http://127.0.0.1%2f@example.com/", CodeURL},
		{"http://%31%32%37.0.0.1/", CodeURL}, // stricter: WHATWG decodes it to 127.0.0.1
		{"http://example%2ecom/", CodeURL},   // stricter
		{"http://exam%ple.com/", CodeURL},
		{"http://[127.0.0.1]/", CodeURL},
		{"http://[localhost]/", CodeURL},
		{"http://[::1%25lo]/", CodeAddress},
		{"http://[::1%lo]/", CodeURL},
		{"http://[::1]:[80]/", CodeURL},
		{"http://::1/", CodeURL},
		{"http://[::ffff:0x7f.0.0.1]/", CodeURL},
		{"http://a@b@127.0.0.1/", CodeURL},
		{"http://1.1.1.1@127.0.0.1/", CodeURL},
		{"http://1.1.1.1:80@127.0.0.1:80/", CodeURL},
		{"http://1.1.1.1 @127.0.0.1/", CodeURL},
		{"http://1.1.1.1#@127.0.0.1/", ""}, // the host is 1.1.1.1
		{"http://127.0.0.1#@1.1.1.1/", CodeAddress},
		{"http://127.0.0.1?@1.1.1.1/", CodeAddress},
		{"http://1.1.1.1\\@127.0.0.1/", CodeURL}, // stricter, with all backslashes: half of the readers see the other host
		{"http:\\\\127.0.0.1\\", CodeURL},
		{"http://127.0.0.1\\.example.com/", CodeURL},
		{"///127.0.0.1/", CodeURL},    // stricter: WHATWG takes it for a host after http:
		{"http:/127.0.0.1/", CodeURL}, // stricter: WHATWG adds a slash
		{"http:127.0.0.1/", CodeURL},
		{"http:///127.0.0.1/", CodeURL},
		{"http://127.0.0.1:80:80/", CodeURL},
		{"http://127.0.0.1:080/", CodeAddress},
		{"http://example.com:٨٠/", CodeURL},
		{"http://exa\tmple.com/", CodeURL}, // stricter: WHATWG drops tabs and line breaks
		{"http://example.com/\r\nX: y", CodeURL},
		{"http://example..com/", CodeURL}, // stricter, as with the next ones: no DNS name
		{"http://.example.com/", CodeURL},
		{"http://./", CodeURL},
		{"http://*.example.com/", CodeURL},
		{"http://a,b/", CodeURL},
		{"http://" + strings.Repeat("a", 64) + ".example/", CodeURL},
		{"http://" + strings.Repeat("a.", 127) + "example/", CodeURL},
		{"http://xn--a/", CodeURL},
		{"http://\u2100.example/", CodeURL}, // maps to a/c
		{"http://localhost\u2025/", CodeURL},
		{"http://example.com/a\\b", CodeURL},
		{"blob:http://127.0.0.1/x", CodeURL},
		{"view-source:http://127.0.0.1/", CodeURL},
		{"url:http://127.0.0.1/", CodeURL},
		{"0://127.0.0.1:80;http://example.com:80/", CodeURL},
		{"dict://127.0.0.1:11211/stat", CodeURL},
		{"ldap://127.0.0.1/", CodeURL},
		{"netdoc:///etc/passwd", CodeURL},
		{"ws://example.com/", CodeURL},
	} {
		if _, err := p.parseURL(test.in, nil); codeOf(err) != test.want {
			t.Errorf("%q: %v, want code %q", test.in, err, test.want)
		}
	}
}

func TestHTTPSOnly(t *testing.T) {
	c := New(&Options{HTTPSOnly: true})
	if got := codeOf(c.CheckURL("http://example.com/")); got != CodeURL {
		t.Errorf("http: %q", got)
	}
	if err := c.CheckURL("https://example.com/"); err != nil {
		t.Error(err)
	}
}

func TestErrorsShowNoSecrets(t *testing.T) {
	c := New(nil)
	for _, raw := range []string{
		"http://user:s3cret@example.com/", "http://example.com:22/?k=s3cret", "ftp://example.com/?k=s3cret#s3cret", "http://exa mple.com/?s3cret",
		"http://[::1/?s3cret", "mailto:s3cret@example.com", "http://127.0.0.1/?s3cret", "http://example.com/\\?s3cret", "http://example.com/\x01?s3cret",
		"http://256.1.1.1/?s3cret", "http:s3cret", "http://u:s3cret@127.0.0.1%2f/",
	} {
		err := c.CheckURL(raw)
		if text := fmt.Sprintf("%v %+v", err, err); err == nil || strings.Contains(text, "s3cret") {
			t.Errorf("%s: %s", raw, text)
		}
		if e, ok := err.(*Error); ok && (strings.Contains(e.URL, "s3cret") || e.Err != nil && strings.Contains(e.Err.Error(), "s3cret")) {
			t.Errorf("%s: URL %s, cause %v", raw, e.URL, e.Err)
		}
	}
}
