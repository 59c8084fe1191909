// SPDX-License-Identifier: Apache-2.0

package redis

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
)

// PutTransaction implements store.Transactions.
func (s *Store) PutTransaction(ctx context.Context, kind store.Kind, id store.Hash, value []byte, expires time.Time) error {
	return s.update(ctx, func(t *tx) error {
		_, err := t.get(s.transactions(kind), string(id[:]))
		return s.putTransaction(t, kind, id, value, expires, err)
	})
}

// AddTransaction implements store.Transactions.
func (s *Store) AddTransaction(ctx context.Context, kind store.Kind, id store.Hash, value []byte, expires time.Time) error {
	return s.update(ctx, func(t *tx) error {
		record, err := t.get(s.transactions(kind), string(id[:]))
		if ends, _ := cutEnd(record); err == nil && s.now().Before(ends) {
			return store.ErrConflict
		}
		return s.putTransaction(t, kind, id, value, expires, err)
	})
}

// putTransaction stores a record, which is its end, then its value; found is the
// error of looking for one before.
func (s *Store) putTransaction(t *tx, kind store.Kind, id store.Hash, value []byte, expires time.Time, found error) error {
	into := s.transactions(kind)
	if errors.Is(found, store.ErrNotFound) {
		if found = t.room(into, s.limits.Transactions); found == nil {
			t.write("add", s.kinds, into.name, "0")
		}
	}
	if found != nil {
		return found
	}
	t.put(into, string(id[:]), withEnd(expires, value), expires)
	return nil
}

// Transaction implements store.Transactions.
func (s *Store) Transaction(ctx context.Context, kind store.Kind, id store.Hash) ([]byte, error) {
	record, err := s.get(ctx, s.transactions(kind), string(id[:]))
	if err != nil {
		return nil, err
	}
	return s.lasting(record)
}

// lasting returns the value of a record that has not ended.
func (s *Store) lasting(record string) ([]byte, error) {
	ends, value := cutEnd(record)
	if !s.now().Before(ends) {
		return nil, store.ErrNotFound
	}
	return []byte(value), nil
}

// TakeTransaction implements store.Transactions.
func (s *Store) TakeTransaction(ctx context.Context, kind store.Kind, id store.Hash) (value []byte, err error) {
	err = s.update(ctx, func(t *tx) error {
		record, err := t.get(s.transactions(kind), string(id[:]))
		if err != nil {
			return err
		}
		t.delete(s.transactions(kind), string(id[:]))
		value, err = s.lasting(record)
		return err
	})
	if err != nil {
		return nil, err
	}
	return value, nil
}

//go:embed count.lua
var countSource string

var countScript = goredis.NewScript(countSource)

// Count implements store.Counts. The end is exact to the microsecond.
func (s *Store) Count(ctx context.Context, kind store.Kind, id store.Hash, window time.Duration) (n int, ends time.Time, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	counts, now := s.counts(kind), s.now()
	reply, err := countScript.Run(ctx, s.client, []string{counts.records, counts.ends, s.kinds},
		string(id[:]), now.UnixMicro(), now.Add(window).UnixMicro(), s.limits.Transactions, counts.name).Int64Slice()
	switch {
	case err != nil:
		return 0, time.Time{}, explain(err)
	case len(reply) == 0:
		return 0, time.Time{}, store.ErrFull
	case len(reply) != 2:
		return 0, time.Time{}, fmt.Errorf("redis: a count of %d numbers", len(reply))
	}
	return int(reply[0]), time.UnixMicro(reply[1]), nil
}

func approvalID(subject, fingerprint store.Hash) string {
	return string(subject[:]) + string(fingerprint[:])
}

// Approve implements store.Approvals.
func (s *Store) Approve(ctx context.Context, subject string, fingerprint store.Hash, expires time.Time) error {
	return s.update(ctx, func(t *tx) error {
		t.put(&s.approvals, approvalID(store.HashOf(subject), fingerprint), withEnd(expires, nil), expires)
		return nil
	})
}

// Approved implements store.Approvals.
func (s *Store) Approved(ctx context.Context, subject string, fingerprint store.Hash) (bool, error) {
	return s.isLasting(ctx, &s.approvals, approvalID(store.HashOf(subject), fingerprint))
}

// isLasting reports whether there is a record that has not ended.
func (s *Store) isLasting(ctx context.Context, in *table, id string) (bool, error) {
	record, err := s.get(ctx, in, id)
	if err != nil {
		return false, orNothing(err)
	}
	ends, _ := cutEnd(record)
	return s.now().Before(ends), nil
}

// keysID is where the keys are in the meta table.
const keysID = "keys"

// keysDocument is the document with the signing keys.
type keysDocument struct {
	Revision uint64 `json:"revision"`
	Document []byte `json:"document"`
}

// LoadKeys implements store.Keys.
func (s *Store) LoadKeys(ctx context.Context) ([]byte, uint64, error) {
	doc, err := readJSON[keysDocument](ctx, s, &s.meta, keysID)
	if err != nil {
		return nil, 0, orNothing(err)
	}
	return doc.Document, doc.Revision, nil
}

// SaveKeys implements store.Keys.
func (s *Store) SaveKeys(ctx context.Context, document []byte, revision uint64) error {
	return s.update(ctx, func(t *tx) error {
		current, err := s.keysDocument(t)
		if err != nil {
			return err
		}
		if current.Revision != revision {
			return store.ErrConflict
		}
		return putJSON(t, &s.meta, keysID, keysDocument{revision + 1, document}, time.Time{})
	})
}

// keysDocument reads the document; the zero one if there is none.
func (s *Store) keysDocument(t *tx) (*keysDocument, error) {
	doc, err := getJSON[keysDocument](t, &s.meta, keysID)
	if errors.Is(err, store.ErrNotFound) {
		return &keysDocument{}, nil
	}
	return doc, err
}
