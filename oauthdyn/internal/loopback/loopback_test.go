// SPDX-License-Identifier: Apache-2.0

package loopback

import (
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

func listen(t *testing.T) *Listener {
	t.Helper()
	l, err := Listen(0, "/callback/xyz")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

func do(t *testing.T, method, target string, change func(*http.Request)) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(req)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func TestS113Refuses(t *testing.T) {
	l := listen(t)
	u, _ := url.Parse(l.URL())
	tests := []struct {
		name   string
		method string
		target string
		change func(*http.Request)
		status int
	}{
		{"other path", "GET", "http://" + u.Host + "/", nil, 404},
		{"path below", "GET", l.URL() + "/x?code=1", nil, 404},
		{"favicon", "GET", "http://" + u.Host + "/favicon.ico", nil, 404},
		{"rebound name", "GET", l.URL() + "?code=1", func(r *http.Request) { r.Host = "evil.example:" + u.Port() }, 421},
		{"localhost", "GET", l.URL() + "?code=1", func(r *http.Request) { r.Host = "localhost:" + u.Port() }, 421},
		{"no port", "GET", l.URL() + "?code=1", func(r *http.Request) { r.Host = "127.0.0.1" }, 421},
		{"POST", "POST", l.URL() + "?code=1", nil, 405},
		{"HEAD", "HEAD", l.URL() + "?code=1", nil, 405},
		{"script", "GET", l.URL() + "?code=1", func(r *http.Request) { r.Header.Set("Sec-Fetch-Mode", "no-cors") }, 403},
	}
	for _, tt := range tests {
		resp, _ := do(t, tt.method, tt.target, tt.change)
		if resp.StatusCode != tt.status {
			t.Errorf("%s: status %d, want %d", tt.name, resp.StatusCode, tt.status)
		}
	}
	select {
	case q := <-l.Answer():
		t.Errorf("a refused request was taken for the answer: %v", q)
	default:
	}
}

func TestLocalhost(t *testing.T) {
	l := listen(t)
	u, _ := url.Parse(l.URL())
	l.UseLocalhost()
	if want := "http://localhost:" + u.Port() + "/callback/xyz"; l.URL() != want {
		t.Errorf("URL %s, want %s", l.URL(), want)
	}
	numeric := "http://127.0.0.1:" + u.Port() + "/callback/xyz?code=1"
	if resp, _ := do(t, "GET", numeric, nil); resp.StatusCode != 421 {
		t.Errorf("numeric host: status %d", resp.StatusCode)
	}
	named := func(r *http.Request) { r.Host = "localhost:" + u.Port() }
	if resp, _ := do(t, "GET", numeric, named); resp.StatusCode != 200 {
		t.Errorf("localhost: status %d", resp.StatusCode)
	}
}

func TestS113OneUse(t *testing.T) {
	l := listen(t)
	var ok, gone atomic.Int64
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			resp, err := http.Get(l.URL() + "?code=c1&state=s")
			if err != nil {
				t.Error(err)
				return
			}
			_ = resp.Body.Close()
			switch resp.StatusCode {
			case http.StatusOK:
				ok.Add(1)
			case http.StatusGone:
				gone.Add(1)
			}
		})
	}
	all.Wait()
	if ok.Load() != 1 || gone.Load() != 9 {
		t.Errorf("%d requests accepted, %d told that the address is used up", ok.Load(), gone.Load())
	}
	if q := <-l.Answer(); q.Get("code") != "c1" || q.Get("state") != "s" {
		t.Errorf("answer %v", q)
	}
	select {
	case <-l.Answer():
		t.Error("a second answer")
	default:
	}
}

func TestS113PageIsStatic(t *testing.T) {
	l := listen(t)
	resp, body := do(t, "GET", l.URL()+"?code=HUSH&state=s&error=%3Cscript%3Ealert(1)%3C/script%3E", func(r *http.Request) {
		r.Header.Set("Sec-Fetch-Mode", "navigate")
	})
	if resp.StatusCode != 200 || strings.Contains(body, "HUSH") || strings.Contains(body, "script") {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	for name, want := range map[string]string{
		"Referrer-Policy": "no-referrer", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
		"Content-Type": "text/html; charset=utf-8",
	} {
		if got := resp.Header.Get(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	if csp := resp.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "frame-ancestors 'none'") {
		t.Errorf("policy %q", csp)
	}
}

func TestListensOnLoopbackOnly(t *testing.T) {
	l := listen(t)
	addr := l.ln.Addr().(*net.TCPAddr)
	if !addr.IP.Equal(net.IPv4(127, 0, 0, 1)) {
		t.Errorf("listens on %v", addr)
	}
	if _, err := Listen(addr.Port, "/"); err == nil {
		t.Error("a port that is taken was opened")
	}
}

func TestClose(t *testing.T) {
	l := listen(t)
	l.Close()
	l.Close()
	if _, err := http.Get(l.URL()); err == nil {
		t.Error("still answers")
	}
	// A connection that says nothing does not hold it up for long.
	l = listen(t)
	u, _ := url.Parse(l.URL())
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	l.Close()
}

func TestHugeHeader(t *testing.T) {
	l := listen(t)
	resp, _ := do(t, "GET", l.URL()+"?code="+strings.Repeat("x", 2*maxHeaderBytes), nil)
	if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("status %d", resp.StatusCode)
	}
}
