// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"errors"
	"log/slog"
	"mime"
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

// tokenResponse is a successful token response: RFC 6749 section 5.1.
type tokenResponse struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in"`
	RefreshToken string `json:"refresh_token,omitempty"`
	Scope        string `json:"scope,omitempty"`
}

// LogValue keeps the tokens out of logs.
func (t *tokenResponse) LogValue() slog.Value { return slog.StringValue("scope " + t.Scope) }

// serveToken is the token endpoint: OAuth 2.1 section 3.2.
func (s *Server) serveToken(w http.ResponseWriter, r *http.Request) {
	response, err := s.token(w, r)
	s.audit(r.Context(), audit.Token, err)
	if err != nil {
		refuseClient(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, response)
}

// refuseClient writes an error response of an endpoint where clients
// authenticate: RFC 6749 section 5.2.
func refuseClient(w http.ResponseWriter, r *http.Request, err *oauthdyn.Error) {
	if err.Code == oauthdyn.CodeInvalidClient && r.Header.Get("Authorization") != "" {
		w.Header().Set("WWW-Authenticate", `Basic realm="oauth"`)
	}
	writeError(w, err)
}

func (s *Server) token(w http.ResponseWriter, r *http.Request) (*tokenResponse, *oauthdyn.Error) {
	form, err := tokenForm(w, r)
	if err != nil {
		return nil, err
	}
	client, err := s.requester(r, form)
	if err != nil {
		s.log.LogAttrs(r.Context(), slog.LevelInfo, "client refused", slog.String("reason", err.Description))
		return nil, err
	}
	grantType := form.Get("grant_type")
	switch supported := s.o.grantTypes(); {
	case grantType == "":
		return nil, fail(http.StatusBadRequest, oauthdyn.CodeInvalidRequest, "grant_type is missing")
	case !slices.Contains(supported, grantType):
		return nil, fail(http.StatusBadRequest, oauthdyn.CodeUnsupportedGrantType, "grant_type must be one of "+strings.Join(supported, ", "))
	case !slices.Contains(client.Metadata.GrantTypes, grantType):
		return nil, fail(http.StatusBadRequest, oauthdyn.CodeUnauthorizedClient, "the client did not register this grant_type, or may not")
	}
	note(r.Context()).GrantType = grantType
	key, err := s.provenKey(r, client)
	if err != nil {
		return nil, err
	}
	switch grantType {
	case oauthdyn.GrantRefreshToken:
		return s.refresh(r, client, form, key)
	case oauthdyn.GrantDeviceCode:
		return s.pollDevice(r, client, form, key)
	case oauthdyn.GrantJWTBearer:
		return s.redeemAssertion(r, client, form, key)
	case oauthdyn.GrantClientCredentials:
		return s.clientCredentials(r, client, form, key)
	}
	return s.redeem(r, client, form, key)
}

// requester returns the client of a token request: whom it authenticates, or
// whom a platform vouches for.
func (s *Server) requester(r *http.Request, form url.Values) (*store.Client, *oauthdyn.Error) {
	if form.Get("grant_type") == oauthdyn.GrantJWTBearer {
		if client, err := s.workloadClient(r, form); client != nil || err != nil {
			return client, err
		}
	}
	return s.authenticateClient(r, form)
}

// tokenForm reads the body. Parameters in the URL do not count.
func tokenForm(w http.ResponseWriter, r *http.Request) (url.Values, *oauthdyn.Error) {
	if mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || mediaType != "application/x-www-form-urlencoded" {
		return nil, fail(http.StatusBadRequest, oauthdyn.CodeInvalidRequest, "send the parameters as application/x-www-form-urlencoded")
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxFormBytes)
	err := r.ParseForm()
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return nil, fail(http.StatusRequestEntityTooLarge, oauthdyn.CodeInvalidRequest, "the request body is longer than 64 KiB")
	}
	if err != nil {
		return nil, fail(http.StatusBadRequest, oauthdyn.CodeInvalidRequest, "the request body is malformed")
	}
	for name, values := range r.PostForm {
		if len(values) > 1 && name != "resource" {
			return nil, fail(http.StatusBadRequest, oauthdyn.CodeInvalidRequest, "a parameter is repeated")
		}
	}
	return withValue(r.PostForm), nil
}

// invalidGrant is the answer to a code or refresh token that is no good. It does
// not say why: who guesses must not learn.
func invalidGrant(what string) *oauthdyn.Error {
	return fail(http.StatusBadRequest, oauthdyn.CodeInvalidGrant, "the "+what+" is unknown, expired, used before, or was issued for something else")
}

// respond makes the tokens of a grant. The request may narrow the access token;
// the grant and its refresh token stay as they are (RFC 6749 section 6, RFC 8707
// section 2.2). No access token outlives its grant.
func (s *Server) respond(r *http.Request, g *store.Grant, t target, refreshToken string) (*tokenResponse, *oauthdyn.Error) {
	e := note(r.Context())
	e.Subject, e.Grant, e.Resources, e.Scopes = g.Subject, sessionOf(g.ID), t.resources, t.scopes
	now := time.Now()
	expires := now.Add(s.o.AccessTokenTTL)
	if end := g.End(); end.Before(expires) {
		expires = end
	}
	access, err := s.keys.sign(jose.Claims{
		Issuer:   s.o.Issuer,
		Subject:  g.Subject,
		ClientID: g.ClientID,
		ID:       randomString(16),
		Session:  sessionOf(g.ID),
		Username: g.Username,
		Audience: t.resources,
		Scopes:   t.scopes,
		IssuedAt: now,
		Expires:  expires,

		KeyThumbprint: t.key,
	})
	if err != nil {
		return nil, s.internal(r, "sign a token", err)
	}
	return &tokenResponse{
		AccessToken:  access,
		TokenType:    tokenType(t.key),
		ExpiresIn:    expires.Unix() - now.Unix(),
		RefreshToken: refreshToken,
		Scope:        strings.Join(t.scopes, " "),
	}, nil
}

// target is what an access token is good for.
type target struct {
	resources []string
	scopes    []string
	key       string // thumbprint of the key that it is bound to; empty: none
}

// narrow applies the resource and scope parameters of a token request to what
// was granted.
func (s *Server) narrow(form url.Values, granted target) (target, *oauthdyn.Error) {
	t := granted
	if uris := form["resource"]; len(uris) > 0 {
		chosen, err := s.chooseResources(uris)
		if err != nil {
			return target{}, err
		}
		t.resources = nil
		for _, r := range chosen {
			if !slices.Contains(granted.resources, r.URI) {
				return target{}, fail(http.StatusBadRequest, oauthdyn.CodeInvalidTarget, "the resource was not part of the authorization")
			}
			t.resources = append(t.resources, r.URI)
		}
	}
	t.scopes = s.scopesOf(t.resources, granted.scopes)
	if !form.Has("scope") {
		return t, nil
	}
	wanted := strings.Fields(form.Get("scope"))
	for _, scope := range wanted {
		if !slices.Contains(t.scopes, scope) {
			return target{}, fail(http.StatusBadRequest, oauthdyn.CodeInvalidScope, "a scope was not granted")
		}
	}
	if len(wanted) > 0 {
		t.scopes = wanted
	}
	return t, nil
}

// scopesOf returns the granted scopes that mean something at the resources.
func (s *Server) scopesOf(resources, granted []string) (scopes []string) {
	for _, scope := range granted {
		if scope == ScopeOfflineAccess || slices.ContainsFunc(resources, func(uri string) bool {
			r, ok := s.resource(uri)
			return ok && slices.Contains(r.Scopes, scope)
		}) {
			scopes = append(scopes, scope)
		}
	}
	return scopes
}
