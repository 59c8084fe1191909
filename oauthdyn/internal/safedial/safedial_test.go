// SPDX-License-Identifier: Apache-2.0

package safedial

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
)

// public makes every configured name a public one.
func public(context.Context, string) ([]netip.Addr, error) {
	return []netip.Addr{netip.MustParseAddr("93.184.216.34")}, nil
}

func TestS70Public(t *testing.T) {
	for text := range strings.FieldsSeq("93.184.216.34 8.8.8.8 2606:2800:220:1::1 100.63.255.255 172.32.0.1 64:ff9b::808:808") {
		if !Public(netip.MustParseAddr(text)) {
			t.Errorf("%s is taken for a special address", text)
		}
	}
	for text := range strings.FieldsSeq(`0.0.0.0 10.1.2.3 100.64.0.1 127.0.0.1 127.255.255.254 169.254.169.254 172.16.0.1 192.168.1.1
		198.18.0.1 224.0.0.1 255.255.255.255 168.63.129.16 ::1 :: fe80::1 fc00::1 fd12::1 ff02::1 64:ff9b::a00:1 2002:a00:1:: 2001::1
		::ffff:10.0.0.1 2001:db8::1`) {
		if Public(netip.MustParseAddr(text)) {
			t.Errorf("%s is taken for a public address", text)
		}
	}
}

func TestC27AddressesThatPeersName(t *testing.T) {
	inside := func(context.Context, string) ([]netip.Addr, error) {
		return []netip.Addr{netip.MustParseAddr("10.0.0.7")}, nil
	}
	nowhere := func(context.Context, string) ([]netip.Addr, error) { return nil, errors.New("no such host") }
	for _, test := range []struct {
		name, address string
		lookup        func(context.Context, string) ([]netip.Addr, error)
		ok            bool
	}{
		{"public", "93.184.216.34:443", public, true},
		{"loopback", "127.0.0.1:443", public, false},
		{"loopback in IPv6", "[::1]:443", public, false},
		{"mapped", "[::ffff:127.0.0.1]:443", public, false},
		{"private", "10.0.0.8:443", public, false},
		{"unique local", "[fd00::1]:443", public, false},
		{"cloud metadata", "169.254.169.254:80", public, false},
		{"zone", "[fe80::1%eth0]:443", public, false},
		{"private, from inside", "10.0.0.8:443", inside, true},
		{"loopback, from inside", "127.0.0.1:443", inside, true},
		{"cloud metadata, from inside", "169.254.169.254:80", inside, false},
		{"unspecified, from inside", "0.0.0.0:443", inside, false},
		{"private, from nowhere", "10.0.0.8:443", nowhere, false},
	} {
		d := New("mcp.example")
		d.lookup = test.lookup
		if err := d.check(t.Context(), test.address); (err == nil) != test.ok {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

// No connection is made, not even one that is closed at once, and redirects are
// no way around.
func TestC27NoConnection(t *testing.T) {
	var connections atomic.Int32
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	s.Start()
	defer s.Close()
	get := func(d *Dialer, address string) error {
		h := &http.Client{Transport: d.Transport(http.DefaultTransport.(*http.Transport))}
		resp, err := h.Get(address)
		if err == nil {
			_ = resp.Body.Close()
		}
		return err
	}
	d := New("mcp.example")
	d.lookup = public
	named := strings.Replace(s.URL, "127.0.0.1", "localhost", 1)
	for _, address := range []string{s.URL, named} {
		if err := get(d, address); err == nil || !strings.Contains(err.Error(), "not public") || connections.Load() != 0 {
			t.Errorf("%s: %v after %d connections", address, err, connections.Load())
		}
	}
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	if err := get(New("LocalHost"), named); err != nil {
		t.Errorf("configured in another case: %v", err)
	}
	connections.Store(0)
	if err := get(New(u.Hostname()), s.URL); err != nil || connections.Load() != 1 {
		t.Errorf("configured: %v after %d connections", err, connections.Load())
	}
}

func TestProxyOfTheUserIsTrusted(t *testing.T) {
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(r.URL.String()))
	}))
	defer proxy.Close()
	at, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	d := New("mcp.example")
	d.lookup = public
	h := &http.Client{Transport: d.Transport(&http.Transport{Proxy: http.ProxyURL(at)})}
	resp, err := h.Get("http://as.example/x")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
}
