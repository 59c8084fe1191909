// SPDX-License-Identifier: Apache-2.0

package redis

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
)

// importStep is how many records are imported in one transaction.
const importStep = 100

// Export implements store.Transfers. What others write in the meantime may be
// exported or not, and a record may come twice; for a copy of one moment, stop
// the servers.
func (s *Store) Export(ctx context.Context, fn func(store.Record) error) error {
	document, _, err := s.LoadKeys(ctx)
	if err != nil {
		return err
	}
	if document != nil {
		if err := fn(store.Record{Keys: document}); err != nil {
			return err
		}
	}
	kinds, err := s.kindTables(ctx)
	if err != nil {
		return err
	}
	for _, from := range append([]*table{&s.clients, &s.codes, &s.grants, &s.approvals, &s.revocations}, kinds...) {
		if strings.HasPrefix(from.name, counts) {
			continue
		}
		if err := s.exportTable(ctx, from, fn); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) exportTable(ctx context.Context, from *table, fn func(store.Record) error) error {
	for cursor := uint64(0); ; {
		pairs, next, err := s.scan(ctx, from, cursor)
		if err != nil {
			return err
		}
		for i := 0; i+1 < len(pairs); i += 2 {
			if err := s.exportRecord(from, pairs[i], pairs[i+1], fn); err != nil {
				return err
			}
		}
		if cursor = next; cursor == 0 {
			return nil
		}
	}
}

// scan reads ids and records in turn, and where to go on.
func (s *Store) scan(ctx context.Context, from *table, cursor uint64) ([]string, uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	pairs, next, err := s.client.HScan(ctx, from.records, cursor, "", pageStep).Result()
	return pairs, next, explain(err)
}

// exportRecord passes on a record that has not ended.
func (s *Store) exportRecord(from *table, id, record string, fn func(store.Record) error) error {
	var ends time.Time
	if from.end != nil {
		var err error
		if ends, err = from.end(record); err != nil {
			return err
		}
		if !s.now().Before(ends) {
			return nil
		}
	}
	var (
		r   store.Record
		err error
	)
	switch from.name {
	case s.clients.name:
		r.Client, err = decode[store.Client](record)
	case s.codes.name:
		r.Code, err = decode[store.Code](record)
	case s.grants.name:
		r.Grant, err = decode[store.Grant](record)
	case s.revocations.name:
		r.Revocation, err = decode[store.Revocation](record)
	case s.approvals.name:
		n := len(store.Hash{})
		if len(id) != 2*n {
			return errors.New("redis: record cannot be read: an approval with another id")
		}
		r.Approval = &store.Approval{Subject: store.Hash([]byte(id[:n])), Fingerprint: store.Hash([]byte(id[n:])), Expires: ends}
	default:
		if len(id) != len(store.Hash{}) {
			return errors.New("redis: record cannot be read: a transaction with another id")
		}
		_, value := cutEnd(record)
		kind := store.Kind(strings.TrimPrefix(from.name, transactions))
		r.Transaction = &store.Transaction{Kind: kind, ID: store.Hash([]byte(id)), Value: []byte(value), Expires: ends}
	}
	if err != nil {
		return err
	}
	return fn(r)
}

// Import implements store.Transfers.
func (s *Store) Import(ctx context.Context, records []store.Record) error {
	for len(records) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(len(records), importStep)
		err := s.update(ctx, func(t *tx) error {
			now := s.now()
			for _, r := range records[:n] {
				if err := s.importRecord(t, r, now); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		records = records[n:]
	}
	return nil
}

func (s *Store) importRecord(t *tx, r store.Record, now time.Time) error {
	switch {
	case r.Keys != nil:
		current, err := s.keysDocument(t)
		if err != nil {
			return err
		}
		return putJSON(t, &s.meta, keysID, keysDocument{current.Revision + 1, r.Keys}, time.Time{})
	case r.Client != nil:
		return s.putClient(t, r.Client)
	case r.Transaction != nil && now.Before(r.Transaction.Expires):
		into, id := s.transactions(r.Transaction.Kind), r.Transaction.ID
		t.write("add", s.kinds, into.name, "0")
		t.put(into, string(id[:]), withEnd(r.Transaction.Expires, r.Transaction.Value), r.Transaction.Expires)
	case r.Code != nil && now.Before(r.Code.Expires):
		return s.putCode(t, r.Code)
	case r.Grant != nil && r.Grant.Alive(now):
		switch old, err := getJSON[store.Grant](t, &s.grants, string(r.Grant.ID[:])); {
		case err == nil:
			s.deleteGrant(t, old)
		case !errors.Is(err, store.ErrNotFound):
			return err
		}
		return s.putGrant(t, r.Grant)
	case r.Approval != nil && now.Before(r.Approval.Expires):
		a := r.Approval
		t.put(&s.approvals, approvalID(a.Subject, a.Fingerprint), withEnd(a.Expires, nil), a.Expires)
	case r.Revocation != nil && now.Before(r.Revocation.Expires):
		if id := r.Revocation.TokenID; id != "" {
			t.put(&s.revoked, id, withEnd(r.Revocation.Expires, nil), r.Revocation.Expires)
		}
		return t.list(*r.Revocation)
	}
	return nil
}
