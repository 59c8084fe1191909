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

// maxClientID bounds the id of a Client.
const maxClientID = 128

// A Client is a program that the operator knows. It gets access tokens for
// itself, without a person (RFC 6749 section 4.4), which a client that has
// registered itself never does: nobody would have consented. It prints without
// its secret.
type Client struct {
	// ID is the client_id: letters, digits and the characters ._~-; not
	// beginning with client_, as the ids of those that registered do. It is
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
	for _, given := range []bool{c.Secret != "", len(c.JWKS) > 0, c.JWKSURI != ""} {
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
		return errors.New("it needs a secret, or keys, or the address of keys, and one of these only")
	case c.Secret != "" && len(c.Secret) < minSecret:
		return fmt.Errorf("its secret must have %d characters at least; openssl rand -hex 32 makes one", minSecret)
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

// checkClientKeys checks the keys of the operator's clients as those of others.
func (s *Server) checkClientKeys() error {
	for _, c := range s.o.Clients {
		if c.Secret != "" || clientdoc.IsDocument(c.ID) {
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
	r.Metadata.GrantTypes = []string{oauthdyn.GrantClientCredentials}
	r.Metadata.JWKS, r.Metadata.JWKSURI = c.JWKS, c.JWKSURI
	r.Metadata.TokenEndpointAuthMethod = oauthdyn.AuthMethodPrivateKeyJWT
	if c.Secret != "" {
		r.Secret = store.HashOf(c.Secret)
		r.Metadata.TokenEndpointAuthMethod = secretMethods[0]
		r.Metadata.TokenEndpointAuthMethodsSupported = secretMethods
	}
	return r
}
