// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"context"
	"errors"
	"slices"
	"time"
)

// A Principal is who an access token speaks for: the claims of RFC 9068 section
// 2.2. It is shared between requests and must not be changed.
type Principal struct {
	Subject  string    // sub: the person, unique at the issuer and never reused; see IsClient
	ClientID string    // client_id: the program that acts for the person
	Username string    // preferred_username: for people to read; may be empty
	Issuer   string    // iss
	ID       string    // jti: the token's own id; may be empty
	Session  string    // sid: what the person's consent or sign-in is known by at the issuer; may be empty
	Scopes   []string  // scope
	Audience []string  // aud
	IssuedAt time.Time // iat; zero if the token does not say
	Expires  time.Time // exp; zero if only the issuer knows

	// KeyThumbprint is that of the key which the token is bound to (cnf.jkt:
	// RFC 9449 section 6.1); empty for a bearer token. [Resource.Check] has seen
	// a proof of it.
	KeyThumbprint string
}

// HasScopes reports whether all the scopes were granted, each by its own name:
// Options.Implies is not looked at.
func (p *Principal) HasScopes(scopes ...string) bool {
	for _, s := range scopes {
		if !slices.Contains(p.Scopes, s) {
			return false
		}
	}
	return true
}

// IsClient reports whether the token speaks for the program itself, and for no
// person: its subject is the client, as RFC 9068 section 2.2 has it for grants
// without a person. Package authserver keeps to that; some other authorization
// servers give programs a subject of another name, which cannot be told from a
// person's.
func (p *Principal) IsClient() bool { return p.Subject == p.ClientID }

type contextKey struct{}

// NewContext returns a context that carries the principal.
func NewContext(ctx context.Context, p *Principal) context.Context {
	return context.WithValue(ctx, contextKey{}, p)
}

// FromContext returns the principal of a request that passed
// [Resource.Middleware].
func FromContext(ctx context.Context) (*Principal, bool) {
	p, ok := ctx.Value(contextKey{}).(*Principal)
	return p, ok
}

// A Verifier turns an access token into a principal. It must be safe for
// concurrent use.
type Verifier interface {
	// Verify returns the principal of a valid token. It may be bound to a key
	// (Principal.KeyThumbprint): those of this package return such a principal
	// to a Resource only, which looks at the proof. The error wraps
	// ErrInvalidToken if the token is not acceptable; any other error means
	// that it could not be checked, which is answered with 503.
	Verify(ctx context.Context, token string) (*Principal, error)
}

// ErrInvalidToken reports a token that is malformed, expired, not meant for this
// resource, or not issued by a trusted authorization server.
var ErrInvalidToken = errors.New("access token is not valid")
