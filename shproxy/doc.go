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
// A request is answered with JSON, or with an event stream as soon as
// something of the server's has to precede the answer or the answer takes
// longer than a second. Progress goes to the call that asked for it, news
// about lists and resources to the GET stream, and other requests and
// notifications of a session's server to its newest call in flight. Whom a
// message is for is never guessed: what a process that several clients share
// does not address is refused, or dropped and counted.
//
// # Versions
//
// Protocol versions 2024-11-05 to 2025-11-25 have sessions, as specified in
// https://modelcontextprotocol.io/specification/2025-11-25/basic/transports,
// with batches in 2025-03-26 alone and the HTTP+SSE transport of 2024-11-05 as
// an option ([Proxy.LegacySSE]). Streams can be resumed: what was sent lately
// is kept, see [Options].
//
// Version 2026-07-28 has none: requests stand for themselves, with their
// headers checked against their body.
//
// Client and server need not speak the same kind of version. The proxy finds
// out by server/discover and initialize what the server speaks, and translates
// where that is not what a client does; see package era. [Server].Era and
// [Options].Clients say what is known or wanted.
//
// # Processes
//
// Each session has a process of its own, unless [Options].Mode says that
// processes are shared; the callers of 2026-07-28 have one each. A server that
// speaks legacy versions has one for each kind of modern client, and further
// ones while it could not tell whom it asks. DELETE, the
// idle timeout or Shutdown end a process, together with everything it has started.
// If it ends by itself, every call in flight is answered with an error whose data
// tell the exit status, the last lines of stderr and whether the server may have
// read the request; the session goes on with a fresh process that was told what
// the client had told the first. A process that keeps ending is started after
// growing pauses, and one that never says anything not at all for a while.
//
// Several proxies can serve one endpoint, each with sessions of its own: see
// [Options.Replicas] and package replica.
//
// # Security
//
// The handler does not authenticate. Wrap it, and tell the proxy with
// [Options.Identify] whom you found: a session then serves nobody but the
// caller who started it. Requests with a foreign Host or Origin are refused,
// so that web pages cannot reach a proxy on loopback by DNS rebinding. Every
// input is bounded in size, time and number. Commands run without a shell.
package shproxy
