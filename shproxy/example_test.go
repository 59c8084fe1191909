// SPDX-License-Identifier: Apache-2.0

package shproxy_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/resource"
	"github.com/atrawog/mcp-oauth-gateway/shproxy"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/testserver"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/replica"
)

// An MCP server that speaks stdio becomes an HTTP endpoint.
func Example() {
	ctx := context.Background()
	proxy, err := shproxy.New(stdioServer(), &shproxy.Options{MaxSessions: 10})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer proxy.Shutdown(ctx)
	if err := proxy.Probe(ctx); err != nil { // is it an MCP server at all?
		fmt.Println(err)
		return
	}

	mux := http.NewServeMux()
	mux.Handle("/mcp", proxy)
	mux.Handle("/healthz", proxy.Health())
	server := httptest.NewServer(mux)
	defer server.Close()

	client := mcp.NewClient(&mcp.Implementation{Name: "example", Version: "1"}, nil)
	session, err := client.Connect(ctx, &mcp.StreamableClientTransport{Endpoint: server.URL + "/mcp"}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer session.Close()
	result, err := session.CallTool(ctx, &mcp.CallToolParams{Name: "echo", Arguments: map[string]any{"text": "hello"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(result.Content[0].(*mcp.TextContent).Text)
	// Output: hello
}

// keys is a resource.Verifier for a few keys that were handed out.
type keys map[string]string

// Verify implements resource.Verifier.
func (k keys) Verify(_ context.Context, token string) (*resource.Principal, error) {
	name, ok := k[token]
	if !ok {
		return nil, resource.ErrInvalidToken
	}
	return &resource.Principal{Subject: name, Audience: []string{"https://mcp.example.com/mcp"}}, nil
}

// Any authentication fits around a proxy. This one is package resource of
// oauthdyn, which also tells clients where to get a token.
func Example_protected() {
	res, err := resource.New(resource.Options{
		Resource:             "https://mcp.example.com/mcp",
		AuthorizationServers: []string{"https://auth.example.com"},
		Verifier:             keys{"0c8ca2a9": "alice"}, // leave it out to accept JWTs of https://auth.example.com
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	proxy, err := shproxy.New(stdioServer(), &shproxy.Options{
		Identify: func(r *http.Request) string { // whose a session is
			p, _ := resource.FromContext(r.Context())
			return p.Issuer + " " + p.Subject
		},
		AllowedHosts: []string{"mcp.example.com"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer proxy.Close()
	mux := http.NewServeMux()
	mux.Handle("/mcp", res.Middleware(proxy))
	mux.Handle(res.MetadataPath(), res.MetadataHandler())

	for _, token := range []string{"", "0c8ca2a9"} {
		r := httptest.NewRequest("POST", "https://mcp.example.com/mcp", strings.NewReader(
			`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"example","version":"1"}}}`))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Accept", "application/json, text/event-stream")
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		fmt.Println(w.Code, w.Header().Get("WWW-Authenticate"))
	}
	// Output:
	// 401 Bearer resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp"
	// 200
}

// Several people share a proxy: a session serves the one who started it, and a
// process has the credentials of its caller.
func ExampleOptions() {
	server := stdioServer()
	server.Era = shproxy.EraLegacy // known, so that it need not be asked
	if runtime.GOOS == "linux" {
		server.Limits = shproxy.Limits{OpenFiles: 256, CPU: time.Hour}
	}
	caller := func(r *http.Request) string { return r.Header.Get("X-User-Id") } // set by what authenticates
	proxy, err := shproxy.New(server, &shproxy.Options{
		Identify:    caller,
		Environ:     func(r *http.Request) []string { return []string{"API_TOKEN=token-of-" + caller(r)} },
		Mode:        shproxy.ModeSession,
		MaxSessions: 10,
		IdleTimeout: 10 * time.Minute,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer proxy.Close()
	ts := httptest.NewServer(proxy)
	defer ts.Close()

	session := post(ts, "alice", "", `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"example","version":"1"}}}`).
		Header.Get("Mcp-Session-Id")
	fmt.Println("alice:", post(ts, "alice", session, `{"jsonrpc":"2.0","id":2,"method":"ping"}`).StatusCode)
	fmt.Println("mallory:", post(ts, "mallory", session, `{"jsonrpc":"2.0","id":2,"method":"ping"}`).StatusCode)
	// Output:
	// alice: 200
	// mallory: 404
}

// What a monitor reads: how the server is, and which calls ended how.
func ExampleProxy_Status() {
	ctx := context.Background()
	proxy, err := shproxy.New(stdioServer(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer proxy.Close()
	server := httptest.NewServer(proxy)
	defer server.Close()

	client := mcp.NewClient(&mcp.Implementation{Name: "example", Version: "1"}, nil)
	session, err := client.Connect(ctx, &mcp.StreamableClientTransport{Endpoint: server.URL}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer session.Close()
	if _, err := session.CallTool(ctx, &mcp.CallToolParams{Name: "echo", Arguments: map[string]any{"text": "hello"}}); err != nil {
		fmt.Println(err)
		return
	}

	status := proxy.Status()
	fmt.Println(status.State == shproxy.StateOK, "crashed:", status.Crashed)
	for _, m := range status.Methods {
		if m.Method != "tools/call" {
			continue
		}
		fmt.Println(m.Method, "ok:", m.Outcomes["ok"])
		buckets := m.Latency.Buckets // the last one has all that took no more than 100 s
		fmt.Println(m.Latency.Count == buckets[len(buckets)-1].Count, m.Latency.Sum > 0)
	}
	// Output:
	// true crashed: 0
	// tools/call ok: 1
	// true true
}

// Two replicas, here in one process: each serves requests for the sessions of
// both, whichever they come to.
func ExampleReplicas() {
	ctx, directory := context.Background(), new(replica.Memory) // a Redis, if they are several processes
	key := []byte("at least 32 random bytes, in a file")
	start := func() (*httptest.Server, func()) {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			panic(err)
		}
		member, err := replica.New(replica.Options{Directory: directory, Key: key, Listener: listener})
		if err != nil {
			panic(err)
		}
		var replicas shproxy.Replicas = member
		proxy, err := shproxy.New(stdioServer(), &shproxy.Options{Replicas: replicas})
		if err != nil {
			panic(err)
		}
		handler := member.Wrap(proxy) // around what checks who calls, too
		if err := member.Start(ctx, handler); err != nil {
			panic(err)
		}
		server := httptest.NewServer(handler)
		return server, func() { server.Close(); _ = proxy.Close(); _ = member.Close(ctx) }
	}
	one, stopOne := start()
	defer stopOne()
	two, stopTwo := start()
	defer stopTwo()

	answer := post(one, "", "", `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"example","version":"1"}}}`)
	session := answer.Header.Get("Mcp-Session-Id")
	fmt.Println(post(two, "", session, `{"jsonrpc":"2.0","id":2,"method":"ping"}`).Status)
	// Output: 200 OK
}

// post sends a message of somebody in a session.
func post(server *httptest.Server, user, session, message string) *http.Response {
	r, err := http.NewRequest(http.MethodPost, server.URL, strings.NewReader(message))
	if err != nil {
		panic(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	r.Header.Set("X-User-Id", user)
	if session != "" {
		r.Header.Set("Mcp-Session-Id", session)
	}
	answer, err := server.Client().Do(r)
	if err != nil {
		panic(err)
	}
	answer.Body.Close()
	return answer
}

// stdioServer stands for something like
//
//	shproxy.Server{Command: "npx", Args: []string{"-y", "@modelcontextprotocol/server-everything"}}
//
// It is this test binary, which is an MCP server when the variable is set.
func stdioServer() shproxy.Server {
	exe, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return shproxy.Server{Command: exe, Env: append(os.Environ(), testserver.Env+"="+testserver.Good)}
}
