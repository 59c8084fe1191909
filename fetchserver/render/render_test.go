// SPDX-License-Identifier: Apache-2.0

package render_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/fetch"
	"github.com/atrawog/mcp-oauth-gateway/fetchserver/render"
)

func chromium(t testing.TB) string {
	t.Helper()
	path, err := render.Find(os.Getenv("CHROMIUM"))
	if err != nil {
		if os.Getenv("REQUIRE_ALL") == "1" {
			t.Fatalf("%v, or its path in CHROMIUM; and REQUIRE_ALL=1", err)
		}
		t.Skipf("%v, or its path in CHROMIUM", err)
	}
	return path
}

func newBrowser(t *testing.T, o render.Options, allowed ...netip.AddrPort) *render.Browser {
	t.Helper()
	o.Path = chromium(t)
	o.NoSandbox = os.Geteuid() == 0
	o.Client = fetch.New(&fetch.Options{AllowEndpoints: allowed})
	b, err := render.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close(); o.Client.Close() })
	return b
}

func origin(t *testing.T, h http.HandlerFunc) (string, netip.AddrPort) {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL, netip.MustParseAddrPort(s.Listener.Addr().String())
}

func TestLab(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]int{}
	base, addr := origin(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock(); seen[r.URL.Path]++; mu.Unlock()
		switch r.URL.Path {
		case "/":
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			fmt.Fprint(w, `<!DOCTYPE html><title>t</title><div id=app></div><img src=/x.png><script>fetch("/data").then(r=>r.text()).then(t=>{document.getElementById("app").innerHTML="<p>"+t+"</p>"})</script>`)
		case "/data":
			fmt.Fprint(w, "loaded by script ", r.UserAgent())
		}
	})
	b := newBrowser(t, render.Options{Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))}, addr)
	for range 4 {
		begin := time.Now()
		ctx := fetch.WithTrace(context.Background(), func(e fetch.Event) { t.Log(e.Stage, e.URL, e.Detail, e.Err) })
		resp, err := b.Render(ctx, &fetch.Request{URL: base + "/?secret=1"})
		t.Log(time.Since(begin), err)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(resp.Body), "loaded by script") {
			t.Error(string(resp.Body))
		}
		t.Log(resp.Status, resp.Header, resp.URL, string(resp.Body))
	}
	begin := time.Now()
	b.Close()
	t.Log("close", time.Since(begin), seen)
}
