// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/internal/clientdoc"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
)

// credentials are what a client said of itself at the token endpoint.
type credentials struct {
	method string // of token_endpoint_auth_method
	id     string
	secret string
}

// authenticateClient finds out which client sends a token request: RFC 6749
// section 2.3. A client that is unknown, perhaps because it was deleted, gets
// invalid_client, which makes clients register again.
func (s *Server) authenticateClient(r *http.Request, form url.Values) (*store.Client, *oauthdyn.Error) {
	creds, err := readCredentials(r, form)
	if err != nil {
		return nil, fail(http.StatusUnauthorized, oauthdyn.CodeInvalidClient, err.Error())
	}
	client, err := s.client(r.Context(), creds.id)
	if e := clientdoc.AsError(err); e != nil && e.Temporary {
		return nil, fail(http.StatusServiceUnavailable, oauthdyn.CodeTemporarilyUnavailable, plainText(e.Text))
	} else if e != nil {
		return nil, fail(http.StatusUnauthorized, oauthdyn.CodeInvalidClient, plainText(e.Text))
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, s.internal(r, "look up a client", err)
	}
	if client != nil {
		note(r.Context()).ClientID = client.ID
	} else {
		because(r.Context(), "unknown client")
		// Take as long as with a known client.
		client = &store.Client{Metadata: oauthdyn.ClientMetadata{TokenEndpointAuthMethod: "unknown"}}
	}
	secretFits := client.Secret.Equal(store.HashOf(creds.secret))
	if creds.secret == "" {
		secretFits = client.Secret.IsZero()
	}
	if client.Metadata.TokenEndpointAuthMethod != creds.method || !secretFits {
		return nil, fail(http.StatusUnauthorized, oauthdyn.CodeInvalidClient,
			"the client is unknown, its secret is wrong, or it registered another token_endpoint_auth_method; if in doubt, register again")
	}
	return client, nil
}

// readCredentials reads the Authorization header or the form, but never both.
func readCredentials(r *http.Request, form url.Values) (credentials, error) {
	id, secret := form.Get("client_id"), form.Get("client_secret")
	headers := r.Header.Values("Authorization")
	switch {
	case len(headers) > 1:
		return credentials{}, errors.New("more than one Authorization header")
	case len(headers) == 1:
		creds, err := basicCredentials(headers[0])
		switch {
		case err != nil:
			return credentials{}, err
		case secret != "":
			return credentials{}, errors.New("credentials are given twice, in the header and in the body")
		case id != "" && id != creds.id:
			return credentials{}, errors.New("client_id differs from the Authorization header")
		}
		return creds, nil
	case id == "":
		return credentials{}, errors.New("client_id is missing")
	case secret != "":
		return credentials{oauthdyn.AuthMethodClientSecretPost, id, secret}, nil
	}
	return credentials{oauthdyn.AuthMethodNone, id, ""}, nil
}

// basicCredentials reads HTTP Basic: RFC 6749 section 2.3.1, both parts
// form-encoded. An empty secret is that of a public client.
func basicCredentials(header string) (credentials, error) {
	malformed := errors.New("the Authorization header is not form-encoded HTTP Basic")
	scheme, encoded, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "basic") {
		return credentials{}, malformed
	}
	data, err := base64.StdEncoding.DecodeString(strings.Trim(encoded, " "))
	if err != nil {
		return credentials{}, malformed
	}
	id, secret, ok := strings.Cut(string(data), ":")
	if !ok || strings.Contains(secret, ":") {
		return credentials{}, malformed
	}
	if id, err = url.QueryUnescape(id); err != nil {
		return credentials{}, malformed
	}
	if secret, err = url.QueryUnescape(secret); err != nil {
		return credentials{}, malformed
	}
	method := oauthdyn.AuthMethodClientSecretBasic
	if secret == "" {
		method = oauthdyn.AuthMethodNone
	}
	return credentials{method, id, secret}, nil
}

// equal compares in constant time.
func equal(a, b []byte) bool { return subtle.ConstantTimeCompare(a, b) == 1 }
