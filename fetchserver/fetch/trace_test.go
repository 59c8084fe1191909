// SPDX-License-Identifier: Apache-2.0

package fetch_test

import (
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/fetch"
)

func TestTracesAreCalledInOrder(t *testing.T) {
	var got []string
	ctx := fetch.WithTrace(t.Context(), func(e fetch.Event) { got = append(got, "outer "+e.Detail) })
	ctx = fetch.WithTrace(ctx, func(e fetch.Event) { got = append(got, "inner "+e.Detail) })
	if fetch.Traced(t.Context()) || !fetch.Traced(ctx) {
		t.Error("Traced does not tell whether there is a trace")
	}
	fetch.Trace(t.Context(), fetch.Event{Detail: "unheard"})
	fetch.Trace(ctx, fetch.Event{Detail: "heard"})
	if want := []string{"outer heard", "inner heard"}; !slices.Equal(got, want) {
		t.Errorf("events %q, want %q", got, want)
	}
}

// lines collects events, one a line.
func lines(ctx context.Context) (context.Context, *[]string) {
	var got []string
	return fetch.WithTrace(ctx, func(e fetch.Event) {
		line := e.Stage + ": " + e.Detail
		if e.Err != nil {
			line += " [" + e.Err.Error() + "]"
		}
		got = append(got, line+" "+e.URL)
	}), &got
}

func TestTraceOfAFetch(t *testing.T) {
	_, addr := origin(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			http.Redirect(w, r, "/page?token=s3cret", http.StatusFound)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=windows-1251")
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		fmt.Fprint(z, strings.Repeat("\xCF\xF0\xE8\xE2\xE5\xF2 ", 100))
		z.Close()
	})
	resolver := nameServer(t, func(string, int) []netip.Addr {
		return []netip.Addr{netip.MustParseAddr("127.0.0.9"), addr.Addr()}
	})
	ctx, got := lines(t.Context())
	u := fmt.Sprintf("http://page.example:%d/?token=s3cret#s3cret", addr.Port())
	if _, err := client(t, fetch.Options{Resolver: resolver}, addr).Get(ctx, u); err != nil {
		t.Fatal(err)
	}
	text := strings.Join(*got, "\n")
	text = strings.ReplaceAll(text, fmt.Sprint(addr.Port()), "PORT")
	for _, want := range []string{
		"url: may be fetched, as far as the URL tells http://page.example:PORT/\n",
		"\nrequest: GET, accepts text/markdown,",
		"\ndns: page.example has 127.0.0.9, 127.0.0.1 ",
		"\ndial: 127.0.0.9:PORT is refused [fetch: the host leads to 127.0.0.9, which is not an address of the public Internet] ",
		"\ndial: 127.0.0.1:PORT may be connected to ",
		"\nresponse: status 302, HTTP/1.1",
		"\nredirect: status 302 to http://page.example:PORT/page with GET http://page.example:PORT/\n",
		"\nresponse: status 200, HTTP/1.1, content-type \"text/html; charset=windows-1251\", content-encoding \"gzip\"",
		" bytes received, 700 decoded, text/html ",
		"\ncharset: windows-1251, by the Content-Type field ",
	} {
		i := strings.Index(text, want)
		if i < 0 {
			t.Fatalf("after what was found, %q is missing in\n%s", want, strings.Join(*got, "\n"))
		}
		text = text[i+len(want)-1:]
	}
	if all := strings.Join(*got, "\n"); strings.Contains(all, "s3cret") {
		t.Errorf("the trace shows a query:\n%s", all)
	}
}

func TestTraceOfRefusals(t *testing.T) {
	for u, want := range map[string]string{
		"http://10.0.0.1/":              "url: the request is refused [fetch: the host leads to 10.0.0.1, ",
		"http://user:s3cret@a.example/": "url: the request is refused [fetch: the URL contains a user name",
		"http://nothing.example/":       "dns: nothing.example has no address [lookup nothing.example",
	} {
		ctx, got := lines(t.Context())
		resolver := nameServer(t, func(string, int) []netip.Addr { return nil })
		if _, err := client(t, fetch.Options{Resolver: resolver}).Get(ctx, u); err == nil {
			t.Errorf("%s was fetched", u)
		}
		if all := strings.Join(*got, "\n"); !strings.Contains(all, want) || strings.Contains(all, "s3cret") {
			t.Errorf("%s: no %q in\n%s", u, want, all)
		}
	}
}

// A connection that is still being opened when the fetch is over says nothing
// any more.
func TestTraceEndsWithTheFetch(t *testing.T) {
	started, stopped := make(chan struct{}), make(chan struct{})
	resolver := nameServer(t, func(string, int) []netip.Addr {
		close(started)
		<-stopped
		return []netip.Addr{netip.MustParseAddr("10.0.0.1")}
	})
	var mu sync.Mutex
	var over bool
	ctx := fetch.WithTrace(t.Context(), func(e fetch.Event) {
		mu.Lock()
		defer mu.Unlock()
		if over {
			t.Errorf("late: %+v", e)
		}
	})
	ctx, cancel := context.WithCancel(ctx)
	go func() { <-started; cancel() }()
	_, err := client(t, fetch.Options{Resolver: resolver}).Get(ctx, "http://slow.example/")
	wantCode(t, err, fetch.CodeCancelled)
	mu.Lock()
	over = true
	mu.Unlock()
	close(stopped)
}

func TestTLS(t *testing.T) {
	start := func(config *tls.Config) *httptest.Server {
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Proto) }))
		s.EnableHTTP2, s.TLS = true, config
		s.StartTLS()
		t.Cleanup(s.Close)
		return s
	}
	modern, old := start(nil), start(&tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
	roots, err := fetch.RootsWith(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: modern.Certificate().Raw}))
	if err != nil {
		t.Fatal(err)
	}
	c := client(t, fetch.Options{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS10}},
		netip.MustParseAddrPort(modern.Listener.Addr().String()), netip.MustParseAddrPort(old.Listener.Addr().String()))
	if resp, err := c.Get(t.Context(), modern.URL); err != nil || string(resp.Body) != "HTTP/2.0" {
		t.Errorf("%v, %v; want HTTP/2", resp, err)
	}
	_, err = c.Get(t.Context(), old.URL)
	wantCode(t, err, fetch.CodeTLS)
	if _, err := fetch.RootsWith([]byte("-----BEGIN NONSENSE-----")); err == nil {
		t.Error("a file without a certificate was accepted")
	}
	if system, err := x509.SystemCertPool(); err == nil && roots.Equal(system) {
		t.Error("the certificate was not added")
	}
}

// A handshake tells who the other side is, and why it is not believed.
func TestTraceOfTLS(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // of the handshake that fails
	s.StartTLS()
	t.Cleanup(s.Close)
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	for _, test := range []struct {
		roots *x509.CertPool
		want  string
	}{
		{roots, `tls: TLS 1.3, certificate of "example.com" and 1 more by "Acme Co" until 2084-01-29`},
		{x509.NewCertPool(), "certificate signed by unknown authority"},
	} {
		c := fetch.New(&fetch.Options{
			AllowEndpoints:  []netip.AddrPort{netip.MustParseAddrPort(s.Listener.Addr().String())},
			TLSClientConfig: &tls.Config{RootCAs: test.roots},
		})
		ctx, got := lines(t.Context())
		_, _ = c.Get(ctx, s.URL)
		c.Close()
		if text := strings.Join(*got, "\n"); !strings.Contains(text, "tls: ") || !strings.Contains(text, test.want) {
			t.Errorf("%s lacks %s", text, test.want)
		}
	}
}
