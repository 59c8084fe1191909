// SPDX-License-Identifier: Apache-2.0

package shproxy_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"

	"github.com/atrawog/mcp-oauth-gateway/shproxy"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/testserver"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/replica"
)

// Two replicas, here in one process: a session that was started at one of them
// can be used through the other.
func ExampleReplicas() {
	ctx := context.Background()
	directory := new(replica.Memory) // in real life one in Redis, see package replica/redis
	exe, _ := os.Executable()
	command := shproxy.Server{Command: exe, Name: "example", Env: append(os.Environ(), testserver.Env+"="+testserver.Good)}

	start := func() (url string, stop func()) {
		listener, err := net.Listen("tcp", "127.0.0.1:0") // for the other replicas
		if err != nil {
			panic(err)
		}
		member, err := replica.New(replica.Options{Directory: directory, Key: []byte(strings.Repeat("secret", 6)), Listener: listener})
		if err != nil {
			panic(err)
		}
		var replicas shproxy.Replicas = member
		proxy, err := shproxy.New(command, &shproxy.Options{Replicas: replicas})
		if err != nil {
			panic(err)
		}
		handler := member.Wrap(proxy) // and what checks who calls in between
		if err := member.Start(ctx, handler); err != nil {
			panic(err)
		}
		server := httptest.NewServer(handler)
		return server.URL, func() {
			member.Retire(ctx)
			_ = proxy.Shutdown(ctx) // after proxy.Retire, with time for it
			server.Close()
			_ = member.Close(ctx)
		}
	}
	one, stopOne := start()
	defer stopOne()
	two, stopTwo := start()
	defer stopTwo()

	post := func(url, session, frame string) *http.Response {
		r, _ := http.NewRequest(http.MethodPost, url, strings.NewReader(frame))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Accept", "application/json, text/event-stream")
		if session != "" {
			r.Header.Set("Mcp-Session-Id", session)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			panic(err)
		}
		_ = resp.Body.Close()
		return resp
	}
	started := post(one, "", `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"example","version":"1"}}}`)
	session := started.Header.Get("Mcp-Session-Id")
	fmt.Println("at the first:", post(one, session, `{"jsonrpc":"2.0","id":2,"method":"ping"}`).StatusCode)
	fmt.Println("at the second:", post(two, session, `{"jsonrpc":"2.0","id":3,"method":"ping"}`).StatusCode)
	// Output:
	// at the first: 200
	// at the second: 200
}
