// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"time"
)

// Middleware lets requests with a valid access token for this resource pass to
// next, with the principal in their context and without the Authorization and
// DPoP headers, so that next cannot hand the token on. Tokens in the query, the body
// or a cookie are not looked at.
func (r *Resource) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		p, refusal := r.Check(req)
		if refusal != nil {
			refusal.Write(w)
			return
		}
		inner := req.WithContext(NewContext(req.Context(), p))
		inner.Header = maps.Clone(req.Header)
		inner.Header.Del("Authorization")
		inner.Header.Del(headerDPoP)
		next.ServeHTTP(w, inner)
	})
}

// Verify implements [Verifier] for bearer tokens: it asks Options.Verifier and
// repeats the checks that must hold whatever that is, of audience, expiry and
// revocation; it does not look at scopes. Tokens that are bound to a key are
// refused, since nothing here proves it, and with Options.DPoPRequired all are;
// [Resource.Check] takes them.
func (r *Resource) Verify(ctx context.Context, token string) (*Principal, error) {
	p, err := r.verify(ctx, token)
	if err == nil && (p.KeyThumbprint != "" || r.dpopRequired) {
		return nil, ErrInvalidToken
	}
	return p, err
}

// verify is Verify for tokens of any kind.
func (r *Resource) verify(ctx context.Context, token string) (*Principal, error) {
	p, err := r.verifier.Verify(ctx, token)
	if err != nil {
		return nil, err
	}
	if p == nil || !slices.ContainsFunc(p.Audience, r.isAudience) ||
		!p.Expires.IsZero() && !time.Now().Before(p.Expires.Add(ClockSkew)) ||
		r.revocations.Revoked(p) {
		return nil, ErrInvalidToken
	}
	return p, nil
}

func (r *Resource) isAudience(aud string) bool { return aud == r.id || slices.Contains(r.others, aud) }
