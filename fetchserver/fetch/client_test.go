// SPDX-License-Identifier: Apache-2.0

package fetch_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/fetch"
)

// origin starts an HTTP server on loopback and returns its endpoint.
func origin(t *testing.T, h http.HandlerFunc) (string, netip.AddrPort) {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL, netip.MustParseAddrPort(s.Listener.Addr().String())
}

func client(t *testing.T, o fetch.Options, allowed ...netip.AddrPort) *fetch.Client {
	t.Helper()
	o.AllowEndpoints = append(o.AllowEndpoints, allowed...)
	c := fetch.New(&o)
	t.Cleanup(c.Close)
	return c
}

func wantCode(t *testing.T, err error, want fetch.Code) {
	t.Helper()
	e, ok := errors.AsType[*fetch.Error](err)
	if !ok || e.Code != want {
		t.Errorf("error = %v (%+v), want code %s", err, e, want)
	}
}

func codeOf(err error) fetch.Code {
	if e, ok := errors.AsType[*fetch.Error](err); ok {
		return e.Code
	}
	return ""
}

func TestGet(t *testing.T) {
	var seen http.Header
	base, addr := origin(t, func(w http.ResponseWriter, r *http.Request) {
		seen = r.Header.Clone()
		w.Header().Set("Content-Type", "text/plain")
		w.WriteHeader(http.StatusTeapot)
		fmt.Fprint(w, "hello")
	})
	resp, err := client(t, fetch.Options{}, addr).Do(t.Context(), &fetch.Request{
		URL: base + "/a?b=c#d", Header: http.Header{"Accept-Language": {"de"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if resp.Status != http.StatusTeapot || string(resp.Body) != "hello" || len(resp.Redirects) != 0 {
		t.Errorf("response = %d %q, redirects %v", resp.Status, resp.Body, resp.Redirects)
	}
	for name, want := range map[string]string{
		"Accept-Encoding": "gzip, br, zstd", "User-Agent": fetch.DefaultUserAgent, "Accept-Language": "de", "Referer": "", "Cookie": "",
	} {
		if got := seen.Get(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	if accept := seen.Get("Accept"); !strings.HasPrefix(accept, "text/markdown,") || !strings.Contains(accept, "*/*") {
		t.Errorf("Accept = %q", accept)
	}
}

func TestLoopbackRefused(t *testing.T) {
	var hits atomic.Int32
	base, addr := origin(t, func(http.ResponseWriter, *http.Request) { hits.Add(1) })
	port := fmt.Sprint(addr.Port())
	// Names that libraries turn into addresses are asked of a server that does.
	resolver := nameServer(t, func(string, int) []netip.Addr { return []netip.Addr{addr.Addr()} })
	c := client(t, fetch.Options{Ports: []uint16{addr.Port()}, Resolver: resolver})
	for _, u := range []string{
		base, "http://localhost:" + port, "http://127.1:" + port, "http://2130706433:" + port, "http://0x7f.0.0.1:" + port,
		"http://0:" + port, "http://[::1]:" + port, "http://[::ffff:127.0.0.1]:" + port, "http://[::ffff:7f00:1]:" + port,
		"http://[::127.0.0.1]:" + port, "http://127.0.0.2:" + port, "http://①②⑦.⓪.⓪.①:" + port, "http://localhost.:" + port,
	} {
		_, err := c.Get(t.Context(), u)
		// Go does not ask for names that are numbers; a C library makes them addresses.
		if code := codeOf(err); code != fetch.CodeAddress && code != fetch.CodeDNS {
			t.Errorf("Get(%s): %v, want an address refused", u, err)
		}
	}
	if hits.Load() != 0 {
		t.Errorf("the origin was reached %d times", hits.Load())
	}
}

func TestRedirects(t *testing.T) {
	var canary atomic.Int32
	secret, _ := origin(t, func(http.ResponseWriter, *http.Request) { canary.Add(1) })
	base, addr := origin(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/to":
			http.Redirect(w, r, r.URL.Query().Get("u"), http.StatusFound)
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusMovedPermanently)
		case "/count":
			n := 0
			fmt.Sscan(r.URL.Query().Get("n"), &n)
			if n == 0 {
				fmt.Fprint(w, "end")
				return
			}
			http.Redirect(w, r, fmt.Sprintf("/count?n=%d", n-1), http.StatusTemporaryRedirect)
		case "/300":
			w.Header().Set("Location", secret)
			w.WriteHeader(http.StatusMultipleChoices)
		case "/nolocation":
			w.WriteHeader(http.StatusFound)
		}
	})
	c := client(t, fetch.Options{}, addr)
	to := func(target string) string { return base + "/to?u=" + url.QueryEscape(target) }
	for _, test := range []struct {
		name, url string
		want      fetch.Code
	}{
		{"to another loopback port", to(secret), fetch.CodePort},
		{"to loopback on port 80", to("http://127.0.0.1/"), fetch.CodeAddress},
		{"to the metadata service", to("http://169.254.169.254/latest/meta-data/"), fetch.CodeAddress},
		{"to mapped IPv6", to("http://[::ffff:a00:1]/"), fetch.CodeAddress},
		{"to a file", to("file:///etc/passwd"), fetch.CodeRedirect},
		{"with userinfo", to("http://u:p@example.com/"), fetch.CodeRedirect},
		{"to a refused port", to("http://example.com:25/"), fetch.CodePort},
		{"to nonsense", to("http://[::1"), fetch.CodeRedirect},
		{"endless", base + "/loop", fetch.CodeRedirect},
		{"six", base + "/count?n=6", fetch.CodeRedirect},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := c.Get(t.Context(), test.url)
			wantCode(t, err, test.want)
		})
	}
	resp, err := c.Get(t.Context(), base+"/count?n=5")
	if err != nil || string(resp.Body) != "end" || len(resp.Redirects) != 5 || resp.URL.RawQuery != "n=0" {
		t.Errorf("five redirects: %+v, %v", resp, err)
	}
	for _, path := range []string{"/300", "/nolocation"} {
		if resp, err := c.Get(t.Context(), base+path); err != nil || resp.Status/100 != 3 {
			t.Errorf("%s: %+v, %v", path, resp, err)
		}
	}
	none := client(t, fetch.Options{MaxRedirects: -1}, addr)
	if _, err := none.Get(t.Context(), base+"/count?n=1"); err == nil {
		t.Error("a redirect was followed although none is allowed")
	}
	if canary.Load() != 0 {
		t.Errorf("the canary was reached %d times", canary.Load())
	}
}

func TestRedirectDropsHeader(t *testing.T) {
	got := make(chan string, 3)
	echo := func(w http.ResponseWriter, r *http.Request) { got <- r.Header.Get("X-Api-Key") }
	other, otherAddr := origin(t, echo)
	base, addr := origin(t, func(w http.ResponseWriter, r *http.Request) {
		echo(w, r)
		switch r.URL.Path {
		case "/1":
			http.Redirect(w, r, "/2", http.StatusFound)
		case "/2":
			http.Redirect(w, r, other, http.StatusFound)
		}
	})
	_, err := client(t, fetch.Options{AllowHeaders: []string{"x-api-key"}}, addr, otherAddr).Do(t.Context(), &fetch.Request{URL: base + "/1", Header: http.Header{"X-Api-Key": {"k"}}})
	if err != nil {
		t.Fatal(err)
	}
	if a, b, c := <-got, <-got, <-got; a != "k" || b != "k" || c != "" {
		t.Errorf("key at the hops = %q, %q, %q; want it at the first origin only", a, b, c)
	}
}

func TestRedirectToPlainHTTP(t *testing.T) {
	plain, plainAddr := origin(t, func(http.ResponseWriter, *http.Request) { t.Error("the plain origin was reached") })
	s := httptest.NewTLSServer(http.RedirectHandler(plain, http.StatusFound))
	t.Cleanup(s.Close)
	o := fetch.Options{TLSClientConfig: s.Client().Transport.(*http.Transport).TLSClientConfig}
	_, err := client(t, o, plainAddr, netip.MustParseAddrPort(s.Listener.Addr().String())).Get(t.Context(), s.URL)
	wantCode(t, err, fetch.CodeRedirect)
	_, err = client(t, fetch.Options{}, netip.MustParseAddrPort(s.Listener.Addr().String())).Get(t.Context(), s.URL)
	wantCode(t, err, fetch.CodeTLS)
}

func TestHeaderRefused(t *testing.T) {
	c := client(t, fetch.Options{})
	for _, name := range []string{"host", "Cookie", "proxy-authorization", "X-Forwarded-For", "Metadata-Flavor", "Transfer-Encoding", "x-aws-ec2-metadata-token"} {
		_, err := c.Do(t.Context(), &fetch.Request{URL: "https://example.com", Header: http.Header{name: {"x"}}})
		wantCode(t, err, fetch.CodeHeader)
	}
}

func TestCheckIsAskedForEachHop(t *testing.T) {
	base, addr := origin(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/1" {
			http.Redirect(w, r, "/2", http.StatusFound)
		}
	})
	refused := errors.New("no")
	var asked []string
	_, err := client(t, fetch.Options{}, addr).Do(t.Context(), &fetch.Request{URL: base + "/1", Check: func(_ context.Context, u *url.URL) error {
		asked = append(asked, u.Path)
		if u.Path == "/2" {
			return refused
		}
		return nil
	}})
	if !errors.Is(err, refused) || strings.Join(asked, " ") != "/1 /2" {
		t.Errorf("error %v after asking for %v", err, asked)
	}
}

// zeros compresses n zero bytes.
func zeros(t *testing.T, coding string, n int64) []byte {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	switch coding {
	case "gzip":
		w = gzip.NewWriter(&b)
	case "br":
		w = brotli.NewWriter(&b)
	case "zstd":
		z, err := zstd.NewWriter(&b, zstd.WithEncoderConcurrency(1))
		if err != nil {
			t.Fatal(err)
		}
		w = z
	}
	chunk := make([]byte, 1<<20)
	for ; n > 0; n -= int64(len(chunk)) {
		if _, err := w.Write(chunk[:min(n, int64(len(chunk)))]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestContentCoding(t *testing.T) {
	for _, coding := range []string{"gzip", "br", "zstd"} {
		t.Run(coding, func(t *testing.T) {
			small, bomb := zeros(t, coding, 1000), zeros(t, coding, 4<<20)
			if len(bomb) > 200<<10 {
				t.Fatalf("the bomb has %d bytes", len(bomb))
			}
			base, addr := origin(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Encoding", coding)
				switch r.URL.Path {
				case "/small":
					w.Write(small)
				case "/bomb":
					w.Write(bomb)
				case "/broken":
					w.Write(small[:len(small)/2])
				case "/garbage":
					fmt.Fprint(w, strings.Repeat("not compressed at all ", 20))
				}
			})
			c := client(t, fetch.Options{MaxBytes: 256 << 10}, addr)
			resp, err := c.Get(t.Context(), base+"/small")
			if err != nil || len(resp.Body) != 1000 {
				t.Errorf("small: %v, %v", resp, err)
			}
			resp, err = c.Get(t.Context(), base+"/empty")
			if err != nil || len(resp.Body) != 0 {
				t.Errorf("empty: %v, %v", resp, err)
			}
			_, err = c.Get(t.Context(), base+"/bomb")
			wantCode(t, err, fetch.CodeTooLarge)
			_, err = c.Get(t.Context(), base+"/broken")
			wantCode(t, err, fetch.CodeEncoding)
			_, err = c.Get(t.Context(), base+"/garbage")
			wantCode(t, err, fetch.CodeEncoding)
		})
	}
}

func TestNoCap(t *testing.T) {
	base, addr := origin(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "page") })
	resp, err := client(t, fetch.Options{MaxBytes: math.MaxInt64}, addr).Get(t.Context(), base)
	if err != nil || string(resp.Body) != "page" {
		t.Errorf("%+v, %v", resp, err)
	}
}

func TestCaps(t *testing.T) {
	empty := zeros(t, "gzip", 0)
	base, addr := origin(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/length":
			w.Header().Set("Content-Length", "100001")
			w.WriteHeader(http.StatusOK)
		case "/exact":
			w.Write(make([]byte, 100000))
		case "/endless":
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 4096)); err != nil {
					return
				}
			}
		case "/framing": // much on the wire, nothing decoded: empty gzip members
			w.Header().Set("Content-Encoding", "gzip")
			w.Write(bytes.Repeat(empty, 10000))
		case "/header":
			w.Header().Set("X-Large", strings.Repeat("x", 100<<10))
		case "/coding":
			w.Header().Set("Content-Encoding", "gzip, gzip")
			fmt.Fprint(w, "x")
		}
	})
	c := client(t, fetch.Options{MaxBytes: 100000}, addr)
	for path, want := range map[string]fetch.Code{
		"/length": fetch.CodeTooLarge, "/endless": fetch.CodeTooLarge, "/framing": fetch.CodeTooLarge, "/header": fetch.CodeConnect, "/coding": fetch.CodeEncoding,
	} {
		_, err := c.Get(t.Context(), base+path)
		wantCode(t, err, want)
	}
	if resp, err := c.Do(t.Context(), &fetch.Request{URL: base + "/endless", Truncate: true}); err != nil || len(resp.Body) != 100000 {
		t.Errorf("a body that is cut: %v", err)
	}
	if resp, err := c.Get(t.Context(), base+"/exact"); err != nil || len(resp.Body) != 100000 {
		t.Errorf("a body of exactly the cap: %v", err)
	}
}

func TestSlowBody(t *testing.T) {
	base, addr := origin(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "beginning")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	_, err := client(t, fetch.Options{Timeout: 50 * time.Millisecond}, addr).Get(t.Context(), base)
	wantCode(t, err, fetch.CodeTimeout)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = client(t, fetch.Options{}, addr).Get(ctx, base)
	wantCode(t, err, fetch.CodeCancelled)
}

func TestConnectFails(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := netip.MustParseAddrPort(l.Addr().String())
	l.Close()
	_, err = client(t, fetch.Options{}, addr).Get(t.Context(), "http://"+addr.String()+"/?secret=1")
	wantCode(t, err, fetch.CodeConnect)
	if e, ok := errors.AsType[*fetch.Error](err); ok && (strings.Contains(e.Error(), "secret") || strings.Contains(e.URL, "secret")) {
		t.Errorf("the error shows the query: %v, %s", e, e.URL)
	}
}

func TestProxyIsIgnored(t *testing.T) {
	var hits atomic.Int32
	proxy, _ := origin(t, func(http.ResponseWriter, *http.Request) { hits.Add(1) })
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"} {
		t.Setenv(name, proxy)
	}
	_, err := client(t, fetch.Options{}).Get(t.Context(), "http://169.254.169.254/")
	wantCode(t, err, fetch.CodeAddress)
	if hits.Load() != 0 {
		t.Error("the proxy was used")
	}
}

func TestCookiesAreNotKept(t *testing.T) {
	base, addr := origin(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Cookie") != "" {
			t.Error("a cookie came back")
		}
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "b"})
		if r.URL.Path == "/" {
			http.Redirect(w, r, "/next", http.StatusFound)
		}
	})
	c := client(t, fetch.Options{}, addr)
	for range 2 {
		if _, err := c.Get(t.Context(), base+"/"); err != nil {
			t.Fatal(err)
		}
	}
}
