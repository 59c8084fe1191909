// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
)

// A meteredStore counts the operations of a store, how long they take and how
// many fail. What it does not have a method for is not counted.
type meteredStore struct {
	store.Store
	meter *meter
}

// ended counts an operation. Answers such as ErrNotFound are no failures, nor is
// that the caller has gone.
func (s *meteredStore) ended(operation string, started time.Time, err *error) {
	failed := *err != nil
	for _, answer := range []error{store.ErrNotFound, store.ErrReplayed, store.ErrConflict, store.ErrFull, context.Canceled} {
		failed = failed && !errors.Is(*err, answer)
	}
	s.meter.stored(operation, started, failed)
}

func (s *meteredStore) Collect(ctx context.Context) (v int, err error) {
	defer s.ended("collect", time.Now(), &err)
	return s.Store.Collect(ctx)
}

func (s *meteredStore) CreateClient(ctx context.Context, c store.Client) (err error) {
	defer s.ended("create_client", time.Now(), &err)
	return s.Store.CreateClient(ctx, c)
}

func (s *meteredStore) Client(ctx context.Context, id string) (v *store.Client, err error) {
	defer s.ended("client", time.Now(), &err)
	return s.Store.Client(ctx, id)
}

func (s *meteredStore) ListClients(ctx context.Context, after string, n int) (v []store.Client, err error) {
	defer s.ended("list_clients", time.Now(), &err)
	return s.Store.ListClients(ctx, after, n)
}

func (s *meteredStore) UpdateClient(ctx context.Context, c store.Client, registration store.Hash) (err error) {
	defer s.ended("update_client", time.Now(), &err)
	return s.Store.UpdateClient(ctx, c, registration)
}

func (s *meteredStore) TouchClient(ctx context.Context, id string) (err error) {
	defer s.ended("touch_client", time.Now(), &err)
	return s.Store.TouchClient(ctx, id)
}

func (s *meteredStore) DeleteClient(ctx context.Context, id string) (err error) {
	defer s.ended("delete_client", time.Now(), &err)
	return s.Store.DeleteClient(ctx, id)
}

func (s *meteredStore) PutTransaction(ctx context.Context, kind store.Kind, id store.Hash, value []byte, expires time.Time) (err error) {
	defer s.ended("put_transaction", time.Now(), &err)
	return s.Store.PutTransaction(ctx, kind, id, value, expires)
}

func (s *meteredStore) AddTransaction(ctx context.Context, kind store.Kind, id store.Hash, value []byte, expires time.Time) (err error) {
	defer s.ended("add_transaction", time.Now(), &err)
	return s.Store.AddTransaction(ctx, kind, id, value, expires)
}

func (s *meteredStore) Transaction(ctx context.Context, kind store.Kind, id store.Hash) (v []byte, err error) {
	defer s.ended("transaction", time.Now(), &err)
	return s.Store.Transaction(ctx, kind, id)
}

func (s *meteredStore) TakeTransaction(ctx context.Context, kind store.Kind, id store.Hash) (v []byte, err error) {
	defer s.ended("take_transaction", time.Now(), &err)
	return s.Store.TakeTransaction(ctx, kind, id)
}

func (s *meteredStore) Count(ctx context.Context, kind store.Kind, id store.Hash, window time.Duration) (n int, ends time.Time, err error) {
	defer s.ended("count", time.Now(), &err)
	return s.Store.Count(ctx, kind, id, window)
}

func (s *meteredStore) PutCode(ctx context.Context, c store.Code) (err error) {
	defer s.ended("put_code", time.Now(), &err)
	return s.Store.PutCode(ctx, c)
}

func (s *meteredStore) Code(ctx context.Context, code store.Hash) (v *store.Code, err error) {
	defer s.ended("code", time.Now(), &err)
	return s.Store.Code(ctx, code)
}

func (s *meteredStore) FailCode(ctx context.Context, code store.Hash) (err error) {
	defer s.ended("fail_code", time.Now(), &err)
	return s.Store.FailCode(ctx, code)
}

func (s *meteredStore) RedeemCode(ctx context.Context, code store.Hash, g store.Grant) (err error) {
	defer s.ended("redeem_code", time.Now(), &err)
	return s.Store.RedeemCode(ctx, code, g)
}

func (s *meteredStore) CreateGrant(ctx context.Context, g store.Grant) (err error) {
	defer s.ended("create_grant", time.Now(), &err)
	return s.Store.CreateGrant(ctx, g)
}

func (s *meteredStore) Grant(ctx context.Context, id store.Hash) (v *store.Grant, err error) {
	defer s.ended("grant", time.Now(), &err)
	return s.Store.Grant(ctx, id)
}

func (s *meteredStore) ListGrants(ctx context.Context, o store.Owner) (v []store.Grant, err error) {
	defer s.ended("list_grants", time.Now(), &err)
	return s.Store.ListGrants(ctx, o)
}

func (s *meteredStore) AllGrants(ctx context.Context, after store.Hash, n int) (v []store.Grant, err error) {
	defer s.ended("all_grants", time.Now(), &err)
	return s.Store.AllGrants(ctx, after, n)
}

func (s *meteredStore) RotateRefresh(ctx context.Context, r store.Rotation) (v *store.Grant, w store.Outcome, err error) {
	defer s.ended("rotate_refresh", time.Now(), &err)
	return s.Store.RotateRefresh(ctx, r)
}

func (s *meteredStore) RevokeGrant(ctx context.Context, id store.Hash) (err error) {
	defer s.ended("revoke_grant", time.Now(), &err)
	return s.Store.RevokeGrant(ctx, id)
}

func (s *meteredStore) RevokeGrants(ctx context.Context, o store.Owner) (v int, err error) {
	defer s.ended("revoke_grants", time.Now(), &err)
	return s.Store.RevokeGrants(ctx, o)
}

func (s *meteredStore) RevokeToken(ctx context.Context, tokenID string, expires time.Time) (err error) {
	defer s.ended("revoke_token", time.Now(), &err)
	return s.Store.RevokeToken(ctx, tokenID, expires)
}

func (s *meteredStore) TokenRevoked(ctx context.Context, tokenID string) (v bool, err error) {
	defer s.ended("token_revoked", time.Now(), &err)
	return s.Store.TokenRevoked(ctx, tokenID)
}

func (s *meteredStore) ListRevocations(ctx context.Context, after store.Position) (v []store.Revocation, w store.Position, err error) {
	defer s.ended("list_revocations", time.Now(), &err)
	return s.Store.ListRevocations(ctx, after)
}

func (s *meteredStore) Approve(ctx context.Context, subject string, fingerprint store.Hash, expires time.Time) (err error) {
	defer s.ended("approve", time.Now(), &err)
	return s.Store.Approve(ctx, subject, fingerprint, expires)
}

func (s *meteredStore) Approved(ctx context.Context, subject string, fingerprint store.Hash) (v bool, err error) {
	defer s.ended("approved", time.Now(), &err)
	return s.Store.Approved(ctx, subject, fingerprint)
}

func (s *meteredStore) LoadKeys(ctx context.Context) (document []byte, revision uint64, err error) {
	defer s.ended("load_keys", time.Now(), &err)
	return s.Store.LoadKeys(ctx)
}

func (s *meteredStore) SaveKeys(ctx context.Context, document []byte, revision uint64) (err error) {
	defer s.ended("save_keys", time.Now(), &err)
	return s.Store.SaveKeys(ctx, document, revision)
}
