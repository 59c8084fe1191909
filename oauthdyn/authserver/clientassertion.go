// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/internal/remote"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/jose/jwt"
)

const (
	// clientAssertionType is that of RFC 7523 section 2.2.
	clientAssertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

	// maxAssertionLife bounds how long an assertion can be good, and thereby how
	// long it must be remembered that it was used.
	maxAssertionLife = 5 * time.Minute

	// maxJWKSBytes bounds the keys of a client.
	maxJWKSBytes = 32 << 10

	// maxAssertionIDs bounds the assertions of one client in a minute, so that
	// none takes the room of the others.
	maxAssertionIDs = 600
)

// newClientKeys reads what jwks_uri names.
func newClientKeys(d ClientDocuments) *remote.Reader[*jwt.Keys] {
	return remote.NewReader(remote.Options[*jwt.Keys]{
		Hosts:     d.Hosts,
		Transport: d.Transport,
		About:     "the app's keys",
		Address:   "jwks_uri",
		MaxBytes:  maxJWKSBytes,
		Parse:     func(_ string, body []byte) (*jwt.Keys, error) { return jwt.ParseKeys(body) },
	})
}

// checkAssertion is private_key_jwt: RFC 7523 section 3. The assertion has been
// read, and the client is the one that it names.
func (s *Server) checkAssertion(r *http.Request, client *store.Client, a *jwt.SignedAssertion) *oauthdyn.Error {
	refuse := func(reason string) *oauthdyn.Error {
		return fail(http.StatusUnauthorized, oauthdyn.CodeInvalidClient, "client_assertion: "+reason)
	}
	if alg := client.Metadata.TokenEndpointAuthSigningAlg; alg != "" && alg != a.Algorithm {
		return refuse("the client has registered to sign with " + alg)
	}
	if err := s.verifyAssertion(r.Context(), client, a); err != nil {
		if e := remote.AsError(err); e != nil && e.Temporary {
			return fail(http.StatusServiceUnavailable, oauthdyn.CodeTemporarilyUnavailable, e.Text)
		}
		return refuse(err.Error())
	}
	now := time.Now()
	rule := jwt.AssertionRule{Audience: []string{s.o.Issuer, s.url(pathToken)}, MaxLife: maxAssertionLife, NeedsID: true}
	if err := a.Check(rule, now); err != nil {
		return refuse(err.Error())
	}
	owner := store.HashOf(client.ID)
	if n, _, err := s.o.Store.Count(r.Context(), countAssertions, owner, time.Minute); err != nil {
		return s.internal(r, "count assertions", err)
	} else if n > maxAssertionIDs {
		return fail(http.StatusTooManyRequests, oauthdyn.CodeTemporarilyUnavailable, "the client has used too many assertions in a minute; use access tokens until they expire")
	}
	fresh, e := s.useAssertion(r, client.ID, a)
	if e == nil && !fresh {
		return refuse("it was used before (jti)")
	}
	return e
}

// useAssertion records the jti of an assertion that is good otherwise, and
// reports whether it was new, at all servers that share the store.
func (s *Server) useAssertion(r *http.Request, issuer string, a *jwt.SignedAssertion) (bool, *oauthdyn.Error) {
	err := s.o.Store.AddTransaction(r.Context(), kindAssertion, hashOf(issuer, a.ID), nil, a.Expires.Add(jwt.AssertionSkew))
	if errors.Is(err, store.ErrConflict) {
		return false, nil
	}
	if err != nil {
		return false, s.internal(r, "record an assertion", err)
	}
	return true, nil
}

// verifyAssertion checks the signature by the client's keys, which are read
// again if they lack the one it names.
func (s *Server) verifyAssertion(ctx context.Context, client *store.Client, a *jwt.SignedAssertion) error {
	keys, err := s.keysOf(ctx, &client.Metadata, false)
	if err != nil {
		return err
	}
	err = a.Verify(keys)
	if !errors.Is(err, jwt.ErrUnknownKey) {
		return err
	}
	m := &client.Metadata
	if s.isDocument(client.ID) {
		if m, err = s.documents.Newer(ctx, client.ID); err != nil {
			return err
		}
	}
	if keys, err = s.keysOf(ctx, m, true); err != nil {
		return err
	}
	return a.Verify(keys)
}

// keysOf returns the keys of a client.
func (s *Server) keysOf(ctx context.Context, m *oauthdyn.ClientMetadata, newer bool) (*jwt.Keys, error) {
	switch {
	case len(m.JWKS) > 0:
		return jwt.ParseKeys(m.JWKS)
	case m.JWKSURI == "":
		return nil, errors.New("the client has no keys")
	case newer:
		return s.clientKeys.Newer(ctx, m.JWKSURI)
	}
	return s.clientKeys.Read(ctx, m.JWKSURI)
}

// checkKeys checks the keys of a client that authenticates by them: RFC 7591
// section 2.
func (s *Server) checkKeys(m *oauthdyn.ClientMetadata) *oauthdyn.Error {
	invalid := func(description string) *oauthdyn.Error {
		return fail(http.StatusBadRequest, oauthdyn.CodeInvalidClientMetadata, description)
	}
	if alg := m.TokenEndpointAuthSigningAlg; alg != "" && !slices.Contains(jwt.Algorithms, alg) {
		return invalid("token_endpoint_auth_signing_alg is not supported; the metadata of this server lists what is")
	}
	switch {
	case len(m.JWKS) > 0 && m.JWKSURI != "":
		return invalid("jwks and jwks_uri exclude each other")
	case len(m.JWKS) > 0:
		if _, err := jwt.ParseKeys(m.JWKS); err != nil {
			return invalid("jwks " + err.Error())
		}
	case m.JWKSURI == "":
		return invalid("private_key_jwt needs jwks or jwks_uri")
	default:
		if err := s.clientKeys.Check(m.JWKSURI); err != nil {
			return invalid(err.Error())
		}
	}
	return nil
}
