// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"bytes"
	"context"
	"errors"
	"time"

	"go.etcd.io/bbolt"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
)

func kindBucket(kind store.Kind) []byte { return []byte(transactions + string(kind)) }

// PutTransaction implements store.Transactions.
func (s *Store) PutTransaction(_ context.Context, kind store.Kind, id store.Hash, value []byte, expires time.Time) error {
	return s.update(func(tx *bbolt.Tx) error { return s.putTransaction(tx, kind, id, value, expires) })
}

// AddTransaction implements store.Transactions.
func (s *Store) AddTransaction(_ context.Context, kind store.Kind, id store.Hash, value []byte, expires time.Time) error {
	return s.update(func(tx *bbolt.Tx) error {
		if _, err := s.transaction(tx.Bucket(kindBucket(kind)), id); err == nil {
			return store.ErrConflict
		}
		return s.putTransaction(tx, kind, id, value, expires)
	})
}

// putTransaction stores a record, which is its expiry, then its value.
func (s *Store) putTransaction(tx *bbolt.Tx, kind store.Kind, id store.Hash, value []byte, expires time.Time) error {
	b, err := tx.CreateBucketIfNotExists(kindBucket(kind))
	if err != nil {
		return err
	}
	if b.Get(id[:]) == nil {
		if b.Sequence() >= uint64(s.limits.Transactions) {
			return store.ErrFull
		}
		if err := count(b, 1); err != nil {
			return err
		}
	}
	return b.Put(id[:], append(timeBytes(expires), value...))
}

// Transaction implements store.Transactions.
func (s *Store) Transaction(_ context.Context, kind store.Kind, id store.Hash) (value []byte, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		value, err = s.transaction(tx.Bucket(kindBucket(kind)), id)
		return err
	})
	return value, err
}

func (s *Store) transaction(b *bbolt.Bucket, id store.Hash) ([]byte, error) {
	if b == nil {
		return nil, store.ErrNotFound
	}
	record := b.Get(id[:])
	if !s.now().Before(bytesTime(record)) {
		return nil, store.ErrNotFound
	}
	return bytes.Clone(record[8:]), nil
}

// TakeTransaction implements store.Transactions.
func (s *Store) TakeTransaction(_ context.Context, kind store.Kind, id store.Hash) (value []byte, err error) {
	err = s.update(func(tx *bbolt.Tx) error {
		b := tx.Bucket(kindBucket(kind))
		var err error
		if value, err = s.transaction(b, id); err != nil {
			return err
		}
		return errors.Join(b.Delete(id[:]), count(b, -1))
	})
	if err != nil {
		return nil, err
	}
	return value, nil
}

// Count implements store.Counts, in memory: a flood that is turned away costs no
// write.
func (s *Store) Count(_ context.Context, kind store.Kind, id store.Hash, window time.Duration) (int, time.Time, error) {
	return s.counts.Count(kind, id, window, s.now(), s.limits.Transactions)
}

func approvalKey(subject string, fingerprint store.Hash) []byte {
	sum := store.HashOf(subject)
	return append(sum[:], fingerprint[:]...)
}

// Approve implements store.Approvals.
func (s *Store) Approve(_ context.Context, subject string, fingerprint store.Hash, expires time.Time) error {
	return s.update(func(tx *bbolt.Tx) error {
		return tx.Bucket(bucketApprovals).Put(approvalKey(subject, fingerprint), timeBytes(expires))
	})
}

// Approved implements store.Approvals.
func (s *Store) Approved(_ context.Context, subject string, fingerprint store.Hash) (ok bool, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		ok = s.now().Before(bytesTime(tx.Bucket(bucketApprovals).Get(approvalKey(subject, fingerprint))))
		return nil
	})
	return ok, err
}

// keysDocument is the signing keys in the meta bucket.
type keysDocument struct {
	Revision uint64 `json:"revision"`
	Document []byte `json:"document"`
}

var keyKeys = []byte("keys")

// LoadKeys implements store.Keys.
func (s *Store) LoadKeys(context.Context) ([]byte, uint64, error) {
	var doc *keysDocument
	err := s.db.View(func(tx *bbolt.Tx) (err error) {
		doc, err = get[keysDocument](tx.Bucket(bucketMeta), keyKeys)
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	return doc.Document, doc.Revision, nil
}

// SaveKeys implements store.Keys.
func (s *Store) SaveKeys(_ context.Context, document []byte, revision uint64) error {
	return s.update(func(tx *bbolt.Tx) error {
		meta := tx.Bucket(bucketMeta)
		current, err := get[keysDocument](meta, keyKeys)
		if errors.Is(err, store.ErrNotFound) {
			current, err = &keysDocument{}, nil
		}
		if err != nil {
			return err
		}
		if current.Revision != revision {
			return store.ErrConflict
		}
		return put(meta, keyKeys, keysDocument{revision + 1, document})
	})
}
