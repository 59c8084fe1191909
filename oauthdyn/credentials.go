// SPDX-License-Identifier: Apache-2.0

package oauthdyn

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"
)

// ErrNoCredentials is what [CredentialStore.Load] returns for an unknown key.
var ErrNoCredentials = errors.New("no stored credentials")

// Credentials is one record of a [CredentialStore]. It belongs to exactly one
// authorization server and is never used at another (MCP authorization,
// "Authorization Server Binding"). A record holds a registration or a grant, or
// only says which server a client belongs to that was registered by hand. One
// without an issuer says when a person was asked to sign in.
type Credentials struct {
	// Issuer is the authorization server's issuer identifier.
	Issuer string `json:"issuer"`

	// Registration and Grant: one of them, or neither.
	Registration *Registration `json:"registration,omitempty"`
	Grant        *Grant        `json:"grant,omitempty"`

	// Asked is when a person was asked to sign in, and has not since.
	Asked time.Time `json:"asked,omitzero"`
}

// Registration is a dynamically registered client: RFC 7591. It holds secrets;
// it prints without them.
type Registration struct {
	// Client is what the authorization server answered.
	Client *ClientInformation `json:"client"`

	// RedirectURI is the loopback redirect URI that was registered. The path
	// stays; the port may differ from one login to the next (RFC 8252 section
	// 7.3).
	RedirectURI string `json:"redirect_uri"`

	// Scope is what was asked for when registering. Servers may answer with
	// less, in Client, and may refuse a login for more.
	Scope string `json:"scope,omitempty"`
}

// Grant is what a person granted for one resource: the tokens and what they are
// good for. It holds secrets; it prints without them.
type Grant struct {
	Resource    string `json:"resource,omitempty"` // the resource indicator of RFC 8707
	MetadataURL string `json:"metadata,omitempty"` // where the resource's metadata was found

	// Who the tokens were issued to. Of a client that was registered by hand
	// only the id is kept. A dynamic one may be replaced by another
	// registration; a refresh still has to come from the old one.
	ClientID     string `json:"client_id"`
	ClientSecret string `json:"client_secret,omitempty"`
	AuthMethod   string `json:"token_endpoint_auth_method,omitempty"`

	AccessToken  string    `json:"access_token"`            // of type Bearer, or DPoP with a DPoPKey
	RefreshToken string    `json:"refresh_token,omitempty"` // empty if none was issued
	Scopes       []string  `json:"scopes,omitempty"`        // granted
	Requested    []string  `json:"requested,omitempty"`     // asked for
	Obtained     time.Time `json:"obtained,omitzero"`       // when the access token was received
	Expiry       time.Time `json:"expiry,omitzero"`         // of the access token; zero when unknown

	// DPoPKey is the private key, in PKCS #8 form, that the tokens are bound
	// to (RFC 9449); empty for bearer tokens.
	DPoPKey []byte `json:"dpop_key,omitempty"`
}

// tokenType is the scheme under which the access token is sent.
func (g *Grant) tokenType() string {
	if len(g.DPoPKey) > 0 {
		return tokenTypeDPoP
	}
	return tokenTypeBearer
}

// Token returns the grant in the form that golang.org/x/oauth2 uses.
func (g *Grant) Token() *oauth2.Token {
	t := &oauth2.Token{
		AccessToken:  g.AccessToken,
		TokenType:    g.tokenType(),
		RefreshToken: g.RefreshToken,
		Expiry:       g.Expiry,
	}
	return t.WithExtra(map[string]any{"scope": strings.Join(g.Scopes, " ")})
}

// clone copies a record, so that its holders cannot change each other's.
func (c *Credentials) clone() *Credentials {
	d := *c
	if c.Registration != nil {
		r := *c.Registration
		if r.Client != nil {
			info := *r.Client
			r.Client = &info
		}
		d.Registration = &r
	}
	if c.Grant != nil {
		g := *c.Grant
		g.Scopes, g.Requested = slices.Clone(g.Scopes), slices.Clone(g.Requested)
		g.DPoPKey = slices.Clone(g.DPoPKey)
		d.Grant = &g
	}
	return &d
}

// String names the authorization server, without secrets.
func (c Credentials) String() string { return "credentials of " + c.Issuer }

// Format prints String for every verb.
func (c Credentials) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }

// LogValue logs what the record holds, without secrets.
func (c Credentials) LogValue() slog.Value {
	attrs := []slog.Attr{slog.String("issuer", c.Issuer)}
	if c.Registration != nil {
		attrs = append(attrs, slog.Any("registration", *c.Registration))
	}
	if c.Grant != nil {
		attrs = append(attrs, slog.Any("grant", *c.Grant))
	}
	return slog.GroupValue(attrs...)
}

// String names the client, without secrets.
func (r Registration) String() string {
	if r.Client == nil {
		return "no registration"
	}
	return "registration of " + r.Client.String()
}

// Format prints String for every verb.
func (r Registration) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, r.String()) }

// LogValue logs the client, without secrets.
func (r Registration) LogValue() slog.Value {
	if r.Client == nil {
		return slog.GroupValue()
	}
	return r.Client.LogValue()
}

// String names the resource, without secrets.
func (g Grant) String() string { return "grant for " + g.Resource }

// Format prints String for every verb.
func (g Grant) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, g.String()) }

// LogValue logs what was granted, without secrets.
func (g Grant) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("resource", g.Resource),
		slog.String("client_id", g.ClientID),
		slog.String("scope", strings.Join(g.Scopes, " ")),
		slog.Time("expiry", g.Expiry),
		slog.Bool("refreshable", g.RefreshToken != ""),
	)
}

// CredentialStore keeps registrations and grants between runs of a program. It
// must be safe for concurrent use. Keys are opaque: a store must tell them
// apart byte by byte, and may show them, since they hold no secret.
//
// A store that also implements [Locker] lets processes that share it refresh a
// token once instead of once each.
type CredentialStore interface {
	// Load returns the record of a key, or ErrNoCredentials.
	Load(ctx context.Context, key string) (*Credentials, error)

	// Save replaces the record of a key. Once it returned nil, the record
	// must survive a crash: rotated refresh tokens are saved before they are
	// used.
	Save(ctx context.Context, key string, c *Credentials) error

	// Delete removes the record of a key. An unknown key is no error.
	Delete(ctx context.Context, key string) error
}

// Locker is implemented by stores that coordinate their users.
type Locker interface {
	// Lock waits until nobody else holds the lock of key. It does not keep
	// others from Load, Save and Delete.
	Lock(ctx context.Context, key string) (unlock func(), err error)
}

// MemoryStore is a CredentialStore that forgets all when the program ends. It is
// safe for concurrent use.
type MemoryStore struct {
	mu    sync.Mutex
	all   map[string]*Credentials  // mu guards all
	locks map[string]chan struct{} // mu guards locks
}

// NewMemoryStore returns an empty store.
func NewMemoryStore() *MemoryStore {
	return &MemoryStore{all: map[string]*Credentials{}, locks: map[string]chan struct{}{}}
}

// Load implements CredentialStore.
func (s *MemoryStore) Load(_ context.Context, key string) (*Credentials, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.all[key]
	if c == nil {
		return nil, ErrNoCredentials
	}
	return c.clone(), nil
}

// Save implements CredentialStore.
func (s *MemoryStore) Save(_ context.Context, key string, c *Credentials) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all[key] = c.clone()
	return nil
}

// Delete implements CredentialStore.
func (s *MemoryStore) Delete(_ context.Context, key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, key)
	return nil
}

// Lock implements Locker.
func (s *MemoryStore) Lock(ctx context.Context, key string) (unlock func(), err error) {
	s.mu.Lock()
	lock := s.locks[key]
	if lock == nil {
		lock = make(chan struct{}, 1)
		s.locks[key] = lock
	}
	s.mu.Unlock()
	select {
	case lock <- struct{}{}:
		return func() { <-lock }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// String counts the records, without secrets.
func (s *MemoryStore) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fmt.Sprintf("memory store of %d: %q", len(s.all), slices.Sorted(maps.Keys(s.all)))
}

// Format prints String for every verb.
func (s *MemoryStore) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }
