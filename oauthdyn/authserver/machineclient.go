// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/internal/clientdoc"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
)

const (
	// maxClientID bounds the id of a Client.
	maxClientID = 128

	// methodWorkload is how a client with a Workload authenticates, of which no
	// protocol knows: by the grant itself.
	methodWorkload = "workload"
)

// A Client is a program that the operator knows. It gets access tokens for
// itself, without a person (RFC 6749 section 4.4), which a client that has
// registered itself never does: nobody would have consented. Its tokens have it
// as the subject, and there is no refresh token. It prints without its secret.
type Client struct {
	// ID is the client_id: up to 128 letters, digits and the characters ._~-;
	// not beginning with client_, as the ids of those that registered do. It is
	// the subject of the client's tokens, too. The https URL of a client ID
	// metadata document stands for the client that it describes, which must have
	// keys.
	ID string

	// Name is shown to people. Default: ID.
	Name string

	// Secret, JWKS or JWKSURI is what the client authenticates by. A secret
	// must have 16 characters at least, and comes by HTTP Basic or in the form;
	// JWKS are public keys (RFC 7517) for private_key_jwt, JWKSURI is their
	// https address, a public one or at one of ClientDocuments.Hosts.
	Secret  string
	JWKS    json.RawMessage
	JWKSURI string

	// Workload says how a platform vouches for the client, which then has none
	// of the above, and sends the platform's JWT instead.
	Workload *Workload

	// GrantTypes are client_credentials, which is the default, and
	// urn:ietf:params:oauth:grant-type:jwt-bearer, with which the client
	// exchanges the assertions of Options.IdentityProviders. A client with a
	// Workload has no choice.
	GrantTypes []string

	// Resources are the URIs of the only resources that it gets tokens for. A
	// request that names none is for the first. Empty: all.
	Resources []string

	// Scopes are the only ones that it gets. Empty: all of its resources.
	Scopes []string
}

// String names the client.
func (c Client) String() string { return "client " + c.ID }

// Format prints String for every verb.
func (c Client) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }

// LogValue logs what String says.
func (c Client) LogValue() slog.Value { return slog.StringValue(c.String()) }

// authentications counts the ways to authenticate.
func (c *Client) authentications() (n int) {
	for _, given := range []bool{c.Secret != "", len(c.JWKS) > 0, c.JWKSURI != "", c.Workload != nil} {
		if given {
			n++
		}
	}
	return n
}

// checkClients also replaces their resources by how they are spelled here.
func (o *Options) checkClients() error {
	o.Clients = slices.Clone(o.Clients)
	seen := map[string]bool{}
	for i := range o.Clients {
		c := &o.Clients[i]
		if err := o.completeClient(c); err != nil {
			return fmt.Errorf("client %q: %w", c.ID, err)
		}
		if seen[c.ID] {
			return fmt.Errorf("client %q is there twice", c.ID)
		}
		seen[c.ID] = true
	}
	return nil
}

func (o *Options) completeClient(c *Client) error {
	document := clientdoc.IsDocument(c.ID)
	switch {
	case !document && (c.ID == "" || len(c.ID) > maxClientID || !onlyUnreserved(c.ID) || strings.HasPrefix(c.ID, clientIDPrefix)):
		return fmt.Errorf("its id must be up to %d letters, digits and ._~-, and not begin with %s", maxClientID, clientIDPrefix)
	case document && c.authentications() > 0:
		return errors.New("its metadata document says what it authenticates by")
	case document && o.ClientDocuments.Off:
		return errors.New("client ID metadata documents are off")
	case !document && c.authentications() != 1:
		return errors.New("it needs a secret, or keys, or the address of keys, or a workload, and one of these only")
	case c.Secret != "" && len(c.Secret) < minSecret:
		return fmt.Errorf("its secret must have %d characters at least; openssl rand -hex 32 makes one", minSecret)
	}
	if method := c.authMethod(); !document && c.Workload == nil && !o.acceptsAuth(method) && !(c.Secret != "" && o.acceptsAuth(oauthdyn.AuthMethodClientSecretPost)) {
		return fmt.Errorf("clients may not authenticate by %s here", method)
	}
	if err := o.completeGrants(c); err != nil {
		return err
	}
	if c.Name == "" {
		c.Name = c.ID
	}
	if len(c.Resources) == 0 {
		for _, r := range o.Resources {
			c.Resources = append(c.Resources, r.URI)
		}
	}
	var known []Resource
	c.Resources = slices.Clone(c.Resources)
	for i, uri := range c.Resources {
		r, ok := findResource(o.Resources, uri)
		if !ok {
			return fmt.Errorf("no tokens are issued for %q", uri)
		}
		c.Resources[i] = r.URI
		known = append(known, r)
	}
	for _, scope := range c.Scopes {
		if !slices.ContainsFunc(known, func(r Resource) bool { return slices.Contains(r.Scopes, scope) }) {
			return fmt.Errorf("none of its resources has the scope %q", scope)
		}
	}
	return nil
}

// completeGrants says how a client gets tokens.
func (o *Options) completeGrants(c *Client) error {
	if c.Workload != nil {
		w := *c.Workload
		c.Workload, c.GrantTypes = &w, []string{oauthdyn.GrantJWTBearer}
		return c.Workload.check(o.Issuer)
	}
	if len(c.GrantTypes) == 0 {
		c.GrantTypes = []string{oauthdyn.GrantClientCredentials}
	}
	for _, grant := range c.GrantTypes {
		switch {
		case grant == oauthdyn.GrantClientCredentials:
		case grant != oauthdyn.GrantJWTBearer:
			return fmt.Errorf("its grant type can be %s or %s, not %q", oauthdyn.GrantClientCredentials, oauthdyn.GrantJWTBearer, grant)
		case len(o.IdentityProviders) == 0:
			return errors.New("it is to exchange assertions, and no identity provider is trusted")
		}
	}
	return nil
}

// checkClientKeys checks the keys of the operator's clients as those of others.
func (s *Server) checkClientKeys() error {
	for _, c := range s.o.Clients {
		if c.Secret != "" || c.Workload != nil || clientdoc.IsDocument(c.ID) {
			continue
		}
		m := c.record().Metadata
		if err := s.checkKeys(&m); err != nil {
			return fmt.Errorf("client %q: %s", c.ID, err.Description)
		}
	}
	return nil
}

// machineClient finds a client of the operator.
func (s *Server) machineClient(id string) (*Client, bool) {
	i := slices.IndexFunc(s.o.Clients, func(c Client) bool { return c.ID == id })
	if i < 0 {
		return nil, false
	}
	return &s.o.Clients[i], true
}

// record is the client as the store would have it. It is in use by being
// configured.
func (c *Client) record() *store.Client {
	r := &store.Client{ID: c.ID, Used: time.Now()}
	r.Metadata.ClientName = c.Name
	r.Metadata.GrantTypes = c.GrantTypes
	r.Metadata.JWKS, r.Metadata.JWKSURI = c.JWKS, c.JWKSURI
	r.Metadata.TokenEndpointAuthMethod = c.authMethod()
	if c.Secret != "" {
		r.Secret = store.HashOf(c.Secret)
		r.Metadata.TokenEndpointAuthMethodsSupported = secretMethods
	}
	return r
}

// authMethod is how the client authenticates; with a secret, in either way.
func (c *Client) authMethod() string {
	switch {
	case c.Workload != nil:
		return methodWorkload
	case c.Secret != "":
		return oauthdyn.AuthMethodClientSecretBasic
	}
	return oauthdyn.AuthMethodPrivateKeyJWT
}
