// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
)

// indexKey is the key of a grant in an index.
func indexKey(owner string, id store.Hash) []byte {
	sum := sha256.Sum256([]byte(owner))
	return append(sum[:], id[:]...)
}

// index makes a grant found by its owners.
func index(tx *bbolt.Tx, g *store.Grant) error {
	return errors.Join(
		tx.Bucket(bucketBySubject).Put(indexKey(g.Subject, g.ID), nil),
		tx.Bucket(bucketByClient).Put(indexKey(g.ClientID, g.ID), nil))
}

// indexGrants indexes all of them, in a file that was made without indexes.
func indexGrants(tx *bbolt.Tx) error {
	return tx.Bucket(bucketGrants).ForEach(func(id, _ []byte) error {
		g, err := get[store.Grant](tx.Bucket(bucketGrants), id)
		if err != nil {
			return err
		}
		return index(tx, g)
	})
}

// grantsOf returns the grants of an owner, dead ones too. The index of the
// client is used if there is no subject.
func grantsOf(tx *bbolt.Tx, o store.Owner) (grants []store.Grant, err error) {
	b, name := tx.Bucket(bucketBySubject), o.Subject
	if name == "" {
		b, name = tx.Bucket(bucketByClient), o.ClientID
	}
	prefix := indexKey(name, store.Hash{})[:sha256.Size]
	c := b.Cursor()
	for key, _ := c.Seek(prefix); bytes.HasPrefix(key, prefix); key, _ = c.Next() {
		g, err := get[store.Grant](tx.Bucket(bucketGrants), key[len(prefix):])
		if err != nil {
			return nil, err
		}
		if o.Owns(g) {
			grants = append(grants, *g)
		}
	}
	return grants, nil
}

// ListGrants implements store.Grants.
func (s *Store) ListGrants(_ context.Context, o store.Owner) (alive []store.Grant, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		grants, err := grantsOf(tx, o)
		for _, g := range grants {
			if g.Alive(s.now()) {
				alive = append(alive, g)
			}
		}
		return err
	})
	return alive, err
}

// RevokeGrant implements store.Grants.
func (s *Store) RevokeGrant(_ context.Context, id store.Hash) error {
	return s.update(func(tx *bbolt.Tx) error { return s.revoke(tx, id, nil) })
}

// RevokeGrants implements store.Grants.
func (s *Store) RevokeGrants(_ context.Context, o store.Owner) (n int, err error) {
	err = s.update(func(tx *bbolt.Tx) (err error) {
		n, err = s.revokeGrants(tx, o)
		return err
	})
	return n, err
}

func (s *Store) revokeGrants(tx *bbolt.Tx, o store.Owner) (int, error) {
	grants, err := grantsOf(tx, o)
	if err != nil {
		return 0, err
	}
	for _, g := range grants {
		if err := s.revoke(tx, g.ID, nil); err != nil {
			return 0, err
		}
	}
	return len(grants), nil
}

// revoke revokes a grant, if there is one, and returns why, unless that fails.
func (s *Store) revoke(tx *bbolt.Tx, id store.Hash, why error) error {
	g, err := get[store.Grant](tx.Bucket(bucketGrants), id[:])
	if errors.Is(err, store.ErrNotFound) {
		return why
	}
	if err != nil {
		return err
	}
	if err := deleteGrant(tx, g); err != nil {
		return err
	}
	if err := list(tx, store.Revocation{Grant: id, Expires: s.now().Add(store.MaxAccessTokenTTL)}); err != nil {
		return err
	}
	return why
}

func deleteGrant(tx *bbolt.Tx, g *store.Grant) error {
	return errors.Join(
		tx.Bucket(bucketGrants).Delete(g.ID[:]),
		tx.Bucket(bucketBySubject).Delete(indexKey(g.Subject, g.ID)),
		tx.Bucket(bucketByClient).Delete(indexKey(g.ClientID, g.ID)))
}

// list adds to the list of revocations, whose sequence is the last position.
func list(tx *bbolt.Tx, r store.Revocation) error {
	b := tx.Bucket(bucketRevocations)
	position, err := b.NextSequence()
	if err != nil {
		return err
	}
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return b.Put(binary.BigEndian.AppendUint64(nil, position), append(timeBytes(r.Expires), data...))
}

// RevokeToken implements store.Revocations.
func (s *Store) RevokeToken(_ context.Context, tokenID string, expires time.Time) error {
	return s.update(func(tx *bbolt.Tx) error {
		tokens := tx.Bucket(bucketRevokedTokens)
		switch {
		case tokens.Get([]byte(tokenID)) != nil:
			return nil
		case tokens.Sequence() >= uint64(s.limits.RevokedTokens):
			return store.ErrFull
		}
		return errors.Join(
			tokens.Put([]byte(tokenID), timeBytes(expires)), count(tokens, 1),
			list(tx, store.Revocation{TokenID: tokenID, Expires: expires}))
	})
}

// TokenRevoked implements store.Revocations.
func (s *Store) TokenRevoked(_ context.Context, tokenID string) (revoked bool, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		revoked = s.now().Before(bytesTime(tx.Bucket(bucketRevokedTokens).Get([]byte(tokenID))))
		return nil
	})
	return revoked, err
}

// listStep is how many revocations are listed at once.
const listStep = 1000

// ListRevocations implements store.Revocations.
func (s *Store) ListRevocations(_ context.Context, after store.Position) (found []store.Revocation, last store.Position, err error) {
	position, err := hex.DecodeString(string(after))
	if err != nil || len(position) != 0 && len(position) != 8 {
		return nil, after, fmt.Errorf("bolt: position %q is not one of this store", after)
	}
	last = after
	err = s.db.View(func(tx *bbolt.Tx) error {
		c := tx.Bucket(bucketRevocations).Cursor()
		key, value := c.Seek(position)
		if bytes.Equal(key, position) && key != nil {
			key, value = c.Next()
		}
		for ; key != nil && len(found) < listStep; key, value = c.Next() {
			var r store.Revocation
			if err := json.Unmarshal(value[8:], &r); err != nil {
				return fmt.Errorf("bolt: record cannot be read: %w", err)
			}
			found = append(found, r)
			last = store.Position(hex.EncodeToString(key))
		}
		return nil
	})
	return found, last, err
}
