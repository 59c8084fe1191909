// SPDX-License-Identifier: Apache-2.0

package redis

import (
	"context"
	"errors"

	goredis "github.com/redis/go-redis/v9"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
)

// pageStep is how many records are read at once.
const pageStep = 1000

// get reads a record, or ErrNotFound.
func (s *Store) get(ctx context.Context, from *table, id string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	record, err := s.client.HGet(ctx, from.records, id).Result()
	if errors.Is(err, goredis.Nil) {
		return "", store.ErrNotFound
	}
	return record, explain(err)
}

func readJSON[T any](ctx context.Context, s *Store, from *table, id string) (*T, error) {
	record, err := s.get(ctx, from, id)
	if err != nil {
		return nil, err
	}
	v, err := decode[T](record)
	if err != nil {
		return nil, err
	}
	return v, nil
}

// readAll reads and decodes records, but for those that are gone.
func readAll[T any](ctx context.Context, s *Store, from *table, ids []string) (found []T, err error) {
	if len(ids) == 0 {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	records, err := s.client.HMGet(ctx, from.records, ids...).Result()
	if err != nil {
		return nil, explain(err)
	}
	for _, record := range records {
		text, ok := record.(string)
		if !ok {
			continue
		}
		v, err := decode[T](text)
		if err != nil {
			return nil, err
		}
		found = append(found, *v)
	}
	return found, nil
}

// idsAfter returns the next ids of a table, n at most.
func (s *Store) idsAfter(ctx context.Context, from *table, after string, n int) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	ids, err := s.client.ZRangeByLex(ctx, from.ids, &goredis.ZRangeBy{Min: "(" + after, Max: "+", Count: int64(n)}).Result()
	return ids, explain(err)
}

// page returns the records after an id that are wanted, n at most.
func page[T any](ctx context.Context, s *Store, from *table, after string, n int, wanted func(*T) bool) (found []T, err error) {
	for len(found) < n {
		ids, err := s.idsAfter(ctx, from, after, min(n-len(found), pageStep))
		if err != nil || len(ids) == 0 {
			return found, err
		}
		records, err := readAll[T](ctx, s, from, ids)
		if err != nil {
			return nil, err
		}
		for _, v := range records {
			if wanted(&v) {
				found = append(found, v)
			}
		}
		after = ids[len(ids)-1]
	}
	return found, nil
}
