// SPDX-License-Identifier: Apache-2.0

package redis

import (
	"context"
	"errors"
	"strings"

	goredis "github.com/redis/go-redis/v9"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
)

// PutCode implements store.Codes.
func (s *Store) PutCode(ctx context.Context, c store.Code) error {
	return s.update(ctx, func(t *tx) error { return s.putCode(t, &c) })
}

func (s *Store) putCode(t *tx, c *store.Code) error {
	return putJSON(t, &s.codes, string(c.Hash[:]), c, c.Expires)
}

// Code implements store.Codes.
func (s *Store) Code(ctx context.Context, code store.Hash) (*store.Code, error) {
	c, err := readJSON[store.Code](ctx, s, &s.codes, string(code[:]))
	if err == nil && !s.now().Before(c.Expires) {
		return nil, store.ErrNotFound
	}
	return c, err
}

// FailCode implements store.Codes.
func (s *Store) FailCode(ctx context.Context, code store.Hash) error {
	return s.update(ctx, func(t *tx) error {
		c, err := getJSON[store.Code](t, &s.codes, string(code[:]))
		if err != nil || c.Redeemed() {
			return orNothing(err)
		}
		if c.Failures++; c.Failures >= store.MaxCodeFailures {
			t.delete(&s.codes, string(code[:]))
			return nil
		}
		return s.putCode(t, c)
	})
}

// RedeemCode implements store.Codes.
func (s *Store) RedeemCode(ctx context.Context, code store.Hash, g store.Grant) error {
	return s.update(ctx, func(t *tx) error {
		c, err := getJSON[store.Code](t, &s.codes, string(code[:]))
		if err != nil {
			return err
		}
		switch err := c.Redeem(g, s.now()); {
		case errors.Is(err, store.ErrReplayed):
			return s.replayed(t, c.Grant, err)
		case err != nil:
			return err
		}
		return errors.Join(s.putCode(t, c), s.putGrant(t, &g))
	})
}

// ownerKey begins the members of an index that belong to an owner; the id of a
// grant follows.
func ownerKey(owner string) string {
	sum := store.HashOf(owner)
	return string(sum[:])
}

// putGrant stores a grant and makes it found by its owners.
func (s *Store) putGrant(t *tx, g *store.Grant) error {
	id := string(g.ID[:])
	t.write("add", s.bySubject, ownerKey(g.Subject)+id, "0")
	t.write("add", s.byClient, ownerKey(g.ClientID)+id, "0")
	return putJSON(t, &s.grants, id, g, g.End())
}

func (s *Store) deleteGrant(t *tx, g *store.Grant) {
	id := string(g.ID[:])
	t.write("remove", s.bySubject, ownerKey(g.Subject)+id, "")
	t.write("remove", s.byClient, ownerKey(g.ClientID)+id, "")
	t.delete(&s.grants, id)
}

// CreateGrant implements store.Grants.
func (s *Store) CreateGrant(ctx context.Context, g store.Grant) error {
	return s.update(ctx, func(t *tx) error { return s.putGrant(t, &g) })
}

// Grant implements store.Grants.
func (s *Store) Grant(ctx context.Context, id store.Hash) (*store.Grant, error) {
	g, err := readJSON[store.Grant](ctx, s, &s.grants, string(id[:]))
	if err == nil && !g.Alive(s.now()) {
		return nil, store.ErrNotFound
	}
	return g, err
}

// AllGrants implements store.Grants.
func (s *Store) AllGrants(ctx context.Context, after store.Hash, n int) ([]store.Grant, error) {
	now := s.now()
	return page(ctx, s, &s.grants, string(after[:]), n, func(g *store.Grant) bool { return g.Alive(now) })
}

// RotateRefresh implements store.Grants.
func (s *Store) RotateRefresh(ctx context.Context, r store.Rotation) (g *store.Grant, outcome store.Outcome, err error) {
	err = s.update(ctx, func(t *tx) (err error) {
		if g, err = getJSON[store.Grant](t, &s.grants, string(r.Grant[:])); err != nil {
			return err
		}
		switch outcome, err = g.Rotate(r, s.now()); {
		case errors.Is(err, store.ErrReplayed):
			return s.replayed(t, g.ID, err)
		case err != nil || outcome == store.Repeated:
			return err
		}
		return s.putGrant(t, g)
	})
	if err != nil {
		return nil, 0, err
	}
	return g, outcome, nil
}

// ownedIDs returns ids of the grants of an owner from an index: those after an
// id, n at most.
func (s *Store) ownedIDs(ctx context.Context, index, owner string, after store.Hash, n int) ([]store.Hash, error) {
	prefix := ownerKey(owner)
	members, err := s.client.ZRangeByLex(ctx, index, &goredis.ZRangeBy{
		Min: "(" + prefix + string(after[:]), Max: "[" + prefix + strings.Repeat("\xff", len(after)), Count: int64(n),
	}).Result()
	if err != nil {
		return nil, err
	}
	ids := make([]store.Hash, 0, len(members))
	for _, member := range members {
		if id := member[len(prefix):]; len(id) == len(after) {
			ids = append(ids, store.Hash([]byte(id)))
		}
	}
	return ids, nil
}

// eachPage calls fn with the ids of grants that an owner may have. The index of
// the client is used if there is no subject.
func (s *Store) eachPage(ctx context.Context, o store.Owner, fn func([]store.Hash) error) error {
	index, name := s.bySubject, o.Subject
	if name == "" {
		index, name = s.byClient, o.ClientID
	}
	for after := (store.Hash{}); ; {
		ids, err := s.pageOfIDs(ctx, index, name, after)
		if err != nil || len(ids) == 0 {
			return err
		}
		if err := fn(ids); err != nil {
			return err
		}
		after = ids[len(ids)-1]
	}
}

func (s *Store) pageOfIDs(ctx context.Context, index, owner string, after store.Hash) ([]store.Hash, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	ids, err := s.ownedIDs(ctx, index, owner, after, pageStep)
	return ids, explain(err)
}

// ListGrants implements store.Grants.
func (s *Store) ListGrants(ctx context.Context, o store.Owner) (alive []store.Grant, err error) {
	now := s.now()
	err = s.eachPage(ctx, o, func(ids []store.Hash) error {
		names := make([]string, len(ids))
		for i, id := range ids {
			names[i] = string(id[:])
		}
		grants, err := readAll[store.Grant](ctx, s, &s.grants, names)
		for _, g := range grants {
			if o.Owns(&g) && g.Alive(now) {
				alive = append(alive, g)
			}
		}
		return err
	})
	return alive, err
}

// RevokeGrant implements store.Grants.
func (s *Store) RevokeGrant(ctx context.Context, id store.Hash) error {
	return s.update(ctx, func(t *tx) error { return s.revoke(t, id) })
}

// RevokeGrants implements store.Grants.
func (s *Store) RevokeGrants(ctx context.Context, o store.Owner) (total int, err error) {
	err = s.eachPage(context.WithoutCancel(ctx), o, func(ids []store.Hash) error {
		n := 0
		err := s.update(ctx, func(t *tx) error {
			n = 0
			for _, id := range ids {
				g, err := getJSON[store.Grant](t, &s.grants, string(id[:]))
				if err != nil && !errors.Is(err, store.ErrNotFound) {
					return err
				}
				if err != nil || !o.Owns(g) {
					continue
				}
				if err := s.revokeFound(t, g); err != nil {
					return err
				}
				n++
			}
			return nil
		})
		if err == nil {
			total += n
		}
		return err
	})
	return total, err
}

// replayed revokes a grant and returns why, unless that fails: a replay must not
// be told of that is without effect.
func (s *Store) replayed(t *tx, id store.Hash, why error) error {
	if err := s.revoke(t, id); err != nil {
		return err
	}
	return why
}

// revoke removes a grant, if there is one, and lists that.
func (s *Store) revoke(t *tx, id store.Hash) error {
	g, err := getJSON[store.Grant](t, &s.grants, string(id[:]))
	if err != nil {
		return orNothing(err)
	}
	return s.revokeFound(t, g)
}

func (s *Store) revokeFound(t *tx, g *store.Grant) error {
	s.deleteGrant(t, g)
	return t.list(store.Revocation{Grant: g.ID, Expires: s.now().Add(store.MaxAccessTokenTTL)})
}
