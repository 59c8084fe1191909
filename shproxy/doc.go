// SPDX-License-Identifier: Apache-2.0

// Package shproxy offers a Model Context Protocol server that speaks stdio to
// clients that speak Streamable HTTP.
//
//	proxy, err := shproxy.New(shproxy.Server{Command: "my-mcp-server"}, nil)
//	...
//	http.Handle("/mcp", proxy)
//	http.Handle("/healthz", proxy.Health())
//	...
//	proxy.Shutdown(ctx)
//
// # What passes
//
// The proxy forwards bytes. It reads of each message what it needs to route
// it, replaces the id while the message is inside, and leaves everything else
// as it was written: unknown methods, members and content types, numbers of
// any size, the order of members. Messages that cannot be read strictly are
// refused; see package jsonrpc.
//
// Each session has a process of its own: initialize starts it; DELETE, the
// idle timeout, Shutdown or its own end ends it, together with everything it
// has started. A request is answered with JSON, or with an event stream as
// soon as something of the server's has to precede the answer or the answer
// takes longer than a second. Requests and notifications of the server go to
// the newest call in flight, progress to the call that asked for it, news
// about lists and resources to the GET stream.
//
// # Versions
//
// Protocol versions 2024-11-05 to 2025-11-25 are served, as specified in
// https://modelcontextprotocol.io/specification/2025-11-25/basic/transports.
// A request of version 2026-07-28 is answered with error -32022, which makes
// clients of both kinds fall back to initialize. Batches (2025-03-26) and
// resumption by Last-Event-ID are not supported.
//
// # Security
//
// The handler does not authenticate. Wrap it, and tell the proxy with
// [Options.Identify] whom you found: a session then serves nobody but the
// caller who started it. Requests with a foreign Host or Origin are refused,
// so that web pages cannot reach a proxy on loopback by DNS rebinding. Every
// input is bounded in size, time and number. Commands run without a shell.
package shproxy
