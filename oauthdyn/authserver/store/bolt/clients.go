// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"context"
	"encoding/binary"
	"errors"
	"time"

	"go.etcd.io/bbolt"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
)

// unusedKey sorts by creation.
func unusedKey(c *store.Client) []byte {
	return append(timeBytes(c.Created), c.ID...)
}

func timeBytes(t time.Time) []byte {
	return binary.BigEndian.AppendUint64(nil, uint64(t.UnixNano()))
}

func bytesTime(b []byte) time.Time {
	if len(b) < 8 {
		return time.Time{}
	}
	return time.Unix(0, int64(binary.BigEndian.Uint64(b)))
}

// CreateClient implements store.Clients.
func (s *Store) CreateClient(_ context.Context, c store.Client) error {
	return s.update(func(tx *bbolt.Tx) error {
		clients, unused := tx.Bucket(bucketClients), tx.Bucket(bucketUnused)
		c.Created = s.now()
		if clients.Get([]byte(c.ID)) != nil {
			return store.ErrConflict
		}
		if clients.Sequence() >= uint64(s.limits.Clients) {
			oldest, _ := unused.Cursor().First()
			if oldest == nil || c.Created.Sub(bytesTime(oldest)) < s.limits.ClientGrace {
				return store.ErrFull
			}
			if err := s.deleteClient(tx, string(oldest[8:])); err != nil {
				return err
			}
		}
		return errors.Join(put(clients, []byte(c.ID), c), unused.Put(unusedKey(&c), nil), count(clients, 1))
	})
}

// Client implements store.Clients.
func (s *Store) Client(_ context.Context, id string) (c *store.Client, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		c, err = get[store.Client](tx.Bucket(bucketClients), []byte(id))
		return err
	})
	return c, err
}

// ListClients implements store.Clients.
func (s *Store) ListClients(_ context.Context, after string, n int) (found []store.Client, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		found, err = page[store.Client](tx.Bucket(bucketClients), []byte(after), n, func(*store.Client) bool { return true })
		return err
	})
	return found, err
}

// UpdateClient implements store.Clients.
func (s *Store) UpdateClient(_ context.Context, c store.Client, registration store.Hash) error {
	return s.update(func(tx *bbolt.Tx) error {
		clients := tx.Bucket(bucketClients)
		old, err := get[store.Client](clients, []byte(c.ID))
		if err != nil {
			return err
		}
		if !old.Registration.Equal(registration) {
			return store.ErrConflict
		}
		c.Created, c.Used = old.Created, old.Used
		return put(clients, []byte(c.ID), c)
	})
}

// TouchClient implements store.Clients.
func (s *Store) TouchClient(_ context.Context, id string) error {
	return s.update(func(tx *bbolt.Tx) error {
		clients := tx.Bucket(bucketClients)
		c, err := get[store.Client](clients, []byte(id))
		if err != nil || !c.NeedsTouch(s.now()) {
			return err
		}
		if err := tx.Bucket(bucketUnused).Delete(unusedKey(c)); err != nil {
			return err
		}
		c.Used = s.now()
		return put(clients, []byte(id), c)
	})
}

// DeleteClient implements store.Clients.
func (s *Store) DeleteClient(_ context.Context, id string) error {
	return s.update(func(tx *bbolt.Tx) error { return s.deleteClient(tx, id) })
}

func (s *Store) deleteClient(tx *bbolt.Tx, id string) error {
	if _, err := s.revokeGrants(tx, store.Owner{ClientID: id}); err != nil {
		return err
	}
	clients := tx.Bucket(bucketClients)
	c, err := get[store.Client](clients, []byte(id))
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(clients.Delete([]byte(id)), tx.Bucket(bucketUnused).Delete(unusedKey(c)), count(clients, -1))
}
