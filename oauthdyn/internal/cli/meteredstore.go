// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/tracing"
)

// A meteredStore counts the operations of a store, how long they take and how
// many fail, and makes spans of them. What it does not have a method for is not
// counted.
type meteredStore struct {
	store.Store
	meter  *meter
	tracer *tracing.Tracer // nil: none
}

// ended counts an operation. Answers such as ErrNotFound are no failures, nor is
// that the caller has gone.
func (s *meteredStore) ended(ctx context.Context, operation string, started time.Time, err *error) {
	failed := *err != nil
	for _, answer := range []error{store.ErrNotFound, store.ErrReplayed, store.ErrConflict, store.ErrFull, context.Canceled} {
		failed = failed && !errors.Is(*err, answer)
	}
	s.meter.stored(operation, started, failed)
	if !s.tracer.Within(ctx) {
		return // such as what looks for revocations every second
	}
	failure := ""
	if failed {
		failure = "store"
	}
	_, span := s.tracer.Begin(ctx, tracing.Begin{Name: "store " + operation, At: started, Attrs: []tracing.Attr{{Key: "db.operation.name", Value: operation}}})
	span.End(failure)
}

func (s *meteredStore) Collect(ctx context.Context) (v int, err error) {
	defer s.ended(ctx, "collect", time.Now(), &err)
	return s.Store.Collect(ctx)
}

func (s *meteredStore) CreateClient(ctx context.Context, c store.Client) (err error) {
	defer s.ended(ctx, "create_client", time.Now(), &err)
	return s.Store.CreateClient(ctx, c)
}

func (s *meteredStore) Client(ctx context.Context, id string) (v *store.Client, err error) {
	defer s.ended(ctx, "client", time.Now(), &err)
	return s.Store.Client(ctx, id)
}

func (s *meteredStore) ListClients(ctx context.Context, after string, n int) (v []store.Client, err error) {
	defer s.ended(ctx, "list_clients", time.Now(), &err)
	return s.Store.ListClients(ctx, after, n)
}

func (s *meteredStore) UpdateClient(ctx context.Context, c store.Client, registration store.Hash) (err error) {
	defer s.ended(ctx, "update_client", time.Now(), &err)
	return s.Store.UpdateClient(ctx, c, registration)
}

func (s *meteredStore) TouchClient(ctx context.Context, id string) (err error) {
	defer s.ended(ctx, "touch_client", time.Now(), &err)
	return s.Store.TouchClient(ctx, id)
}

func (s *meteredStore) DeleteClient(ctx context.Context, id string) (err error) {
	defer s.ended(ctx, "delete_client", time.Now(), &err)
	return s.Store.DeleteClient(ctx, id)
}

func (s *meteredStore) PutTransaction(ctx context.Context, kind store.Kind, id store.Hash, value []byte, expires time.Time) (err error) {
	defer s.ended(ctx, "put_transaction", time.Now(), &err)
	return s.Store.PutTransaction(ctx, kind, id, value, expires)
}

func (s *meteredStore) AddTransaction(ctx context.Context, kind store.Kind, id store.Hash, value []byte, expires time.Time) (err error) {
	defer s.ended(ctx, "add_transaction", time.Now(), &err)
	return s.Store.AddTransaction(ctx, kind, id, value, expires)
}

func (s *meteredStore) Transaction(ctx context.Context, kind store.Kind, id store.Hash) (v []byte, err error) {
	defer s.ended(ctx, "transaction", time.Now(), &err)
	return s.Store.Transaction(ctx, kind, id)
}

func (s *meteredStore) TakeTransaction(ctx context.Context, kind store.Kind, id store.Hash) (v []byte, err error) {
	defer s.ended(ctx, "take_transaction", time.Now(), &err)
	return s.Store.TakeTransaction(ctx, kind, id)
}

func (s *meteredStore) Count(ctx context.Context, kind store.Kind, id store.Hash, window time.Duration) (n int, ends time.Time, err error) {
	defer s.ended(ctx, "count", time.Now(), &err)
	return s.Store.Count(ctx, kind, id, window)
}

func (s *meteredStore) PutCode(ctx context.Context, c store.Code) (err error) {
	defer s.ended(ctx, "put_code", time.Now(), &err)
	return s.Store.PutCode(ctx, c)
}

func (s *meteredStore) Code(ctx context.Context, code store.Hash) (v *store.Code, err error) {
	defer s.ended(ctx, "code", time.Now(), &err)
	return s.Store.Code(ctx, code)
}

func (s *meteredStore) FailCode(ctx context.Context, code store.Hash) (err error) {
	defer s.ended(ctx, "fail_code", time.Now(), &err)
	return s.Store.FailCode(ctx, code)
}

func (s *meteredStore) RedeemCode(ctx context.Context, code store.Hash, g store.Grant) (err error) {
	defer s.ended(ctx, "redeem_code", time.Now(), &err)
	return s.Store.RedeemCode(ctx, code, g)
}

func (s *meteredStore) CreateGrant(ctx context.Context, g store.Grant) (err error) {
	defer s.ended(ctx, "create_grant", time.Now(), &err)
	return s.Store.CreateGrant(ctx, g)
}

func (s *meteredStore) Grant(ctx context.Context, id store.Hash) (v *store.Grant, err error) {
	defer s.ended(ctx, "grant", time.Now(), &err)
	return s.Store.Grant(ctx, id)
}

func (s *meteredStore) ListGrants(ctx context.Context, o store.Owner) (v []store.Grant, err error) {
	defer s.ended(ctx, "list_grants", time.Now(), &err)
	return s.Store.ListGrants(ctx, o)
}

func (s *meteredStore) AllGrants(ctx context.Context, after store.Hash, n int) (v []store.Grant, err error) {
	defer s.ended(ctx, "all_grants", time.Now(), &err)
	return s.Store.AllGrants(ctx, after, n)
}

func (s *meteredStore) RotateRefresh(ctx context.Context, r store.Rotation) (v *store.Grant, w store.Outcome, err error) {
	defer s.ended(ctx, "rotate_refresh", time.Now(), &err)
	return s.Store.RotateRefresh(ctx, r)
}

func (s *meteredStore) RevokeGrant(ctx context.Context, id store.Hash) (err error) {
	defer s.ended(ctx, "revoke_grant", time.Now(), &err)
	return s.Store.RevokeGrant(ctx, id)
}

func (s *meteredStore) RevokeGrants(ctx context.Context, o store.Owner) (v int, err error) {
	defer s.ended(ctx, "revoke_grants", time.Now(), &err)
	return s.Store.RevokeGrants(ctx, o)
}

func (s *meteredStore) RevokeToken(ctx context.Context, tokenID string, expires time.Time) (err error) {
	defer s.ended(ctx, "revoke_token", time.Now(), &err)
	return s.Store.RevokeToken(ctx, tokenID, expires)
}

func (s *meteredStore) TokenRevoked(ctx context.Context, tokenID string) (v bool, err error) {
	defer s.ended(ctx, "token_revoked", time.Now(), &err)
	return s.Store.TokenRevoked(ctx, tokenID)
}

func (s *meteredStore) ListRevocations(ctx context.Context, after store.Position) (v []store.Revocation, w store.Position, err error) {
	defer s.ended(ctx, "list_revocations", time.Now(), &err)
	return s.Store.ListRevocations(ctx, after)
}

func (s *meteredStore) Approve(ctx context.Context, subject string, fingerprint store.Hash, expires time.Time) (err error) {
	defer s.ended(ctx, "approve", time.Now(), &err)
	return s.Store.Approve(ctx, subject, fingerprint, expires)
}

func (s *meteredStore) Approved(ctx context.Context, subject string, fingerprint store.Hash) (v bool, err error) {
	defer s.ended(ctx, "approved", time.Now(), &err)
	return s.Store.Approved(ctx, subject, fingerprint)
}

func (s *meteredStore) LoadKeys(ctx context.Context) (document []byte, revision uint64, err error) {
	defer s.ended(ctx, "load_keys", time.Now(), &err)
	return s.Store.LoadKeys(ctx)
}

func (s *meteredStore) SaveKeys(ctx context.Context, document []byte, revision uint64) (err error) {
	defer s.ended(ctx, "save_keys", time.Now(), &err)
	return s.Store.SaveKeys(ctx, document, revision)
}
