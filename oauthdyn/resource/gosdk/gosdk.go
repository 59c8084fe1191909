// SPDX-License-Identifier: Apache-2.0

// Package gosdk plugs package resource into servers that are built with
// github.com/modelcontextprotocol/go-sdk and keep its own middleware.
//
//	verifier := gosdk.TokenVerifier(res) // a *resource.Resource, or any resource.Verifier
//	mux.Handle("/mcp", auth.RequireBearerToken(verifier, &auth.RequireBearerTokenOptions{…})(handler))
//
// The SDK binds its sessions to the person of the token, so that a session id
// alone opens nothing. [Middleware] gives the same to servers that use
// [resource.Resource.Middleware], whose challenges say more than the SDK's.
package gosdk

import (
	"context"
	"errors"
	"net/http"

	"github.com/modelcontextprotocol/go-sdk/auth"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/resource"
)

// TokenVerifier returns v in the form of the SDK. Tool handlers find the
// principal with [Principal]. The error is auth.ErrInvalidToken for a token that
// is not acceptable, which the SDK answers with 401; any other one, which it
// answers with 500, does not say why the token could not be checked. Tokens that
// are bound to a key (RFC 9449) are refused, since the SDK knows bearer tokens
// only; [Middleware] takes them. Those of which only the issuer knows the end, as
// resource.IntrospectionVerifier lets pass, the SDK refuses without
// AllowMissingExpiration in its options. It is safe for concurrent use.
func TokenVerifier(v resource.Verifier) auth.TokenVerifier {
	return func(ctx context.Context, token string, _ *http.Request) (*auth.TokenInfo, error) {
		p, err := v.Verify(ctx, token)
		switch {
		case errors.Is(err, resource.ErrInvalidToken):
			return nil, auth.ErrInvalidToken // the SDK shows the text to the client
		case err != nil:
			return nil, errUnchecked
		case p.KeyThumbprint != "":
			return nil, auth.ErrInvalidToken
		}
		return info(p), nil
	}
}

// errUnchecked hides why a token could not be checked, which is not for clients.
var errUnchecked = errors.New("the access token cannot be checked right now")

// extraKey is where the principal is in auth.TokenInfo.Extra.
const extraKey = "oauthdyn.principal"

func info(p *resource.Principal) *auth.TokenInfo {
	return &auth.TokenInfo{
		Scopes:     p.Scopes,
		Expiration: p.Expires,
		UserID:     p.Issuer + "\n" + p.Subject, // a subject is unique at its issuer only
		Extra:      map[string]any{extraKey: p},
	}
}

// Principal returns who calls, in a handler of the SDK: pass it what
// req.GetExtra().TokenInfo, or auth.TokenInfoFromContext, returns.
func Principal(t *auth.TokenInfo) (*resource.Principal, bool) {
	if t == nil {
		return nil, false
	}
	p, ok := t.Extra[extraKey].(*resource.Principal)
	return p, ok
}

// Middleware is [resource.Resource.Middleware] for a handler of the SDK.
func Middleware(res *resource.Resource, next http.Handler) http.Handler {
	// The SDK fills its context only from a token of its own choosing.
	named := auth.RequireBearerToken(func(ctx context.Context, _ string, _ *http.Request) (*auth.TokenInfo, error) {
		p, ok := resource.FromContext(ctx)
		if !ok {
			return nil, auth.ErrInvalidToken
		}
		return info(p), nil
	}, &auth.RequireBearerTokenOptions{AllowMissingExpiration: true, ClockSkew: resource.ClockSkew})(withoutToken(next))
	return res.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Set("Authorization", "Bearer checked")
		named.ServeHTTP(w, r)
	}))
}

func withoutToken(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("Authorization")
		next.ServeHTTP(w, r)
	})
}
