// SPDX-License-Identifier: Apache-2.0

// Package resource is the resource server side of OAuth for the Model Context
// Protocol: it lets only requests with a valid access token reach an HTTP
// handler, and tells everybody else where to get one.
//
//	res, err := resource.New(resource.Options{
//		Resource:             "https://mcp.example.com/mcp",
//		AuthorizationServers: []string{"https://auth.example.com"},
//	})
//	if err != nil { … }
//	mux.Handle("/mcp", res.Middleware(mcpHandler))
//	mux.Handle(res.MetadataPath(), res.MetadataHandler())
//
// The handler finds out who calls with [FromContext].
//
// # What is checked
//
// Tokens are taken from the Authorization header only (RFC 6750 section 2.1).
// The default verifier accepts JWT access tokens (RFC 9068) whose issuer is one
// of the authorization servers and whose audience is exactly the resource; it
// finds the keys through the issuer's metadata (RFC 8414, OpenID Connect
// Discovery). A verified token is remembered by its hash, for five minutes at
// most, so that a check costs about a microsecond. [IntrospectionVerifier] asks
// the authorization server instead. [Revocations] end tokens early.
//
// Which scopes a request needs depends on [Rule]; a token with a scope that
// includes another (Options.Implies) may do what either allows.
//
// A token that is bound to a key of its client (DPoP, RFC 9449) passes with a
// proof of that key only: for this method and URL, for this token, two minutes
// old at most, and once. The URL is the origin of the resource and the path of
// the request, so that whoever rewrites paths must do so behind the middleware.
//
// Failures are answered as the MCP specification (2026-07-28, authorization)
// and RFC 6750 section 3 ask: 401 without a valid token, 403 when a scope is
// missing, 400 when the header is malformed; each with a challenge that names
// the protected resource metadata (RFC 9728). 503, without a challenge, says that
// the token cannot be checked now.
//
// # CORS
//
// The metadata may be read from any origin. The protected handler's own policy
// is yours: put it outside of [Resource.Middleware], since preflight requests
// carry no token.
package resource
