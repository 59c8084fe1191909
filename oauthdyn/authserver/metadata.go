// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
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
	data, err := json.Marshal(s.metadata())
	if err != nil {
		return err
	}
	oauth := newDocument(data)
	openID := &openIDMetadata{of: s.metadata()}
	if _, err := openID.with(s.keys.current.Load().algorithms); err != nil {
		return err
	}
	serveOpenID := serveDocument(func() (document, error) { return openID.with(s.keys.current.Load().algorithms) })
	for _, suffix := range s.metadataSuffixes() {
		s.routes[oauthdyn.WellKnownServer+suffix] = serveDocument(func() (document, error) { return oauth, nil })
		s.routes[oauthdyn.WellKnownOpenID+suffix] = serveOpenID
	}
	s.routes[s.base+oauthdyn.WellKnownOpenID] = serveOpenID
	s.routes[s.path(pathJWKS)] = serveDocument(func() (document, error) { return s.keys.current.Load().jwks, nil })
	return nil
}

// openIDMetadata is the metadata of OpenID Connect Discovery. It is made again
// when the algorithms of the signing keys change.
type openIDMetadata struct {
	of oauthdyn.ServerMetadata

	mu sync.Mutex
	// mu guards the fields below.
	made       document
	algorithms []string
}

func (m *openIDMetadata) with(algorithms []string) (document, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if slices.Equal(algorithms, m.algorithms) {
		return m.made, nil
	}
	// Section 3 requires these two.
	m.of.SubjectTypesSupported = []string{"public"}
	m.of.IDTokenSigningAlgValuesSupported = algorithms
	data, err := json.Marshal(m.of)
	if err == nil {
		m.made, m.algorithms = newDocument(data), algorithms
	}
	return m.made, err
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

// documentMaxAge is how long others may keep the metadata and the keys. It is
// less than keyring.PublishAhead.
const documentMaxAge = 5 * time.Minute

// A document is JSON and its entity tag.
type document struct {
	data []byte
	etag string
}

func newDocument(data []byte) document {
	sum := sha256.Sum256(data)
	return document{data, `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`}
}

// serveDocument serves what a document is at the time.
func serveDocument(current func() (document, error)) http.Handler {
	cacheControl := fmt.Sprintf("public, max-age=%d", int(documentMaxAge.Seconds()))
	return crossOrigin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d, err := current()
		if err != nil {
			writeError(w, fail(http.StatusInternalServerError, oauthdyn.CodeServerError, "the document cannot be made"))
			return
		}
		h := w.Header()
		h.Set("Content-Type", "application/json")
		h.Set("Cache-Control", cacheControl)
		h.Set("ETag", d.etag)
		h.Set("X-Content-Type-Options", "nosniff")
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(d.data))
	}), http.MethodGet)
}
