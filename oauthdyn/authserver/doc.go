// SPDX-License-Identifier: Apache-2.0

// Package authserver is an OAuth authorization server for the Model Context
// Protocol, as an http.Handler: clients register themselves, a person signs in
// and consents, and the client gets tokens that are good for the MCP servers you
// name, and for nothing else.
//
//	users, err := local.Open("users")
//	…
//	srv, err := authserver.New(ctx, authserver.Options{
//		Issuer:    "https://auth.example.com",
//		Store:     memory.New(nil),
//		Login:     users,
//		Resources: []authserver.Resource{{URI: "https://mcp.example.com/mcp", Scopes: []string{"mcp"}}},
//	})
//	if err != nil { … }
//	defer srv.Close()
//	http.ListenAndServe("127.0.0.1:9000", srv)
//
// # What it implements
//
// Authorization server metadata (RFC 8414, and the OpenID Connect Discovery
// form of it), dynamic client registration (RFC 7591) and its management (RFC
// 7592), the authorization code grant of OAuth 2.1 with PKCE S256 (RFC 7636) for
// public and confidential clients, among them those that have a key (RFC 7523,
// private_key_jwt), client credentials, JWTs of workloads and identity
// assertions (RFC 7523 section 2.1), the device authorization grant (RFC
// 8628), refresh tokens with rotation, revocation (RFC
// 7009), introspection (RFC 7662), tokens that are bound to a key (RFC 9449),
// resource indicators (RFC 8707), the issuer in authorization responses (RFC
// 9207), JWT access tokens (RFC 9068) and a JWK set. Requirements and their
// names follow the authorization chapter of the MCP specification, 2026-07-28;
// clients of the revisions since 2025-03-26 are served too.
//
// # How it is mounted
//
// Mount it at the root of the issuer's origin: well-known paths belong there.
// All addresses in its replies come from Options.Issuer, never from a request.
// People see and end what they have allowed at Issuer/apps.
//
// # Who signs in
//
// Options.Login finds out who is at the browser: package local by passwords,
// github and oidc at a provider, choose by one of several ways. A Login that
// also is a Rechecker is asked again at each refresh, so that whoever is removed
// does not stay.
//
// # What it defends against
//
// Redirect URIs are compared byte by byte, but for the port of loopback ones.
// Whoever asks for an unknown client or URI gets an error page, not a redirect.
// Consent comes before sign-in and is bound to the browser that gave it, so that
// neither a live session nor another person's click gives a code away. Codes
// and refresh tokens are used once; a second use revokes the grant. Access tokens
// of a revoked grant are refused by the resources in the same process at once:
// see Options.Revocations. The store holds hashes of secrets only, and the signing
// keys, which Options.SealingKey seals: see Keys.
package authserver
