// SPDX-License-Identifier: Apache-2.0

package fetch_test

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/fetch"
)

// upstream is an HTTP proxy that notes what it is asked for and leads every
// request to one origin.
type upstream struct {
	t      *testing.T
	origin string // HOST:PORT
	auth   string // the Proxy-Authorization field it wants

	mu   sync.Mutex
	seen []string
}

func (p *upstream) note(what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen = append(p.seen, what)
}

func (p *upstream) asked() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	seen := p.seen
	p.seen = nil
	return seen
}

func (p *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.note(r.Method + " " + r.RequestURI)
	if got := r.Header.Get("Proxy-Authorization"); got != p.auth {
		w.WriteHeader(http.StatusProxyAuthRequired)
		return
	}
	if r.Method != http.MethodConnect {
		fmt.Fprint(w, "forwarded for "+r.Host)
		return
	}
	if strings.HasPrefix(r.Host, "refused.") {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	out, err := net.Dial("tcp", p.origin)
	if err != nil {
		p.t.Error(err)
		return
	}
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		p.t.Error(err)
		return
	}
	io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
	relay(conn, out)
}

func relay(a, b net.Conn) {
	var wg sync.WaitGroup
	for _, pair := range [][2]net.Conn{{a, b}, {b, a}} {
		wg.Go(func() { io.Copy(pair[0], pair[1]); pair[0].Close() })
	}
	wg.Wait()
}

// behindProxy is a TLS origin, and a client that reaches it through a proxy.
func behindProxy(t *testing.T, kind string, o fetch.Options) (*fetch.Client, *upstream) {
	t.Helper()
	secure := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "tunnelled for "+r.Host)
	}))
	t.Cleanup(secure.Close)
	config := secure.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	config.InsecureSkipVerify = true // the names here are in no certificate
	p := &upstream{t: t, origin: secure.Listener.Addr().String(), auth: "Basic dXNlcjpwYXNz"}
	var proxyURL string
	switch kind {
	case "http":
		s := httptest.NewServer(p)
		t.Cleanup(s.Close)
		proxyURL = strings.Replace(s.URL, "://", "://user:pass@", 1)
	case "https":
		s := httptest.NewTLSServer(p)
		t.Cleanup(s.Close)
		proxyURL = strings.Replace(s.URL, "://", "://user:pass@", 1)
	case "socks5":
		proxyURL = "socks5://user:pass@" + socksServer(t, p)
	}
	proxy, err := fetch.ProxyURL(proxyURL)
	if err != nil {
		t.Fatal(err)
	}
	o.Proxy, o.TLSClientConfig = proxy, config
	o.Resolver = nameServer(t, func(name string, _ int) []netip.Addr {
		switch {
		case strings.HasPrefix(name, "public."), strings.HasPrefix(name, "refused."):
			return []netip.Addr{netip.MustParseAddr("93.184.216.34")}
		case strings.HasPrefix(name, "private."):
			return []netip.Addr{netip.MustParseAddr("10.0.0.1")}
		case strings.HasPrefix(name, "mixed."):
			return []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("93.184.216.34")}
		}
		return nil
	})
	return client(t, o), p
}

func TestProxy(t *testing.T) {
	for _, kind := range []string{"http", "https", "socks5"} {
		for _, test := range []struct {
			target             fetch.ProxyTarget
			url, asked, socked string
			want               fetch.Code
		}{
			{"", "https://public.example/", "CONNECT public.example:443", "", ""},
			{"", "http://public.example/a?b", "GET http://public.example/a?b", "public.example:80", ""},
			{"", "https://private.example/", "", "", fetch.CodeAddress},
			{"", "http://private.example/", "", "", fetch.CodeAddress},
			{"", "https://mixed.example/", "", "", fetch.CodeAddress}, // the proxy might take the other address
			{"", "https://nothing.example/", "", "", fetch.CodeDNS},
			{"", "https://127.0.0.1/", "", "", fetch.CodeAddress},
			{"", "http://2130706433/", "", "", fetch.CodeAddress},
			{"", "https://93.184.216.34/", "CONNECT 93.184.216.34:443", "", ""},
			{"", "https://public.example:8080/", "", "", fetch.CodePort},
			{"", "https://denied.example/", "", "", fetch.CodeDomain},
			{fetch.ProxyAddress, "https://public.example/", "CONNECT 93.184.216.34:443", "", ""},
			{fetch.ProxyAddress, "https://mixed.example/", "CONNECT 93.184.216.34:443", "", ""},
			{fetch.ProxyAddress, "http://private.example/", "", "", fetch.CodeAddress},
			{fetch.ProxyUnresolved, "https://nothing.example/", "CONNECT nothing.example:443", "", ""},
			{fetch.ProxyUnresolved, "https://10.0.0.1/", "", "", fetch.CodeAddress},
			{fetch.ProxyUnresolved, "http://0x0a.1/", "", "", fetch.CodeAddress},
		} {
			denied, err := fetch.ParseDomain("denied.example")
			if err != nil {
				t.Fatal(err)
			}
			if kind == "socks5" {
				if test.socked != "" {
					continue // its one origin speaks TLS
				}
				test.asked = strings.TrimPrefix(test.asked, "CONNECT ")
			}
			t.Run(kind+" "+string(test.target)+" "+test.url, func(t *testing.T) {
				c, p := behindProxy(t, kind, fetch.Options{ProxyTarget: test.target, DenyDomains: []fetch.Domain{denied}})
				resp, err := c.Get(t.Context(), test.url)
				if codeOf(err) != test.want {
					t.Errorf("error %v, want code %q", err, test.want)
				}
				if asked := strings.Join(p.asked(), ", "); asked != test.asked {
					t.Errorf("the proxy was asked for %q, want %q", asked, test.asked)
				}
				u, _ := url.Parse(test.url)
				if err == nil && !strings.HasSuffix(string(resp.Body), " for "+u.Host) {
					t.Errorf("body %q", resp.Body)
				}
			})
		}
	}
}

func TestDialThroughProxy(t *testing.T) {
	c, p := behindProxy(t, "http", fetch.Options{})
	conn, err := c.DialContext(t.Context(), "tcp", "public.example:443")
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if got := p.asked(); !slices.Equal(got, []string{"CONNECT public.example:443"}) {
		t.Errorf("the proxy was asked for %q", got)
	}
	for _, address := range []string{"private.example:443", "127.0.0.1:443", "[::ffff:10.0.0.1]:80"} {
		_, err := c.DialContext(t.Context(), "tcp", address)
		wantCode(t, err, fetch.CodeAddress)
	}
	if got := p.asked(); len(got) != 0 {
		t.Errorf("the proxy was asked for %q", got)
	}
}

func TestProxyErrors(t *testing.T) {
	c, p := behindProxy(t, "http", fetch.Options{})
	_, err := c.Get(t.Context(), "https://refused.example/")
	wantCode(t, err, fetch.CodeProxy)
	p.auth = "other"
	for _, u := range []string{"https://public.example/", "http://public.example/"} {
		_, err = c.Get(t.Context(), u)
		wantCode(t, err, fetch.CodeProxy)
		for e := err; e != nil; e = errors.Unwrap(e) {
			if strings.Contains(e.Error(), "pass") {
				t.Errorf("the error shows the password: %v", e)
			}
		}
	}
	for _, raw := range []string{"", "proxy.example:3128", "ftp://s3cret@proxy.example", "http://", "http://s3cret:s3cret@a b/"} {
		if _, err := fetch.ProxyURL(raw); err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("ProxyURL(%q): %v", raw, err)
		}
	}
	for name, proxy := range map[string]func(*url.URL) (*url.URL, error){
		"broken": func(*url.URL) (*url.URL, error) { return nil, errors.New("invalid proxy address s3cret") },
		"ftp":    func(*url.URL) (*url.URL, error) { return &url.URL{Scheme: "ftp", Host: "s3cret"}, nil },
	} {
		_, err := client(t, fetch.Options{Proxy: proxy}).Get(t.Context(), "https://1.1.1.1/")
		wantCode(t, err, fetch.CodeProxy)
		if strings.Contains(fmt.Sprintf("%v %+v", err, errors.Unwrap(err)), "s3cret") {
			t.Errorf("%s: %v", name, err)
		}
	}
	gone, err := fetch.ProxyURL("http://127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range []string{"http://1.1.1.1/", "https://1.1.1.1/"} {
		_, err := client(t, fetch.Options{Proxy: gone}).Get(t.Context(), u)
		wantCode(t, err, fetch.CodeProxy)
	}
	// A proxy that does not answer ends with the fetch.
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for _, scheme := range []string{"http", "https", "socks5"} {
		proxy, err := fetch.ProxyURL(scheme + "://" + silent.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_, err = client(t, fetch.Options{Proxy: proxy, Timeout: 50 * time.Millisecond}).Get(t.Context(), "https://1.1.1.1/")
		wantCode(t, err, fetch.CodeTimeout)
	}
}

// A proxy chosen for some targets leaves the others guarded.
func TestProxyForSome(t *testing.T) {
	port := canary(t)
	c := client(t, fetch.Options{Ports: []uint16{port}, Proxy: func(u *url.URL) (*url.URL, error) { return nil, nil }})
	_, err := c.Get(t.Context(), fmt.Sprintf("http://localhost:%d/", port))
	wantCode(t, err, fetch.CodeAddress)
}

// socksServer is a SOCKS 5 proxy with a user name and password (RFC 1928,
// RFC 1929) that leads to the origin of p.
func socksServer(t *testing.T, p *upstream) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(func() { l.Close(); wg.Wait() })
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { serveSocks(conn, p) })
		}
	})
	return l.Addr().String()
}

func serveSocks(conn net.Conn, p *upstream) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	read := func(n int) []byte { b := make([]byte, n); io.ReadFull(r, b); return b }
	read(int(read(2)[1]))
	conn.Write([]byte{5, 2}) // a user name and password, please
	user := read(int(read(2)[1]))
	password := read(int(read(1)[0]))
	if string(user) != "user" || string(password) != "pass" {
		conn.Write([]byte{1, 1})
		return
	}
	conn.Write([]byte{1, 0})
	var host string
	switch head := read(4); head[3] {
	case 1:
		host = netip.AddrFrom4([4]byte(read(4))).String()
	case 3:
		host = string(read(int(read(1)[0])))
	case 4:
		host = netip.AddrFrom16([16]byte(read(16))).String()
	}
	p.note(net.JoinHostPort(host, fmt.Sprint(binary.BigEndian.Uint16(read(2)))))
	out, err := net.Dial("tcp", p.origin)
	if err != nil {
		return
	}
	conn.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
	relay(conn, out)
}
