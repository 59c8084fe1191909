// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/audit"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
)

// recheckTimeout bounds a question about a person.
const recheckTimeout = 45 * time.Second

// An account is what the Login keeps of a person, for all their grants.
type account struct {
	Data    string    `json:"data"`
	Expires time.Time `json:"expires"` // after the last grant that it can be needed for
}

// accountLocks let one request at a time ask about a person, so that what two
// of them leave behind is not lost. Some people share a lock.
type accountLocks [64]chan struct{}

func newAccountLocks() (locks accountLocks) {
	for i := range locks {
		locks[i] = make(chan struct{}, 1)
	}
	return locks
}

func (l *accountLocks) lock(ctx context.Context, id store.Hash) (unlock func(), err error) {
	lock := l[int(id[0])%len(l)]
	select {
	case lock <- struct{}{}:
		return func() { <-lock }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// keepAccount keeps what the Login said at a sign-in.
func (s *Server) keepAccount(ctx context.Context, u User) error {
	if err := u.check(); err != nil {
		return err
	}
	if u.Account == "" {
		return nil
	}
	id := store.HashOf(u.Subject)
	unlock, err := s.accounts.lock(ctx, id)
	if err != nil {
		return err
	}
	defer unlock()
	return s.putAccount(ctx, id, account{u.Account, time.Now().Add(s.o.SessionTTL + s.o.CodeTTL + s.o.GrantTTL)})
}

func (u User) check() error {
	if len(u.Account) > MaxAccount {
		return fmt.Errorf("the login keeps %d bytes, more than %d", len(u.Account), MaxAccount)
	}
	return nil
}

// AccountRecord returns the record that a [Server] keeps of a person beside their
// grants, for a store that people are moved to from another server. It expires
// with the last of the grants. The error is about a User.Account that is too long.
func AccountRecord(u User, expires time.Time) (store.Record, error) {
	if err := u.check(); err != nil {
		return store.Record{}, err
	}
	data, err := json.Marshal(account{u.Account, expires})
	if err != nil {
		return store.Record{}, err
	}
	return store.Record{Transaction: &store.Transaction{Kind: kindAccount, ID: store.HashOf(u.Subject), Value: data, Expires: expires}}, nil
}

func (s *Server) putAccount(ctx context.Context, id store.Hash, a account) error {
	data, err := json.Marshal(a)
	if err != nil {
		return err
	}
	return s.o.Store.PutTransaction(ctx, kindAccount, id, data, a.Expires)
}

// account returns what is kept of a person; nothing is no error.
func (s *Server) account(ctx context.Context, id store.Hash) (a account, err error) {
	data, err := s.o.Store.Transaction(ctx, kindAccount, id)
	if errors.Is(err, store.ErrNotFound) {
		return account{}, nil
	}
	if err != nil {
		return account{}, err
	}
	return a, json.Unmarshal(data, &a)
}

// recheck asks the Login whether a person may still come in. The error is
// ErrNotAllowed, or that nobody can say now.
func (s *Server) recheck(ctx context.Context, u User) error {
	login, ok := s.o.Login.(Rechecker)
	if !ok {
		return nil
	}
	// A client that goes away must not lose what its request has used up at the
	// provider.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recheckTimeout)
	defer cancel()
	id := store.HashOf(u.Subject)
	kept, err := s.account(ctx, id)
	if err != nil {
		return err
	}
	if kept.Data == "" {
		_, err := login.Recheck(ctx, u)
		return err
	}
	unlock, err := s.accounts.lock(ctx, id)
	if err != nil {
		return err
	}
	defer unlock()
	if kept, err = s.account(ctx, id); err != nil { // as the one before has left it
		return err
	}
	for {
		u.Account = kept.Data
		data, err := login.Recheck(ctx, u)
		if err == nil {
			if data == kept.Data {
				return nil
			}
			return s.putAccount(ctx, id, account{data, kept.Expires})
		}
		if !errors.Is(err, ErrNotAllowed) {
			return err
		}
		reason := err
		// Another server may have used up a token of the provider that we
		// have just tried, and kept its successor.
		last := kept.Data
		if kept, err = s.account(ctx, id); err != nil {
			return err
		}
		if kept.Data == last {
			return errors.Join(reason, s.dropAccount(ctx, id))
		}
	}
}

// dropAccount forgets a person who is not allowed.
func (s *Server) dropAccount(ctx context.Context, id store.Hash) error {
	_, err := s.o.Store.TakeTransaction(ctx, kindAccount, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

// stillAllowed ends all grants of a person who may not come in any more.
func (s *Server) stillAllowed(r *http.Request, g *store.Grant) *oauthdyn.Error {
	err := s.recheck(r.Context(), User{Subject: g.Subject, Name: g.Username})
	if err == nil {
		return nil
	}
	log := func(level slog.Level, text string) {
		s.log.LogAttrs(r.Context(), level, text,
			slog.String("client_id", g.ClientID), slog.String("subject", g.Subject), slog.String("error", err.Error()))
	}
	if !errors.Is(err, ErrNotAllowed) {
		log(slog.LevelError, "person could not be checked")
		return fail(http.StatusServiceUnavailable, oauthdyn.CodeTemporarilyUnavailable,
			"it cannot be found out right now whether the person is still allowed; try again later")
	}
	log(slog.LevelWarn, "person not allowed any more")
	because(r.Context(), "the person is not allowed any more")
	if _, err := s.RevokeGrants(audit.As(r.Context(), audit.ByServer), store.Owner{Subject: g.Subject}); err != nil {
		return s.internal(r, "revoke grants", err)
	}
	return fail(http.StatusBadRequest, oauthdyn.CodeInvalidGrant, "the person has to sign in again, or may not sign in any more")
}
