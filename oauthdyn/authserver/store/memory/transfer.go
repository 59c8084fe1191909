// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"bytes"
	"context"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
)

// Export implements store.Transfers, with all records of one moment.
func (s *Store) Export(ctx context.Context, fn func(store.Record) error) error {
	records, err := s.snapshot()
	if err != nil {
		return err
	}
	for _, r := range records {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := fn(r); err != nil {
			return err
		}
	}
	return nil
}

// snapshot copies everything that has not expired.
func (s *Store) snapshot() ([]store.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	var records []store.Record
	if s.keys != nil {
		records = append(records, store.Record{Keys: s.keys})
	}
	for _, e := range s.clients {
		records = append(records, store.Record{Client: e.Value.(*store.Client)})
	}
	for kind, kept := range s.transactions {
		for id, r := range kept {
			if now.Before(r.expires) {
				records = append(records, store.Record{Transaction: &store.Transaction{Kind: kind, ID: id, Value: r.value, Expires: r.expires}})
			}
		}
	}
	for _, c := range s.codes {
		if now.Before(c.Expires) {
			records = append(records, store.Record{Code: &c})
		}
	}
	for _, g := range s.grants {
		if g.Alive(now) {
			records = append(records, store.Record{Grant: &g})
		}
	}
	for a, expires := range s.approvals {
		if now.Before(expires) {
			records = append(records, store.Record{Approval: &store.Approval{Subject: a.subject, Fingerprint: a.fingerprint, Expires: expires}})
		}
	}
	for _, r := range s.revocations {
		if now.Before(r.Expires) {
			records = append(records, store.Record{Revocation: &r.Revocation})
		}
	}
	return clone(records)
}

// Import implements store.Transfers.
func (s *Store) Import(_ context.Context, records []store.Record) error {
	records, err := clone(records)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range records {
		s.put(r, s.now())
	}
	return nil
}

func (s *Store) put(r store.Record, now time.Time) {
	switch {
	case r.Keys != nil:
		s.keys = bytes.Clone(r.Keys)
		s.keysRevision++
	case r.Client != nil:
		s.putClient(r.Client)
	case r.Transaction != nil && now.Before(r.Transaction.Expires):
		t := r.Transaction
		if s.transactions[t.Kind] == nil {
			s.transactions[t.Kind] = map[store.Hash]record{}
		}
		s.transactions[t.Kind][t.ID] = record{t.Value, t.Expires}
	case r.Code != nil && now.Before(r.Code.Expires):
		s.codes[r.Code.Hash] = *r.Code
	case r.Grant != nil && r.Grant.Alive(now):
		s.grants[r.Grant.ID] = *r.Grant
	case r.Approval != nil && now.Before(r.Approval.Expires):
		s.approvals[approval{r.Approval.Subject, r.Approval.Fingerprint}] = r.Approval.Expires
	case r.Revocation != nil && now.Before(r.Revocation.Expires):
		if id := r.Revocation.TokenID; id != "" {
			s.revoked[id] = r.Revocation.Expires
		}
		s.list(*r.Revocation)
	}
}

func (s *Store) putClient(c *store.Client) {
	if e := s.clients[c.ID]; e != nil {
		s.unused.Remove(e)
		s.used.Remove(e)
	}
	if !c.Used.IsZero() {
		s.clients[c.ID] = s.used.PushBack(c)
		return
	}
	for e := s.unused.Back(); e != nil; e = e.Prev() {
		if !e.Value.(*store.Client).Created.After(c.Created) {
			s.clients[c.ID] = s.unused.InsertAfter(c, e)
			return
		}
	}
	s.clients[c.ID] = s.unused.PushFront(c)
}
