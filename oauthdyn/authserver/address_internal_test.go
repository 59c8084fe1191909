// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

func TestForwarded(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8:1::/48")}
	const (
		forwardedFor  = "X-Forwarded-For"
		forwardedHost = "X-Forwarded-Host"
	)
	for name, test := range map[string]struct {
		peer     string
		headers  []string
		wantAddr string
		wantHost string
	}{
		"a stranger":               {"192.0.2.9:1", []string{forwardedFor, "198.51.100.1", forwardedHost, "evil.example"}, "192.0.2.9", ""},
		"no header":                {"10.0.0.1:1", nil, "10.0.0.1", ""},
		"one proxy":                {"10.0.0.1:1", []string{forwardedFor, "198.51.100.1", forwardedHost, "Auth.Example"}, "198.51.100.1", "Auth.Example"},
		"what a client says":       {"10.0.0.1:1", []string{forwardedFor, "127.0.0.1, 203.0.113.5, 198.51.100.1"}, "198.51.100.1", ""},
		"two proxies":              {"10.0.0.1:1", []string{forwardedFor, "127.0.0.1, 198.51.100.1, 10.9.9.9"}, "198.51.100.1", ""},
		"several headers":          {"10.0.0.1:1", []string{forwardedFor, "198.51.100.1", forwardedFor, "10.9.9.9", forwardedHost, "a", forwardedHost, "b, c"}, "198.51.100.1", "c"},
		"a client among proxies":   {"10.0.0.1:1", []string{forwardedFor, "10.7.7.7, 10.9.9.9"}, "10.7.7.7", ""},
		"rubbish behind a proxy":   {"10.0.0.1:1", []string{forwardedFor, "198.51.100.1, rubbish, 10.9.9.9"}, "10.9.9.9", ""},
		"rubbish":                  {"10.0.0.1:1", []string{forwardedFor, "198.51.100.1, "}, "10.0.0.1", ""},
		"IPv6":                     {"[2001:db8:1::1]:1", []string{forwardedFor, "2001:db8:2::7"}, "2001:db8:2::7", ""},
		"IPv4 in IPv6":             {"[::ffff:10.0.0.1]:1", []string{forwardedFor, "::ffff:198.51.100.1"}, "198.51.100.1", ""},
		"with ports":               {"10.0.0.1:1", []string{forwardedFor, "198.51.100.1:99, [2001:db8:1::2]:443"}, "198.51.100.1", ""},
		"in brackets":              {"10.0.0.1:1", []string{forwardedFor, "[2001:db8:2::7]"}, "2001:db8:2::7", ""},
		"RFC 7239":                 {"10.0.0.1:1", []string{"Forwarded", `for=127.0.0.1;by=x, For="[2001:db8:2::7]:4711";proto=https, for=10.3.3.3`}, "2001:db8:2::7", ""},
		"RFC 7239, hidden":         {"10.0.0.1:1", []string{"Forwarded", `for=198.51.100.1, for=_hidden`}, "10.0.0.1", ""},
		"RFC 7239, without for":    {"10.0.0.1:1", []string{"Forwarded", `for=198.51.100.1, proto=https`}, "10.0.0.1", ""},
		"RFC 7239 by a client":     {"10.0.0.1:1", []string{"Forwarded", "for=127.0.0.1", forwardedFor, "198.51.100.1"}, "198.51.100.1", ""},
		"too long":                 {"10.0.0.1:1", []string{forwardedFor, strings.Repeat("1", 8<<10) + ", 198.51.100.1"}, "198.51.100.1", ""},
		"one that is too long":     {"10.0.0.1:1", []string{forwardedFor, strings.Repeat("1", 8<<10)}, "10.0.0.1", ""},
		"too many":                 {"10.0.0.1:1", []string{forwardedFor, "198.51.100.1" + strings.Repeat(", 10.0.0.2", 40)}, "10.0.0.2", ""},
		"a client that is local":   {"10.0.0.1:1", []string{forwardedFor, "fe80::1%eth0"}, "fe80::1", ""},
		"not over a network":       {"@", []string{forwardedFor, "198.51.100.1"}, "invalid IP", ""},
		"an empty host":            {"10.0.0.1:1", []string{forwardedHost, " "}, "10.0.0.1", ""},
		"RFC 7239, open quote":     {"10.0.0.1:1", []string{"Forwarded", `for="198.51.100.7`, "Forwarded", "for=198.51.100.1"}, "198.51.100.1", ""},
		"a proxy that is a /48":    {"[2001:db8:1:ffff::1]:1", []string{forwardedFor, "2001:db8:1::9, 2001:db8:2::1"}, "2001:db8:2::1", ""},
		"a network beside a /48":   {"[2001:db8:2::1]:1", []string{forwardedFor, "198.51.100.1"}, "2001:db8:2::1", ""},
		"a name in place of an IP": {"10.0.0.1:1", []string{forwardedFor, "client.example"}, "10.0.0.1", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := &Server{o: Options{TrustedProxies: trusted}}
			r := httptest.NewRequest(http.MethodGet, "http://direct.example/", nil)
			r.RemoteAddr = test.peer
			for i := 0; i < len(test.headers); i += 2 {
				r.Header.Add(test.headers[i], test.headers[i+1])
			}
			if test.wantHost == "" {
				test.wantHost = "direct.example"
			}
			got := s.forwarded(r)
			if addr := peerAddress(got).String(); addr != test.wantAddr || got.Host != test.wantHost {
				t.Errorf("from %s at %s, want %s at %s", addr, got.Host, test.wantAddr, test.wantHost)
			}
			if r.RemoteAddr != test.peer || r.Host != "direct.example" {
				t.Error("the caller's request was changed")
			}
		})
	}
}

func FuzzForwarded(f *testing.F) {
	f.Add("198.51.100.1, 10.0.0.2", "for=1.2.3.4", "host")
	f.Add("", `for="[::1]:80";host=x`, "a,b")
	s := &Server{o: Options{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}}
	f.Fuzz(func(t *testing.T, xff, fwd, host string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = "10.0.0.1:1"
		r.Header["X-Forwarded-For"] = []string{xff, "198.51.100.1"} // the last one is the proxy's own
		r.Header["Forwarded"] = []string{fwd}
		r.Header["X-Forwarded-Host"] = []string{host, "auth.example"}
		if got := s.forwarded(r); peerAddress(got).String() != "198.51.100.1" || got.Host != "auth.example" {
			t.Errorf("from %s at %s", got.RemoteAddr, got.Host)
		}
		delete(r.Header, "X-Forwarded-For")
		if got := s.forwarded(r); !peerAddress(got).IsValid() {
			t.Errorf("from %q", got.RemoteAddr)
		}
	})
}
