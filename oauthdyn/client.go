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
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"
)

// DefaultLoginTimeout is how long a person has to sign in.
const DefaultLoginTimeout = 5 * time.Minute

// ErrNotSignedIn is returned when a token is wanted, there is none that works,
// and asking a person is not allowed. [Client.Authenticate] is the remedy.
var ErrNotSignedIn = errors.New("not signed in")

// Config tells a [Client] what to sign in to. Either Resource or AuthServer is
// required; all else has defaults.
type Config struct {
	// Resource is the URL of the protected MCP server. It becomes the
	// resource indicator of RFC 8707, unless the server's metadata spells it
	// differently. The scheme is https, or http on a loopback host.
	//
	// When it is empty, tokens are asked for without a resource indicator and
	// HTTPClient attaches them nowhere.
	Resource string

	// AuthServer is the issuer identifier of the authorization server. Empty
	// means the first usable one that the resource's metadata lists.
	AuthServer string

	// ClientName is what the consent page calls this program when it
	// registers. Empty means "MCP client".
	ClientName string

	// ClientID and ClientSecret are a client that was registered by hand. With
	// a ClientID there is no dynamic registration. Such a client needs the
	// redirect URI http://127.0.0.1:CallbackPort/CallbackPath.
	ClientID, ClientSecret string

	// Scopes to ask for. Empty means those of the server's challenge, else
	// those of its metadata, else none, which leaves it to the authorization
	// server. A step-up adds what the server demands.
	Scopes []string

	// CallbackPort is the port of the loopback redirect URI; 0 means the one
	// that was registered if it is free, else one that the system chooses.
	CallbackPort int

	// CallbackPath is the path of the loopback redirect URI. Empty means a
	// random path, or "/callback" with a ClientID.
	CallbackPath string

	// OpenURL shows the authorization URL to a person; the callback listener
	// runs already when it is called. It may return at once or stay until its
	// context ends, which it must not outlive. Nil means OpenBrowser.
	OpenURL func(ctx context.Context, authorizationURL string) error

	// Store keeps registrations and grants; nil means a new MemoryStore.
	Store CredentialStore

	// HTTPClient makes all requests; nil means a client of its own over
	// http.DefaultTransport. It is not changed. Its Timeout applies to
	// metadata and token requests, not to those of Client.HTTPClient.
	HTTPClient *http.Client

	// Logger receives what happens, without secrets; nil means silence.
	Logger *slog.Logger

	// LoginTimeout is how long a person has to sign in; 0 means
	// DefaultLoginTimeout.
	LoginTimeout time.Duration
}

// String names the client, without secrets.
func (c Config) String() string {
	return fmt.Sprintf("configuration of %s for %s", c.self(), c.target())
}

// Format prints String for every verb.
func (c Config) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }

// LogValue logs who signs in to what, without secrets.
func (c Config) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("resource", c.Resource),
		slog.String("auth_server", c.AuthServer),
		slog.String("client", c.self()),
	)
}

// self is what tells this program's records from those of others.
func (c Config) self() string {
	if c.ClientID != "" {
		return c.ClientID
	}
	return c.ClientName
}

// target is what the program signs in to.
func (c Config) target() string {
	if c.Resource != "" {
		return c.Resource
	}
	return c.AuthServer
}

// Client signs in to one protected resource and keeps its tokens fresh. It is
// safe for concurrent use: whatever the number of goroutines that need a token,
// one asks for it and the others wait.
type Client struct {
	cfg      Config
	resource *url.URL // nil when Config.Resource is empty
	origin   string   // of resource
	http     *http.Client
	log      *slog.Logger
	store    CredentialStore
	jitter   float64 // 0 to 1: spreads the refreshes of many processes

	flights flights
	busy    chan struct{} // holds a value while a grant is being changed

	mu         sync.Mutex   // guards what follows
	grant      *Credentials // never changed in place
	unsaved    bool         // the store lacks grant, because saving failed
	found      *Discovery   // never changed in place
	unproved   string       // a token from a login that the resource has not accepted yet
	stepUps    stepUps
	quietUntil time.Time // no early refresh before
	holdUntil  time.Time // no refresh at all before, because of holdErr
	holdErr    error
}

// New checks a configuration. It does no I/O.
func New(cfg Config) (*Client, error) {
	c := &Client{cfg: cfg, jitter: rand.Float64(), busy: make(chan struct{}, 1)}
	if err := c.configure(); err != nil {
		return nil, fmt.Errorf("oauthdyn: %w", err)
	}
	return c, nil
}

func (c *Client) configure() error {
	cfg := &c.cfg
	if cfg.Resource == "" && cfg.AuthServer == "" {
		return errors.New("Config needs a Resource, the URL of the MCP server, or an AuthServer")
	}
	if cfg.Resource != "" {
		canonical, err := CanonicalResource(cfg.Resource)
		if err != nil {
			return err
		}
		cfg.Resource = canonical
		c.resource, _ = url.Parse(canonical) // CanonicalResource parsed it
		c.origin = origin(c.resource)
		if err := secureScheme(c.resource, true); err != nil {
			return fmt.Errorf("resource %s: %w", canonical, err)
		}
	}
	if cfg.AuthServer != "" {
		if err := checkIssuer(cfg.AuthServer, true); err != nil {
			return err
		}
	}
	switch {
	case cfg.CallbackPort < 0 || cfg.CallbackPort > 65535:
		return fmt.Errorf("callback port %d is out of range", cfg.CallbackPort)
	case cfg.CallbackPath != "" && !validCallbackPath(cfg.CallbackPath):
		return fmt.Errorf("callback path %q: want a plain path that starts with a slash", cfg.CallbackPath)
	case cfg.ClientSecret != "" && cfg.ClientID == "":
		return errors.New("Config has a ClientSecret without a ClientID")
	case cfg.LoginTimeout < 0:
		return errors.New("login timeout is negative")
	}
	if err := checkScopes(cfg.Scopes); err != nil {
		return err
	}
	c.setDefaults()
	return nil
}

func (c *Client) setDefaults() {
	cfg := &c.cfg
	if cfg.ClientName == "" {
		cfg.ClientName = "MCP client"
	}
	if cfg.LoginTimeout == 0 {
		cfg.LoginTimeout = DefaultLoginTimeout
	}
	if cfg.OpenURL == nil {
		cfg.OpenURL = OpenBrowser
	}
	if c.store = cfg.Store; c.store == nil {
		c.store = NewMemoryStore()
	}
	if c.log = cfg.Logger; c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	c.http = &http.Client{Timeout: requestTimeout}
	if cfg.HTTPClient != nil {
		*c.http = *cfg.HTTPClient
		if c.http.Timeout == 0 {
			c.http.Timeout = requestTimeout
		}
	}
	c.http.CheckRedirect = c.checkRedirect
}

// String names the client, without secrets.
func (c *Client) String() string { return c.cfg.String() }

// Format prints String for every verb.
func (c *Client) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }

// Authenticate signs a person in, whether or not there is a token already: it
// finds the authorization server, registers if need be, opens the authorization
// URL and waits for the redirect. The token is in the store when it returns.
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
// wraps ErrNotSignedIn. The context bounds all calls of Token. The source is
// safe for concurrent use.
func (c *Client) TokenSource(ctx context.Context) oauth2.TokenSource {
	return tokenSource(func() (*oauth2.Token, error) {
		creds, err := c.current(ctx)
		if err != nil {
			return nil, fmt.Errorf("oauthdyn: token for %s: %w", c.cfg.target(), err)
		}
		return creds.Grant.Token(), nil
	})
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

// Logout forgets the grant of this resource and the registration that it was
// issued to, here and in the store. The authorization server is not told.
func (c *Client) Logout(ctx context.Context) error {
	if err := c.logout(ctx); err != nil {
		return fmt.Errorf("oauthdyn: sign out of %s: %w", c.cfg.target(), err)
	}
	return nil
}

func (c *Client) logout(ctx context.Context) error {
	unlock, err := c.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	creds, err := c.store.Load(ctx, c.grantKey())
	if err != nil && !errors.Is(err, ErrNoCredentials) {
		return err
	}
	c.mu.Lock()
	found := c.found
	c.grant, c.found, c.unsaved = nil, nil, false
	c.unproved, c.stepUps = "", stepUps{}
	c.mu.Unlock()

	issuers := map[string]bool{}
	if creds != nil {
		issuers[creds.Issuer] = true
	}
	if found != nil {
		issuers[found.Issuer] = true
	}
	for issuer := range issuers {
		if err := c.store.Delete(ctx, c.registrationKey(issuer)); err != nil {
			return err
		}
	}
	return c.store.Delete(ctx, c.grantKey())
}

// grantKey and registrationKey name the records of this program in the store.
func (c *Client) grantKey() string {
	return "grant " + c.cfg.target() + " " + c.cfg.self()
}

func (c *Client) registrationKey(issuer string) string {
	return "registration " + issuer + " " + c.cfg.ClientName
}

// validCallbackPath accepts a path that needs no escaping.
func validCallbackPath(p string) bool {
	return strings.HasPrefix(p, "/") && len(p) <= 256 && (&url.URL{Path: p}).EscapedPath() == p &&
		!strings.ContainsAny(p, "?#") && !strings.HasPrefix(p, "//")
}
