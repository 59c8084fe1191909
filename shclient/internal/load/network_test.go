// SPDX-License-Identifier: Apache-2.0

package load

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// netServer is a server of the SDK on a real network, with the way to it.
func netServer(t *testing.T, start func(http.Handler) *httptest.Server) (*httptest.Server, *tls.Config) {
	server := toolServer()
	s := start(mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, nil))
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	if s.Certificate() == nil {
		return s, nil
	}
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return s, &tls.Config{RootCAs: roots}
}

var fewCalls = Step{Sessions: 2, Concurrency: 2, Calls: 12, Duration: time.Hour, Timeout: time.Minute}

func TestOverTLS(t *testing.T) {
	s, trust := netServer(t, httptest.NewTLSServer)
	target, err := NewHTTP(HTTP{URL: s.URL + "/mcp", Client: testClient, TLS: trust})
	if err != nil {
		t.Fatal(err)
	}
	if row, _ := measureTarget(t, target, callOf("wait"), fewCalls); row.Succeeded != 12 || row.Failed != 0 {
		t.Errorf("%d calls, failures %+v; want 12, none", row.Succeeded, row.Failures)
	}
}

// Behind a proxy every call goes through it.
func TestThroughAProxy(t *testing.T) {
	s, _ := netServer(t, httptest.NewServer)
	var forwarded atomic.Int64
	proxy := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { forwarded.Add(1) }, // the address is that of the request
		FlushInterval: -1,
	})
	t.Cleanup(proxy.Close)
	address, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	target, err := NewHTTP(HTTP{URL: s.URL + "/mcp", Protocol: Legacy, Client: testClient, Proxy: http.ProxyURL(address)})
	if err != nil {
		t.Fatal(err)
	}
	row, _ := measureTarget(t, target, callOf("wait"), fewCalls)
	if row.Succeeded != 12 || row.Failed != 0 {
		t.Errorf("%d calls, failures %+v; want 12, none", row.Succeeded, row.Failures)
	}
	if n := forwarded.Load(); n < 12 {
		t.Errorf("%d requests went through the proxy, want all", n)
	}
}

// BenchmarkOwnCost is what a call costs at this end and in a server that does
// nothing but answer, on one connection.
func BenchmarkOwnCost(b *testing.B) {
	s := httptest.NewServer(afterOpening(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"jsonrpc":"2.0","id":0,"error":{"code":1,"message":"x"}}`))
	}))
	defer s.Close()
	target, err := NewHTTP(HTTP{URL: s.URL, Protocol: Legacy, Client: testClient})
	if err != nil {
		b.Fatal(err)
	}
	session, err := target.Open(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	defer session.Close()
	lane, err := session.Lane(callOf("x"))
	if err != nil {
		b.Fatal(err)
	}
	defer lane.Close()
	b.ReportAllocs()
	for b.Loop() {
		_, _ = lane.Do(time.Now().Add(time.Minute)) // the answer is an error, which is enough here
	}
}
