// SPDX-License-Identifier: Apache-2.0

package store

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
)

// A Hash is the SHA-256 of a random secret. The secrets have 256 bits, so that a
// slow password hash would add nothing.
type Hash [sha256.Size]byte

// HashOf returns the hash of a secret.
func HashOf(secret string) Hash { return sha256.Sum256([]byte(secret)) }

// Equal compares in constant time.
func (h Hash) Equal(other Hash) bool { return subtle.ConstantTimeCompare(h[:], other[:]) == 1 }

// IsZero reports whether the hash is unset.
func (h Hash) IsZero() bool { return h == Hash{} }

// MarshalText encodes the hash as base64url.
func (h Hash) MarshalText() ([]byte, error) {
	return base64.RawURLEncoding.AppendEncode(nil, h[:]), nil
}

// UnmarshalText decodes what MarshalText wrote.
func (h *Hash) UnmarshalText(text []byte) error {
	data, err := base64.RawURLEncoding.DecodeString(string(text))
	if err != nil || len(data) != len(h) {
		return errors.New("not a hash")
	}
	copy(h[:], data)
	return nil
}

// A Client is a registered client.
type Client struct {
	ID       string                  `json:"id"`
	Secret   Hash                    `json:"secret,omitzero"` // zero: a public client
	Metadata oauthdyn.ClientMetadata `json:"metadata"`
	Created  time.Time               `json:"created"`
	Used     time.Time               `json:"used,omitzero"` // zero: never got a token

	// Registration is the hash of the registration access token (RFC 7592), and
	// Former that of the one before, until it is clear that the client got the
	// new one.
	Registration Hash `json:"registration,omitzero"`
	Former       Hash `json:"former_registration,omitzero"`
}

// touchInterval is how exactly Client.Used is kept.
const touchInterval = time.Hour

// NeedsTouch reports whether TouchClient has something to write.
func (c *Client) NeedsTouch(now time.Time) bool { return now.Sub(c.Used) >= touchInterval }

// Stale is for those who implement a Store: it reports whether a client may be
// collected, if it has no grant.
func (c *Client) Stale(now time.Time, l Limits) bool {
	if c.Used.IsZero() {
		return now.Sub(c.Created) >= l.UnusedClient
	}
	return now.Sub(c.Used) >= l.IdleClient
}

// MaxCodeFailures is how often the redemption of a code may fail. A wrong guess
// must not take the code from its owner; many guesses must.
const MaxCodeFailures = 5

// A Code is an authorization code with all it is bound to.
type Code struct {
	Hash        Hash      `json:"hash"`
	ClientID    string    `json:"client_id"`
	RedirectURI string    `json:"redirect_uri"`
	Challenge   string    `json:"code_challenge"` // PKCE S256
	Subject     string    `json:"sub"`
	Username    string    `json:"username"`
	Scopes      []string  `json:"scopes,omitempty"`
	Resources   []string  `json:"resources"`
	Expires     time.Time `json:"expires"`

	// KeyThumbprint is that of the key which the request named (dpop_jkt of
	// RFC 9449 section 10); empty if it named none.
	KeyThumbprint string `json:"jkt,omitempty"`

	// Withdrawn says which consent the person had withdrawn when this one was
	// given: what is withdrawn later takes the code with it.
	Withdrawn string `json:"withdrawn,omitempty"`

	Failures int  `json:"failures,omitempty"`
	Grant    Hash `json:"grant,omitzero"` // set when it was redeemed
}

// Redeemed reports whether the code was used. It is then kept until its grant
// ends, so that a second use is recognised.
func (c *Code) Redeemed() bool { return !c.Grant.IsZero() }

// Redeem is for those who implement a Store: it marks the code as used for a
// grant. ErrReplayed means that the grant c.Grant must be revoked, ErrNotFound that
// the code has expired.
func (c *Code) Redeem(g Grant, now time.Time) error {
	switch {
	case c.Redeemed():
		return ErrReplayed
	case !now.Before(c.Expires):
		return ErrNotFound
	}
	c.Grant, c.Expires = g.ID, g.Expires
	return nil
}

// Limits bound a store. The zero value stands for the defaults.
type Limits struct {
	Clients      int           // registered clients; default 10,000
	ClientGrace  time.Duration // age at which an unused client may make room for a new one; default 10 minutes
	UnusedClient time.Duration // age at which a client that never got a token is collected; default 24 hours
	IdleClient   time.Duration // time since its last token after which a client is collected; default 90 days
	Transactions int           // records of each kind, and counters of each kind; default 100,000

	// RevokedTokens bounds the access tokens that are revoked one by one;
	// default 100,000. Grants can be revoked without limit.
	RevokedTokens int
}

// WithDefaults fills in what is zero.
func (l Limits) WithDefaults() Limits {
	if l.Clients == 0 {
		l.Clients = 10_000
	}
	if l.ClientGrace == 0 {
		l.ClientGrace = 10 * time.Minute
	}
	if l.UnusedClient == 0 {
		l.UnusedClient = 24 * time.Hour
	}
	if l.IdleClient == 0 {
		l.IdleClient = 90 * 24 * time.Hour
	}
	if l.Transactions == 0 {
		l.Transactions = 100_000
	}
	if l.RevokedTokens == 0 {
		l.RevokedTokens = 100_000
	}
	return l
}
