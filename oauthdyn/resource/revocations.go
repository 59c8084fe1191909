// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A Revocation ends access tokens of one issuer before they expire: a token, all
// of a session, a client or a person, or all that a person gave one client.
type Revocation struct {
	Issuer string // required

	TokenID  string // jti; alone
	Session  string // sid; alone
	ClientID string // alone or with Subject
	Subject  string // alone or with ClientID

	// IssuedUntil spares tokens that were issued later, in whole seconds. Zero:
	// when the revocation is added.
	IssuedUntil time.Time

	// Expires is when the last such token has expired, after which the
	// revocation is forgotten. Zero: a day after it is added.
	Expires time.Time
}

// revocationAge is how long access tokens live at most if nobody says.
const revocationAge = 24 * time.Hour

// Revocations are held in memory, so that a look costs no more than a look at a
// map; whoever feeds them bounds their number, since one is kept for no longer
// than an access token lives. Give the same ones to several resources. The zero
// value holds none. They are safe for concurrent use.
type Revocations struct {
	size atomic.Int64 // so that nobody waits while there are none

	mu sync.RWMutex
	// mu guards the fields below.
	until map[revoked]spans
	prune int // the size at which expired ones are looked for
}

// revoked is what a Revocation fits.
type revoked struct{ issuer, token, session, client, subject string }

type spans struct{ issued, expires time.Time }

// Add makes a revocation hold from now on.
func (r *Revocations) Add(v Revocation) error {
	key := revoked{v.Issuer, v.TokenID, v.Session, v.ClientID, v.Subject}
	about := &Principal{Issuer: v.Issuer, ID: v.TokenID, Session: v.Session, ClientID: v.ClientID, Subject: v.Subject}
	if keys := revocationsOf(about); v.Issuer == "" || !slices.Contains(keys[:], key) || key == (revoked{issuer: v.Issuer}) {
		return errors.New("resource: a revocation is about a token, a session, a client, a subject, or a client and a subject of one issuer")
	}
	now := time.Now()
	if v.IssuedUntil.IsZero() {
		v.IssuedUntil = now
	}
	if v.Expires.IsZero() {
		v.Expires = now.Add(revocationAge)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.until == nil {
		r.until = map[revoked]spans{}
	}
	before := r.until[key]
	r.until[key] = spans{latest(before.issued, v.IssuedUntil), latest(before.expires, v.Expires)}
	if len(r.until) >= r.prune {
		for key, s := range r.until {
			if !now.Before(s.expires.Add(ClockSkew)) {
				delete(r.until, key)
			}
		}
		r.prune = max(64, 2*len(r.until))
	}
	r.size.Store(int64(len(r.until)))
	return nil
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// Revoked reports whether the token behind a principal was revoked.
func (r *Revocations) Revoked(p *Principal) bool {
	if r == nil || r.size.Load() == 0 {
		return false
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, key := range revocationsOf(p) {
		if s, ok := r.until[key]; ok && !p.IssuedAt.After(s.issued) {
			return true
		}
	}
	return false
}

// revocationsOf lists what can revoke a token.
func revocationsOf(p *Principal) [5]revoked {
	return [...]revoked{
		{issuer: p.Issuer, token: p.ID},
		{issuer: p.Issuer, session: p.Session},
		{issuer: p.Issuer, client: p.ClientID},
		{issuer: p.Issuer, subject: p.Subject},
		{issuer: p.Issuer, client: p.ClientID, subject: p.Subject},
	}
}
