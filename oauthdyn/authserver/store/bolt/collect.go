// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
)

// collectStep bounds the records that one Collect looks at in each bucket; the
// next one goes on from there.
const collectStep = 10_000

// Collect implements store.Store. Looking costs readers and writers nothing;
// only what is removed takes the writers' lock.
func (s *Store) Collect(ctx context.Context) (int, error) {
	s.collecting.Lock()
	defer s.collecting.Unlock()
	total := s.counts.Collect(s.now())
	buckets, err := s.collected()
	if err != nil {
		return total, err
	}
	for _, name := range buckets {
		if err := ctx.Err(); err != nil {
			return total, err
		}
		n, err := s.collectBucket(name)
		total += n
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

// collected lists the buckets whose records end.
func (s *Store) collected() (names []string, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		return tx.ForEach(func(name []byte, _ *bbolt.Bucket) error {
			switch string(name) {
			case string(bucketMeta), string(bucketUnused), string(bucketBySubject), string(bucketByClient):
			default:
				names = append(names, string(name))
			}
			return nil
		})
	})
	return names, err
}

func (s *Store) collectBucket(name string) (n int, err error) {
	var stale [][]byte
	if err := s.db.View(func(tx *bbolt.Tx) error {
		stale = s.staleKeys(tx.Bucket([]byte(name)), name)
		return nil
	}); err != nil || len(stale) == 0 {
		return 0, err
	}
	err = s.db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(name))
		n = 0
		for _, key := range stale {
			value := b.Get(key)
			if value == nil || !s.stale(tx, name, value) {
				continue // it has been used in the meantime
			}
			if err := s.remove(tx, b, name, key); err != nil {
				return err
			}
			n++
		}
		return nil
	})
	return n, err
}

// staleKeys looks at the next records of a bucket.
func (s *Store) staleKeys(b *bbolt.Bucket, name string) (stale [][]byte) {
	c := b.Cursor()
	key, value := c.Seek(s.positions[name])
	for range collectStep {
		if key == nil {
			break
		}
		if s.stale(b.Tx(), name, value) {
			stale = append(stale, bytes.Clone(key))
		}
		key, value = c.Next()
	}
	s.positions[name] = bytes.Clone(key) // nil: from the start again
	return stale
}

// stale reports whether a record is of no more use. One that cannot be read is
// kept, for somebody to look at.
func (s *Store) stale(tx *bbolt.Tx, name string, value []byte) bool {
	now := s.now()
	switch name {
	case string(bucketClients):
		var c store.Client
		return json.Unmarshal(value, &c) == nil && c.Stale(now, s.limits) && !s.hasGrants(tx, c.ID)
	case string(bucketCodes):
		var c struct{ Expires time.Time }
		return json.Unmarshal(value, &c) == nil && !now.Before(c.Expires)
	case string(bucketGrants):
		var g store.Grant
		return json.Unmarshal(value, &g) == nil && !g.Alive(now)
	}
	return !now.Before(bytesTime(value)) // all others begin with their end
}

// hasGrants reports whether a client has a grant that is alive. If that cannot
// be told, it may have.
func (s *Store) hasGrants(tx *bbolt.Tx, clientID string) bool {
	grants, err := grantsOf(tx, store.Owner{ClientID: clientID})
	return err != nil || slices.ContainsFunc(grants, func(g store.Grant) bool { return g.Alive(s.now()) })
}

// remove deletes a record and what belongs to it.
func (s *Store) remove(tx *bbolt.Tx, b *bbolt.Bucket, name string, key []byte) error {
	switch name {
	case string(bucketClients):
		return s.deleteClient(tx, string(key))
	case string(bucketGrants):
		g, err := get[store.Grant](b, key)
		if err != nil {
			return err
		}
		return deleteGrant(tx, g)
	case string(bucketCodes), string(bucketApprovals), string(bucketRevocations):
		return b.Delete(key)
	}
	return errors.Join(b.Delete(key), count(b, -1))
}
