// SPDX-License-Identifier: Apache-2.0

package redis

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
)

// deleteStep is how many grants at most are revoked in one step.
const deleteStep = 500

// CreateClient implements store.Clients.
func (s *Store) CreateClient(ctx context.Context, c store.Client) error {
	return s.update(ctx, func(t *tx) error {
		c.Created = s.now()
		if _, err := t.get(&s.clients, c.ID); !errors.Is(err, store.ErrNotFound) {
			return orConflict(err)
		}
		if err := t.room(&s.clients, s.limits.Clients); errors.Is(err, store.ErrFull) {
			if err := s.makeRoom(t, c.Created); err != nil {
				return err
			}
		} else if err != nil {
			return err
		}
		return s.putClient(t, &c)
	})
}

// orConflict is for reading what must not be there.
func orConflict(err error) error {
	if err == nil {
		return store.ErrConflict
	}
	return err
}

// makeRoom removes the oldest client that was never used, if it is old enough.
// Others may do that at the same time: they all see the same one, which guards
// the commit.
func (s *Store) makeRoom(t *tx, now time.Time) error {
	ids, err := s.client.ZRange(t.ctx, s.unused, 0, 0).Result()
	if err != nil {
		return err
	}
	if len(ids) == 0 {
		return store.ErrFull
	}
	oldest, err := getJSON[store.Client](t, &s.clients, ids[0])
	if errors.Is(err, store.ErrNotFound) {
		return store.ErrFull
	}
	if err != nil {
		return err
	}
	if now.Sub(oldest.Created) < s.limits.ClientGrace {
		return store.ErrFull
	}
	_, err = s.deleteClient(t, oldest.ID)
	return err
}

// putClient stores a client and keeps the index of unused ones right.
func (s *Store) putClient(t *tx, c *store.Client) error {
	if c.Used.IsZero() {
		t.write("add", s.unused, c.ID, strconv.FormatInt(c.Created.UnixMicro(), 10))
	} else {
		t.write("remove", s.unused, c.ID, "")
	}
	return putJSON(t, &s.clients, c.ID, c, time.Time{})
}

// Client implements store.Clients.
func (s *Store) Client(ctx context.Context, id string) (*store.Client, error) {
	return readJSON[store.Client](ctx, s, &s.clients, id)
}

// ListClients implements store.Clients.
func (s *Store) ListClients(ctx context.Context, after string, n int) ([]store.Client, error) {
	return page(ctx, s, &s.clients, after, n, func(*store.Client) bool { return true })
}

// UpdateClient implements store.Clients.
func (s *Store) UpdateClient(ctx context.Context, c store.Client, registration store.Hash) error {
	return s.update(ctx, func(t *tx) error {
		old, err := getJSON[store.Client](t, &s.clients, c.ID)
		if err != nil {
			return err
		}
		if !old.Registration.Equal(registration) {
			return store.ErrConflict
		}
		c.Created, c.Used = old.Created, old.Used
		return s.putClient(t, &c)
	})
}

// TouchClient implements store.Clients.
func (s *Store) TouchClient(ctx context.Context, id string) error {
	return s.update(ctx, func(t *tx) error {
		c, err := getJSON[store.Client](t, &s.clients, id)
		if err != nil || !c.NeedsTouch(s.now()) {
			return err
		}
		c.Used = s.now()
		return s.putClient(t, c)
	})
}

// DeleteClient implements store.Clients. It is one step unless the client has
// very many grants.
func (s *Store) DeleteClient(ctx context.Context, id string) error {
	for {
		more := false
		err := s.update(ctx, func(t *tx) (err error) {
			more, err = s.deleteClient(t, id)
			return err
		})
		if err != nil || !more {
			return err
		}
	}
}

// deleteClient revokes the grants of a client and removes it, unless there are
// more grants.
func (s *Store) deleteClient(t *tx, id string) (more bool, err error) {
	grants, err := s.ownedIDs(t.ctx, s.byClient, id, store.Hash{}, deleteStep)
	if err != nil {
		return false, err
	}
	for _, grant := range grants {
		if err := s.revoke(t, grant); err != nil {
			return false, err
		}
	}
	if len(grants) == deleteStep {
		return true, nil
	}
	if _, err := t.get(&s.clients, id); err != nil {
		return false, orNothing(err)
	}
	t.delete(&s.clients, id)
	t.write("remove", s.unused, id, "")
	return false, nil
}

// orNothing is for removing what may not be there.
func orNothing(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}
