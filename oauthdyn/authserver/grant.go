// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"context"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/audit"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/internal/sealing"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/internal/withdrawal"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/redirecturi"
)

var errNoSubject = errors.New("the login returned a user without a subject")

// redeem exchanges an authorization code: OAuth 2.1 section 4.1.3.
func (s *Server) redeem(r *http.Request, client *store.Client, form url.Values, key string) (*tokenResponse, *oauthdyn.Error) {
	ctx := r.Context()
	if form.Get("code") == "" {
		return nil, fail(http.StatusBadRequest, oauthdyn.CodeInvalidRequest, "code is missing")
	}
	hash := store.HashOf(form.Get("code"))
	code, err := s.o.Store.Code(ctx, hash)
	if errors.Is(err, store.ErrNotFound) || err == nil && code.ClientID != client.ID {
		because(ctx, "no such code, or one of another client")
		return nil, invalidGrant("code")
	}
	if err != nil {
		return nil, s.internal(r, "look up a code", err)
	}
	return s.exchange(r, client, code, key, "code", func() (target, *oauthdyn.Error) { return s.checkCode(client, code, form, key) })
}

// exchange turns a code into its grant. The check says what the request gets, if
// the code is good for it; what names the code in answers.
func (s *Server) exchange(r *http.Request, client *store.Client, code *store.Code, key, what string, check func() (target, *oauthdyn.Error)) (*tokenResponse, *oauthdyn.Error) {
	ctx, hash := r.Context(), code.Hash
	note(ctx).Subject = code.Subject
	var t target
	if !code.Redeemed() { // a second use is not for us to forgive, whatever else is wrong
		var e *oauthdyn.Error
		if t, e = check(); e != nil {
			because(ctx, "the request does not fit the code: "+e.Description)
			if err := s.o.Store.FailCode(ctx, hash); err != nil {
				return nil, s.internal(r, "count a failure", err)
			}
			return nil, e
		}
		withdrawn, err := withdrawal.Last(ctx, s.o.Store, code.Subject, code.ClientID)
		if err != nil {
			return nil, s.internal(r, "look up withdrawn consent", err)
		}
		if withdrawn != code.Withdrawn {
			because(ctx, "the person has withdrawn the consent")
			return nil, invalidGrant("code")
		}
		// First, so that the store cannot collect the client in between.
		if e := s.touch(r, client); e != nil {
			return nil, e
		}
	}
	grant, refreshToken := s.newGrant(code, client, key)
	switch err := s.o.Store.RedeemCode(ctx, hash, grant); {
	case errors.Is(err, store.ErrReplayed):
		s.revoked(ctx)
		s.log.LogAttrs(ctx, slog.LevelWarn, "code used twice, grant revoked", slog.String("client_id", client.ID), slog.String("subject", code.Subject))
		return nil, s.replayed(ctx, what)
	case errors.Is(err, store.ErrNotFound):
		because(ctx, "the code has expired")
		return nil, invalidGrant(what)
	case err != nil:
		return nil, s.internal(r, "redeem a code", err)
	}
	s.log.LogAttrs(ctx, slog.LevelInfo, "tokens issued", slog.String("client_id", client.ID), slog.String("subject", grant.Subject))
	return s.respond(r, &grant, t, refreshToken)
}

// checkCode checks what the code is bound to. The redirect URI may be left out,
// as in OAuth 2.1 (section 10.2), because PKCE has taken its place.
func (s *Server) checkCode(client *store.Client, code *store.Code, form url.Values, key string) (target, *oauthdyn.Error) {
	verifier := form.Get("code_verifier")
	switch {
	case verifier == "":
		return target{}, fail(http.StatusBadRequest, oauthdyn.CodeInvalidRequest, "code_verifier is missing: PKCE is required")
	case len(verifier) < 43 || len(verifier) > 128 || !onlyUnreserved(verifier):
		return target{}, fail(http.StatusBadRequest, oauthdyn.CodeInvalidRequest, "code_verifier must be 43 to 128 unreserved characters")
	case form.Has("redirect_uri") && form.Get("redirect_uri") != code.RedirectURI,
		!redirecturi.Match(client.Metadata.RedirectURIs, code.RedirectURI), // it was taken out since
		code.KeyThumbprint != "" && code.KeyThumbprint != key:
		return target{}, invalidGrant("code")
	}
	sum := sha256.Sum256([]byte(verifier))
	if !equal([]byte(base64.RawURLEncoding.EncodeToString(sum[:])), []byte(code.Challenge)) {
		return target{}, invalidGrant("code")
	}
	return s.narrow(form, target{resources: code.Resources, scopes: code.Scopes, key: key})
}

// newGrant makes the grant of a code, with a refresh token if the client
// registered for one. Those of a public client, which has nothing else to show,
// are bound to its key.
func (s *Server) newGrant(code *store.Code, client *store.Client, key string) (store.Grant, string) {
	now := time.Now()
	handle := randomString(16)
	g := store.Grant{
		ID:        store.HashOf(handle),
		ClientID:  client.ID,
		Subject:   code.Subject,
		Username:  code.Username,
		Scopes:    code.Scopes,
		Resources: code.Resources,
		Created:   now,
		Expires:   now.Add(s.o.GrantTTL),
	}
	if client.Metadata.TokenEndpointAuthMethod == oauthdyn.AuthMethodNone {
		g.KeyThumbprint = key
	}
	if !slices.Contains(client.Metadata.GrantTypes, oauthdyn.GrantRefreshToken) {
		g.Expires = now.Add(s.o.AccessTokenTTL + time.Minute) // for the one access token, which is signed in a moment
		return g, ""
	}
	token := newRefreshToken(handle)
	g.Refresh = store.Refresh{Current: store.HashOf(token), Expires: now.Add(s.o.RefreshTokenTTL)}
	return g, token
}

// newRefreshToken makes a refresh token of the grant with a handle. The handle
// is in all of them, see store.Grant.
func newRefreshToken(handle string) string { return handle + "." + randomString(secretBytes) }

// refresh exchanges a refresh token for its successor: OAuth 2.1 section 4.3.
func (s *Server) refresh(r *http.Request, client *store.Client, form url.Values, key string) (*tokenResponse, *oauthdyn.Error) {
	ctx := r.Context()
	old := form.Get("refresh_token")
	if old == "" {
		return nil, fail(http.StatusBadRequest, oauthdyn.CodeInvalidRequest, "refresh_token is missing")
	}
	handle, _, _ := strings.Cut(old, ".")
	grant, err := s.o.Store.Grant(ctx, store.HashOf(handle))
	if errors.Is(err, store.ErrNotFound) ||
		err == nil && (grant.ClientID != client.ID || grant.KeyThumbprint != "" && grant.KeyThumbprint != key) {
		because(ctx, "no such grant, or it has ended, or is that of another client or key")
		return nil, invalidGrant("refresh token")
	}
	if err != nil {
		return nil, s.internal(r, "look up a grant", err)
	}
	known := note(ctx)
	known.Subject, known.Grant = grant.Subject, sessionOf(grant.ID)
	// A request that asks for too much must not cost the client its token.
	t, e := s.narrow(form, target{resources: grant.Resources, scopes: grant.Scopes, key: key})
	if e != nil {
		return nil, e
	}
	if e := s.stillAllowed(r, grant); e != nil {
		return nil, e
	}
	grant, next, e := s.rotate(r, client, handle, old)
	if e != nil {
		return nil, e
	}
	if e := s.touch(r, client); e != nil {
		return nil, e
	}
	return s.respond(r, grant, t, next)
}

// rotate returns the successor of a refresh token, and the grant with it.
func (s *Server) rotate(r *http.Request, client *store.Client, handle, old string) (*store.Grant, string, *oauthdyn.Error) {
	next := newRefreshToken(handle)
	sealed, err := seal(old, next)
	if err != nil {
		return nil, "", s.internal(r, "seal a refresh token", err)
	}
	grant, outcome, err := s.o.Store.RotateRefresh(r.Context(), store.Rotation{
		Grant:    store.HashOf(handle),
		ClientID: client.ID,
		Old:      store.HashOf(old),
		New:      store.HashOf(next),
		Sealed:   sealed,
		Expires:  time.Now().Add(s.o.RefreshTokenTTL),
		Grace:    s.o.RefreshGrace,
	})
	switch {
	case errors.Is(err, store.ErrReplayed):
		s.revoked(r.Context())
		s.log.LogAttrs(r.Context(), slog.LevelWarn, "refresh token used twice, grant revoked", slog.String("client_id", client.ID))
		return nil, "", s.replayed(r.Context(), "refresh token")
	case errors.Is(err, store.ErrNotFound):
		because(r.Context(), "the grant has ended")
		return nil, "", invalidGrant("refresh token")
	case err != nil:
		return nil, "", s.internal(r, "rotate a refresh token", err)
	case outcome == store.Repeated:
		if next, err = unseal(old, grant.Refresh.Successor); err != nil {
			return nil, "", s.internal(r, "repeat a refresh token", err)
		}
	}
	return grant, next, nil
}

// replayed answers the second use of a code or refresh token, whose grant has
// been revoked.
func (s *Server) replayed(ctx context.Context, what string) *oauthdyn.Error {
	because(ctx, "the "+what+" was used before; its grant is revoked")
	err := invalidGrant(what)
	s.auditAs(ctx, audit.Replay, audit.ByClient, err)
	return err
}

// touch records that a client is in use, so that it is not collected. It may
// have been, in the meantime.
func (s *Server) touch(r *http.Request, client *store.Client) *oauthdyn.Error {
	if !client.NeedsTouch(time.Now()) {
		return nil
	}
	switch err := s.o.Store.TouchClient(r.Context(), client.ID); {
	case errors.Is(err, store.ErrNotFound):
		return fail(http.StatusUnauthorized, oauthdyn.CodeInvalidClient, "the client was deleted; register again")
	case err != nil:
		return s.internal(r, "touch a client", err)
	}
	return nil
}

// seal encrypts a refresh token so that only its predecessor opens it: the store
// alone cannot.
func seal(old, next string) ([]byte, error) {
	aead, err := successorCipher(old)
	if err != nil {
		return nil, err
	}
	return aead.Seal(nil, nil, []byte(next), nil), nil
}

func unseal(old string, sealed []byte) (string, error) {
	aead, err := successorCipher(old)
	if err != nil {
		return "", err
	}
	next, err := aead.Open(nil, nil, sealed, nil)
	return string(next), err
}

func successorCipher(old string) (cipher.AEAD, error) {
	return sealing.Cipher([]byte(old), "oauthdyn refresh token successor")
}
