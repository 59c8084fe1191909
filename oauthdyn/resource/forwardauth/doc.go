// SPDX-License-Identifier: Apache-2.0

// Package forwardauth lets a reverse proxy check access tokens in front of MCP
// servers that know nothing of OAuth: Traefik (ForwardAuth), Caddy
// (forward_auth), nginx (auth_request) and Envoy (ext_authz over HTTP) ask it
// about each request and pass the request on if it answers 200.
//
//	handler, err := forwardauth.New(forwardauth.Options{
//		Routes: []forwardauth.Route{{Resource: res}}, // a *resource.Resource
//	})
//	if err != nil { … }
//	mux.Handle("/verify", handler)                          // Traefik, Caddy, nginx
//	mux.Handle("/ext_authz/", handler.FromPath("/ext_authz")) // Envoy
//	mux.Handle(oauthdyn.WellKnownResource+"/", handler.MetadataHandler())
//
// # What the proxy says
//
// Method, host and URI of the request are read from X-Forwarded-Method,
// X-Forwarded-Host and X-Forwarded-Uri, which the proxy must set itself, each
// once. Envoy repeats the request as it is, below a path prefix: see
// [Handler.FromPath]. Host and path choose a [Route]; where none fits, and where
// a path is not in the form that all programs read alike, nothing passes. What
// the request says of itself otherwise decides nothing.
//
// # What it answers
//
// 200 with the headers that tell the server who calls. Every header that could
// be there is there, if only empty, so that the proxy overwrites what the client
// sent under that name: X-User-Id, X-User-Name, Authorization and X-Auth-Token
// by default. 401, with a challenge for the client, without a valid token, for a
// malformed Authorization header, and where there is no route. 403 if a scope is
// missing, with the challenge; without one if the token cannot be checked now
// (with Retry-After), and if the request cannot be judged at all. There is no other
// status, since nginx makes a 500 of it.
//
// Values hold printable ASCII only; other bytes, and percent signs, are
// percent-encoded.
package forwardauth
