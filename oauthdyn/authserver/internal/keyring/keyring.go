// SPDX-License-Identifier: Apache-2.0

// Package keyring is the life of the signing keys of an authorization server,
// and the document in which a store keeps them. It reads no clock and no store.
//
// A key is next, published while it does not sign yet; then active; then
// retired, published until the last token that it signed has expired. When each
// begins is written down once, in the document, so that all servers on a store
// come to the same at the same time, and none has to tell the others.
package keyring

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/jose"
)

const (
	// PublishAhead is how long a key is published before it signs. No verifier
	// may have a key set that is older: package resource uses one for an hour
	// while it cannot read another, and others for as long as the server's
	// Cache-Control says, which is less.
	PublishAhead = time.Hour

	// Retain is how long a key is published after it has signed last: as long
	// as the last token can live, and an hour for clocks that differ and servers
	// that are late to notice.
	Retain = store.MaxAccessTokenTTL + time.Hour

	// maxKeys bounds the keys of a ring. Package resource reads 64.
	maxKeys = 32
)

// State is what a key is for.
type State string

// The states of a key, in the order in which it has them.
const (
	Next    State = "next"    // published, does not sign yet
	Active  State = "active"  // signs
	Retired State = "retired" // verifies what it has signed
)

// A Key is a signing key, or its public half. It is immutable.
type Key struct {
	Public   jose.PublicKey
	Imported bool      // made elsewhere
	Created  time.Time // here
	Signs    time.Time // from then on; zero: never here
	Retires  time.Time // signs until then; zero: no successor is known
	Until    time.Time // is published until then; zero: as long as it has no successor

	private *jose.SigningKey // nil: not here any more, or sealed still
	sealed  []byte           // what private was read from; nil: it was in clear
	clear   bool             // the store has it in clear

	outdated bool // it was sealed with an old secret
}

// signing reports that the private half is here.
func (k *Key) signing() bool { return k.private != nil || k.sealed != nil }

// Sealed reports that the private half is in the store, encrypted.
func (k *Key) Sealed() bool { return k.sealed != nil }

// Sign makes an access token.
func (k *Key) Sign(c jose.Claims) (string, error) {
	if k.private == nil {
		return "", errors.New("the signing key is sealed")
	}
	return k.private.Sign(c)
}

// A Ring is all keys of a server. The zero value has none. It is not safe for
// concurrent use while it is changed; Clone is what to change.
type Ring struct {
	keys []*Key
}

// Clone returns a copy.
func (r *Ring) Clone() *Ring { return &Ring{keys: slices.Clone(r.keys)} }

// Active returns the key that signs; nil if there is none. If clocks differ so
// much that no key has its time, it is the one whose time comes first.
func (r *Ring) Active(now time.Time) *Key {
	var active, first *Key
	for _, k := range r.keys {
		if !k.signing() {
			continue
		}
		if !k.Signs.After(now) && (active == nil || k.Signs.After(active.Signs)) {
			active = k
		}
		if first == nil || k.Signs.Before(first.Signs) {
			first = k
		}
	}
	if active == nil {
		return first
	}
	return active
}

// State returns the state of a key of the ring.
func (r *Ring) State(k *Key, now time.Time) State {
	switch {
	case k == r.Active(now):
		return Active
	case k.signing() && k.Signs.After(now):
		return Next
	}
	return Retired
}

// Next returns the key that signs after the active one; nil if there is none.
func (r *Ring) Next(now time.Time) *Key {
	i := slices.IndexFunc(r.keys, func(k *Key) bool { return r.State(k, now) == Next })
	if i < 0 {
		return nil
	}
	return r.keys[i]
}

// Published returns the keys that verifiers must know: the active one, the next
// one, retired ones, the latest first.
func (r *Ring) Published(now time.Time) []*Key {
	rank := map[State]int{Active: 0, Next: 1, Retired: 2}
	var keys []*Key
	for _, k := range r.keys {
		if !k.gone(now) {
			keys = append(keys, k)
		}
	}
	slices.SortStableFunc(keys, func(a, b *Key) int {
		if byRank := rank[r.State(a, now)] - rank[r.State(b, now)]; byRank != 0 {
			return byRank
		}
		return b.Retires.Compare(a.Retires)
	})
	return keys
}

func (k *Key) gone(now time.Time) bool { return !k.Until.IsZero() && !now.Before(k.Until) }

// find returns the key with an id.
func (r *Ring) find(id string) int {
	return slices.IndexFunc(r.keys, func(k *Key) bool { return k.Public.ID() == id })
}

// Due reports that a next key must be made: the active one is as old as keys
// may get, or is for another algorithm than one is wanted for. A lifetime of 0
// has no end; an empty algorithm is any.
func (r *Ring) Due(now time.Time, lifetime time.Duration, algorithm string) bool {
	active := r.Active(now)
	if active == nil {
		return true
	}
	if r.Next(now) != nil {
		return false
	}
	return algorithm != "" && active.Public.Algorithm() != algorithm ||
		lifetime > 0 && !now.Before(end(active, lifetime))
}

// end is when a key needs a successor.
func end(k *Key, lifetime time.Duration) time.Time { return k.Signs.Add(lifetime - PublishAhead) }

// Changes returns when the next thing happens by itself: a key begins or ends to
// sign, or is gone, or a next one is due. It is zero if nothing does.
func (r *Ring) Changes(now time.Time, lifetime time.Duration) (first time.Time) {
	if active := r.Active(now); active != nil && lifetime > 0 {
		first = end(active, lifetime)
	}
	for _, k := range r.keys {
		for _, t := range []time.Time{k.Signs, k.Retires, k.Until} {
			if t.After(now) && (first.IsZero() || t.Before(first)) {
				first = t
			}
		}
	}
	return first
}

// Introduce adds a key. It is the next one for PublishAhead, and then signs; the
// active one then retires. Without an active one it signs at once.
func (r *Ring) Introduce(fresh *jose.SigningKey, imported bool, now time.Time) error {
	k := &Key{Public: fresh.Public(), Imported: imported, Created: now, Signs: now, private: fresh}
	if r.Active(now) != nil {
		k.Signs = now.Add(PublishAhead)
	}
	if next := r.Next(now); next != nil {
		return refuse("key %s is next already; it signs from %s on", next.Public.ID(), next.Signs.UTC().Format(time.RFC3339))
	}
	if active := r.Active(now); active != nil {
		r.change(active, func(k *Key) { k.Retires, k.Until = now.Add(PublishAhead), now.Add(PublishAhead+Retain) })
	}
	return r.add(k)
}

// Replace removes all keys whose private halves have been here, and makes a
// fresh one sign at once: somebody may have the old ones.
func (r *Ring) Replace(fresh *jose.SigningKey, now time.Time) error {
	r.keys = slices.DeleteFunc(r.keys, func(k *Key) bool { return !k.Signs.IsZero() })
	return r.add(&Key{Public: fresh.Public(), Created: now, Signs: now, private: fresh})
}

// AddVerifying adds a key that only verifies. Of one that is there already the
// time is extended.
func (r *Ring) AddVerifying(public jose.PublicKey, now, until time.Time) error {
	if i := r.find(public.ID()); i >= 0 && r.keys[i].Public.Equal(public) {
		if k := r.keys[i]; !k.Until.IsZero() && k.Until.Before(until) {
			r.change(k, func(k *Key) { k.Until = until })
		}
		return nil
	}
	return r.add(&Key{Public: public, Imported: true, Created: now, Retires: now, Until: until})
}

// A Refusal is an error of who asks for a change.
type Refusal struct{ text string }

func (r *Refusal) Error() string { return r.text }

func refuse(format string, args ...any) error { return &Refusal{fmt.Sprintf(format, args...)} }

func (r *Ring) add(k *Key) error {
	if i := r.find(k.Public.ID()); i >= 0 {
		old := r.keys[i]
		if !old.Public.Equal(k.Public) {
			return refuse("there is another key with the id %s", k.Public.ID())
		}
		if old.signing() {
			return refuse("key %s signs already, or will", k.Public.ID())
		}
		r.keys[i] = k // it only verified so far
		return nil
	}
	if len(r.keys) >= maxKeys {
		return refuse("there are %d keys already; the oldest are dropped when they expire", len(r.keys))
	}
	r.keys = append(r.keys, k)
	return nil
}

// change replaces a key by a changed copy: others may be reading it.
func (r *Ring) change(k *Key, edit func(*Key)) {
	changed := *k
	edit(&changed)
	r.keys[slices.Index(r.keys, k)] = &changed
}

// Clean drops keys that no token needs any more, and the private halves of those
// that have retired. It reports whether it did anything.
func (r *Ring) Clean(now time.Time) (changed bool) {
	n := len(r.keys)
	r.keys = slices.DeleteFunc(r.keys, func(k *Key) bool { return k.gone(now) && k != r.Active(now) })
	changed = len(r.keys) != n
	for _, k := range slices.Clone(r.keys) {
		if k.signing() && r.State(k, now) == Retired {
			r.change(k, func(k *Key) { k.private, k.sealed, k.clear = nil, nil, false })
			changed = true
		}
	}
	return changed
}

// Unsealed reports that the store has a private half in clear, or one that an
// old secret has opened.
func (r *Ring) Unsealed() bool {
	return slices.ContainsFunc(r.keys, func(k *Key) bool { return k.clear || k.outdated })
}
