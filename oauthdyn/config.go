// SPDX-License-Identifier: Apache-2.0

package oauthdyn

import (
	"context"
	"crypto"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/jose/jwt"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/redirecturi"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/safedial"
)

// DefaultLoginTimeout is how long a person has to sign in.
const DefaultLoginTimeout = 5 * time.Minute

// DefaultCallbackPath is the path of the redirect URI of a client that was
// registered by hand or that publishes a client ID metadata document.
const DefaultCallbackPath = "/callback"

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
	// redirect URI http://127.0.0.1:CallbackPort/CallbackPath. It belongs to
	// one authorization server: that of its first grant, until Logout, or
	// better the one that AuthServer names.
	ClientID, ClientSecret string

	// ClientKey makes the client authenticate by private_key_jwt (RFC 7523
	// section 2.2) instead of a secret: ECDSA on P-256, P-384 or P-521, RSA of
	// at least 2048 bits, or Ed25519. ClientKeyID is its key id; empty means
	// its JWK thumbprint (RFC 7638). See PublicKeySet.
	ClientKey   crypto.Signer
	ClientKeyID string

	// ClientMetadataURL is where this program publishes its client ID metadata
	// document, which NewMetadataHandler serves. It is the client id at
	// authorization servers that support such documents; at others, and where
	// the document is refused, the client registers. The document lists the
	// redirect URI http://127.0.0.1/CallbackPath.
	ClientMetadataURL string

	// InitialAccessToken authorizes dynamic registration where it is not open
	// to everybody (RFC 7591 section 3).
	InitialAccessToken string

	// Metadata is what else to say of this program when it registers, such as
	// ClientURI, Contacts, SoftwareID or SoftwareStatement. The members that
	// follow from how the client works stay empty: RedirectURIs, GrantTypes,
	// ResponseTypes, TokenEndpointAuthMethod, ApplicationType, ClientName,
	// Scope, JWKS and JWKSURI.
	Metadata ClientMetadata

	// Flow is how grants are obtained. Nil means that a person signs in with a
	// browser on this machine.
	Flow Flow

	// DPoP asks for tokens that are bound to a key of this client (RFC 9449),
	// and refuses others. A resource that says that it takes no others gets
	// them anyway.
	DPoP bool

	// Scopes to ask for. Empty means those of the server's challenge, else
	// those of its metadata, and offline_access with them if a person signs in
	// and the authorization server announces it; else none, which leaves it to
	// the authorization server. A step-up adds what the server demands.
	Scopes []string

	// AuthorizeParams are further parameters of the authorization request (RFC
	// 6749 section 4.1.1), for servers that want more than the standards ask
	// for, as Google does with access_type=offline for a refresh token. Those
	// that the client sets itself are refused.
	AuthorizeParams url.Values

	// CallbackPort is the port of the loopback redirect URI; 0 means the one
	// that was registered if it is free, else one that the system chooses.
	CallbackPort int

	// CallbackPath is the path of the loopback redirect URI. Empty means
	// DefaultCallbackPath for a client that is known before, and a random path
	// for one that registers.
	CallbackPath string

	// OpenURL shows the authorization URL to a person; the callback listener
	// runs already when it is called. It may return at once or stay until its
	// context ends, which it must not outlive. Nil means OpenBrowser, or
	// nothing if there is a ReadRedirect.
	OpenURL func(ctx context.Context, authorizationURL string) error

	// ReadRedirect is for a browser that cannot reach this program, because it
	// runs on another machine or because the program is a web server: it shows
	// the authorization URL and returns the address that the browser was
	// redirected to, which the person copies from the address bar or which
	// came to the program's own handler. The listener still waits, and when it
	// is first the context ends and the result does not count.
	ReadRedirect func(ctx context.Context, authorizationURL string) (redirectURL string, err error)

	// RedirectURI is one that comes to ReadRedirect only, so that no listener
	// is opened. An https address registers the program as a web application.
	RedirectURI string

	// Store keeps registrations and grants; nil means a new MemoryStore. A
	// program that acts for several people needs a store for each.
	Store CredentialStore

	// HTTPClient makes all requests; nil means a client of its own over
	// http.DefaultTransport. It is not changed. Its Timeout, or else 30 seconds,
	// applies to metadata and token requests, not to those of Client.HTTPClient;
	// its CheckRedirect to the latter only.
	//
	// Unless it has a Transport, metadata and token requests reach addresses
	// that are not public only on the hosts configured here, or when one of
	// these is not public itself.
	HTTPClient *http.Client

	// TLSConfig and Network are for metadata and token requests, unless
	// HTTPClient has a Transport: which certificates are trusted, nil meaning
	// those that the system trusts, and which addresses are used, "tcp4" meaning
	// those of IPv4, "tcp6" of IPv6, and empty both.
	TLSConfig *tls.Config
	Network   string

	// Logger receives what happens, without secrets; nil means silence.
	Logger *slog.Logger

	// Trace is told of each step of discovery, for programs that explain why it
	// fails. It is called by the goroutine that discovers, and must return soon.
	Trace func(DiscoveryStep)

	// LoginTimeout is how long a person has to sign in; 0 means
	// DefaultLoginTimeout.
	LoginTimeout time.Duration

	// AskPause is how long after a person was asked to sign in, and did not,
	// nobody is asked again, by none of the programs that share the store:
	// requests fail in the meantime, with an error that wraps ErrNotSignedIn.
	// Authenticate asks at any time. 0 means no pause.
	AskPause time.Duration

	// SignInHint says at the end of such an error what a person can do, such as
	// "run example login". Empty means nothing.
	SignInHint string
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

func (c *Client) configure() error {
	if c.flow = c.cfg.Flow; c.flow == nil {
		c.flow = authorizationCode{}
	}
	for _, check := range []func() error{c.checkTarget, c.checkIdentity, c.checkRegistration, c.checkCallback} {
		if err := check(); err != nil {
			return err
		}
	}
	if err := c.flow.check(&c.cfg); err != nil {
		return err
	}
	if err := checkScopes(c.cfg.Scopes); err != nil {
		return err
	}
	c.setDefaults()
	return nil
}

// checkTarget looks at what to sign in to.
func (c *Client) checkTarget() error {
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
	if cfg.Network != "" && cfg.Network != "tcp4" && cfg.Network != "tcp6" {
		return fmt.Errorf("network %q: want tcp4 or tcp6", cfg.Network)
	}
	if cfg.AuthServer != "" {
		return checkIssuer(cfg.AuthServer, true)
	}
	return nil
}

// checkIdentity looks at who signs in.
func (c *Client) checkIdentity() error {
	cfg := &c.cfg
	switch {
	case cfg.ClientSecret != "" && cfg.ClientKey != nil:
		return errors.New("Config has both a ClientSecret and a ClientKey")
	case cfg.ClientSecret != "" && cfg.ClientID == "":
		return errors.New("Config has a ClientSecret without a ClientID")
	case cfg.ClientKey == nil && cfg.ClientKeyID != "":
		return errors.New("Config has a ClientKeyID without a ClientKey")
	}
	if cfg.ClientKey != nil {
		key, err := jwt.NewKey(cfg.ClientKey, cfg.ClientKeyID)
		if err != nil {
			return fmt.Errorf("client key: %w", err)
		}
		c.key = key
	}
	if cfg.ClientMetadataURL != "" {
		return checkMetadataURL(cfg.ClientMetadataURL)
	}
	return nil
}

// checkRegistration looks at what a dynamic registration says.
func (c *Client) checkRegistration() error {
	if token := c.cfg.InitialAccessToken; token != "" && !validToken(token) {
		return errors.New("initial access token cannot be sent in a header")
	}
	m := &c.cfg.Metadata
	if m.RedirectURIs != nil || m.GrantTypes != nil || m.ResponseTypes != nil || m.TokenEndpointAuthMethod != "" ||
		m.ApplicationType != "" || m.ClientName != "" || m.Scope != "" || m.JWKS != nil || m.JWKSURI != "" {
		return errors.New("client metadata sets a member that the client sets itself")
	}
	return nil
}

// checkCallback looks at where a person's answer comes to.
func (c *Client) checkCallback() error {
	cfg := &c.cfg
	switch {
	case cfg.LoginTimeout < 0:
		return errors.New("login timeout is negative")
	case cfg.AskPause < 0:
		return errors.New("pause between sign-ins is negative")
	case cfg.CallbackPort < 0 || cfg.CallbackPort > 65535:
		return fmt.Errorf("callback port %d is out of range", cfg.CallbackPort)
	case ownParameter(cfg.AuthorizeParams) != "":
		return fmt.Errorf("authorization parameter %q is one that the client sets itself", ownParameter(cfg.AuthorizeParams))
	case cfg.CallbackPath != "" && !validCallbackPath(cfg.CallbackPath):
		return fmt.Errorf("callback path %q: want a plain path that starts with a slash", cfg.CallbackPath)
	case cfg.RedirectURI == "":
		return nil
	case cfg.ReadRedirect == nil:
		return errors.New("Config has a RedirectURI without ReadRedirect")
	case cfg.CallbackPort != 0 || cfg.CallbackPath != "":
		return errors.New("Config has both a RedirectURI and a callback port or path")
	}
	if err := redirecturi.Check(cfg.RedirectURI); err != nil {
		return fmt.Errorf("redirect URI %q: %w", cfg.RedirectURI, err)
	}
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
	if cfg.OpenURL == nil && cfg.ReadRedirect == nil {
		cfg.OpenURL = OpenBrowser
	}
	if c.store = cfg.Store; c.store == nil {
		c.store = NewMemoryStore()
	}
	if c.log = cfg.Logger; c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	c.http = &http.Client{}
	if cfg.HTTPClient != nil {
		*c.http = *cfg.HTTPClient
	}
	if c.http.Timeout == 0 {
		c.http.Timeout = requestTimeout
	}
	if base, ok := http.DefaultTransport.(*http.Transport); ok && c.http.Transport == nil {
		c.http.Transport = c.safeTransport(base)
	}
	c.http.CheckRedirect = c.checkRedirect
}

// safeTransport is a copy of a transport that does not connect to addresses
// which metadata has no business naming.
func (c *Client) safeTransport(base *http.Transport) *http.Transport {
	t := safedial.New(c.configuredHosts()...).Transport(base)
	if c.cfg.TLSConfig != nil {
		t.TLSClientConfig = c.cfg.TLSConfig.Clone()
	}
	if network, dial := c.cfg.Network, t.DialContext; network != "" {
		t.DialContext = func(ctx context.Context, _, address string) (net.Conn, error) { return dial(ctx, network, address) }
	}
	return t
}

// configuredHosts are the hosts that the user named, as opposed to those that
// metadata names.
func (c *Client) configuredHosts() []string {
	var hosts []string
	for _, raw := range append(c.flow.servers(), c.cfg.Resource, c.cfg.AuthServer) {
		if u, err := url.Parse(raw); err == nil && u.Host != "" {
			hosts = append(hosts, u.Hostname())
		}
	}
	return hosts
}

// validCallbackPath accepts a path that needs no escaping.
func validCallbackPath(p string) bool {
	return strings.HasPrefix(p, "/") && len(p) <= 256 && (&url.URL{Path: p}).EscapedPath() == p &&
		!strings.ContainsAny(p, "?#") && !strings.HasPrefix(p, "//")
}
