// SPDX-License-Identifier: Apache-2.0

package redis

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
)

// list adds to the list of revocations. The script finds the position.
func (t *tx) list(r store.Revocation) error {
	data, err := json.Marshal(r)
	if err == nil {
		t.write("list", t.s.position, string(data), endScore(r.Expires))
	}
	return err
}

// RevokeToken implements store.Revocations.
func (s *Store) RevokeToken(ctx context.Context, tokenID string, expires time.Time) error {
	return s.update(ctx, func(t *tx) error {
		if _, err := t.get(&s.revoked, tokenID); !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if err := t.room(&s.revoked, s.limits.RevokedTokens); err != nil {
			return err
		}
		t.put(&s.revoked, tokenID, withEnd(expires, nil), expires)
		return t.list(store.Revocation{TokenID: tokenID, Expires: expires})
	})
}

// TokenRevoked implements store.Revocations.
func (s *Store) TokenRevoked(ctx context.Context, tokenID string) (bool, error) {
	return s.isLasting(ctx, &s.revoked, tokenID)
}

// positionLen is that of a position: microseconds since 1970 in decimal, or
// later if several revocations were made in one.
const positionLen = 16

// ListRevocations implements store.Revocations.
func (s *Store) ListRevocations(ctx context.Context, after store.Position) ([]store.Revocation, store.Position, error) {
	if after != "" && (len(after) != positionLen || strings.Trim(string(after), "0123456789") != "") {
		return nil, after, fmt.Errorf("redis: position %q is not one of this store", after)
	}
	for {
		ids, err := s.idsAfter(ctx, &s.revocations, string(after), pageStep)
		if err != nil || len(ids) == 0 {
			return nil, after, err
		}
		found, err := readAll[store.Revocation](ctx, s, &s.revocations, ids)
		if err != nil {
			return nil, after, err
		}
		after = store.Position(ids[len(ids)-1])
		if len(found) > 0 { // else all have ended and were just collected
			return found, after, nil
		}
	}
}
