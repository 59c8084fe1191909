// SPDX-License-Identifier: Apache-2.0

package fetch_test

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/fetch"
	"github.com/atrawog/mcp-oauth-gateway/fetchserver/robots"
)

// canary listens on loopback, IPv4 and where there is IPv6, on one port. The
// test fails if anybody connects.
func canary(t *testing.T) uint16 {
	t.Helper()
	var wg sync.WaitGroup
	var touched atomic.Int32
	watch := func(l net.Listener) {
		wg.Go(func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				touched.Add(1)
				conn.Close()
			}
		})
	}
	four, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	watch(four)
	port := netip.MustParseAddrPort(four.Addr().String()).Port()
	six, err := net.Listen("tcp", fmt.Sprintf("[::1]:%d", port))
	if err == nil {
		watch(six)
	}
	t.Cleanup(func() {
		four.Close()
		if six != nil {
			six.Close()
		}
		wg.Wait()
		if touched.Load() != 0 {
			t.Errorf("the canary was reached %d times", touched.Load())
		}
	})
	return port
}

// refused are addresses that must never be connected to, and neighbours are
// public ones next to them; more of both with MCP_TEST_DATA.
func addressList(t *testing.T) (refused, neighbours []netip.Addr) {
	t.Helper()
	for _, text := range []string{
		"0.0.0.0", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.8.8.8", "168.63.129.16", "169.254.169.254", "172.16.0.1", "172.31.255.255",
		"192.0.0.192", "192.168.0.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "::1", "::ffff:127.0.0.1",
		"::127.0.0.1", "::ffff:0:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::7f00:1", "2002:7f00:1::", "2001:0:1::80ff:fffe", "fc00::1", "fd00:ec2::254",
		"fe80::1", "fec0::1", "ff02::1", "2001:db8::1", "3fff::1", "5f00::1", "100::1",
	} {
		refused = append(refused, netip.MustParseAddr(text))
	}
	for _, text := range []string{"1.1.1.1", "9.255.255.255", "11.0.0.0", "128.0.0.1", "172.32.0.0", "192.169.0.0", "2606:4700::1111"} {
		neighbours = append(neighbours, netip.MustParseAddr(text))
	}
	dir := os.Getenv("MCP_TEST_DATA")
	if dir == "" {
		return refused, neighbours
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
	refused, neighbours = nil, nil
	for _, entry := range data.Block {
		refused = append(refused, netip.MustParseAddr(entry[1]))
	}
	for _, text := range data.Allow {
		neighbours = append(neighbours, netip.MustParseAddr(text))
	}
	return refused, neighbours
}

// nameOf is a host name that addressIn finds an address in.
func nameOf(addr netip.Addr) string {
	b := addr.As16()
	return "a" + hex.EncodeToString(b[:]) + ".example"
}

func addressIn(name string) netip.Addr {
	label, _, _ := strings.Cut(strings.TrimPrefix(name, "a"), ".")
	b, err := hex.DecodeString(label)
	addr, ok := netip.AddrFromSlice(b)
	if err != nil || !ok {
		return netip.Addr{}
	}
	return addr
}

func hostOf(addr netip.Addr, port uint16) string { return netip.AddrPortFrom(addr, port).String() }

// TestNoWayToRefusedAddresses tries every refused address in every way in
// which a stranger can name one.
func TestNoWayToRefusedAddresses(t *testing.T) {
	port := canary(t)
	refused, neighbours := addressList(t)
	resolver := typedNameServer(t, func(name string, kind dnsmessage.Type) []netip.Addr {
		switch addr := addressIn(name); {
		case !addr.IsValid():
			return nil
		case kind == dnsmessage.TypeA && addr.Unmap().Is4():
			return []netip.Addr{addr.Unmap()}
		case kind == dnsmessage.TypeAAAA: // an IPv4 address in its mapped form
			return []netip.Addr{addr}
		}
		return nil
	})
	base, addr := origin(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", r.URL.Query().Get("u"))
		w.WriteHeader(http.StatusFound)
	})
	robotsBase, robotsAddr := origin(t, func(w http.ResponseWriter, r *http.Request) {
		if target := r.Host; r.URL.Path == "/robots.txt" { // each name is an origin of its own
			w.Header().Set("Location", "http://"+hostOf(addressIn(strings.TrimPrefix(target, "r")), port)+"/")
			w.WriteHeader(http.StatusFound)
		}
	})
	c := client(t, fetch.Options{Ports: []uint16{port}, Resolver: resolver}, addr)
	robotsClient := client(t, fetch.Options{Ports: []uint16{port}, Resolver: nameServer(t, func(string, int) []netip.Addr {
		return []netip.Addr{robotsAddr.Addr()}
	})}, robotsAddr)
	checker := robots.NewChecker(func(ctx context.Context, u string) (int, []byte, error) {
		resp, err := robotsClient.Get(ctx, u)
		if err != nil {
			return 0, nil, err
		}
		return resp.Status, resp.Body, nil
	}, []string{"bot"}, nil)
	_, robotsPort, _ := net.SplitHostPort(strings.TrimPrefix(robotsBase, "http://"))

	ways := map[string]func(netip.Addr) error{
		"URL": func(a netip.Addr) error {
			_, err := c.Get(t.Context(), "http://"+hostOf(a, port)+"/")
			return err
		},
		"name": func(a netip.Addr) error {
			_, err := c.Get(t.Context(), fmt.Sprintf("http://%s:%d/", nameOf(a), port))
			return err
		},
		"redirect": func(a netip.Addr) error {
			_, err := c.Get(t.Context(), base+"/?u="+url.QueryEscape("http://"+hostOf(a, port)+"/"))
			return err
		},
		"redirect to a name": func(a netip.Addr) error {
			_, err := c.Get(t.Context(), base+"/?u="+url.QueryEscape(fmt.Sprintf("http://%s:%d/", nameOf(a), port)))
			return err
		},
		"dial": func(a netip.Addr) error {
			_, err := c.DialContext(t.Context(), "tcp", hostOf(a, port))
			return err
		},
		"dial of a name": func(a netip.Addr) error {
			_, err := c.DialContext(t.Context(), "tcp", fmt.Sprintf("%s:%d", nameOf(a), port))
			return err
		},
		"robots.txt": func(a netip.Addr) error {
			_, err := robotsClient.Do(t.Context(), &fetch.Request{
				URL: fmt.Sprintf("http://r%s:%s/page", nameOf(a), robotsPort), Check: checker.Check,
			})
			return err
		},
	}
	for way, try := range ways {
		t.Run(way, func(t *testing.T) {
			for _, a := range refused {
				if err := try(a); codeOf(err) != fetch.CodeAddress {
					t.Errorf("%s: %v, want an address refused", a, err)
				}
			}
		})
	}
	for _, a := range neighbours {
		if err := c.CheckURL("http://" + hostOf(a, port) + "/"); err != nil {
			t.Errorf("%s, which is public: %v", a, err)
		}
	}
	t.Logf("%d addresses refused in %d ways, %d neighbours pass", len(refused), len(ways), len(neighbours))
}

// TestRebindingNames has names that change their mind in every way in which
// DNS can, with something to be reached at the private answer.
func TestRebindingNames(t *testing.T) {
	port := canary(t)
	var asked atomic.Int32
	public := netip.MustParseAddr("192.0.2.1") // allowed below, and never there
	private := netip.MustParseAddr("127.0.0.1")
	resolver := typedNameServer(t, func(name string, kind dnsmessage.Type) []netip.Addr {
		four := kind == dnsmessage.TypeA
		switch strings.SplitN(name, ".", 2)[0] {
		case "first": // public for the first question, private from then on
			if four && asked.Add(1) == 1 {
				return []netip.Addr{public}
			}
			if four {
				return []netip.Addr{private}
			}
		case "private6": // IPv6 only
			if !four {
				return []netip.Addr{netip.IPv6Loopback()}
			}
		case "mapped":
			if !four {
				return []netip.Addr{netip.MustParseAddr("::ffff:127.0.0.1")}
			}
		case "many":
			if four {
				return slices.Repeat([]netip.Addr{private, netip.MustParseAddr("10.0.0.1")}, 8)
			}
			return []netip.Addr{netip.IPv6Loopback(), netip.MustParseAddr("fd00::1")}
		}
		return nil
	})
	if got, err := resolver.LookupNetIP(t.Context(), "ip4", "first.example"); err != nil || len(got) != 1 || got[0] != public {
		t.Fatalf("a checker of its own would see %v, %v", got, err)
	}
	c := client(t, fetch.Options{
		Resolver: resolver, Ports: []uint16{port}, AllowPrefixes: []netip.Prefix{netip.PrefixFrom(public, 32)},
	})
	for _, name := range []string{"first", "private6", "mapped", "many"} {
		for range 2 {
			_, err := c.Get(t.Context(), fmt.Sprintf("http://%s.example:%d/", name, port))
			wantCode(t, err, fetch.CodeAddress)
		}
	}
}

// TestSystemResolver asks the C library, if the program has one, for what it
// makes of names that are addresses.
func TestSystemResolver(t *testing.T) {
	port := canary(t)
	for _, prefersGo := range []bool{false, true} {
		c := client(t, fetch.Options{Ports: []uint16{port}, Resolver: &net.Resolver{PreferGo: prefersGo}})
		for _, host := range []string{"localhost", "LOCALHOST", "localhost.", "127.1", "0x7f.1", "2130706433", "0", "017700000001", "127.0.0.1."} {
			_, err := c.Get(t.Context(), fmt.Sprintf("http://%s:%d/", host, port))
			if code := codeOf(err); code != fetch.CodeAddress && code != fetch.CodeDNS {
				t.Errorf("%s: %v", host, err)
			}
			if _, err := c.DialContext(t.Context(), "tcp", fmt.Sprintf("%s:%d", host, port)); err == nil {
				t.Errorf("%s was dialled", host)
			}
		}
	}
}

func TestDomains(t *testing.T) {
	base, addr := origin(t, func(w http.ResponseWriter, r *http.Request) {
		if u := r.URL.Query().Get("u"); u != "" {
			http.Redirect(w, r, u, http.StatusFound)
		}
	})
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(base, "http://"))
	parse := func(texts ...string) (domains []fetch.Domain) {
		for _, text := range texts {
			d, err := fetch.ParseDomain(text)
			if err != nil {
				t.Fatal(err)
			}
			domains = append(domains, d)
		}
		return domains
	}
	c := client(t, fetch.Options{
		AllowDomains: parse("one.example", "*.below.example", ".both.example", "Bücher.example.", "127.0.0.1"),
		DenyDomains:  parse(".bad.both.example"),
		Resolver:     nameServer(t, func(string, int) []netip.Addr { return []netip.Addr{addr.Addr()} }),
	}, addr)
	for host, want := range map[string]fetch.Code{
		"one.example": "", "ONE.example": "", "one.example.": "", "www.one.example": fetch.CodeDomain, "xone.example": fetch.CodeDomain,
		"below.example": fetch.CodeDomain, "a.below.example": "", "a.b.below.example": "", "xbelow.example": fetch.CodeDomain,
		"both.example": "", "a.both.example": "", "bad.both.example": fetch.CodeDomain, "x.bad.both.example": fetch.CodeDomain, "X.BAD.both.example.": fetch.CodeDomain,
		"bücher.example": "", "xn--bcher-kva.example": "", "ＢÜCHER。example": "", "127.0.0.1": "", "127.1": "", "1.1.1.1": fetch.CodeDomain,
		"other.example": fetch.CodeDomain, "one.example.other.example": fetch.CodeDomain,
	} {
		u := "http://" + host + ":" + port + "/"
		if _, err := c.Get(t.Context(), u); codeOf(err) != want {
			t.Errorf("%s: %v, want code %q", u, err, want)
		}
		if _, err := c.Get(t.Context(), base+"/?u="+url.QueryEscape(u)); codeOf(err) != want {
			t.Errorf("redirect to %s: %v, want code %q", u, err, want)
		}
		conn, err := c.DialContext(t.Context(), "tcp", host+":"+port)
		if codeOf(err) != want {
			t.Errorf("dial of %s: %v, want code %q", host, err, want)
		}
		if err == nil {
			conn.Close()
		}
	}
}

func TestParseDomain(t *testing.T) {
	for in, want := range map[string]string{
		"Example.COM": "example.com", "*.example.com.": "*.example.com", ".Bücher.example": ".xn--bcher-kva.example",
		"192.0.2.7": "192.0.2.7", "[2001:DB8::1]": "2001:db8::1", "0x7f.1": "127.0.0.1",
	} {
		d, err := fetch.ParseDomain(in)
		if err != nil || d.String() != want {
			t.Errorf("ParseDomain(%q) = %q, %v; want %q", in, d, err, want)
		}
	}
	for _, in := range []string{"", "*", ".", "*.", "a..b", "a*b.example", "https://example.com", "example.com/x", "example.com:443", "*.1.2.3.4", "a b", "10.0.0.0/8"} {
		if d, err := fetch.ParseDomain(in); err == nil {
			t.Errorf("ParseDomain(%q) = %q, want an error", in, d)
		}
	}
	if (fetch.Domain{}).Matches("example.com") {
		t.Error("the zero Domain matches")
	}
}

func TestDenyWins(t *testing.T) {
	base, addr := origin(t, func(http.ResponseWriter, *http.Request) { t.Error("the origin was reached") })
	c := client(t, fetch.Options{
		AllowPrefixes: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		DenyPrefixes:  []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("::ffff:8.8.8.0/120"), netip.MustParsePrefix("2606:4700::/32")},
	}, addr)
	_, err := c.Get(t.Context(), base)
	wantCode(t, err, fetch.CodeAddress)
	for _, u := range []string{"http://8.8.8.8/", "http://[2606:4700::1]/", "http://[::ffff:808:808]/"} {
		if code := codeOf(c.CheckURL(u)); code != fetch.CodeAddress {
			t.Errorf("%s: %q", u, code)
		}
	}
}

// Whoever allows the NAT64 prefix of his network allows the public addresses
// behind it, not his own.
func TestNAT64(t *testing.T) {
	c := client(t, fetch.Options{
		AllowPrefixes: []netip.Prefix{netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("10.1.0.0/16")},
		DenyPrefixes:  []netip.Prefix{netip.MustParsePrefix("9.9.9.9/32")},
	})
	for text, want := range map[string]fetch.Code{
		"8.8.8.8": "", "10.1.0.1": "", "10.2.0.1": fetch.CodeAddress, "127.0.0.1": fetch.CodeAddress, "169.254.169.254": fetch.CodeAddress, "9.9.9.9": fetch.CodeAddress,
	} {
		if got := codeOf(c.CheckURL("http://[64:ff9b::" + text + "]/")); got != want {
			t.Errorf("%s behind NAT64: %q, want %q", text, got, want)
		}
	}
}
