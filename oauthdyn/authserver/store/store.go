// SPDX-License-Identifier: Apache-2.0

// Package store defines what an authorization server keeps, and the atomic
// operations on it. Packages memory, bolt and redis implement it; package
// storetest is the contract that every implementation passes.
//
// Each method is one atomic step: two callers never both win the redemption of
// a code or the rotation of a refresh token. Secrets that the server hands out
// (codes, refresh tokens, client secrets, session ids) come in as a [Hash] only,
// so that a copy of a store opens nothing.
package store

import (
	"context"
	"errors"
	"time"
)

// Errors that the methods of a Store return, possibly wrapped.
var (
	// ErrNotFound reports a record that does not exist or has expired.
	ErrNotFound = errors.New("not found")

	// ErrReplayed reports a code or refresh token that was used before. The
	// grant behind it has been revoked.
	ErrReplayed = errors.New("used twice; the grant is revoked")

	// ErrConflict reports that another writer was first.
	ErrConflict = errors.New("changed by another writer")

	// ErrFull reports that a limit is reached and nothing can make room.
	ErrFull = errors.New("the store is full")

	// ErrUnavailable reports that the store could not be asked, and may be
	// again in a moment. Whether a change was made is not known.
	ErrUnavailable = errors.New("the store cannot be reached")
)

// A Store keeps the state of an authorization server. It is safe for concurrent
// use. Values passed in and out are copies.
type Store interface {
	Clients
	Transactions
	Counts
	Codes
	Grants
	Revocations
	Approvals
	Keys
	Transfers

	// Collect removes a bounded number of records that are of no more use:
	// expired ones, and clients that Limits calls stale, unless they have a
	// grant. It returns how many.
	Collect(ctx context.Context) (int, error)
}

// Clients are the dynamically registered clients (RFC 7591).
type Clients interface {
	// CreateClient stores a new client; its Created is set by the store. When
	// Limits.Clients is reached, the oldest client that was never used makes
	// room if it is older than Limits.ClientGrace; else the error is ErrFull.
	CreateClient(ctx context.Context, c Client) error

	// Client returns a client, or ErrNotFound.
	Client(ctx context.Context, id string) (*Client, error)

	// ListClients returns clients in the order of their ids: at most n, those
	// after a given id. It need not be one step with the next call.
	ListClients(ctx context.Context, after string, n int) ([]Client, error)

	// UpdateClient replaces a client, but for Created and Used, if its
	// Registration is still the given one; else the error is ErrConflict, or
	// ErrNotFound.
	UpdateClient(ctx context.Context, c Client, registration Hash) error

	// TouchClient records that a client is in use, at most once an hour.
	TouchClient(ctx context.Context, id string) error

	// DeleteClient removes a client and revokes its grants. It is no error if it
	// does not exist.
	DeleteClient(ctx context.Context, id string) error
}

// Kind tells kinds of transactions, or of counters, apart: whoever keeps them
// chooses a word.
type Kind string

// Transactions are records of browsers on their way, authorizations in progress
// and sessions, and of what a login keeps of people. Their content is the
// server's business.
type Transactions interface {
	// PutTransaction stores or replaces a record until it expires. The error is
	// ErrFull when Limits.Transactions is reached.
	PutTransaction(ctx context.Context, kind Kind, id Hash, value []byte, expires time.Time) error

	// AddTransaction stores a record unless there is one, which is ErrConflict:
	// of several callers one gets through. It is for what must not be used
	// twice, as the jti of an assertion.
	AddTransaction(ctx context.Context, kind Kind, id Hash, value []byte, expires time.Time) error

	// Transaction returns a record, or ErrNotFound.
	Transaction(ctx context.Context, kind Kind, id Hash) ([]byte, error)

	// TakeTransaction returns a record and removes it. Of several callers one
	// gets it, the others get ErrNotFound.
	TakeTransaction(ctx context.Context, kind Kind, id Hash) ([]byte, error)
}

// Counts are what rate limits have seen. They may be forgotten when the store is
// closed.
type Counts interface {
	// Count counts one more and returns the count, and when it begins anew: a
	// window after the first. The error is ErrFull when as many counters of the
	// kind are running as Limits.Transactions allows.
	Count(ctx context.Context, kind Kind, id Hash, window time.Duration) (n int, ends time.Time, err error)
}

// Codes are authorization codes: RFC 6749 section 4.1.2.
type Codes interface {
	// PutCode stores a fresh code.
	PutCode(ctx context.Context, c Code) error

	// Code returns a code that has not expired, or that was redeemed and whose
	// grant could still be alive; else ErrNotFound.
	Code(ctx context.Context, code Hash) (*Code, error)

	// FailCode counts a failed redemption. After MaxCodeFailures the code is
	// removed.
	FailCode(ctx context.Context, code Hash) error

	// RedeemCode consumes a code and creates its grant. A second redemption
	// revokes the grant of the first and returns ErrReplayed. An expired or
	// unknown code is ErrNotFound.
	RedeemCode(ctx context.Context, code Hash, g Grant) error
}

// Grants are what people have allowed clients to do, each with its family of
// refresh tokens.
type Grants interface {
	// CreateGrant stores a grant that no code was redeemed for. Its id is a fresh
	// random one.
	CreateGrant(ctx context.Context, g Grant) error

	// Grant returns a grant that is alive, or ErrNotFound.
	Grant(ctx context.Context, id Hash) (*Grant, error)

	// ListGrants returns the grants that are alive of an owner, in no order.
	ListGrants(ctx context.Context, o Owner) ([]Grant, error)

	// AllGrants returns grants that are alive, whoever owns them, in the order of
	// their ids: at most n, those after a given id; the zero one is before the
	// first. It need not be one step with the next call.
	AllGrants(ctx context.Context, after Hash, n int) ([]Grant, error)

	// RotateRefresh exchanges a refresh token for its successor and returns the
	// grant after it; see Grant.Rotate for the rules.
	RotateRefresh(ctx context.Context, r Rotation) (*Grant, Outcome, error)

	// RevokeGrant removes a grant and its refresh tokens, and records that for
	// Revocations. It is no error if it does not exist.
	RevokeGrant(ctx context.Context, id Hash) error

	// RevokeGrants does that with all grants of an owner, and returns how many
	// there were. It need not be one step: a grant that is made in the meantime
	// may stay.
	RevokeGrants(ctx context.Context, o Owner) (int, error)
}

// Position is a place in the list of revocations. It means something to the
// store alone; the empty one is before the first.
type Position string

// Revocations are the grants and access tokens that were revoked before they
// expired. Those who check access tokens without asking the store read them
// again and again, each time from where they stopped.
type Revocations interface {
	// RevokeToken revokes one access token by its jti, until it expires; more
	// than once is no error. The error is ErrFull when Limits.RevokedTokens is
	// reached.
	RevokeToken(ctx context.Context, tokenID string, expires time.Time) error

	// TokenRevoked reports whether RevokeToken was called for a token that has
	// not expired. It knows nothing of the token's grant.
	TokenRevoked(ctx context.Context, tokenID string) (bool, error)

	// ListRevocations returns the oldest revocations after a position, as many
	// as the store likes, and the position of the last one: the given one if
	// there is none. Each revocation is listed from when it takes effect until
	// Revocation.Expires at least. Whoever goes on until nothing comes, and
	// again later, misses none. It is cheap when there is none.
	ListRevocations(ctx context.Context, after Position) ([]Revocation, Position, error)
}

// Approvals remember which clients a person has consented to.
type Approvals interface {
	// Approve remembers a consent until it expires. The fingerprint stands for
	// the client and what it was allowed.
	Approve(ctx context.Context, subject string, fingerprint Hash, expires time.Time) error

	// Approved reports whether a consent is remembered.
	Approved(ctx context.Context, subject string, fingerprint Hash) (bool, error)
}

// Keys is one document with the signing keys.
type Keys interface {
	// LoadKeys returns the document and its revision; nil and 0 if there is
	// none yet.
	LoadKeys(ctx context.Context) (document []byte, revision uint64, err error)

	// SaveKeys replaces the document if its revision is still the given one;
	// else ErrConflict.
	SaveKeys(ctx context.Context, document []byte, revision uint64) error
}
