// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strconv"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
)

// A revocation has its position, which only grows.
type revocation struct {
	position uint64
	store.Revocation
}

// ListGrants implements store.Grants. It looks at all of them.
func (s *Store) ListGrants(_ context.Context, o store.Owner) ([]store.Grant, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var grants []store.Grant
	for _, g := range s.grants {
		if !o.Owns(&g) || !g.Alive(s.now()) {
			continue
		}
		g, err := clone(g)
		if err != nil {
			return nil, err
		}
		grants = append(grants, g)
	}
	return grants, nil
}

// RevokeGrant implements store.Grants.
func (s *Store) RevokeGrant(_ context.Context, id store.Hash) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.revokeGrant(id)
	return nil
}

// RevokeGrants implements store.Grants.
func (s *Store) RevokeGrants(_ context.Context, o store.Owner) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.revokeGrants(o), nil
}

func (s *Store) revokeGrants(o store.Owner) (n int) {
	for id, g := range s.grants {
		if o.Owns(&g) {
			s.revokeGrant(id)
			n++
		}
	}
	return n
}

func (s *Store) revokeGrant(id store.Hash) {
	if _, ok := s.grants[id]; !ok {
		return
	}
	delete(s.grants, id)
	s.list(store.Revocation{Grant: id, Expires: s.now().Add(store.MaxAccessTokenTTL)})
}

// RevokeToken implements store.Revocations.
func (s *Store) RevokeToken(_ context.Context, tokenID string, expires time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch _, ok := s.revoked[tokenID]; {
	case ok:
		return nil
	case len(s.revoked) >= s.limits.RevokedTokens:
		return store.ErrFull
	}
	s.revoked[tokenID] = expires
	s.list(store.Revocation{TokenID: tokenID, Expires: expires})
	return nil
}

// TokenRevoked implements store.Revocations.
func (s *Store) TokenRevoked(_ context.Context, tokenID string) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now().Before(s.revoked[tokenID]), nil
}

func (s *Store) list(r store.Revocation) {
	s.position++
	s.revocations = append(s.revocations, revocation{s.position, r})
}

// listStep is how many revocations are listed at once.
const listStep = 1000

// ListRevocations implements store.Revocations.
func (s *Store) ListRevocations(_ context.Context, after store.Position) ([]store.Revocation, store.Position, error) {
	position := uint64(0)
	if after != "" {
		var err error
		if position, err = strconv.ParseUint(string(after), 10, 64); err != nil {
			return nil, after, fmt.Errorf("memory: position %q is not one of this store", after)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	first := sort.Search(len(s.revocations), func(i int) bool { return s.revocations[i].position > position })
	var found []store.Revocation
	for _, r := range s.revocations[first:min(first+listStep, len(s.revocations))] {
		found = append(found, r.Revocation)
		after = store.Position(strconv.FormatUint(r.position, 10))
	}
	return found, after, nil
}

func (s *Store) collectRevocations(now time.Time) {
	s.revocations = slices.DeleteFunc(s.revocations, func(r revocation) bool { return !now.Before(r.Expires) })
	maps.DeleteFunc(s.revoked, func(_ string, expires time.Time) bool { return !now.Before(expires) })
}
