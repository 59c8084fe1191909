// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
)

// clientCredentials gives a client a token for itself: RFC 6749 section 4.4. Its
// subject is the client: RFC 9068 section 2.2.
func (s *Server) clientCredentials(r *http.Request, client *store.Client, form url.Values, key string) (*tokenResponse, *oauthdyn.Error) {
	c, ok := s.machineClient(client.ID)
	if !ok || !slices.Contains(c.GrantTypes, oauthdyn.GrantClientCredentials) || client.Metadata.TokenEndpointAuthMethod == oauthdyn.AuthMethodNone {
		return nil, fail(http.StatusBadRequest, oauthdyn.CodeUnauthorizedClient, "only clients that the operator of this server has named, and that authenticate, get tokens for themselves")
	}
	t, err := s.atMost(form, c.Resources, c.Scopes)
	if err != nil {
		return nil, err
	}
	t.key = key
	return s.grantAtOnce(r, User{Subject: c.ID, Name: c.Name}, client, t)
}

// atMost applies the resource and scope parameters of a request that no person
// is asked about to what it may get. Without scopes that is all scopes of the
// resources.
func (s *Server) atMost(form url.Values, allowed, scopes []string) (target, *oauthdyn.Error) {
	uris := form["resource"]
	if len(uris) == 0 {
		uris = allowed[:1]
	}
	resources, err := s.chooseResources(uris)
	if err != nil {
		return target{}, err
	}
	var t target
	for _, r := range resources {
		if !slices.Contains(allowed, r.URI) {
			return target{}, fail(http.StatusBadRequest, oauthdyn.CodeInvalidTarget, "the client gets no tokens for this resource")
		}
		t.resources = append(t.resources, r.URI)
	}
	if t.scopes, err = chooseScopes(form.Get("scope"), resources); err != nil {
		return target{}, err
	}
	wanted := len(t.scopes)
	t.scopes = slices.DeleteFunc(t.scopes, func(scope string) bool {
		return scope == ScopeOfflineAccess || scopes != nil && !slices.Contains(scopes, scope)
	})
	if wanted > 0 && len(t.scopes) == 0 {
		return target{}, fail(http.StatusBadRequest, oauthdyn.CodeInvalidScope, "the client gets none of the requested scopes")
	}
	return t, nil
}

// grantAtOnce makes a grant that nobody was asked for, and its only access
// token. The grant is in the store as any other, so that it can be revoked.
func (s *Server) grantAtOnce(r *http.Request, subject User, client *store.Client, t target) (*tokenResponse, *oauthdyn.Error) {
	ctx, now := r.Context(), time.Now()
	grant := store.Grant{
		ID:        store.HashOf(randomString(secretBytes)),
		ClientID:  client.ID,
		Subject:   subject.Subject,
		Username:  subject.Name,
		Scopes:    t.scopes,
		Resources: t.resources,
		Created:   now,
		Expires:   now.Add(s.o.AccessTokenTTL + time.Minute), // the token is signed in a moment
	}
	if err := s.o.Store.CreateGrant(ctx, grant); err != nil {
		return nil, s.internal(r, "make a grant", err)
	}
	if e := s.touch(r, client); e != nil {
		return nil, e
	}
	s.log.LogAttrs(ctx, slog.LevelInfo, "token issued", slog.String("client_id", client.ID), slog.String("subject", grant.Subject))
	return s.respond(r, &grant, t, "")
}
