// SPDX-License-Identifier: Apache-2.0

package render_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/fetch"
	"github.com/atrawog/mcp-oauth-gateway/fetchserver/render"
)

func TestMain(m *testing.M) {
	if os.Getenv("RENDER_TEST_MODE") == "parent" {
		os.Exit(runParent())
	}
	code := m.Run()
	shared.Lock()
	for _, end := range shared.ends {
		end()
	}
	shared.Unlock()
	os.Exit(code)
}

// chromium returns the browser to test with.
func chromium(t testing.TB) string {
	t.Helper()
	path, err := render.Find(os.Getenv("CHROMIUM"))
	if err == nil {
		return path
	}
	if os.Getenv("REQUIRE_ALL") == "1" {
		t.Fatalf("REQUIRE_ALL=1 and %v in CHROMIUM", err)
	}
	t.Skipf("%v in CHROMIUM", err)
	return ""
}

// newBrowser makes a browser that may reach these endpoints beside the public
// ones.
func newBrowser(t *testing.T, o render.Options, f fetch.Options) *render.Browser {
	t.Helper()
	b, end := startBrowser(t, o, f)
	t.Cleanup(end)
	return b
}

func startBrowser(t *testing.T, o render.Options, f fetch.Options) (*render.Browser, func()) {
	t.Helper()
	if testing.Short() {
		t.Skip("starting Chromium takes seconds; -short leaves it out")
	}
	o.Path = chromium(t)
	o.NoSandbox = os.Geteuid() == 0
	o.Client = fetch.New(&f)
	if o.Timeout == 0 {
		o.Timeout = time.Minute
	}
	b, err := render.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return b, func() { b.Close(); o.Client.Close() }
}

// shared are browsers that several tests use, and the site that they may reach.
var shared struct {
	sync.Mutex
	calm, restless *render.Browser
	ends           []func()
	handlers       sync.Map // path prefix -> http.HandlerFunc
	site           *httptest.Server
}

func site(t *testing.T) (string, netip.AddrPort) {
	t.Helper()
	if shared.site == nil {
		shared.site = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			prefix, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
			if h, ok := shared.handlers.Load(prefix); ok {
				h.(http.HandlerFunc)(w, r)
				return
			}
			http.NotFound(w, r)
		}))
		shared.ends = append(shared.ends, shared.site.Close)
	}
	return shared.site.URL, netip.MustParseAddrPort(shared.site.Listener.Addr().String())
}

// calm returns a browser that waits for pages as long as they need, and a URL
// below which h answers; restless one that does not.
func calm(t *testing.T, h http.HandlerFunc) (*render.Browser, string) {
	t.Helper()
	return share(t, &shared.calm, render.Options{MaxSettle: 40 * time.Second, Settle: 100 * time.Millisecond, MaxHTML: 1 << 20, MaxMemory: 300 << 20}, h)
}

func restless(t *testing.T, h http.HandlerFunc) (*render.Browser, string) {
	t.Helper()
	return share(t, &shared.restless, render.Options{MaxPages: 4, MaxSettle: 500 * time.Millisecond, Settle: 100 * time.Millisecond, MaxRequests: 50, MaxBytes: 4 << 20}, h)
}

func share(t *testing.T, b **render.Browser, o render.Options, h http.HandlerFunc) (*render.Browser, string) {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	base, addr := site(t)
	if *b == nil {
		var end func()
		*b, end = startBrowser(t, o, fetch.Options{AllowEndpoints: []netip.AddrPort{addr}})
		shared.ends = append([]func(){end}, shared.ends...)
	}
	name := strings.ReplaceAll(t.Name(), "/", "-")
	shared.handlers.Store(name, h)
	return *b, base + "/" + name
}

// html answers with a page.
func html(w http.ResponseWriter, page string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprint(w, page)
}

func wantCode(t *testing.T, err error, want fetch.Code) {
	t.Helper()
	if e, ok := errors.AsType[*fetch.Error](err); !ok || e.Code != want {
		t.Errorf("error = %v (%+v), want code %s", err, e, want)
	}
}

// nameServer answers for names; answer gets how often it was asked before.
func nameServer(t *testing.T, answer func(name string, before int) netip.Addr) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { conn.Close(); <-done })
	go func() {
		defer close(done)
		asked := make(map[string]int)
		buf := make([]byte, 1500)
		for {
			n, peer, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			q := m.Questions[0]
			m.Response, m.Additionals = true, nil
			if name := strings.TrimSuffix(q.Name.String(), "."); q.Type == dnsmessage.TypeA {
				if addr := answer(name, asked[name]); addr.IsValid() {
					m.Answers = []dnsmessage.Resource{{
						Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class},
						Body:   &dnsmessage.AResource{A: addr.As4()},
					}}
				}
				asked[name]++
			}
			if reply, err := m.Pack(); err == nil {
				conn.WriteTo(reply, peer)
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}
