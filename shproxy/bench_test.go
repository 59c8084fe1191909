// SPDX-License-Identifier: Apache-2.0

package shproxy

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/testserver"
)

const (
	benchFrame  = `{"jsonrpc":"2.0","id":17,"method":"tools/call","params":{"name":"echo","arguments":{"text":"The quick brown fox jumps over the lazy dog"}}}`
	modernBench = `{"jsonrpc":"2.0","id":17,"method":"tools/call","params":{"name":"echo","arguments":{"text":"The quick brown fox jumps over the lazy dog"},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"bench","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}}}`
)

// BenchmarkCall measures calls through the proxy to a real process beside a
// bare handler that answers the same bytes; the eras of client and server are
// the same, or translated. The clients are raw sockets, so that they cost
// little; cpu-us/op is the CPU time of this process, clients included, child
// excluded.
func BenchmarkCall(b *testing.B) {
	bare := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(body)
	})
	for _, bench := range []struct {
		name    string
		handler http.Handler
		modern  bool // client
	}{
		{"nethttp", bare, false},
		{"proxy", benchProxy(b, EraLegacy), false},
		{"modern", benchProxy(b, EraModern), true},
		{"to-legacy", benchProxy(b, EraLegacy), true},
		{"to-modern", benchProxy(b, EraModern), false},
	} {
		server := httptest.NewServer(bench.handler)
		defer server.Close()
		header, frame := "Mcp-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: echo\r\n", modernBench
		if !bench.modern {
			header, frame = "Mcp-Protocol-Version: 2025-11-25\r\nMcp-Session-Id: "+benchSession(b, server.URL)+"\r\n", benchFrame
		}
		request := fmt.Sprintf("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n%sContent-Length: %d\r\n\r\n%s", header, len(frame), frame)
		for _, clients := range []int{1, 32} {
			b.Run(fmt.Sprintf("%s/%d", bench.name, clients), func(b *testing.B) {
				benchClients(b, server.Listener.Addr().String(), []byte(request), clients)
			})
		}
	}
}

// benchProxy is a proxy in front of a server that is taken to speak an era.
func benchProxy(b *testing.B, era Era) *Proxy {
	server := testServer(testserver.Fast)
	server.Era = era
	proxy, err := New(server, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = proxy.Shutdown(context.Background()) })
	proxy.patience = time.Hour // a busy machine changes no reply
	return proxy
}

func benchSession(b *testing.B, url string) string {
	resp, err := http.Post(url, "application/json", strings.NewReader(probeFrame))
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		b.Fatal(resp.Status)
	}
	return resp.Header.Get(headerSession)
}

func benchClients(b *testing.B, addr string, request []byte, clients int) {
	conns := make([]net.Conn, clients)
	for i := range conns {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			b.Fatal(err)
		}
		defer conn.Close()
		conns[i] = conn
	}
	b.ReportAllocs()
	b.ResetTimer()
	before := cpuTime()
	var wg sync.WaitGroup
	for i, conn := range conns {
		n := b.N / clients
		if i < b.N%clients {
			n++
		}
		wg.Go(func() {
			r := bufio.NewReader(conn)
			for range n {
				if err := benchCall(conn, r, request); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64((cpuTime()-before).Microseconds())/float64(b.N), "cpu-us/op")
}

// benchCall does one call and reads the response without parsing more than
// its length.
func benchCall(conn net.Conn, r *bufio.Reader, request []byte) error {
	if _, err := conn.Write(request); err != nil {
		return err
	}
	length := 0
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) == 2 {
			break
		}
		if name, value, _ := strings.Cut(string(line), ": "); name == "Content-Length" {
			if _, err := fmt.Sscan(value, &length); err != nil {
				return err
			}
		}
	}
	if length == 0 {
		return fmt.Errorf("no length")
	}
	_, err := r.Discard(length)
	return err
}
