// SPDX-License-Identifier: Apache-2.0

package fetch_test

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/fetch"
)

func ExampleClient() {
	client := fetch.New(nil)
	defer client.Close()
	_, err := client.Get(context.Background(), "http://169.254.169.254/latest/meta-data/")
	if e, ok := errors.AsType[*fetch.Error](err); ok {
		fmt.Println(e.Code)
	}
	fmt.Println(err)
	// Output:
	// address_refused
	// fetch: the host leads to 169.254.169.254, which is not an address of the public Internet
}

func ExampleParseDomain() {
	below, err := fetch.ParseDomain("*.Bücher.example")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(below, below.Matches("www.bücher.example"), below.Matches("bücher.example"))
	// Output: *.xn--bcher-kva.example true false
}

func ExampleWithTrace() {
	client := fetch.New(nil)
	defer client.Close()
	ctx := fetch.WithTrace(context.Background(), func(e fetch.Event) {
		fmt.Println(e.Stage+":", e.Err)
	})
	_, _ = client.Get(ctx, "http://2130706433/admin")
	// Output: url: fetch: the host leads to 127.0.0.1, which is not an address of the public Internet
}

func ExampleProxyURL() {
	proxy, err := fetch.ProxyURL("http://proxy.example:3128")
	if err != nil {
		fmt.Println(err)
		return
	}
	client := fetch.New(&fetch.Options{Proxy: proxy, ProxyTarget: fetch.ProxyAddress})
	defer client.Close()
	fmt.Println(client.CheckURL("http://169.254.169.254/")) // judged before the proxy hears of it
	// Output: fetch: the host leads to 169.254.169.254, which is not an address of the public Internet
}

// The server of this example is private; a program names such exceptions.
func ExampleClient_Do() {
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Println("the origin is asked as", r.UserAgent())
		w.Header().Set("Content-Type", "text/plain; charset=iso-8859-1")
		_, _ = w.Write([]byte("Gr\xfc\xdfe"))
	}))
	defer origin.Close()
	client := fetch.New(&fetch.Options{
		AllowEndpoints: []netip.AddrPort{netip.MustParseAddrPort(origin.Listener.Addr().String())},
		UserAgent:      "examplebot/1.0",
		MaxBytes:       1 << 20,
	})
	defer client.Close()

	page, err := client.Do(context.Background(), &fetch.Request{URL: origin.URL + "/greeting", Header: http.Header{"Accept": {"text/*"}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(page.Status, page.MediaType(), fetch.LooksBinary(page.Body))
	// Output:
	// the origin is asked as examplebot/1.0
	// 200 text/plain false
}

func ExampleIsPublic() {
	for _, text := range []string{"8.8.8.8", "10.0.0.1", "::ffff:127.0.0.1", "64:ff9b::a9fe:a9fe"} {
		fmt.Println(text, fetch.IsPublic(netip.MustParseAddr(text)))
	}
	// Output:
	// 8.8.8.8 true
	// 10.0.0.1 false
	// ::ffff:127.0.0.1 false
	// 64:ff9b::a9fe:a9fe false
}

func ExampleCheckHeaderName() {
	for _, name := range []string{"Accept-Language", "X-Api-Version", "Cookie", "X-Forwarded-For", "Metadata-Flavor"} {
		fmt.Println(name, fetch.CheckHeaderName(name) == nil)
	}
	// Output:
	// Accept-Language true
	// X-Api-Version true
	// Cookie false
	// X-Forwarded-For false
	// Metadata-Flavor false
}

// A network that inspects TLS has an authority of its own.
func ExampleRootsWith() {
	origin := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") }))
	defer origin.Close()
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: origin.Certificate().Raw})

	roots, err := fetch.RootsWith(authority)
	if err != nil {
		fmt.Println(err)
		return
	}
	client := fetch.New(&fetch.Options{
		TLSClientConfig: &tls.Config{RootCAs: roots},
		AllowEndpoints:  []netip.AddrPort{netip.MustParseAddrPort(origin.Listener.Addr().String())},
	})
	defer client.Close()
	page, err := client.Get(context.Background(), origin.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s\n", page.Body)
	// Output: hello
}

// Programs around a client report to the same trace.
func ExampleTrace() {
	ctx := fetch.WithTrace(context.Background(), func(e fetch.Event) { fmt.Println(e.Stage, e.Detail) })
	if fetch.Traced(ctx) {
		fetch.Trace(ctx, fetch.Event{Stage: "robots", Detail: "allowed by line 2"})
	}
	// Output: robots allowed by line 2
}
