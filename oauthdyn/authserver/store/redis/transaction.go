// SPDX-License-Identifier: Apache-2.0

package redis

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
)

//go:embed commit.lua
var commitSource string

var commitScript = goredis.NewScript(commitSource)

// maxAttempts bounds how often a transaction starts again. Each time another
// writer was first, and most have only one thing to write.
const maxAttempts = 1000

// guardWords is how many words a guard or a write has in the script.
const guardWords = 4

var errContention = errors.New("redis: too many others write the same records; try again")

// A tx is an optimistic transaction. What it reads guards the commit: if that has
// changed, nothing is written.
type tx struct {
	s      *Store
	ctx    context.Context // of the one method call that the transaction is part of
	keys   []string
	guards []any
	writes []any
}

// update runs fn in transactions until one is committed. The errors of package
// store are answers, not failures: what fn wrote before them counts. fn may run
// more than once. What has begun is finished even if the caller goes away: a
// thief must not be able to stop a revocation.
func (s *Store) update(ctx context.Context, fn func(*tx) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.timeout)
	defer cancel()
	for range maxAttempts {
		t := &tx{s: s, ctx: ctx, keys: []string{s.position, s.revocations.records, s.revocations.ids, s.revocations.ends}}
		answer := fn(t)
		if answer != nil && !isAnswer(answer) {
			return explain(answer)
		}
		if len(t.writes) == 0 && len(t.guards) <= guardWords {
			return answer // one read is of one moment, several may not be
		}
		committed, err := t.commit()
		if err != nil {
			return explain(err)
		}
		if committed {
			return answer
		}
	}
	return errContention
}

// isAnswer recognizes the errors of package store.
func isAnswer(err error) bool {
	return errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrReplayed) ||
		errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrFull)
}

func (t *tx) commit() (bool, error) {
	args := append([]any{len(t.guards) / guardWords}, t.guards...)
	done, err := commitScript.Run(t.ctx, t.s.client, t.keys, append(args, t.writes...)...).Int()
	return done == 1, err
}

// key returns the number of a key, as a word for the script.
func (t *tx) key(name string) string {
	for i, known := range t.keys {
		if known == name {
			return strconv.Itoa(i + 1)
		}
	}
	t.keys = append(t.keys, name)
	return strconv.Itoa(len(t.keys))
}

func (t *tx) guard(what, key, a, b string) { t.guards = append(t.guards, what, t.key(key), a, b) }
func (t *tx) write(what, key, a, b string) { t.writes = append(t.writes, what, t.key(key), a, b) }

// get reads a record, or ErrNotFound. The commit needs it, or its absence, to be
// as it was.
func (t *tx) get(from *table, id string) (string, error) {
	record, err := t.s.client.HGet(t.ctx, from.records, id).Result()
	switch {
	case errors.Is(err, goredis.Nil):
		t.guard("none", from.records, id, "")
		return "", store.ErrNotFound
	case err != nil:
		return "", err
	}
	t.guard("same", from.records, id, record)
	return record, nil
}

// getAll reads records, which are empty where there is none.
func (t *tx) getAll(from *table, ids []string) ([]string, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	found, err := t.s.client.HMGet(t.ctx, from.records, ids...).Result()
	if err != nil {
		return nil, err
	}
	records := make([]string, len(ids))
	for i, record := range found {
		var ok bool
		if records[i], ok = record.(string); ok {
			t.guard("same", from.records, ids[i], records[i])
		} else {
			t.guard("none", from.records, ids[i], "")
		}
	}
	return records, nil
}

// room returns ErrFull if a table has n records or more. The commit needs that
// there is room still.
func (t *tx) room(in *table, n int) error {
	found, err := t.s.client.HLen(t.ctx, in.records).Result()
	if err != nil {
		return err
	}
	if found >= int64(n) {
		return store.ErrFull
	}
	t.guard("room", in.records, strconv.Itoa(n), "")
	return nil
}

// put stores a record until it ends.
func (t *tx) put(into *table, id, record string, ends time.Time) {
	t.write("put", into.records, id, record)
	if into.ends != "" {
		t.write("add", into.ends, id, endScore(ends))
	}
	if into.ids != "" {
		t.write("add", into.ids, id, "0")
	}
}

func (t *tx) delete(from *table, id string) {
	t.write("delete", from.records, id, "")
	for _, set := range []string{from.ends, from.ids} {
		if set != "" {
			t.write("remove", set, id, "")
		}
	}
}

// getJSON reads a record and decodes it.
func getJSON[T any](t *tx, from *table, id string) (*T, error) {
	record, err := t.get(from, id)
	if err != nil {
		return nil, err
	}
	v, err := decode[T](record)
	if err != nil {
		return nil, err
	}
	return v, nil
}

func putJSON(t *tx, into *table, id string, v any, ends time.Time) error {
	data, err := json.Marshal(v)
	if err == nil {
		t.put(into, id, string(data), ends)
	}
	return err
}

func decode[T any](record string) (*T, error) {
	v := new(T)
	if err := json.Unmarshal([]byte(record), v); err != nil {
		return v, fmt.Errorf("redis: record cannot be read: %w", err)
	}
	return v, nil
}
