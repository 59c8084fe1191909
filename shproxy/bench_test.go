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

const benchFrame = `{"jsonrpc":"2.0","id":17,"method":"tools/call","params":{"name":"echo","arguments":{"text":"The quick brown fox jumps over the lazy dog"}}}`

// BenchmarkCall measures calls through the proxy to a real process beside a
// bare handler that answers the same bytes. The clients are raw sockets, so
// that they cost little; cpu-us/op is the CPU time of this process, clients
// included, child excluded.
func BenchmarkCall(b *testing.B) {
	proxy, err := New(testServer(testserver.Fast), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer proxy.Shutdown(context.Background())
	proxy.patience = time.Hour // a busy machine changes no reply
	bare := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(body)
	})
	for _, bench := range []struct {
		name    string
		handler http.Handler
	}{{"nethttp", bare}, {"proxy", proxy}} {
		server := httptest.NewServer(bench.handler)
		defer server.Close()
		session := ""
		if bench.handler == http.Handler(proxy) {
			session = benchSession(b, server.URL)
		}
		request := fmt.Sprintf("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\nMcp-Session-Id: %s\r\nMcp-Protocol-Version: 2025-11-25\r\nContent-Length: %d\r\n\r\n%s", session, len(benchFrame), benchFrame)
		for _, clients := range []int{1, 32} {
			b.Run(fmt.Sprintf("%s/%d", bench.name, clients), func(b *testing.B) {
				benchClients(b, server.Listener.Addr().String(), []byte(request), clients)
			})
		}
	}
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
