// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.etcd.io/bbolt"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
)

// Export implements store.Transfers, with all records of one moment. Writers go
// on in the meantime.
func (s *Store) Export(ctx context.Context, fn func(store.Record) error) error {
	return s.db.View(func(tx *bbolt.Tx) error {
		if doc, err := get[keysDocument](tx.Bucket(bucketMeta), keyKeys); err == nil {
			if err := fn(store.Record{Keys: doc.Document}); err != nil {
				return err
			}
		} else if !errors.Is(err, store.ErrNotFound) {
			return err
		}
		return tx.ForEach(func(name []byte, b *bbolt.Bucket) error {
			return b.ForEach(func(key, value []byte) error {
				if err := ctx.Err(); err != nil {
					return err
				}
				r, err := s.record(string(name), key, value)
				if err != nil {
					return fmt.Errorf("bolt: record cannot be read: %w", err)
				}
				if r == nil {
					return nil
				}
				return fn(*r)
			})
		})
	})
}

// record decodes a record of a bucket; nil if it is none of its own, or has
// expired.
func (s *Store) record(bucket string, key, value []byte) (r *store.Record, err error) {
	now := s.now()
	switch bucket {
	case string(bucketMeta), string(bucketUnused), string(bucketBySubject), string(bucketByClient), string(bucketRevokedTokens):
		return nil, nil
	case string(bucketClients):
		r = &store.Record{Client: &store.Client{}}
		return r, json.Unmarshal(value, r.Client)
	case string(bucketCodes):
		r = &store.Record{Code: &store.Code{}}
		if err := json.Unmarshal(value, r.Code); err != nil || !now.Before(r.Code.Expires) {
			return nil, err
		}
		return r, nil
	case string(bucketGrants):
		r = &store.Record{Grant: &store.Grant{}}
		if err := json.Unmarshal(value, r.Grant); err != nil || !r.Grant.Alive(now) {
			return nil, err
		}
		return r, nil
	}
	expires := bytesTime(value) // all others begin with their end
	if !now.Before(expires) {
		return nil, nil
	}
	switch kind, ok := strings.CutPrefix(bucket, transactions); {
	case ok:
		return &store.Record{Transaction: &store.Transaction{
			Kind: store.Kind(kind), ID: store.Hash(key), Value: bytes.Clone(value[8:]), Expires: expires,
		}}, nil
	case bucket == string(bucketApprovals):
		n := len(store.Hash{})
		return &store.Record{Approval: &store.Approval{
			Subject: store.Hash(key[:n]), Fingerprint: store.Hash(key[n:]), Expires: expires,
		}}, nil
	}
	r = &store.Record{Revocation: &store.Revocation{}}
	return r, json.Unmarshal(value[8:], r.Revocation)
}

// Import implements store.Transfers, in one step.
func (s *Store) Import(ctx context.Context, records []store.Record) error {
	return s.db.Update(func(tx *bbolt.Tx) error {
		now := s.now()
		for _, r := range records {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := s.put(tx, r, now); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *Store) put(tx *bbolt.Tx, r store.Record, now time.Time) error {
	switch {
	case r.Keys != nil:
		current, err := get[keysDocument](tx.Bucket(bucketMeta), keyKeys)
		if errors.Is(err, store.ErrNotFound) {
			current, err = &keysDocument{}, nil
		}
		if err != nil {
			return err
		}
		return put(tx.Bucket(bucketMeta), keyKeys, keysDocument{current.Revision + 1, r.Keys})
	case r.Client != nil:
		return putClient(tx, r.Client)
	case r.Transaction != nil && now.Before(r.Transaction.Expires):
		t := r.Transaction
		b, err := tx.CreateBucketIfNotExists(kindBucket(t.Kind))
		if err != nil {
			return err
		}
		if b.Get(t.ID[:]) == nil {
			if err := count(b, 1); err != nil {
				return err
			}
		}
		return b.Put(t.ID[:], append(timeBytes(t.Expires), t.Value...))
	case r.Code != nil && now.Before(r.Code.Expires):
		return put(tx.Bucket(bucketCodes), r.Code.Hash[:], r.Code)
	case r.Grant != nil && r.Grant.Alive(now):
		if old, err := get[store.Grant](tx.Bucket(bucketGrants), r.Grant.ID[:]); err == nil {
			if err := deleteGrant(tx, old); err != nil {
				return err
			}
		}
		return putGrant(tx, r.Grant)
	case r.Approval != nil && now.Before(r.Approval.Expires):
		key := append(bytes.Clone(r.Approval.Subject[:]), r.Approval.Fingerprint[:]...)
		return tx.Bucket(bucketApprovals).Put(key, timeBytes(r.Approval.Expires))
	case r.Revocation != nil && now.Before(r.Revocation.Expires):
		return putRevocation(tx, r.Revocation)
	}
	return nil
}

func putClient(tx *bbolt.Tx, c *store.Client) error {
	clients, unused := tx.Bucket(bucketClients), tx.Bucket(bucketUnused)
	switch old, err := get[store.Client](clients, []byte(c.ID)); {
	case err == nil:
		if err := unused.Delete(unusedKey(old)); err != nil {
			return err
		}
	case errors.Is(err, store.ErrNotFound):
		if err := count(clients, 1); err != nil {
			return err
		}
	default:
		return err
	}
	if c.Used.IsZero() {
		if err := unused.Put(unusedKey(c), nil); err != nil {
			return err
		}
	}
	return put(clients, []byte(c.ID), c)
}

func putRevocation(tx *bbolt.Tx, r *store.Revocation) error {
	tokens := tx.Bucket(bucketRevokedTokens)
	if r.TokenID != "" && tokens.Get([]byte(r.TokenID)) == nil {
		if err := errors.Join(tokens.Put([]byte(r.TokenID), timeBytes(r.Expires)), count(tokens, 1)); err != nil {
			return err
		}
	}
	return list(tx, *r)
}
