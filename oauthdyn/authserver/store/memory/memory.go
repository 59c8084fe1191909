// SPDX-License-Identifier: Apache-2.0

// Package memory is a Store that forgets everything when the process ends: for
// tests and trials.
//
//	options.Store = memory.New(nil) // in authserver.Options
package memory

import (
	"bytes"
	"cmp"
	"container/list"
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store/internal/counters"
)

// Options configure a Store.
type Options struct {
	Limits store.Limits     // zero fields: the defaults
	Now    func() time.Time // nil: time.Now
}

// A Store keeps everything in maps. It is safe for concurrent use.
type Store struct {
	limits store.Limits
	now    func() time.Time
	counts counters.Counters

	mu sync.Mutex
	// mu guards the fields below.
	clients      map[string]*list.Element // of *store.Client, in unused or used
	unused       *list.List               // in order of creation
	used         *list.List
	transactions map[store.Kind]map[store.Hash]record
	codes        map[store.Hash]store.Code
	grants       map[store.Hash]store.Grant
	approvals    map[approval]time.Time
	revocations  []revocation         // in order of their positions
	position     uint64               // of the last one
	revoked      map[string]time.Time // end of access tokens that were revoked one by one
	keys         []byte
	keysRevision uint64
}

type record struct {
	value   []byte
	expires time.Time
}

type approval struct {
	subject     store.Hash
	fingerprint store.Hash
}

// New makes an empty store. Nil options are valid.
func New(o *Options) *Store {
	if o == nil {
		o = &Options{}
	}
	s := &Store{
		limits:       o.Limits.WithDefaults(),
		now:          o.Now,
		clients:      map[string]*list.Element{},
		unused:       list.New(),
		used:         list.New(),
		transactions: map[store.Kind]map[store.Hash]record{},
		codes:        map[store.Hash]store.Code{},
		grants:       map[store.Hash]store.Grant{},
		approvals:    map[approval]time.Time{},
		revoked:      map[string]time.Time{},
	}
	if s.now == nil {
		s.now = time.Now
	}
	return s
}

var _ store.Store = (*Store)(nil)

// CreateClient implements store.Clients.
func (s *Store) CreateClient(_ context.Context, c store.Client) error {
	c, err := clone(c)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c.Created = s.now()
	if s.clients[c.ID] != nil {
		return store.ErrConflict
	}
	if len(s.clients) >= s.limits.Clients {
		oldest := s.unused.Front()
		if oldest == nil || c.Created.Sub(oldest.Value.(*store.Client).Created) < s.limits.ClientGrace {
			return store.ErrFull
		}
		s.deleteClient(oldest.Value.(*store.Client).ID)
	}
	s.clients[c.ID] = s.unused.PushBack(&c)
	return nil
}

// Client implements store.Clients.
func (s *Store) Client(_ context.Context, id string) (*store.Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.clients[id]
	if e == nil {
		return nil, store.ErrNotFound
	}
	c, err := clone(*e.Value.(*store.Client))
	return &c, err
}

// ListClients implements store.Clients. It looks at all of them.
func (s *Store) ListClients(_ context.Context, after string, n int) ([]store.Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []store.Client
	for id, e := range s.clients {
		if id > after {
			found = append(found, *e.Value.(*store.Client))
		}
	}
	slices.SortFunc(found, func(a, b store.Client) int { return cmp.Compare(a.ID, b.ID) })
	return clone(found[:min(n, len(found))])
}

// UpdateClient implements store.Clients.
func (s *Store) UpdateClient(_ context.Context, c store.Client, registration store.Hash) error {
	c, err := clone(c)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.clients[c.ID]
	if e == nil {
		return store.ErrNotFound
	}
	old := e.Value.(*store.Client)
	if !old.Registration.Equal(registration) {
		return store.ErrConflict
	}
	c.Created, c.Used = old.Created, old.Used
	*old = c
	return nil
}

// TouchClient implements store.Clients.
func (s *Store) TouchClient(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.clients[id]
	if e == nil {
		return store.ErrNotFound
	}
	c := e.Value.(*store.Client)
	if c.Used.IsZero() {
		s.unused.Remove(e)
		s.clients[id] = s.used.PushBack(c)
	}
	if now := s.now(); c.NeedsTouch(now) {
		c.Used = now
	}
	return nil
}

// DeleteClient implements store.Clients.
func (s *Store) DeleteClient(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deleteClient(id)
	return nil
}

func (s *Store) deleteClient(id string) {
	s.revokeGrants(store.Owner{ClientID: id})
	if e := s.clients[id]; e != nil {
		s.unused.Remove(e) // List.Remove leaves an element of another list alone
		s.used.Remove(e)
		delete(s.clients, id)
	}
}

// PutTransaction implements store.Transactions.
func (s *Store) PutTransaction(_ context.Context, kind store.Kind, id store.Hash, value []byte, expires time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.putTransaction(kind, id, value, expires)
}

// AddTransaction implements store.Transactions.
func (s *Store) AddTransaction(_ context.Context, kind store.Kind, id store.Hash, value []byte, expires time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.transaction(kind, id); err == nil {
		return store.ErrConflict
	}
	return s.putTransaction(kind, id, value, expires)
}

func (s *Store) putTransaction(kind store.Kind, id store.Hash, value []byte, expires time.Time) error {
	records := s.transactions[kind]
	if records == nil {
		records = map[store.Hash]record{}
		s.transactions[kind] = records
	}
	if _, ok := records[id]; !ok && len(records) >= s.limits.Transactions {
		return store.ErrFull
	}
	records[id] = record{bytes.Clone(value), expires}
	return nil
}

// Transaction implements store.Transactions.
func (s *Store) Transaction(_ context.Context, kind store.Kind, id store.Hash) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.transaction(kind, id)
}

func (s *Store) transaction(kind store.Kind, id store.Hash) ([]byte, error) {
	r, ok := s.transactions[kind][id]
	if !ok || !s.now().Before(r.expires) {
		return nil, store.ErrNotFound
	}
	return bytes.Clone(r.value), nil
}

// TakeTransaction implements store.Transactions.
func (s *Store) TakeTransaction(_ context.Context, kind store.Kind, id store.Hash) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	value, err := s.transaction(kind, id)
	delete(s.transactions[kind], id)
	return value, err
}

// Count implements store.Counts.
func (s *Store) Count(_ context.Context, kind store.Kind, id store.Hash, window time.Duration) (int, time.Time, error) {
	return s.counts.Count(kind, id, window, s.now(), s.limits.Transactions)
}

// Approve implements store.Approvals.
func (s *Store) Approve(_ context.Context, subject string, fingerprint store.Hash, expires time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.approvals[approval{store.HashOf(subject), fingerprint}] = expires
	return nil
}

// Approved implements store.Approvals.
func (s *Store) Approved(_ context.Context, subject string, fingerprint store.Hash) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now().Before(s.approvals[approval{store.HashOf(subject), fingerprint}]), nil
}

// LoadKeys implements store.Keys.
func (s *Store) LoadKeys(context.Context) ([]byte, uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Clone(s.keys), s.keysRevision, nil
}

// SaveKeys implements store.Keys.
func (s *Store) SaveKeys(_ context.Context, document []byte, revision uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if revision != s.keysRevision {
		return store.ErrConflict
	}
	s.keys = bytes.Clone(document)
	s.keysRevision++
	return nil
}

// clone copies a record as a store on disk would.
func clone[T any](v T) (c T, err error) {
	data, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(data, &c)
	}
	return c, err
}
