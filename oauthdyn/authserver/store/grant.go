// SPDX-License-Identifier: Apache-2.0

package store

import "time"

// A Grant is what a person has allowed a client, with the one refresh token that
// is alive. Its id is the hash of a random handle that is part of all refresh
// tokens of the grant: so an old token is known for what it is without keeping
// the hash of each.
type Grant struct {
	ID        Hash      `json:"id"`
	ClientID  string    `json:"client_id"`
	Subject   string    `json:"sub"`
	Username  string    `json:"username"`
	Scopes    []string  `json:"scopes,omitempty"`
	Resources []string  `json:"resources"`
	Created   time.Time `json:"created"`
	Expires   time.Time `json:"expires"` // absolute end

	// KeyThumbprint is that of the key which the refresh tokens are bound to
	// (RFC 9449 section 5); empty if they are bound to none.
	KeyThumbprint string `json:"jkt,omitempty"`

	Refresh Refresh `json:"refresh,omitzero"`
}

// An Owner says whose grants are meant: those of a person, of a client, or of
// both together. One of the fields at least must be set.
type Owner struct {
	Subject  string
	ClientID string
}

// Owns reports whether a grant is one of the owner's. Nobody owns all.
func (o Owner) Owns(g *Grant) bool {
	return o != Owner{} && (o.Subject == "" || o.Subject == g.Subject) && (o.ClientID == "" || o.ClientID == g.ClientID)
}

// MaxAccessTokenTTL is how long access tokens may live, and how long the
// revocation of a grant is listed.
const MaxAccessTokenTTL = 24 * time.Hour

// A Revocation ends all access tokens of a grant, or a single one. Whoever
// checks access tokens must know it until Expires, when the last of them has
// expired.
type Revocation struct {
	Grant   Hash      `json:"grant,omitzero"`
	TokenID string    `json:"jti,omitempty"` // the jti of the single one
	Expires time.Time `json:"expires"`
}

// Refresh is the state of a grant's refresh tokens.
type Refresh struct {
	Current Hash      `json:"current"` // zero: the client gets no refresh tokens
	Expires time.Time `json:"expires"` // of Current

	// The token before Current, until it is clear that the client got Current.
	Previous  Hash      `json:"previous,omitzero"`
	Rotated   time.Time `json:"rotated,omitzero"`
	Successor []byte    `json:"successor,omitempty"` // Current, sealed with the previous token
}

// Rotation asks to exchange a refresh token.
type Rotation struct {
	Grant    Hash
	ClientID string
	Old      Hash
	New      Hash
	Sealed   []byte    // the new token, sealed so that only the old one opens it
	Expires  time.Time // of the new token

	// Grace is how long the old token may be repeated while its successor is
	// unused: the reply may have been lost, or two processes share the token.
	Grace time.Duration
}

// Outcome tells what a rotation did.
type Outcome int

// The outcomes of a rotation that has not failed.
const (
	// Rotated: the new token is alive.
	Rotated Outcome = iota + 1

	// Repeated: the old token was exchanged a moment ago. The successor it got
	// then is alive, and is in Refresh.Successor.
	Repeated
)

// Alive reports whether the grant has not ended.
func (g *Grant) Alive(now time.Time) bool { return now.Before(g.End()) }

// End returns when the grant ends by itself: when its refresh token expires,
// which a rotation puts off, and at its absolute end.
func (g *Grant) End() time.Time {
	if !g.Refresh.Current.IsZero() && g.Refresh.Expires.Before(g.Expires) {
		return g.Refresh.Expires
	}
	return g.Expires
}

// Rotate is for those who implement a Store: it applies a rotation to the grant,
// by the rules of OAuth 2.1 section 4.3.1 that each Store follows. A token of
// another client, or of a grant that has ended, is ErrNotFound and changes nothing.
// A token of this grant that is neither alive nor within its grace is ErrReplayed:
// revoke the grant.
func (g *Grant) Rotate(r Rotation, now time.Time) (Outcome, error) {
	switch {
	case g.ClientID != r.ClientID || g.Refresh.Current.IsZero() || !g.Alive(now):
		return 0, ErrNotFound
	case g.Refresh.Current.Equal(r.Old):
		expires := r.Expires
		if expires.After(g.Expires) {
			expires = g.Expires
		}
		g.Refresh = Refresh{Current: r.New, Expires: expires, Previous: r.Old, Rotated: now, Successor: r.Sealed}
		return Rotated, nil
	case !g.Refresh.Previous.IsZero() && g.Refresh.Previous.Equal(r.Old) && now.Sub(g.Refresh.Rotated) < r.Grace:
		return Repeated, nil
	}
	return 0, ErrReplayed
}
