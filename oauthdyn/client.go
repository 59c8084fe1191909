// SPDX-License-Identifier: Apache-2.0

package oauthdyn

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"time"

	"golang.org/x/oauth2"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/jose/jwt"
)

// ErrNotSignedIn is returned when a token is wanted, there is none that works,
// and asking a person is not allowed. [Client.Authenticate] is the remedy.
var ErrNotSignedIn = errors.New("not signed in")

// Client signs in to one protected resource, for one person or for the program
// itself, and keeps its tokens fresh. It is safe for concurrent use: whatever the
// number of goroutines that need a token, one asks for it and the others wait.
type Client struct {
	cfg      Config
	resource *url.URL // nil when Config.Resource is empty
	origin   string   // of resource
	http     *http.Client
	log      *slog.Logger
	store    CredentialStore
	flow     Flow
	key      *jwt.Key // of Config.ClientKey; nil without one
	jitter   float64  // 0 to 1: spreads the refreshes of many processes

	flights flights
	busy    chan struct{} // holds a value while a grant is being changed

	mu         sync.Mutex   // guards what follows
	grant      *Credentials // never changed in place
	unsaved    bool         // the store lacks grant, because saving failed
	found      *Discovery   // never changed in place
	unproved   string       // a token from a login that the resource has not accepted yet
	stepUps    stepUps
	proofs     proofs
	quietUntil time.Time // no early refresh before
	holdUntil  time.Time // no refresh at all before, because of holdErr
	holdErr    error
	refusing   map[string]bool // issuers that refuse the metadata document
}

// New checks a configuration. It does no I/O.
func New(cfg Config) (*Client, error) {
	c := &Client{cfg: cfg, jitter: rand.Float64(), busy: make(chan struct{}, 1)}
	if err := c.configure(); err != nil {
		return nil, fmt.Errorf("oauthdyn: %w", err)
	}
	return c, nil
}

// String names the client, without secrets.
func (c *Client) String() string { return c.cfg.String() }

// Format prints String for every verb.
func (c *Client) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }

// Authenticate gets a new grant, whether or not there is one already: it finds
// the authorization server, registers if need be, opens the authorization URL
// and waits for the redirect, or does what Config.Flow says. The token is in
// the store when it returns.
//
// An *Error in the error is what the authorization server answered, such as
// access_denied when the person declined.
func (c *Client) Authenticate(ctx context.Context) (*oauth2.Token, error) {
	creds, err := c.acquire(ctx, need{login: true, force: true})
	if err != nil {
		return nil, fmt.Errorf("oauthdyn: sign in to %s: %w", c.cfg.target(), err)
	}
	return creds.Grant.Token(), nil
}

// TokenSource returns a source of the stored token, refreshed when needed. It
// never asks a person: without a usable grant, Token returns an error that
// wraps ErrNotSignedIn, unless the flow needs no person. A token that is bound
// to a key (RFC 9449) is of no use without the proofs that Transport adds. The
// context bounds all calls of Token. The source is safe for concurrent use.
func (c *Client) TokenSource(ctx context.Context) oauth2.TokenSource {
	return tokenSource(func() (*oauth2.Token, error) {
		creds, err := c.current(ctx)
		if errors.Is(err, ErrNotSignedIn) && c.flow.unattended() {
			creds, err = c.acquire(ctx, need{})
		}
		if err != nil {
			return nil, fmt.Errorf("oauthdyn: token for %s: %w", c.cfg.target(), err)
		}
		return creds.Grant.Token(), nil
	})
}

// Refresh trades the refresh token for a new access token, even if the present
// one could still be used, and saves what comes back; a flow that needs no
// person gets a new grant. One goroutine or process that refreshes at the same
// time serves the others. Without a grant, without a refresh token, or when the
// authorization server refuses it, the error wraps ErrNotSignedIn.
func (c *Client) Refresh(ctx context.Context) (*oauth2.Token, error) {
	creds, err := c.refreshNow(ctx)
	if err != nil {
		return nil, fmt.Errorf("oauthdyn: refresh the token for %s: %w", c.cfg.target(), err)
	}
	return creds.Grant.Token(), nil
}

func (c *Client) refreshNow(ctx context.Context) (*Credentials, error) {
	creds, _, err := c.peek(ctx)
	switch {
	case err != nil:
		return nil, err
	case creds == nil && c.flow.unattended():
		return c.acquire(ctx, need{})
	case creds == nil:
		return nil, ErrNotSignedIn
	case creds.Grant.RefreshToken == "" && !c.flow.unattended():
		return nil, fmt.Errorf("%w for longer: no refresh token was issued", ErrNotSignedIn)
	}
	return c.acquire(ctx, need{reject: creds.Grant.AccessToken})
}

// StoredGrant returns the grant as it is here and in the store, refreshed or
// not, without any request. Without one the error wraps ErrNotSignedIn.
func (c *Client) StoredGrant(ctx context.Context) (*Credentials, error) {
	creds, _, err := c.peek(ctx)
	if err == nil && creds == nil {
		err = ErrNotSignedIn
	}
	if err != nil {
		return nil, fmt.Errorf("oauthdyn: grant for %s: %w", c.cfg.target(), err)
	}
	return creds.clone(), nil
}

type tokenSource func() (*oauth2.Token, error)

func (f tokenSource) Token() (*oauth2.Token, error) { return f() }

// HTTPClient returns a client whose requests to the resource carry its token;
// see Transport. It has no timeout of its own, because a request may have to
// wait for a person and because MCP streams are long: bound requests by their
// contexts.
func (c *Client) HTTPClient() *http.Client {
	h := &http.Client{}
	if c.cfg.HTTPClient != nil {
		*h = *c.cfg.HTTPClient
	}
	h.Timeout = 0
	h.Transport = c.Transport(h.Transport)
	return h
}

// grantKey and registrationKey name the records of this program in the store.
// What a program was granted itself is kept apart from a person's grant.
func (c *Client) grantKey() string {
	key := "grant " + c.cfg.target() + " " + c.cfg.self()
	if c.flow.unattended() {
		key += " " + c.flow.grantType()
	}
	return key
}

func (c *Client) registrationKey(issuer string) string {
	key := "registration " + issuer + " " + c.cfg.ClientName
	if grant := c.flow.grantType(); grant != GrantAuthorizationCode {
		key += " " + grant
	}
	return key
}
