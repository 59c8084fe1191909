// SPDX-License-Identifier: Apache-2.0

// Package shclient talks to remote MCP servers over Streamable HTTP, and the
// bridge also over HTTP+SSE.
//
// It offers two things:
//
//   - [Client] makes typed calls: [Client.ListTools], [Client.CallTool]. It is
//     the official SDK's client behind our HTTP stack.
//   - [Bridge] connects a program that speaks MCP over stdin and stdout with a
//     remote server. It forwards bytes, so that what it does not know (methods,
//     members, content types, the digits of a number) passes unchanged; between
//     the eras of MCP it translates.
//
// Both take [Options]. With Options.OAuth set they find the authorization
// server, register, log in and refresh tokens by themselves, through package
// oauthdyn.
//
//	c, err := shclient.New(shclient.Options{
//		URL:   "https://mcp.example.com/mcp",
//		OAuth: &oauthdyn.Config{ClientName: "my program"},
//	}, nil)
//	…
//	defer c.Close()
//	result, err := c.CallTool(ctx, "echo", map[string]any{"message": "hello"})
//
// Both eras of the protocol are understood: servers with sessions (2024-11-05
// to 2025-11-25) and servers without (2026-07-28), also over the deprecated
// HTTP+SSE transport. Where the program at the other end of the bridge speaks
// the era of the server, bytes pass; where it speaks the other one, the bridge
// translates, through package era of shproxy.
//
// Credentials and custom headers go to the server's origin only; a redirect to
// another origin is refused. Neither is written to a log or an error.
//
// The wire rules come from the pages about transports of
// https://modelcontextprotocol.io/specification.
package shclient
