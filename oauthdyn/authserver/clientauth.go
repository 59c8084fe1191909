// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/internal/remote"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/jose/jwt"
)

// credentials are what a client said of itself at the token endpoint.
type credentials struct {
	method    string // of token_endpoint_auth_method
	id        string
	secret    string
	assertion *jwt.SignedAssertion // of private_key_jwt
}

// authenticateClient finds out which client sends a token request: RFC 6749
// section 2.3. A client that is unknown, perhaps because it was deleted, gets
// invalid_client, which makes clients register again.
func (s *Server) authenticateClient(r *http.Request, form url.Values) (*store.Client, *oauthdyn.Error) {
	creds, err := readCredentials(r, form)
	if err != nil {
		return nil, fail(http.StatusUnauthorized, oauthdyn.CodeInvalidClient, err.Error())
	}
	if !s.o.acceptsAuth(creds.method) {
		return nil, fail(http.StatusUnauthorized, oauthdyn.CodeInvalidClient,
			"clients have to authenticate by one of "+strings.Join(s.o.ClientAuthMethods, ", ")+"; register again")
	}
	client, err := s.client(r.Context(), creds.id)
	if e := remote.AsError(err); e != nil && e.Temporary {
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
	if !mayUse(&client.Metadata, creds.method) || !secretFits {
		return nil, fail(http.StatusUnauthorized, oauthdyn.CodeInvalidClient,
			"the client is unknown, its secret is wrong, or it registered another token_endpoint_auth_method; if in doubt, register again")
	}
	if creds.assertion != nil {
		if err := s.checkAssertion(r, client, creds.assertion); err != nil {
			return nil, err
		}
	}
	client.Metadata.TokenEndpointAuthMethod = creds.method // in this request
	return client, nil
}

// mayUse reports whether a client can authenticate by a method: the one that it
// registered, or one of those that its document lists.
func mayUse(m *oauthdyn.ClientMetadata, method string) bool {
	return m.TokenEndpointAuthMethod == method || slices.Contains(m.TokenEndpointAuthMethodsSupported, method)
}

// readCredentials reads the Authorization header or the form, but never both.
func readCredentials(r *http.Request, form url.Values) (credentials, error) {
	id, secret := form.Get("client_id"), form.Get("client_secret")
	headers := r.Header.Values("Authorization")
	if form.Has("client_assertion") || form.Has("client_assertion_type") {
		if len(headers) > 0 || secret != "" {
			return credentials{}, errors.New("credentials are given twice, by an assertion and otherwise")
		}
		return assertionCredentials(form)
	}
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
		return credentials{method: oauthdyn.AuthMethodClientSecretPost, id: id, secret: secret}, nil
	}
	return credentials{method: oauthdyn.AuthMethodNone, id: id}, nil
}

// assertionCredentials reads a client assertion: RFC 7523 section 2.2. The
// client_id may be left out, since the assertion names it.
func assertionCredentials(form url.Values) (credentials, error) {
	if form.Get("client_assertion_type") != clientAssertionType {
		return credentials{}, errors.New("client_assertion_type must be " + clientAssertionType)
	}
	a, err := jwt.ParseAssertion(form.Get("client_assertion"))
	if err != nil {
		return credentials{}, fmt.Errorf("client_assertion: %w", err)
	}
	switch {
	case a.Subject == "" || a.Issuer != a.Subject:
		return credentials{}, errors.New("client_assertion: iss and sub must both be the client_id")
	case form.Has("client_id") && form.Get("client_id") != a.Subject:
		return credentials{}, errors.New("client_assertion: it is that of another client than client_id")
	}
	return credentials{method: oauthdyn.AuthMethodPrivateKeyJWT, id: a.Subject, assertion: a}, nil
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
	return credentials{method: method, id: id, secret: secret}, nil
}

// equal compares in constant time.
func equal(a, b []byte) bool { return subtle.ConstantTimeCompare(a, b) == 1 }
