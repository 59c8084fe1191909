// SPDX-License-Identifier: Apache-2.0

package shproxy

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http/httptest"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/testserver"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/replica"
)

// BenchmarkReplicas measures a call in a session of the replica that the client
// has reached ("local"), and of another one ("forwarded"): the difference is what
// the hop costs. Both replicas are in this process, so that cpu-us/op has the
// work of both.
func BenchmarkReplicas(b *testing.B) {
	directory := new(replica.Memory)
	start := func() *httptest.Server {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		m, err := replica.New(replica.Options{Directory: directory, Key: bytes.Repeat([]byte("k"), replica.MinKey), Listener: listener})
		if err != nil {
			b.Fatal(err)
		}
		proxy, err := New(testServer(testserver.Fast), &Options{Replicas: m})
		if err != nil {
			b.Fatal(err)
		}
		h := m.Wrap(proxy)
		if err := m.Start(b.Context(), h); err != nil {
			b.Fatal(err)
		}
		server := httptest.NewServer(h)
		b.Cleanup(func() {
			server.Close()
			_ = m.Close(context.Background())
			_ = proxy.Shutdown(context.Background())
		})
		return server
	}
	owner := start()
	other := start()
	session := benchSession(b, owner.URL)
	request := fmt.Sprintf("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"+
		"Mcp-Protocol-Version: 2025-11-25\r\nMcp-Session-Id: %s\r\nContent-Length: %d\r\n\r\n%s", session, len(benchFrame), benchFrame)
	for _, clients := range []int{1, 32} {
		for _, to := range []struct {
			name   string
			server *httptest.Server
		}{{"local", owner}, {"forwarded", other}} {
			b.Run(fmt.Sprintf("%s/%d", to.name, clients), func(b *testing.B) {
				benchClients(b, to.server.Listener.Addr().String(), []byte(request), clients)
			})
		}
	}
}
