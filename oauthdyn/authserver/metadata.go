// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/jose"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/jose/jwt"
)

// metadata describes the server: RFC 8414 section 2. It announces nothing that
// is not there.
func (s *Server) metadata() oauthdyn.ServerMetadata {
	md := oauthdyn.ServerMetadata{
		Issuer:                            s.o.Issuer,
		AuthorizationEndpoint:             s.url(pathAuthorize),
		TokenEndpoint:                     s.url(pathToken),
		RevocationEndpoint:                s.url(pathRevoke),
		RegistrationEndpoint:              s.url(pathRegister),
		JWKSURI:                           s.url(pathJWKS),
		ScopesSupported:                   s.allScopes(),
		ResponseTypesSupported:            []string{oauthdyn.ResponseTypeCode},
		ResponseModesSupported:            []string{"query"},
		GrantTypesSupported:               s.o.grantTypes(),
		TokenEndpointAuthMethodsSupported: s.o.ClientAuthMethods,
		CodeChallengeMethodsSupported:     []string{"S256"},
		DPoPSigningAlgValuesSupported:     jwt.Algorithms,

		TokenEndpointAuthSigningAlgValuesSupported: jwt.Algorithms,

		RevocationEndpointAuthMethodsSupported:          s.o.ClientAuthMethods,
		RevocationEndpointAuthSigningAlgValuesSupported: jwt.Algorithms,

		AuthorizationResponseIssParameterSupported: true,
		ClientIDMetadataDocumentSupported:          s.documents != nil,
	}
	if len(s.o.IdentityProviders) > 0 {
		md.AuthorizationGrantProfilesSupported = []string{profileIDJAG}
	}
	if s.o.DeviceFlow {
		md.DeviceAuthorizationEndpoint = s.url(pathDeviceStart)
	}
	if len(s.o.ResourceServers) > 0 {
		md.IntrospectionEndpoint = s.url(pathIntrospect)
		md.IntrospectionEndpointAuthMethodsSupported = secretMethods
	}
	return md
}

// allScopes returns each scope that some resource has, and offline_access.
func (s *Server) allScopes() []string {
	var all []string
	for _, r := range s.resources {
		for _, scope := range r.Scopes {
			if !slices.Contains(all, scope) {
				all = append(all, scope)
			}
		}
	}
	return append(all, ScopeOfflineAccess)
}

// addDocuments adds the routes of the metadata and the keys.
func (s *Server) addDocuments() error {
	md := s.metadata()
	oauth, err := json.Marshal(md)
	if err != nil {
		return err
	}
	// OpenID Connect Discovery section 3 requires these two.
	md.SubjectTypesSupported = []string{"public"}
	md.IDTokenSigningAlgValuesSupported = []string{jose.ES256}
	openID, err := json.Marshal(md)
	if err != nil {
		return err
	}
	jwks, err := s.keys.PublicJWKS()
	if err != nil {
		return err
	}
	for _, suffix := range s.metadataSuffixes() {
		s.routes[oauthdyn.WellKnownServer+suffix] = document(oauth)
		s.routes[oauthdyn.WellKnownOpenID+suffix] = document(openID)
	}
	s.routes[s.base+oauthdyn.WellKnownOpenID] = document(openID)
	s.routes[s.path(pathJWKS)] = document(jwks)
	return nil
}

// metadataSuffixes lists what may stand behind a well-known path: the path of
// the issuer, nothing (clients of MCP 2025-03-26 look at the root), and the
// paths of resources at the same origin, where other clients look.
func (s *Server) metadataSuffixes() []string {
	suffixes := []string{s.base, ""}
	for _, r := range s.resources {
		if u, err := url.Parse(r.URI); err == nil && u.Scheme+"://"+u.Host == s.origin {
			suffixes = append(suffixes, strings.TrimSuffix(u.Path, "/"))
		}
	}
	return suffixes
}

// document serves JSON that never changes.
func document(data []byte) http.Handler {
	sum := sha256.Sum256(data)
	etag := `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
	return crossOrigin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "application/json")
		h.Set("Cache-Control", "public, max-age=300")
		h.Set("ETag", etag)
		h.Set("X-Content-Type-Options", "nosniff")
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
	}), http.MethodGet)
}
