// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"context"
	"errors"
	"io"
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
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/redirecturi"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/strictjson"
)

const (
	maxRegistrationBytes = 16 << 10
	maxRedirectURIs      = 32
)

var (
	defaultGrantTypes = []string{oauthdyn.GrantAuthorizationCode, oauthdyn.GrantRefreshToken}

	authMethods = append([]string{oauthdyn.AuthMethodNone, oauthdyn.AuthMethodPrivateKeyJWT}, secretMethods...)

	secretMethods = []string{oauthdyn.AuthMethodClientSecretBasic, oauthdyn.AuthMethodClientSecretPost}
)

// serveRegister is the client registration endpoint: RFC 7591 section 3. It
// takes whatever clients are known to send, as long as it is clear: members may
// be missing, null or unknown.
func (s *Server) serveRegister(w http.ResponseWriter, r *http.Request) {
	if !s.mayRegister(r) {
		s.audit(r.Context(), audit.Register, fail(0, oauthdyn.CodeInvalidToken, "the initial access token is missing or wrong"))
		refuseBearer(w, r, "registration needs an initial access token, which the operator of this server hands out")
		return
	}
	info, err := s.register(w, r)
	s.audit(r.Context(), audit.Register, err)
	if err != nil {
		writeError(w, err)
		return
	}
	s.log.LogAttrs(r.Context(), slog.LevelInfo, "client registered", slog.Any("client", info))
	writeJSON(w, http.StatusCreated, info)
}

// mayRegister checks the initial access token, if one is demanded: RFC 7591
// section 3.
func (s *Server) mayRegister(r *http.Request) bool {
	if len(s.o.InitialAccessTokens) == 0 {
		return true
	}
	given := store.HashOf(bearerToken(r))
	ok := false
	for _, token := range s.o.InitialAccessTokens {
		ok = given.Equal(store.HashOf(token)) || ok
	}
	return ok
}

func (s *Server) register(w http.ResponseWriter, r *http.Request) (*oauthdyn.ClientInformation, *oauthdyn.Error) {
	md := &oauthdyn.ClientMetadata{}
	if err := readRegistration(r, md); err != nil {
		return nil, err
	}
	if err := s.checkRegistration(md); err != nil {
		return nil, err
	}
	counted := false
	for range maxUpdates {
		client, id, err := s.sharedClient(r, md)
		if err == nil && client != nil {
			note(r.Context()).ClientID = client.ID
			client.Metadata = *md // alike, with the ports of this one
			return s.information(client, "", ""), nil
		}
		if err == nil && !counted {
			if err := s.limitRegistrations(w, r, md); err != nil {
				return nil, err
			}
			counted = true
		}
		var info *oauthdyn.ClientInformation
		if err == nil {
			info, err = s.newClient(r.Context(), id, md)
		}
		switch {
		case err == nil:
			return info, nil
		case errors.Is(err, store.ErrFull):
			refused := s.internal(r, "register a client", err)
			refused.Status = http.StatusTooManyRequests
			w.Header().Set("Retry-After", "60")
			return nil, refused
		case !errors.Is(err, store.ErrConflict):
			return nil, s.internal(r, "register a client", err)
		}
	}
	w.Header().Set("Retry-After", "1")
	return nil, fail(http.StatusServiceUnavailable, oauthdyn.CodeTemporarilyUnavailable, "others register the same client")
}

// newClient stores a client and returns what it hears.
func (s *Server) newClient(ctx context.Context, id string, md *oauthdyn.ClientMetadata) (*oauthdyn.ClientInformation, error) {
	token := randomString(secretBytes)
	client := &store.Client{ID: id, Metadata: *md, Created: time.Now(), Registration: store.HashOf(token)}
	secret := ""
	if slices.Contains(secretMethods, md.TokenEndpointAuthMethod) {
		secret = randomString(secretBytes)
		client.Secret = store.HashOf(secret)
	}
	if err := s.o.Store.CreateClient(ctx, *client); err != nil {
		return nil, err
	}
	note(ctx).ClientID = client.ID
	return s.information(client, secret, token), nil
}

// checkRegistration checks what a client registers or replaces, and fills in
// defaults.
func (s *Server) checkRegistration(md *oauthdyn.ClientMetadata) *oauthdyn.Error {
	if md.SoftwareStatement != "" {
		return fail(http.StatusBadRequest, oauthdyn.CodeUnapprovedSoftwareStatement, "no software_statement is trusted here; leave it out")
	}
	return s.completeRegistration(md, s.o.registrable())
}

// checkSchemes applies Registration.NoPrivateSchemes.
func (s *Server) checkSchemes(uris []string) *oauthdyn.Error {
	if s.o.Registration.NoPrivateSchemes && slices.ContainsFunc(uris, func(uri string) bool { return !isWebURL(uri) }) {
		return fail(http.StatusBadRequest, oauthdyn.CodeInvalidRedirectURI, "a redirect URI has a private scheme; use https, or http on a loopback address")
	}
	return nil
}

const (
	// clientIDPrefix keeps ids that we give apart from those of others.
	clientIDPrefix = "client_"

	clientIDBytes = 16
)

// information is what a client hears of its registration: RFC 7591 section
// 3.2.1, RFC 7592 section 3. The secrets are not kept here, so that an old one
// is not repeated.
func (s *Server) information(c *store.Client, secret, registrationToken string) *oauthdyn.ClientInformation {
	info := &oauthdyn.ClientInformation{
		ClientID:                c.ID,
		ClientSecret:            secret,
		ClientIDIssuedAt:        c.Created.Unix(),
		RegistrationAccessToken: registrationToken,
		ClientMetadata:          c.Metadata,
	}
	if registrationToken != "" {
		info.RegistrationClientURI = s.url(pathRegister) + "/" + c.ID
	}
	if secret != "" {
		info.ClientSecretExpiresAt = new(int64) // 0: never
	}
	return info
}

// readRegistration decodes the request body into each of the values.
func readRegistration(r *http.Request, values ...any) *oauthdyn.Error {
	if mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || mediaType != "application/json" {
		return fail(http.StatusBadRequest, oauthdyn.CodeInvalidClientMetadata, "send the metadata as application/json")
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxRegistrationBytes))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return fail(http.StatusRequestEntityTooLarge, oauthdyn.CodeInvalidClientMetadata, "the metadata is longer than 16 KiB")
	}
	if err != nil {
		return fail(http.StatusBadRequest, oauthdyn.CodeInvalidClientMetadata, "the request body cannot be read")
	}
	obj, err := strictjson.Parse(body)
	if err != nil {
		return fail(http.StatusBadRequest, oauthdyn.CodeInvalidClientMetadata, "the metadata is "+err.Error())
	}
	for _, v := range values {
		if err := obj.Decode(v); err != nil {
			return fail(http.StatusBadRequest, oauthdyn.CodeInvalidClientMetadata, err.Error())
		}
	}
	return nil
}

// completeRegistration checks the metadata and fills in what RFC 7591 section 2
// says of absent members.
func (s *Server) completeRegistration(md *oauthdyn.ClientMetadata, allowed []string) *oauthdyn.Error {
	invalid := func(description string) *oauthdyn.Error {
		return fail(http.StatusBadRequest, oauthdyn.CodeInvalidClientMetadata, description)
	}
	if md.TokenEndpointAuthMethod == "" {
		md.TokenEndpointAuthMethod = s.o.defaultAuth()
	}
	md.TokenEndpointAuthMethodsSupported = nil // one is registered
	switch {
	case !s.o.acceptsAuth(md.TokenEndpointAuthMethod):
		return invalid("token_endpoint_auth_method must be one of " + strings.Join(s.o.ClientAuthMethods, ", "))
	case md.TokenEndpointAuthMethod == oauthdyn.AuthMethodPrivateKeyJWT:
		if err := s.checkKeys(md); err != nil {
			return err
		}
	}
	if len(md.GrantTypes) == 0 {
		md.GrantTypes = slices.Clone(defaultGrantTypes)
	}
	// Known clients list grants that they never use here; RFC 7591 section
	// 3.2.1 lets us leave them out.
	md.GrantTypes = slices.DeleteFunc(md.GrantTypes, func(g string) bool { return !slices.Contains(allowed, g) })
	if err := s.checkFlow(md, allowed); err != nil {
		return err
	}
	switch md.ApplicationType {
	case "", oauthdyn.ApplicationTypeNative, oauthdyn.ApplicationTypeWeb:
	default:
		return invalid("application_type must be native or web")
	}
	for name, uri := range map[string]string{
		"client_uri": md.ClientURI, "logo_uri": md.LogoURI, "tos_uri": md.TOSURI, "policy_uri": md.PolicyURI, "jwks_uri": md.JWKSURI,
	} {
		if uri != "" && !isWebURL(uri) {
			return invalid(name + " must be an http or https URL")
		}
	}
	return nil
}

// checkFlow checks that a client can get tokens: by redirects, or otherwise.
func (s *Server) checkFlow(md *oauthdyn.ClientMetadata, allowed []string) *oauthdyn.Error {
	if slices.Contains(md.GrantTypes, oauthdyn.GrantAuthorizationCode) {
		if len(md.ResponseTypes) > 0 && !slices.Contains(md.ResponseTypes, oauthdyn.ResponseTypeCode) {
			return fail(http.StatusBadRequest, oauthdyn.CodeInvalidClientMetadata, "response_types must include code")
		}
		md.ResponseTypes = []string{oauthdyn.ResponseTypeCode}
		return s.checkRedirectURIs(md.RedirectURIs)
	}
	if !slices.ContainsFunc(md.GrantTypes, func(g string) bool { return g != oauthdyn.GrantRefreshToken }) {
		others := slices.DeleteFunc(slices.Clone(allowed), func(g string) bool { return g == oauthdyn.GrantRefreshToken })
		return fail(http.StatusBadRequest, oauthdyn.CodeInvalidClientMetadata, "grant_types must include "+strings.Join(others, " or "))
	}
	md.ResponseTypes = []string{}
	if len(md.RedirectURIs) > 0 {
		return s.checkRedirectURIs(md.RedirectURIs)
	}
	md.RedirectURIs = []string{}
	return nil
}

func (s *Server) checkRedirectURIs(uris []string) *oauthdyn.Error {
	if len(uris) == 0 {
		return fail(http.StatusBadRequest, oauthdyn.CodeInvalidRedirectURI, "redirect_uris is required")
	}
	if len(uris) > maxRedirectURIs {
		return fail(http.StatusBadRequest, oauthdyn.CodeInvalidRedirectURI, "at most 32 redirect URIs can be registered")
	}
	for _, uri := range uris {
		if err := redirecturi.Check(uri); err != nil {
			return fail(http.StatusBadRequest, oauthdyn.CodeInvalidRedirectURI, "a redirect URI "+err.Error())
		}
	}
	return s.checkSchemes(uris)
}

// isWebURL reports whether a link to uri can be shown to a person.
func isWebURL(uri string) bool {
	u, err := url.Parse(uri)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil
}
