// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
)

// PutCode implements store.Codes.
func (s *Store) PutCode(_ context.Context, c store.Code) error {
	c, err := clone(c)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.codes[c.Hash] = c
	return nil
}

// Code implements store.Codes.
func (s *Store) Code(_ context.Context, code store.Hash) (*store.Code, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.codes[code]
	if !ok || !s.now().Before(c.Expires) {
		return nil, store.ErrNotFound
	}
	c, err := clone(c)
	return &c, err
}

// FailCode implements store.Codes.
func (s *Store) FailCode(_ context.Context, code store.Hash) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.codes[code]
	if !ok || c.Redeemed() {
		return nil
	}
	if c.Failures++; c.Failures >= store.MaxCodeFailures {
		delete(s.codes, code)
		return nil
	}
	s.codes[code] = c
	return nil
}

// RedeemCode implements store.Codes.
func (s *Store) RedeemCode(_ context.Context, code store.Hash, g store.Grant) error {
	g, err := clone(g)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.codes[code]
	if !ok {
		return store.ErrNotFound
	}
	switch err := c.Redeem(g, s.now()); {
	case errors.Is(err, store.ErrReplayed):
		s.revokeGrant(c.Grant)
		return err
	case err != nil:
		return err
	}
	s.codes[code] = c
	s.grants[g.ID] = g
	return nil
}

// CreateGrant implements store.Grants.
func (s *Store) CreateGrant(_ context.Context, g store.Grant) error {
	g, err := clone(g)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.grants[g.ID] = g
	return nil
}

// Grant implements store.Grants.
func (s *Store) Grant(_ context.Context, id store.Hash) (*store.Grant, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, ok := s.grants[id]
	if !ok || !g.Alive(s.now()) {
		return nil, store.ErrNotFound
	}
	g, err := clone(g)
	return &g, err
}

// AllGrants implements store.Grants. It looks at all of them.
func (s *Store) AllGrants(_ context.Context, after store.Hash, n int) ([]store.Grant, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	var alive []store.Grant
	for id, g := range s.grants {
		if bytes.Compare(id[:], after[:]) > 0 && g.Alive(now) {
			alive = append(alive, g)
		}
	}
	slices.SortFunc(alive, func(a, b store.Grant) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	return clone(alive[:min(n, len(alive))])
}

// RotateRefresh implements store.Grants.
func (s *Store) RotateRefresh(_ context.Context, r store.Rotation) (*store.Grant, store.Outcome, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, ok := s.grants[r.Grant]
	if !ok {
		return nil, 0, store.ErrNotFound
	}
	outcome, err := g.Rotate(r, s.now())
	if err != nil {
		if errors.Is(err, store.ErrReplayed) {
			s.revokeGrant(r.Grant)
		}
		return nil, 0, err
	}
	s.grants[r.Grant] = g
	g, err = clone(g)
	return &g, outcome, err
}

// Collect implements store.Store. It looks at everything in one go: the limits
// keep that short.
func (s *Store) Collect(context.Context) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	before := s.size()
	for _, records := range s.transactions {
		maps.DeleteFunc(records, func(_ store.Hash, r record) bool { return !now.Before(r.expires) })
	}
	for id, c := range s.codes {
		if !now.Before(c.Expires) {
			delete(s.codes, id)
		}
	}
	for id, g := range s.grants {
		if !g.Alive(now) {
			delete(s.grants, id)
		}
	}
	for key, expires := range s.approvals {
		if !now.Before(expires) {
			delete(s.approvals, key)
		}
	}
	s.collectRevocations(now)
	inUse := map[string]bool{}
	for _, g := range s.grants {
		inUse[g.ClientID] = true
	}
	for id, e := range s.clients {
		if !inUse[id] && e.Value.(*store.Client).Stale(now, s.limits) {
			s.deleteClient(id)
		}
	}
	return before - s.size() + s.counts.Collect(now), nil
}

// size counts all records.
func (s *Store) size() int {
	n := len(s.clients) + len(s.codes) + len(s.grants) + len(s.approvals) + len(s.revocations) + len(s.revoked)
	for _, records := range s.transactions {
		n += len(records)
	}
	return n
}
