// SPDX-License-Identifier: Apache-2.0

// Package oauthdyn is the client side of OAuth for the Model Context Protocol
// (MCP): it finds the authorization server of a protected MCP server, registers
// with it, signs a person in and keeps the tokens fresh.
//
// Most programs need three calls:
//
//	client, err := oauthdyn.New(oauthdyn.Config{
//		Resource:   "https://mcp.example.com/mcp",
//		ClientName: "My program",
//	})
//	if err != nil { … }
//	httpClient := client.HTTPClient() // signs in at the first 401
//
// A [Client] follows the authorization chapter of the MCP specification
// (2026-07-28, https://modelcontextprotocol.io/specification): protected
// resource metadata (RFC 9728), authorization server metadata (RFC 8414 and
// OpenID Connect Discovery), client ID metadata documents, dynamic client
// registration and its management (RFC 7591, RFC 7592), the authorization code
// grant with PKCE S256 (RFC 7636) and a loopback redirect (RFC 8252), resource
// indicators (RFC 8707), the issuer check of RFC 9207, refresh, revocation (RFC
// 7009) and tokens that are bound to a key (RFC 9449). Other ways to a grant,
// the device flow and those without a person, are a [Flow].
//
// # What it defends against
//
// Metadata is used only when it names exactly the issuer and the resource that
// were asked for; a bearer token is sent to the origin of its resource and
// nowhere else; metadata cannot lead a client to addresses that only its own
// machine can reach; the callback listens on the loopback address before a
// browser opens; authorization URLs other than http and https are never opened, and no
// shell is involved.
//
// # Neighbours
//
// Package resource protects an HTTP handler with the tokens that this package
// obtains, package authserver issues them, and package oauthdyntest is an
// authorization server for tests. Package gosdk fits a client into the seam of
// the official Go SDK for MCP.
package oauthdyn
