// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/internal/clientdoc"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
)

// ClientDocuments says whose client ID metadata documents make a client: the
// client id is the https URL of a document that says what the client is
// (draft-ietf-oauth-client-id-metadata-document), which MCP 2026-07-28 prefers
// to registration. The zero value accepts those of all public hosts, but none
// where registration needs one of Options.InitialAccessTokens.
//
// Documents are read from public addresses only, without redirects and proxies,
// within 5 seconds and 5 KiB, and used for 5 minutes to a day, as their
// Cache-Control says. When one cannot be read any more, what was known of it
// holds for another day; when it is gone, its client is unknown from then on.
//
// The keys that a jwks_uri names, of such clients and of registered ones, are
// read in the same way, up to 32 KiB, and again when a client signs with a key
// that they lack, but for that at most once a minute.
type ClientDocuments struct {
	// Off: clients have to register.
	Off bool

	// Hosts are the only ones whose documents are read, in spite of
	// Options.InitialAccessTokens too, with a port unless it is 443. They may be
	// at addresses that are not public. Keys are read from other public hosts,
	// too. Empty: all public hosts, unless Options.InitialAccessTokens are set.
	Hosts []string

	// Transport makes the requests, unguarded. Nil: one that keeps to public
	// addresses and to Hosts.
	Transport http.RoundTripper
}

func (d *ClientDocuments) complete() error {
	hosts := make([]string, len(d.Hosts))
	for i, host := range d.Hosts {
		u, err := url.Parse("https://" + host)
		if err != nil || u.Host != host || u.Hostname() == "" {
			return errors.New("ClientDocuments: " + host + " is not a host")
		}
		hosts[i] = strings.TrimSuffix(strings.ToLower(host), ":443")
	}
	d.Hosts = hosts
	return nil
}

// newDocuments returns nil if no documents are read.
func (s *Server) newDocuments(d ClientDocuments) *clientdoc.Reader {
	if d.Off {
		return nil
	}
	return clientdoc.NewReader(clientdoc.Options{Hosts: d.Hosts, Transport: d.Transport, Check: s.checkDocument})
}

// checkDocument applies the rules of registration. A client that can do without
// a key is taken for one that has none, if its keys cannot be used.
func (s *Server) checkDocument(m *oauthdyn.ClientMetadata) error {
	methods := slices.DeleteFunc(slices.Clone(m.TokenEndpointAuthMethodsSupported), func(method string) bool { return !s.o.acceptsAuth(method) })
	if len(methods) > 0 && !slices.Contains(methods, m.TokenEndpointAuthMethod) {
		m.TokenEndpointAuthMethod = methods[0]
	}
	if s.checkKeys(m) != nil && slices.Contains(methods, oauthdyn.AuthMethodNone) {
		methods = []string{oauthdyn.AuthMethodNone}
		m.TokenEndpointAuthMethod = oauthdyn.AuthMethodNone
	}
	if err := s.completeRegistration(m, s.o.grantTypes()); err != nil {
		return errors.New(err.Description)
	}
	m.TokenEndpointAuthMethodsSupported = methods
	return nil
}

// isDocument reports whether a client is known by its document.
func (s *Server) isDocument(id string) bool { return s.documents != nil && clientdoc.IsDocument(id) }

// client looks a client up: among those of the operator, in the store, or in its
// document. The error is store.ErrNotFound, that of the document, or that of the
// store.
func (s *Server) client(ctx context.Context, id string) (*store.Client, error) {
	machine, known := s.machineClient(id)
	if known && !clientdoc.IsDocument(id) {
		return machine.record(), nil
	}
	if !s.isDocument(id) {
		return s.o.Store.Client(ctx, id)
	}
	m, err := s.documents.Read(ctx, id)
	if err != nil {
		return nil, err
	}
	if known {
		m.GrantTypes = append(m.GrantTypes, machine.GrantTypes...)
	}
	// It has no record whose use would be noted.
	return &store.Client{ID: id, Metadata: *m, Used: time.Now()}, nil
}

// documentHost is the host that vouches for a client; empty if nobody does.
func documentHost(c *store.Client) string {
	if !clientdoc.IsDocument(c.ID) {
		return ""
	}
	u, err := url.Parse(c.ID)
	if err != nil {
		return ""
	}
	return u.Host
}
