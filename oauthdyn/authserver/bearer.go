// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/internal/pages"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/jose"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/jose/jwt"
)

const (
	// typeIDJAG is the typ of an identity assertion:
	// draft-ietf-oauth-identity-assertion-authz-grant, MCP's
	// enterprise-managed-authorization.
	typeIDJAG    = "oauth-id-jag+jwt"
	profileIDJAG = "urn:ietf:params:oauth:grant-profile:id-jag"

	// maxIdentityLife bounds how long an identity assertion can be good, and
	// thereby how long it must be remembered that it was used.
	maxIdentityLife = time.Hour

	maxAssertedSubject = 255 // bytes
)

// An Admitter is a Login that can tell whether a person may come in whom its
// provider vouches for by an identity assertion.
type Admitter interface {
	Login

	// Admit returns the person that the claims of the issuer's assertion are
	// about, with the Subject that a sign-in would give; nil if the issuer is
	// not the one that the Login asks. ErrNotAllowed refuses the person. The
	// signature has been checked.
	Admit(ctx context.Context, issuer string, claims json.RawMessage) (*User, error)
}

// identityClaims are those of an identity assertion.
type identityClaims struct {
	ClientID string          `json:"client_id"`
	Resource oneOrMore       `json:"resource"`
	Scope    *string         `json:"scope"`
	Name     string          `json:"preferred_username"`
	Email    string          `json:"email"`
	Details  json.RawMessage `json:"authorization_details"`
	Bound    *jose.Bound     `json:"cnf"`
}

// oneOrMore is a string or a list of them.
type oneOrMore []string

func (o *oneOrMore) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '[' {
		return json.Unmarshal(data, (*[]string)(o))
	}
	var one string
	if err := json.Unmarshal(data, &one); err != nil {
		return err
	}
	*o = oneOrMore{one}
	return nil
}

// refuseAssertion is the answer to an assertion that is no good: RFC 7523
// section 3.1. Its sender may know why.
func refuseAssertion(reason string) *oauthdyn.Error {
	return fail(http.StatusBadRequest, oauthdyn.CodeInvalidGrant, "assertion: "+reason)
}

// readAssertion reads the assertion of a request.
func readAssertion(form url.Values) (*jwt.SignedAssertion, *oauthdyn.Error) {
	if !form.Has("assertion") {
		return nil, fail(http.StatusBadRequest, oauthdyn.CodeInvalidRequest, "assertion is missing")
	}
	a, err := jwt.ParseAssertion(form.Get("assertion"))
	if err != nil {
		return nil, refuseAssertion(err.Error())
	}
	return a, nil
}

// checkIssued checks the signature of an assertion, and what all assertions have
// in common.
func (s *Server) checkIssued(r *http.Request, i Issuer, a *jwt.SignedAssertion, rule jwt.AssertionRule) *oauthdyn.Error {
	if err := s.issuers.verify(r.Context(), i, a); err != nil {
		if permanent(err) == 0 {
			return fail(http.StatusServiceUnavailable, oauthdyn.CodeTemporarilyUnavailable, err.Error())
		}
		s.log.LogAttrs(r.Context(), slog.LevelWarn, "assertion could not be verified", slog.String("issuer", i.ID), slog.String("error", err.Error()))
		return refuseAssertion(err.Error())
	}
	if err := a.Check(rule, time.Now()); err != nil {
		return refuseAssertion(err.Error())
	}
	if a.Subject == "" || len(a.Subject) > maxAssertedSubject || strings.ContainsFunc(a.Subject, func(r rune) bool { return r < ' ' || r > '~' }) {
		return refuseAssertion("sub is not up to 255 printable ASCII characters")
	}
	return nil
}

// redeemAssertion exchanges an assertion for an access token: RFC 7523 section
// 2.1.
func (s *Server) redeemAssertion(r *http.Request, client *store.Client, form url.Values, key string) (*tokenResponse, *oauthdyn.Error) {
	if c, ok := s.machineClient(client.ID); ok && c.Workload != nil {
		return s.redeemWorkload(r, client, c, form, key)
	}
	return s.redeemIdentity(r, client, form, key)
}

// redeemWorkload gives a client a token for itself. The assertion was checked;
// platforms give programs one that they use until it expires.
func (s *Server) redeemWorkload(r *http.Request, client *store.Client, c *Client, form url.Values, key string) (*tokenResponse, *oauthdyn.Error) {
	a, e := readAssertion(form)
	if e != nil {
		return nil, e
	}
	t, e := s.atMost(form, c.Resources, c.Scopes)
	if e != nil {
		return nil, e
	}
	t.key = key
	return s.grantAtOnce(r, User{Subject: c.ID, Name: pages.Clean(a.Subject)}, client, t)
}

// redeemIdentity gives a client a token for a person whose identity provider
// has said that it may: the identity assertion is used once.
func (s *Server) redeemIdentity(r *http.Request, client *store.Client, form url.Values, key string) (*tokenResponse, *oauthdyn.Error) {
	a, e := readAssertion(form)
	if e != nil {
		return nil, e
	}
	i := slices.IndexFunc(s.o.IdentityProviders, func(i Issuer) bool { return i.ID == a.Issuer })
	switch {
	case client.Metadata.TokenEndpointAuthMethod == oauthdyn.AuthMethodNone:
		return nil, fail(http.StatusBadRequest, oauthdyn.CodeUnauthorizedClient, "only clients that authenticate can use identity assertions")
	case i < 0:
		return nil, refuseAssertion("its issuer (iss) is not trusted here")
	case a.Type != typeIDJAG:
		return nil, refuseAssertion("its typ is not " + typeIDJAG)
	}
	rule := jwt.AssertionRule{Audience: []string{s.o.Issuer}, MaxLife: maxIdentityLife, NeedsID: true}
	if e := s.checkIssued(r, s.o.IdentityProviders[i], a, rule); e != nil {
		return nil, e
	}
	var c identityClaims
	if err := a.Claims(&c); err != nil {
		return nil, refuseAssertion(err.Error())
	}
	switch {
	case c.ClientID != client.ID:
		return nil, refuseAssertion("it is for another client (client_id)")
	case a.IssuedAt.IsZero():
		return nil, refuseAssertion("iat is missing")
	case len(c.Resource) == 0:
		return nil, refuseAssertion("it names no resource")
	case c.Details != nil:
		return nil, refuseAssertion("authorization_details are not supported here; name scopes")
	case c.Bound != nil && (c.Bound.KeyThumbprint == "" || c.Bound.KeyThumbprint != key):
		return nil, refuseAssertion("it is bound to a key (cnf) that the request does not prove to have")
	}
	t, e := s.asserted(form, client, &c)
	if e != nil {
		return nil, e
	}
	t.key = key
	person, e := s.admit(r, a, &c)
	if e != nil {
		return nil, e
	}
	fresh, e := s.useAssertion(r, a.Issuer, a)
	if e != nil {
		return nil, e
	}
	if !fresh {
		return nil, refuseAssertion("it was used before (jti)")
	}
	return s.grantAtOnce(r, *person, client, t)
}

// asserted is what the identity provider has allowed, of which the request may
// want a part, and the operator may give the client less.
func (s *Server) asserted(form url.Values, client *store.Client, c *identityClaims) (target, *oauthdyn.Error) {
	resources, e := s.chooseResources(c.Resource)
	if e != nil {
		return target{}, e
	}
	var uris, scopes []string
	if c.Scope != nil {
		scopes = append([]string{}, strings.Fields(*c.Scope)...)
	}
	machine, known := s.machineClient(client.ID)
	for _, r := range resources {
		if !known || slices.Contains(machine.Resources, r.URI) {
			uris = append(uris, r.URI)
		}
	}
	if len(uris) == 0 {
		return target{}, fail(http.StatusBadRequest, oauthdyn.CodeInvalidTarget, "the client gets no tokens for this resource")
	}
	if known && machine.Scopes != nil {
		if scopes == nil {
			scopes = machine.Scopes
		}
		scopes = slices.DeleteFunc(slices.Clone(scopes), func(scope string) bool { return !slices.Contains(machine.Scopes, scope) })
	}
	return s.atMost(form, uris, scopes)
}

// admit finds out who the person is, and whether the Login lets them in. A
// provider that no Login asks decides that itself.
func (s *Server) admit(r *http.Request, a *jwt.SignedAssertion, c *identityClaims) (*User, *oauthdyn.Error) {
	var all map[string]json.RawMessage
	if err := a.Claims(&all); err != nil {
		return nil, refuseAssertion(err.Error())
	}
	if login, ok := s.o.Login.(Admitter); ok {
		claims, err := json.Marshal(all)
		if err != nil {
			return nil, s.internal(r, "read claims", err)
		}
		person, err := login.Admit(r.Context(), a.Issuer, claims)
		if errors.Is(err, ErrNotAllowed) {
			s.log.LogAttrs(r.Context(), slog.LevelWarn, "person of an identity assertion not allowed", slog.String("issuer", a.Issuer), slog.String("sub", a.Subject))
			return nil, refuseAssertion("the person may not use this server")
		}
		if err != nil {
			return nil, s.internal(r, "admit a person", err)
		}
		if person != nil {
			return person, nil
		}
	}
	issuer := sha256.Sum256([]byte(a.Issuer))
	person := &User{Subject: "idp:" + hex.EncodeToString(issuer[:8]) + ":" + a.Subject}
	for _, name := range []string{c.Name, c.Email, a.Subject} {
		if person.Name = pages.Clean(name); person.Name != "" {
			break
		}
	}
	return person, nil
}

// workloadClient returns the client of a request that comes with the word of a
// platform instead of credentials (RFC 7521 section 4.1); nil if it is none
// such.
func (s *Server) workloadClient(r *http.Request, form url.Values) (*store.Client, *oauthdyn.Error) {
	a, err := jwt.ParseAssertion(form.Get("assertion"))
	if err != nil || a.Type != "" && a.Type != "jwt" {
		return nil, nil
	}
	known := false
	for i := range s.o.Clients {
		c := &s.o.Clients[i]
		if c.Workload == nil || c.Workload.Issuer.ID != a.Issuer {
			continue
		}
		known = true
		if !c.Workload.isFor(a.Subject) || form.Has("client_id") && form.Get("client_id") != c.ID {
			continue
		}
		if len(r.Header.Values("Authorization")) > 0 || form.Has("client_secret") || form.Has("client_assertion") {
			return nil, fail(http.StatusBadRequest, oauthdyn.CodeInvalidRequest, "the assertion says who the client is; send no other credentials")
		}
		if e := s.checkIssued(r, c.Workload.Issuer, a, jwt.AssertionRule{Audience: []string{c.Workload.Audience}}); e != nil {
			return nil, e
		}
		note(r.Context()).ClientID = c.ID
		return c.record(), nil
	}
	if known {
		return nil, refuseAssertion("no client is known for its subject (sub)")
	}
	return nil, nil
}
