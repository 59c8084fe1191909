// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/admin"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/audit"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/jose"
)

// Admin returns what administrators can do with this server. Commands reach it
// through a socket: see admin.Service.Serve.
func (s *Server) Admin() *admin.Service { return s.admin }

// RevokeGrants ends the grants of a person, of a client, or of both together,
// with all their tokens, and returns how many there were: for people who sign
// out everywhere, and for administrators. Consent that was remembered is
// forgotten.
func (s *Server) RevokeGrants(ctx context.Context, o store.Owner) (int, error) {
	ended, err := s.admin.RevokeGrants(ctx, admin.Owner(o))
	return ended.Grants, err
}

// RevokeGrant ends one grant, with all its tokens and the consent that it came
// from. It is no error if there is none.
func (s *Server) RevokeGrant(ctx context.Context, id store.Hash) error {
	_, err := s.admin.RevokeGrant(ctx, admin.GrantID{ID: sessionOf(id)})
	if refused, ok := errors.AsType[*admin.Error](err); ok && refused.Code == admin.CodeNotFound {
		return nil
	}
	return err
}

// serveRevoke is the revocation endpoint: RFC 7009. A client may revoke its own
// tokens; of any other it hears the same, and nothing happens.
func (s *Server) serveRevoke(w http.ResponseWriter, r *http.Request) {
	err := s.revoke(w, r)
	s.auditAs(r.Context(), audit.Revoke, audit.ByClient, err)
	if err != nil {
		refuseClient(w, r, err)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
}

func (s *Server) revoke(w http.ResponseWriter, r *http.Request) *oauthdyn.Error {
	form, err := tokenForm(w, r)
	if err != nil {
		return err
	}
	client, err := s.authenticateClient(r, form)
	if err != nil {
		return err
	}
	token := form.Get("token")
	if token == "" {
		return fail(http.StatusBadRequest, oauthdyn.CodeInvalidRequest, "token is missing")
	}
	// The hint is of no use: a token shows what it is.
	if claims := s.ownToken(token); claims != nil {
		err = s.revokeAccess(r, client, claims)
	} else {
		err = s.revokeRefresh(r, client, token)
	}
	s.revoked(r.Context())
	return err
}

// revokeRefresh ends the grant of a refresh token. It need not be the last one:
// a client that lost the reply of a rotation has none but the one before, and
// one that was used up long ago is in wrong hands.
func (s *Server) revokeRefresh(r *http.Request, client *store.Client, token string) *oauthdyn.Error {
	handle, _, ok := strings.Cut(token, ".")
	if !ok {
		because(r.Context(), "no token of this server")
		return nil
	}
	id := store.HashOf(handle)
	grant, err := s.o.Store.Grant(r.Context(), id)
	switch {
	case errors.Is(err, store.ErrNotFound):
		because(r.Context(), "no such grant, or it has ended")
		return nil
	case err != nil:
		return s.internal(r, "look up a grant", err)
	case grant.ClientID != client.ID:
		s.foreignToken(r, client)
		return nil
	}
	return s.endGrant(r, grant.ClientID, grant.Subject, id)
}

func (s *Server) endGrant(r *http.Request, clientID, subject string, id store.Hash) *oauthdyn.Error {
	e := note(r.Context())
	e.Subject, e.Grant = subject, sessionOf(id)
	if err := s.o.Store.RevokeGrant(r.Context(), id); err != nil {
		return s.internal(r, "revoke a grant", err)
	}
	s.log.LogAttrs(r.Context(), slog.LevelInfo, "grant revoked by the client", slog.String("client_id", clientID), slog.String("subject", subject))
	return nil
}

// revokeAccess ends one access token.
func (s *Server) revokeAccess(r *http.Request, client *store.Client, claims *jose.Claims) *oauthdyn.Error {
	switch {
	case claims.ClientID != client.ID:
		s.foreignToken(r, client)
		return nil
	case !time.Now().Before(claims.Expires):
		because(r.Context(), "the token has expired")
		return nil
	}
	e := note(r.Context())
	e.Subject, e.Grant, e.Reason = claims.Subject, claims.Session, "one access token"
	err := s.o.Store.RevokeToken(r.Context(), claims.ID, claims.Expires)
	if errors.Is(err, store.ErrFull) {
		// Too many were revoked one by one. RFC 7009 section 2.1 allows to end
		// the whole grant, for which there is room.
		if id, ok := grantOf(claims); ok {
			return s.endGrant(r, claims.ClientID, claims.Subject, id)
		}
	}
	if err != nil {
		return s.internal(r, "revoke an access token", err)
	}
	s.log.LogAttrs(r.Context(), slog.LevelInfo, "access token revoked by the client",
		slog.String("client_id", claims.ClientID), slog.String("subject", claims.Subject))
	return nil
}

// foreignToken records what the client does not hear of: nothing was revoked.
func (s *Server) foreignToken(r *http.Request, client *store.Client) {
	e := note(r.Context())
	e.Error, e.Reason = oauthdyn.CodeInvalidToken, "the token was issued to another client"
	s.log.LogAttrs(r.Context(), slog.LevelWarn, "a client tried to revoke the token of another", slog.String("client_id", client.ID))
}

// ownToken returns the claims of an access token that this server has signed,
// be it expired or revoked; nil if it is none.
func (s *Server) ownToken(raw string) *jose.Claims {
	claims, err := s.keys.verify(raw)
	if err != nil || claims.Issuer != s.o.Issuer {
		return nil
	}
	return claims
}

// sessionOf is the sid claim of a grant's access tokens. It is not the handle
// that refresh tokens begin with, but its hash.
func sessionOf(grant store.Hash) string {
	text, _ := grant.MarshalText() // cannot fail
	return string(text)
}

// grantOf is the reverse of sessionOf.
func grantOf(claims *jose.Claims) (id store.Hash, ok bool) {
	return id, id.UnmarshalText([]byte(claims.Session)) == nil
}
