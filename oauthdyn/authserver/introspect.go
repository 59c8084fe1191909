// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/audit"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/jose"
)

// introspection is the answer about a token: RFC 7662 section 2.2. Of a token
// that is not active nothing else is said.
type introspection struct {
	Active    bool     `json:"active"`
	Issuer    string   `json:"iss,omitempty"`
	Subject   string   `json:"sub,omitempty"`
	Audience  []string `json:"aud,omitempty"`
	ClientID  string   `json:"client_id,omitempty"`
	Username  string   `json:"username,omitempty"`
	Scope     string   `json:"scope,omitempty"`
	TokenType string   `json:"token_type,omitempty"`
	ID        string   `json:"jti,omitempty"`
	Session   string   `json:"sid,omitempty"`

	Bound *jose.Bound `json:"cnf,omitempty"`

	IssuedAt int64 `json:"iat,omitempty"`
	Expires  int64 `json:"exp,omitempty"`
}

// serveIntrospect is the introspection endpoint: RFC 7662. It answers those
// whom Options.ResourceServers names, about access tokens that are for them.
func (s *Server) serveIntrospect(w http.ResponseWriter, r *http.Request) {
	answer, err := s.introspect(w, r)
	if err != nil {
		s.audit(r.Context(), audit.Introspect, err)
		refuseClient(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, answer)
}

func (s *Server) introspect(w http.ResponseWriter, r *http.Request) (*introspection, *oauthdyn.Error) {
	form, err := tokenForm(w, r)
	if err != nil {
		return nil, err
	}
	asking, err := s.authenticateResourceServer(r, form)
	if err != nil {
		return nil, err
	}
	token := form.Get("token")
	if token == "" {
		return nil, fail(http.StatusBadRequest, oauthdyn.CodeInvalidRequest, "token is missing")
	}
	claims := s.ownToken(token)
	if claims == nil || !time.Now().Before(claims.Expires) || !asking.mayKnow(claims.Audience) {
		return &introspection{}, nil
	}
	alive, err := s.alive(r, claims)
	if err != nil || !alive {
		return &introspection{}, err
	}
	answer := &introspection{
		Active:    true,
		Issuer:    claims.Issuer,
		Subject:   claims.Subject,
		Audience:  claims.Audience,
		ClientID:  claims.ClientID,
		Username:  claims.Username,
		Scope:     strings.Join(claims.Scopes, " "),
		TokenType: tokenType(claims.KeyThumbprint),
		ID:        claims.ID,
		Session:   claims.Session,
		IssuedAt:  claims.IssuedAt.Unix(),
		Expires:   claims.Expires.Unix(),
	}
	if claims.KeyThumbprint != "" {
		answer.Bound = &jose.Bound{KeyThumbprint: claims.KeyThumbprint}
	}
	return answer, nil
}

// authenticateResourceServer finds out which resource server asks. It says the
// same of a wrong secret and of one that nobody has.
func (s *Server) authenticateResourceServer(r *http.Request, form url.Values) (*ResourceServer, *oauthdyn.Error) {
	creds, err := readCredentials(r, form)
	if err != nil {
		return nil, fail(http.StatusUnauthorized, oauthdyn.CodeInvalidClient, err.Error())
	}
	var found *ResourceServer
	given := store.HashOf(creds.secret)
	for i := range s.o.ResourceServers {
		// All are compared, so that the time tells nothing.
		candidate := &s.o.ResourceServers[i]
		if given.Equal(store.HashOf(candidate.Secret)) && candidate.ID == creds.id {
			found = candidate
		}
	}
	if found == nil {
		return nil, fail(http.StatusUnauthorized, oauthdyn.CodeInvalidClient, "only resource servers may ask about tokens; this one is unknown, or its secret is wrong")
	}
	return found, nil
}

// mayKnow reports whether a token is for one of the resources.
func (r *ResourceServer) mayKnow(audience []string) bool {
	return len(r.Resources) == 0 ||
		slices.ContainsFunc(audience, func(aud string) bool { return slices.Contains(r.Resources, aud) })
}

// alive reports whether neither a token nor its grant was revoked. A grant that
// is not there counts as revoked: a store may have lost the record of that, or
// have been restored from a copy.
func (s *Server) alive(r *http.Request, claims *jose.Claims) (bool, *oauthdyn.Error) {
	id, ok := grantOf(claims)
	if !ok {
		return false, nil
	}
	switch grant, err := s.o.Store.Grant(r.Context(), id); {
	case errors.Is(err, store.ErrNotFound) || err == nil && grant.ClientID != claims.ClientID:
		return false, nil
	case err != nil:
		return false, s.internal(r, "look up a grant", err)
	}
	revoked, err := s.o.Store.TokenRevoked(r.Context(), claims.ID)
	if err != nil {
		return false, s.internal(r, "look up a revocation", err)
	}
	return !revoked, nil
}
