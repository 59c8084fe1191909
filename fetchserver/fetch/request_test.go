// SPDX-License-Identifier: Apache-2.0

package fetch_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/fetch"
)

// hops is an origin that notes what it gets. /STATUS redirects to the query.
type hops struct {
	mu   sync.Mutex
	seen []string
}

func (h *hops) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	h.mu.Lock()
	h.seen = append(h.seen, strings.TrimSpace(fmt.Sprintf("%s %s %s %s", r.Method, r.URL.Path, body, r.Header.Get("Content-Type"))))
	h.mu.Unlock()
	status := 0
	if fmt.Sscanf(r.URL.Path, "/%d", &status); status != 0 {
		w.Header().Set("Location", r.URL.Query().Get("u"))
		w.WriteHeader(status)
	}
}

func (h *hops) take() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	seen := strings.Join(h.seen, "; ")
	h.seen = nil
	return seen
}

func TestMethods(t *testing.T) {
	h, other := &hops{}, &hops{}
	base, addr := origin(t, h.ServeHTTP)
	otherBase, otherAddr := origin(t, other.ServeHTTP)
	c := client(t, fetch.Options{}, addr, otherAddr)
	for _, test := range []struct {
		method       string
		status       int
		first, after string // what the origin sees after a redirect within it
		cross        string // what another origin sees; "refused" if it is not followed
	}{
		{"GET", 301, "GET /301", "GET /end", "GET /end"},
		{"GET", 308, "GET /308", "GET /end", "GET /end"},
		{"HEAD", 303, "HEAD /303", "HEAD /end", "HEAD /end"},
		{"HEAD", 307, "HEAD /307", "HEAD /end", "HEAD /end"},
		{"POST", 301, "POST /301 body a/b", "GET /end", "GET /end"},
		{"POST", 302, "POST /302 body a/b", "GET /end", "GET /end"},
		{"POST", 303, "POST /303 body a/b", "GET /end", "GET /end"},
		{"POST", 307, "POST /307 body a/b", "POST /end body a/b", "refused"},
		{"POST", 308, "POST /308 body a/b", "POST /end body a/b", "refused"},
		{"PUT", 302, "PUT /302 body a/b", "GET /end", "GET /end"},
		{"PUT", 308, "PUT /308 body a/b", "PUT /end body a/b", "refused"},
		{"DELETE", 307, "DELETE /307 body a/b", "DELETE /end body a/b", "refused"},
	} {
		r := &fetch.Request{Method: test.method}
		if strings.HasSuffix(test.first, "a/b") {
			r.Body, r.Header = []byte("body"), http.Header{"Content-Type": {"a/b"}}
		}
		r.URL = fmt.Sprintf("%s/%d?u=/end", base, test.status)
		if _, err := c.Do(t.Context(), r); err != nil {
			t.Errorf("%s %d: %v", test.method, test.status, err)
		}
		if got, want := h.take(), test.first+"; "+test.after; got != want {
			t.Errorf("%s %d: the origin got %q, want %q", test.method, test.status, got, want)
		}
		r.URL = fmt.Sprintf("%s/%d?u=%s", base, test.status, url.QueryEscape(otherBase+"/end"))
		_, err := c.Do(t.Context(), r)
		if got := other.take(); test.cross == "refused" {
			wantCode(t, err, fetch.CodeRedirect)
			if got != "" {
				t.Errorf("%s %d: another origin got %q", test.method, test.status, got)
			}
		} else if err != nil || got != test.cross {
			t.Errorf("%s %d: another origin got %q, want %q; %v", test.method, test.status, got, test.cross, err)
		}
		h.take()
	}
}

func TestRequestRefused(t *testing.T) {
	h := &hops{}
	base, addr := origin(t, h.ServeHTTP)
	c := client(t, fetch.Options{MaxRequestBytes: 10, AllowHeaders: []string{"X-Api-Key", "Cookie", "Host"}}, addr)
	for _, test := range []struct {
		r    fetch.Request
		want fetch.Code
	}{
		{fetch.Request{Method: "CONNECT"}, fetch.CodeRequest},
		{fetch.Request{Method: "TRACE"}, fetch.CodeRequest},
		{fetch.Request{Method: "get"}, fetch.CodeRequest},
		{fetch.Request{Method: "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET"}, fetch.CodeRequest},
		{fetch.Request{Body: []byte("x")}, fetch.CodeRequest},
		{fetch.Request{Method: "HEAD", Body: []byte("x")}, fetch.CodeRequest},
		{fetch.Request{Method: "POST", Body: make([]byte, 11)}, fetch.CodeRequest},
		{fetch.Request{Header: http.Header{"X-Other": {"x"}}}, fetch.CodeHeader},
		{fetch.Request{Header: http.Header{"Content-Type": {"a/b"}}}, fetch.CodeHeader}, // of nothing
		{fetch.Request{Header: http.Header{"Cookie": {"x"}}}, fetch.CodeHeader},         // although allowed
		{fetch.Request{Header: http.Header{"Host": {"x"}}}, fetch.CodeHeader},
		{fetch.Request{Header: http.Header{"X-Api-Key": {"a\r\nHost: b"}}}, fetch.CodeHeader},
		{fetch.Request{Header: http.Header{"X Api": {"a"}}}, fetch.CodeHeader},
		{fetch.Request{Header: http.Header{"": {"a"}}}, fetch.CodeHeader},
		{fetch.Request{Method: "POST", Body: make([]byte, 10), Header: http.Header{"x-api-KEY": {"k"}, "accept": {"a/b"}}}, ""},
	} {
		test.r.URL = base + "/"
		if _, err := c.Do(t.Context(), &test.r); codeOf(err) != test.want {
			t.Errorf("%+v: %v, want code %q", test.r, err, test.want)
		}
		if seen := h.take(); (seen == "") != (test.want != "") {
			t.Errorf("%+v: the origin got %q", test.r, seen)
		}
	}
}

func TestCheckHeaderName(t *testing.T) {
	for _, name := range []string{
		"host", "Cookie", "Authorization", "proxy-authorization", "Proxy-Connection", "Forwarded", "X-Forwarded-Host", "X-Real-IP", "Origin",
		"Metadata-Flavor", "Metadata", "X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "X-Metadata-Token", "Connection", "Transfer-Encoding", "Upgrade", "TE",
		"Sec-Fetch-Site", "X-HTTP-Method-Override", "X-Original-URL", "Content-Length", "User-Agent", "a b", "a:b", "",
	} {
		if fetch.CheckHeaderName(name) == nil {
			t.Errorf("%q can be allowed", name)
		}
	}
	for _, name := range []string{"Accept", "X-Api-Key", "Referer", "Range", "If-Match"} {
		if err := fetch.CheckHeaderName(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Once a redirect leaves the origin, the caller's fields are gone, also when
// the next one comes back; conditional fields are about the first URL only.
func TestHeaderIsNotRestored(t *testing.T) {
	var seen []string
	var base, other string
	note := func(r *http.Request) {
		seen = append(seen, r.URL.Path+" "+r.Header.Get("X-Api-Key")+" "+r.Header.Get("If-None-Match"))
	}
	other, otherAddr := origin(t, func(w http.ResponseWriter, r *http.Request) {
		note(r)
		http.Redirect(w, r, base+"/back", http.StatusFound)
	})
	base, addr := origin(t, func(w http.ResponseWriter, r *http.Request) {
		note(r)
		switch r.URL.Path {
		case "/1":
			http.Redirect(w, r, "/2", http.StatusFound)
		case "/2":
			http.Redirect(w, r, other+"/other", http.StatusTemporaryRedirect)
		}
	})
	c := client(t, fetch.Options{AllowHeaders: []string{"X-Api-Key"}}, addr, otherAddr)
	header := http.Header{"X-Api-Key": {"k"}, "If-None-Match": {`"e"`}}
	if _, err := c.Do(t.Context(), &fetch.Request{URL: base + "/1", Header: header}); err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(seen, "; "), `/1 k "e"; /2 k ; /other  ; /back  `; got != want {
		t.Errorf("fields at the hops = %q, want %q", got, want)
	}
	if len(header) != 2 {
		t.Errorf("the caller's header became %v", header)
	}
}

// A POST is sent once, whatever happens to the connection.
func TestNoRetryOfPOST(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var requests atomic.Int32
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer conn.Close()
				b := make([]byte, 4096)
				for range 2 { // answer once on a connection, then break it
					n, _ := conn.Read(b)
					if n == 0 {
						return
					}
					if strings.HasPrefix(string(b[:n]), "POST") {
						requests.Add(1)
						return
					}
					io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
				}
			})
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	c := client(t, fetch.Options{}, netip.MustParseAddrPort(l.Addr().String()))
	t.Cleanup(c.Close) // before the wait above
	for _, body := range []string{"body", ""} {
		if _, err := c.Get(t.Context(), "http://"+l.Addr().String()); err != nil { // leaves a connection to be used again
			t.Fatal(err)
		}
		requests.Store(0)
		_, err = c.Do(t.Context(), &fetch.Request{URL: "http://" + l.Addr().String(), Method: "POST", Body: []byte(body)})
		wantCode(t, err, fetch.CodeConnect)
		if got := requests.Load(); got != 1 {
			t.Errorf("the request with body %q was sent %d times", body, got)
		}
	}
}

func TestLocations(t *testing.T) {
	var canarySeen atomic.Int32
	base, addr := origin(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/to":
			for _, location := range r.URL.Query()["u"] {
				w.Header().Add("Location", strings.ReplaceAll(location, "LONG", strings.Repeat("a", 9000)))
			}
			w.WriteHeader(http.StatusFound)
		case "/not":
			canarySeen.Add(1)
		default:
			fmt.Fprint(w, r.RequestURI)
		}
	})
	c := client(t, fetch.Options{}, addr)
	host := strings.TrimPrefix(base, "http:")
	for _, test := range []struct {
		locations []string
		want      string // the request target, or the code of the error
	}{
		{[]string{"/a"}, "/a"},
		{[]string{"b?x#y"}, "/b?x"},
		{[]string{"?x"}, "loop"},
		{[]string{host + "/a"}, "/a"},
		{[]string{"  /a\t"}, "/a"},
		{[]string{"/käse und brot?q=ö ü"}, "/k%C3%A4se%20und%20brot?q=%C3%B6%20%C3%BC"},
		{[]string{"/a%2Fb/ü"}, "/a%2Fb/%C3%BC"},
		{[]string{"/latin\xE9"}, "/latin%E9"},
		{[]string{"/a/../../b/./c"}, "/b/c"},
		{[]string{"/a", "/a"}, "/a"},
		{[]string{"/a", "/not"}, "redirect"},
		{[]string{"http:///not"}, "redirect"},
		{[]string{"http:\\\\127.0.0.1\\"}, "redirect"},
		{[]string{"\\\\127.0.0.1\\not"}, "redirect"},
		{[]string{"/\\127.0.0.1/not"}, "redirect"},
		{[]string{"//[::1/not"}, "redirect"},
		{[]string{"javascript:alert(1)"}, "redirect"},
		{[]string{"//user@" + strings.TrimPrefix(host, "//") + "/not"}, "redirect"},
		{[]string{"//127.0.0.1:1/not"}, "port_refused"},
		{[]string{"//169.254.169.254/not"}, "address_refused"},
		{[]string{"/LONG"}, "redirect"},
	} {
		resp, err := c.Get(t.Context(), base+"/to?"+url.Values{"u": test.locations}.Encode())
		got := string(codeOf(err))
		if err == nil {
			got = string(resp.Body)
		}
		if test.want == "loop" {
			if err != nil || resp.Status != http.StatusFound {
				t.Errorf("a redirect to a page without Location: %v, %v", resp, err)
			}
			continue
		}
		if got != test.want {
			t.Errorf("Location %q: %q, %v; want %q", test.locations, got, err, test.want)
		}
	}
	if canarySeen.Load() != 0 {
		t.Error("a target was reached that should not")
	}
}

func TestRedirectsInACircle(t *testing.T) {
	var n atomic.Int32
	base, addr := origin(t, func(w http.ResponseWriter, r *http.Request) {
		n.Add(1)
		http.Redirect(w, r, map[string]string{"/a": "/b", "/b": "/a"}[r.URL.Path], http.StatusFound)
	})
	_, err := client(t, fetch.Options{}, addr).Get(t.Context(), base+"/a")
	wantCode(t, err, fetch.CodeRedirect)
	if n.Load() != 2 {
		t.Errorf("%d requests, want 2", n.Load())
	}
	// A page that answers a POST by sending the reader to itself is none.
	base, addr = origin(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			http.Redirect(w, r, r.URL.Path, http.StatusSeeOther)
		}
	})
	if _, err := client(t, fetch.Options{}, addr).Do(t.Context(), &fetch.Request{URL: base + "/form", Method: "POST"}); err != nil {
		t.Error(err)
	}
}
