// SPDX-License-Identifier: Apache-2.0

package oauthdyn

import (
	"bytes"
	"cmp"
	"crypto"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/documenturl"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/jose/jwt"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/redirecturi"
)

const (
	// maxDocumentBytes is what an authorization server has to read of a
	// document (draft-ietf-oauth-client-id-metadata-document section 6.6).
	maxDocumentBytes = 5 << 10

	documentCacheControl = "public, max-age=3600"
)

// NewMetadataHandler serves the client ID metadata document of a program that
// has a web address (draft-ietf-oauth-client-id-metadata-document): mount it at
// the path of documentURL, and give the URL to Config.ClientMetadataURL.
//
// The metadata needs a ClientName. Of what is empty, RedirectURIs become
// DefaultCallbackPath on http://127.0.0.1 and http://localhost, whose port may
// differ (RFC 8252 section 7.3), GrantTypes authorization_code and
// refresh_token, ResponseTypes code, and TokenEndpointAuthMethod none. A client
// that authenticates uses private_key_jwt with JWKS or JWKSURI; secrets have no
// place in a public document, and are refused. So is a document of more than 5
// KiB, which authorization servers need not read.
func NewMetadataHandler(documentURL string, m ClientMetadata) (http.Handler, error) {
	body, err := metadataDocument(documentURL, m)
	if err != nil {
		return nil, fmt.Errorf("oauthdyn: client ID metadata document: %w", err)
	}
	sum := sha256.Sum256(body)
	etag := `"` + hex.EncodeToString(sum[:8]) + `"`
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			h.Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return
		}
		h.Set("Content-Type", "application/json")
		h.Set("Cache-Control", documentCacheControl)
		h.Set("ETag", etag)
		h.Set("X-Content-Type-Options", "nosniff")
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
	}), nil
}

func metadataDocument(documentURL string, m ClientMetadata) ([]byte, error) {
	if err := checkMetadataURL(documentURL); err != nil {
		return nil, err
	}
	if len(m.RedirectURIs) == 0 {
		m.RedirectURIs = []string{"http://127.0.0.1" + DefaultCallbackPath, "http://localhost" + DefaultCallbackPath}
	}
	if len(m.GrantTypes) == 0 {
		m.GrantTypes = []string{GrantAuthorizationCode, GrantRefreshToken}
	}
	if len(m.ResponseTypes) == 0 {
		m.ResponseTypes = []string{ResponseTypeCode}
	}
	m.TokenEndpointAuthMethod = cmp.Or(m.TokenEndpointAuthMethod, AuthMethodNone)
	if err := checkDocument(&m); err != nil {
		return nil, err
	}
	body, err := json.MarshalIndent(struct {
		ClientID string `json:"client_id"`
		ClientMetadata
	}{documentURL, m}, "", "  ")
	switch {
	case err != nil:
		return nil, err
	case len(body) > maxDocumentBytes:
		return nil, fmt.Errorf("it has %d bytes, and authorization servers read no more than %d", len(body), maxDocumentBytes)
	}
	return body, nil
}

// checkDocument finds what an authorization server would refuse.
func checkDocument(m *ClientMetadata) error {
	if m.ClientName == "" {
		return errors.New("ClientName is empty")
	}
	for _, raw := range m.RedirectURIs {
		if err := redirecturi.Check(raw); err != nil {
			return fmt.Errorf("redirect URI %q: %w", raw, err)
		}
	}
	switch m.TokenEndpointAuthMethod {
	case AuthMethodNone:
	case AuthMethodPrivateKeyJWT:
		if m.JWKSURI == "" && m.JWKS == nil {
			return errors.New("private_key_jwt needs JWKS or JWKSURI")
		}
	default:
		return fmt.Errorf("client authentication %q needs a secret, which a public document cannot hold", m.TokenEndpointAuthMethod)
	}
	if m.JWKS == nil {
		return nil
	}
	var set struct {
		Keys []map[string]json.RawMessage `json:"keys"`
	}
	if json.Unmarshal(m.JWKS, &set) != nil { // its error could quote a key
		return errors.New("JWKS is not a JWK set")
	}
	for _, key := range set.Keys {
		if key["d"] != nil || key["k"] != nil {
			return errors.New("JWKS holds a private or a symmetric key")
		}
	}
	return nil
}

// checkMetadataURL accepts a URL that can be a client id.
func checkMetadataURL(raw string) error {
	if err := documenturl.Check(raw); err != nil {
		return fmt.Errorf("client metadata URL %w", err)
	}
	return nil
}

// PublicKeySet returns the public half of a client's key as a JWK set (RFC
// 7517), for ClientMetadata.JWKS or for registration by hand. An empty keyID
// means the JWK thumbprint, as in Config.ClientKeyID.
func PublicKeySet(key crypto.Signer, keyID string) (json.RawMessage, error) {
	k, err := jwt.NewKey(key, keyID)
	if err != nil {
		return nil, fmt.Errorf("oauthdyn: %w", err)
	}
	return k.PublicSet(), nil
}
