// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"context"
	"errors"

	"go.etcd.io/bbolt"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
)

// PutCode implements store.Codes.
func (s *Store) PutCode(_ context.Context, c store.Code) error {
	return s.update(func(tx *bbolt.Tx) error { return put(tx.Bucket(bucketCodes), c.Hash[:], c) })
}

// Code implements store.Codes.
func (s *Store) Code(_ context.Context, code store.Hash) (c *store.Code, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		c, err = get[store.Code](tx.Bucket(bucketCodes), code[:])
		return err
	})
	if err == nil && !s.now().Before(c.Expires) {
		return nil, store.ErrNotFound
	}
	return c, err
}

// FailCode implements store.Codes.
func (s *Store) FailCode(_ context.Context, code store.Hash) error {
	return s.update(func(tx *bbolt.Tx) error {
		codes := tx.Bucket(bucketCodes)
		c, err := get[store.Code](codes, code[:])
		if errors.Is(err, store.ErrNotFound) || err == nil && c.Redeemed() {
			return nil
		}
		if err != nil {
			return err
		}
		if c.Failures++; c.Failures >= store.MaxCodeFailures {
			return codes.Delete(code[:])
		}
		return put(codes, code[:], c)
	})
}

// RedeemCode implements store.Codes.
func (s *Store) RedeemCode(_ context.Context, code store.Hash, g store.Grant) error {
	return s.update(func(tx *bbolt.Tx) error {
		codes := tx.Bucket(bucketCodes)
		c, err := get[store.Code](codes, code[:])
		if err != nil {
			return err
		}
		switch err := c.Redeem(g, s.now()); {
		case errors.Is(err, store.ErrReplayed):
			return s.revoke(tx, c.Grant, err)
		case err != nil:
			return err
		}
		return errors.Join(put(codes, code[:], c), putGrant(tx, &g))
	})
}

// CreateGrant implements store.Grants.
func (s *Store) CreateGrant(_ context.Context, g store.Grant) error {
	return s.update(func(tx *bbolt.Tx) error { return putGrant(tx, &g) })
}

// putGrant stores a new grant and makes it found by its owners.
func putGrant(tx *bbolt.Tx, g *store.Grant) error {
	return errors.Join(put(tx.Bucket(bucketGrants), g.ID[:], g), index(tx, g))
}

// Grant implements store.Grants.
func (s *Store) Grant(_ context.Context, id store.Hash) (g *store.Grant, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		g, err = get[store.Grant](tx.Bucket(bucketGrants), id[:])
		return err
	})
	if err == nil && !g.Alive(s.now()) {
		return nil, store.ErrNotFound
	}
	return g, err
}

// AllGrants implements store.Grants.
func (s *Store) AllGrants(_ context.Context, after store.Hash, n int) (alive []store.Grant, err error) {
	now := s.now()
	err = s.db.View(func(tx *bbolt.Tx) error {
		alive, err = page(tx.Bucket(bucketGrants), after[:], n, func(g *store.Grant) bool { return g.Alive(now) })
		return err
	})
	return alive, err
}

// RotateRefresh implements store.Grants.
func (s *Store) RotateRefresh(_ context.Context, r store.Rotation) (g *store.Grant, outcome store.Outcome, err error) {
	err = s.update(func(tx *bbolt.Tx) (err error) {
		grants := tx.Bucket(bucketGrants)
		if g, err = get[store.Grant](grants, r.Grant[:]); err != nil {
			return err
		}
		switch outcome, err = g.Rotate(r, s.now()); {
		case errors.Is(err, store.ErrReplayed):
			return s.revoke(tx, r.Grant, err)
		case err != nil || outcome == store.Repeated:
			return err
		}
		return put(grants, r.Grant[:], g)
	})
	if err != nil {
		return nil, 0, err
	}
	return g, outcome, nil
}
