// SPDX-License-Identifier: Apache-2.0

package fetch_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/fetch"
)

// nameServer starts a DNS server on loopback and returns a resolver that asks
// it. answer gets the name and the number of A questions so far, from 1.
func nameServer(t *testing.T, answer func(name string, n int) []netip.Addr) *net.Resolver {
	var asked atomic.Int32
	return typedNameServer(t, func(name string, kind dnsmessage.Type) []netip.Addr {
		if kind != dnsmessage.TypeA {
			return nil
		}
		return answer(name, int(asked.Add(1)))
	})
}

// typedNameServer is a nameServer that tells A from AAAA questions. Any
// address may be the answer to an AAAA question.
func typedNameServer(t *testing.T, answer func(name string, kind dnsmessage.Type) []netip.Addr) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { conn.Close(); <-done })
	go func() {
		defer close(done)
		buf := make([]byte, 1500)
		for {
			n, peer, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			if reply := resolve(buf[:n], answer); reply != nil {
				conn.WriteTo(reply, peer)
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

func resolve(query []byte, answer func(string, dnsmessage.Type) []netip.Addr) []byte {
	var m dnsmessage.Message
	if m.Unpack(query) != nil || len(m.Questions) != 1 {
		return nil
	}
	q := m.Questions[0]
	m.Response, m.Additionals = true, nil
	for _, addr := range answer(q.Name.String(), q.Type) {
		r := dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class}}
		if q.Type == dnsmessage.TypeA {
			r.Body = &dnsmessage.AResource{A: addr.As4()}
		} else {
			r.Body = &dnsmessage.AAAAResource{AAAA: addr.As16()}
		}
		m.Answers = append(m.Answers, r)
	}
	reply, err := m.Pack()
	if err != nil {
		return nil
	}
	return reply
}

func TestNameOfPrivateAddress(t *testing.T) {
	var hits atomic.Int32
	_, addr := origin(t, func(http.ResponseWriter, *http.Request) { hits.Add(1) })
	resolver := nameServer(t, func(string, int) []netip.Addr { return []netip.Addr{netip.MustParseAddr("127.0.0.1")} })
	c := client(t, fetch.Options{Resolver: resolver, Ports: []uint16{addr.Port()}})
	_, err := c.Get(t.Context(), fmt.Sprintf("http://innocent.example:%d/", addr.Port()))
	wantCode(t, err, fetch.CodeAddress)
	if hits.Load() != 0 {
		t.Error("the origin was reached")
	}
}

// TestRebinding has a name that leads to an allowed address first and to a
// forbidden one, where something listens, from then on.
func TestRebinding(t *testing.T) {
	var canary atomic.Int32
	good, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	allowed := netip.MustParseAddrPort(good.Addr().String())
	bad, err := net.Listen("tcp", fmt.Sprintf("127.0.0.2:%d", allowed.Port()))
	if err != nil {
		t.Skip("this system has no 127.0.0.2:", err)
	}
	url := fmt.Sprintf("http://rebind.example:%d/", allowed.Port())
	goodServer := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close") // so that the name is resolved again
		if r.URL.Path == "/" {
			http.Redirect(w, r, url+"again", http.StatusFound)
		}
	})}
	badServer := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { canary.Add(1) })}
	go goodServer.Serve(good)
	go badServer.Serve(bad)
	t.Cleanup(func() { goodServer.Close(); badServer.Close() })

	resolver := nameServer(t, func(_ string, n int) []netip.Addr {
		if n == 1 {
			return []netip.Addr{allowed.Addr()}
		}
		return []netip.Addr{netip.MustParseAddr("127.0.0.2")}
	})
	_, err = client(t, fetch.Options{Resolver: resolver}, allowed).Get(t.Context(), url)
	wantCode(t, err, fetch.CodeAddress)
	if canary.Load() != 0 {
		t.Error("the canary was reached")
	}
}

// TestMixedAnswers has a name with a private and an allowed address: only the
// allowed one is ever connected to.
func TestMixedAnswers(t *testing.T) {
	_, addr := origin(t, func(http.ResponseWriter, *http.Request) {})
	resolver := nameServer(t, func(string, int) []netip.Addr {
		return []netip.Addr{netip.MustParseAddr("127.0.0.3"), addr.Addr()}
	})
	resp, err := client(t, fetch.Options{Resolver: resolver}, addr).Get(t.Context(), fmt.Sprintf("http://mixed.example:%d/", addr.Port()))
	if err != nil || resp.Status != http.StatusOK {
		t.Errorf("response %v, error %v", resp, err)
	}
}

func TestNameDoesNotResolve(t *testing.T) {
	resolver := nameServer(t, func(string, int) []netip.Addr { return nil })
	_, err := client(t, fetch.Options{Resolver: resolver}).Get(t.Context(), "http://nothing.example/")
	wantCode(t, err, fetch.CodeDNS)
}
