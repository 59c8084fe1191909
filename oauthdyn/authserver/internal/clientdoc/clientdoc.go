// SPDX-License-Identifier: Apache-2.0

// Package clientdoc reads client ID metadata documents
// (draft-ietf-oauth-client-id-metadata-document) for an authorization server.
package clientdoc

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/internal/remote"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/strictjson"
)

// maxBytes is the draft's bound, section 6.6.
const maxBytes = 5 << 10

// Options configure a Reader.
type Options struct {
	// Hosts are those whose documents are read, in lower case and with a port
	// unless it is 443; they may be at addresses that are not public. Empty:
	// all public hosts, at port 443.
	Hosts []string

	// Transport makes the requests, without a guard. Nil: one that reaches
	// public addresses, and those of Hosts, and that uses no proxy.
	Transport http.RoundTripper

	// Check refuses documents that make no client, and fills in defaults.
	Check func(*oauthdyn.ClientMetadata) error
}

// Reader reads documents and remembers them; see remote.Reader. It is safe for
// concurrent use.
type Reader struct {
	documents *remote.Reader[*oauthdyn.ClientMetadata]
}

// NewReader makes a Reader.
func NewReader(o Options) *Reader {
	return &Reader{remote.NewReader(remote.Options[*oauthdyn.ClientMetadata]{
		Hosts:     o.Hosts,
		OnlyHosts: len(o.Hosts) > 0,
		Transport: o.Transport,
		About:     "the app",
		Address:   "the app's address (client_id)",
		MaxBytes:  maxBytes,
		Parse: func(id string, body []byte) (*oauthdyn.ClientMetadata, error) {
			m, err := parse(id, body)
			if err != nil {
				return nil, err
			}
			return m, o.Check(m)
		},
	})}
}

// Close ends the requests that are under way and waits for them.
func (r *Reader) Close() { r.documents.Close() }

// IsDocument reports whether a client id can only be the URL of a document.
func IsDocument(id string) bool { return strings.HasPrefix(id, "https://") }

// Read returns the metadata of a client, read now or before. The error is a
// *remote.Error, or that of the context.
func (r *Reader) Read(ctx context.Context, id string) (*oauthdyn.ClientMetadata, error) {
	m, err := r.documents.Read(ctx, id)
	return clone(m), err
}

// Newer is Read where what is known does not suffice: it is read again, but at
// most once a minute.
func (r *Reader) Newer(ctx context.Context, id string) (*oauthdyn.ClientMetadata, error) {
	m, err := r.documents.Newer(ctx, id)
	return clone(m), err
}

// Known returns the metadata of a client as it was last read, without asking for
// it; nil if it is not known.
func (r *Reader) Known(id string) *oauthdyn.ClientMetadata {
	m, ok := r.documents.Known(id)
	if !ok {
		return nil
	}
	return clone(m)
}

func clone(m *oauthdyn.ClientMetadata) *oauthdyn.ClientMetadata {
	if m == nil {
		return nil
	}
	c := *m
	c.RedirectURIs = slices.Clone(m.RedirectURIs)
	c.GrantTypes = slices.Clone(m.GrantTypes)
	return &c
}

// parse reads a document: sections 4 and 4.1 of the draft. Of what can be said
// about authentication only what needs no secret counts.
func parse(id string, body []byte) (*oauthdyn.ClientMetadata, error) {
	obj, err := strictjson.Parse(body)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"client_secret", "client_secret_expires_at"} {
		if _, ok := obj[name]; ok { // null, too: the draft forbids the member
			return nil, errors.New("it holds " + name + ", which would be public thereby")
		}
	}
	var d struct {
		ClientID string `json:"client_id"`
	}
	m := &oauthdyn.ClientMetadata{}
	for _, v := range []any{&d, m} {
		if err := obj.Decode(v); err != nil {
			return nil, err
		}
	}
	switch {
	case d.ClientID != id:
		return nil, errors.New("client_id is not its own address")
	case m.ClientName == "":
		return nil, errors.New("client_name is missing")
	}
	return m, chooseMethods(m)
}

// chooseMethods keeps the authentication methods that a document can have. A
// client that has several lists them (OpenID Connect Relying Party Metadata
// Choices 1.0), beside the one that it would rather use.
func chooseMethods(m *oauthdyn.ClientMetadata) error {
	if m.TokenEndpointAuthMethod == "" && len(m.TokenEndpointAuthMethodsSupported) == 0 {
		m.TokenEndpointAuthMethod = oauthdyn.AuthMethodNone // others need a secret, or are said
	}
	var methods []string
	for _, method := range []string{oauthdyn.AuthMethodPrivateKeyJWT, oauthdyn.AuthMethodNone} {
		if m.TokenEndpointAuthMethod == method || slices.Contains(m.TokenEndpointAuthMethodsSupported, method) {
			methods = append(methods, method)
		}
	}
	if len(methods) == 0 {
		return errors.New("token_endpoint_auth_method has to be none or private_key_jwt")
	}
	if !slices.Contains(methods, m.TokenEndpointAuthMethod) {
		m.TokenEndpointAuthMethod = methods[0]
	}
	m.TokenEndpointAuthMethodsSupported = methods
	return nil
}
