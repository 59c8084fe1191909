// SPDX-License-Identifier: Apache-2.0

package redis

import (
	"context"
	"strings"

	goredis "github.com/redis/go-redis/v9"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
)

const (
	// collectStep is how many records are removed in one transaction: a script
	// stops all others.
	collectStep = 200

	// collectSteps bounds the transactions for each table in one Collect.
	collectSteps = 50
)

// Collect implements store.Store. Replicas may do it at the same time.
func (s *Store) Collect(ctx context.Context) (total int, err error) {
	s.collecting.Lock()
	defer s.collecting.Unlock()
	tables, err := s.ending(ctx)
	if err != nil {
		return 0, err
	}
	for _, t := range tables {
		n, err := s.collectEnded(ctx, t)
		total += n
		if err != nil {
			return total, err
		}
	}
	n, err := s.collectClients(ctx)
	return total + n, err
}

// ending lists the tables whose records end.
func (s *Store) ending(ctx context.Context) ([]*table, error) {
	kinds, err := s.kindTables(ctx)
	return append([]*table{&s.codes, &s.grants, &s.approvals, &s.revoked, &s.revocations}, kinds...), err
}

// kindTables lists the tables of transactions and counts.
func (s *Store) kindTables(ctx context.Context) (found []*table, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	names, err := s.client.ZRange(ctx, s.kinds, 0, -1).Result()
	for _, name := range names {
		if kind, ok := strings.CutPrefix(name, counts); ok {
			found = append(found, s.counts(store.Kind(kind)))
		} else if kind, ok := strings.CutPrefix(name, transactions); ok {
			found = append(found, s.transactions(store.Kind(kind)))
		}
	}
	return found, explain(err)
}

// collectEnded removes records of a table that have ended. One that cannot be
// read is kept, for somebody to look at.
func (s *Store) collectEnded(ctx context.Context, from *table) (total int, err error) {
	kept := 0
	for range collectSteps {
		if err := ctx.Err(); err != nil {
			return total, err
		}
		n, seen := 0, 0
		err := s.update(ctx, func(t *tx) error {
			n = 0
			ids, err := s.client.ZRangeByScore(t.ctx, from.ends, &goredis.ZRangeBy{
				Min: "-inf", Max: nowScore(s.now()), Offset: int64(kept), Count: collectStep,
			}).Result()
			if err != nil {
				return err
			}
			seen = len(ids)
			n, err = s.removeEnded(t, from, ids)
			return err
		})
		if err != nil {
			return total, err
		}
		total, kept = total+n, kept+seen-n
		if seen < collectStep {
			break
		}
	}
	return total, nil
}

func (s *Store) removeEnded(t *tx, from *table, ids []string) (n int, err error) {
	records, err := t.getAll(from, ids)
	if err != nil {
		return 0, err
	}
	for i, record := range records {
		if record == "" { // somebody was first
			continue
		}
		if ends, err := from.end(record); err != nil || s.now().Before(ends) {
			continue
		}
		n++
		if from != &s.grants {
			t.delete(from, ids[i])
			continue
		}
		g, err := decode[store.Grant](record)
		if err != nil {
			return 0, err
		}
		s.deleteGrant(t, g)
	}
	return n, nil
}

// collectClients looks at the next clients, and removes those that are stale and
// have no grant.
func (s *Store) collectClients(ctx context.Context) (total int, err error) {
	for range collectSteps {
		ids, err := s.idsAfter(ctx, &s.clients, s.collected, collectStep)
		if err != nil {
			return total, err
		}
		clients, err := readAll[store.Client](ctx, s, &s.clients, ids)
		if err != nil {
			return total, err
		}
		for _, c := range clients {
			removed, err := s.collectClient(ctx, &c)
			if err != nil {
				return total, err
			}
			if removed {
				total++
			}
		}
		if len(ids) < collectStep {
			s.collected = "" // from the start again
			break
		}
		s.collected = ids[len(ids)-1]
	}
	return total, nil
}

// collectClient removes a client that is of no more use. That it was used in the
// meantime stops it.
func (s *Store) collectClient(ctx context.Context, c *store.Client) (removed bool, err error) {
	if !c.Stale(s.now(), s.limits) {
		return false, nil
	}
	grants, err := s.ListGrants(ctx, store.Owner{ClientID: c.ID})
	if err != nil || len(grants) > 0 {
		return false, err
	}
	err = s.update(ctx, func(t *tx) error {
		removed = false
		found, err := getJSON[store.Client](t, &s.clients, c.ID)
		if err != nil || !found.Stale(s.now(), s.limits) {
			return orNothing(err)
		}
		more, err := s.deleteClient(t, c.ID)
		removed = err == nil && !more
		return err
	})
	return removed, err
}
