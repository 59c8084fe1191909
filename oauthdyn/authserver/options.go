// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/audit"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/resource"
)

// ScopeOfflineAccess asks for a refresh token. Clients may always request it;
// whether they get a refresh token depends on the grant types they registered.
const ScopeOfflineAccess = "offline_access"

// Options configure a Server. Issuer, Store, Login and Resources are required.
type Options struct {
	// Issuer is the URL of the server: https, or http on a loopback address;
	// without query and fragment, without a slash at the end.
	Issuer string

	// Store keeps clients, grants and keys. The server does not close it.
	Store store.Store

	// Login finds out who the person at the browser is.
	Login Login

	// Resources are the MCP servers that tokens can be issued for. Requests
	// that name none are for the first (clients of MCP 2025-03-26).
	Resources []Resource

	// ScopeText explains scopes to people, on the consent page: "mcp" might be
	// "Use all tools of this server". Scopes without text are shown by name.
	ScopeText map[string]string

	// ClientDocuments says which clients need no registration.
	ClientDocuments ClientDocuments

	// Clients are programs that get tokens for themselves.
	Clients []Client

	// IdentityProviders are those of organizations that decide which programs
	// their people use (MCP's enterprise-managed-authorization): clients that
	// authenticate exchange identity assertions of these for access tokens (RFC
	// 7523 section 2.1), without a browser and without consent. Which people
	// come in is up to the provider, and to the Login if it is an Admitter.
	IdentityProviders []Issuer

	// DeviceFlow lets people sign in for programs on machines without a browser
	// (RFC 8628), by a code that they enter at Issuer/device. Who can talk
	// people into entering a foreign code gets in instead (section 5.4), so
	// that it is off unless it is needed.
	DeviceFlow bool

	// Admins are the subjects of people, such as "local:alice", who see and end
	// the clients and grants of everybody, at /admin. Empty: there is no such page.
	Admins []string

	// ClientAuthMethods are the ways in which clients may authenticate at the
	// token endpoint: values of token_endpoint_auth_method (RFC 7591 section 2).
	// Without "none" there are no public clients, those that registered before
	// included, which most MCP clients are. Empty: all that the server knows.
	ClientAuthMethods []string

	AccessTokenTTL  time.Duration // default 15 minutes, at most store.MaxAccessTokenTTL
	RefreshTokenTTL time.Duration // since the last refresh; default 30 days
	GrantTTL        time.Duration // after which the person has to consent again; default 180 days
	SessionTTL      time.Duration // of a sign-in at the browser; default 12 hours

	// CodeTTL is how long an authorization code lives; default 60 seconds, at
	// most 10 minutes (RFC 6749 section 4.1.2).
	CodeTTL time.Duration

	// RefreshGrace is how long a used refresh token may be repeated while its
	// successor is unused, because a reply was lost or two processes share it.
	// It gets the same successor again. Default 60 seconds; negative: none.
	RefreshGrace time.Duration

	// InitialAccessTokens close the registration of clients (RFC 7591 section
	// 3): whoever registers one must send one of them as a bearer token. They
	// must have 16 characters at least. Empty: everybody may register clients.
	InitialAccessTokens []string

	// Registration says which clients can register, and how often.
	Registration Registration

	// ResourceServers may ask about access tokens (RFC 7662). Those that check
	// the signatures themselves, as package resource does, need not ask.
	ResourceServers []ResourceServer

	// SigningAlgorithm is what signing keys are for: ES256, RS256 or EdDSA. After
	// a change a key for the new one takes over, as in a rotation. Empty: that
	// of the key that signs, ES256 for the first one.
	SigningAlgorithm string

	// KeyRotation is how long a signing key signs; at least a day. Default 90
	// days; negative: until Keys.Rotate.
	KeyRotation time.Duration

	// SealingKey seals the private keys in the store; see KeyOptions.SealingKey.
	SealingKey []byte

	// OldSealingKeys open what was sealed before; see KeyOptions.OldSealingKeys.
	OldSealingKeys [][]byte

	// Revocations are fed with what is revoked at the store: at once with what
	// is revoked through this Server, within a second with the rest. Give the
	// same ones to the resources in this process. Nil: nobody is told.
	Revocations *resource.Revocations

	// TrustedProxies are the networks of reverse proxies whose X-Forwarded-For
	// (or, without it, Forwarded: RFC 7239) and X-Forwarded-Host are believed.
	// They must set or drop what clients send of these themselves. The address
	// of a client is then the last one that is not in one of the networks.
	// Empty: the headers count for nothing.
	TrustedProxies []netip.Prefix

	// Audit is told who did what: see package audit, whose Log writes it down.
	// It is called before the answer goes out and by several goroutines, and
	// must not block. Nil: nobody is told.
	Audit func(context.Context, audit.Event)

	// Logger gets one line per event, without secrets. Nil: none.
	Logger *slog.Logger
}

// A Resource is an MCP server that tokens can be issued for.
type Resource struct {
	// URI is the resource identifier (RFC 8707) and the audience of its tokens.
	URI string

	// Name is shown to people. Default: host and path of URI.
	Name string

	// Scopes are all the scopes that clients can get. A request without scope
	// asks for all of them.
	Scopes []string
}

// A ResourceServer may ask about access tokens at the introspection endpoint. It
// prints without its secret.
type ResourceServer struct {
	// ID and Secret are what it authenticates with, by HTTP Basic or in the
	// form. The secret must have 16 characters at least.
	ID, Secret string

	// Resources are the URIs of the resources whose tokens it may ask about.
	// To it all other tokens are not active. Empty: all resources.
	Resources []string
}

// String names the resource server.
func (r ResourceServer) String() string { return "resource server " + r.ID }

// Format prints String for every verb.
func (r ResourceServer) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, r.String()) }

// LogValue logs what String says.
func (r ResourceServer) LogValue() slog.Value { return slog.StringValue(r.String()) }

const maxCodeTTL = 10 * time.Minute

// complete checks the options and fills in defaults.
func (o *Options) complete() error {
	if err := checkIssuer(o.Issuer); err != nil {
		return err
	}
	switch {
	case o.Store == nil:
		return errors.New("no store; use memory.New, bolt.Open or redis.Open")
	case o.Login == nil:
		return errors.New("no login; use local.Open, for example")
	case len(o.Resources) == 0:
		return errors.New("no resource; name the MCP server that tokens are for")
	case o.CodeTTL > maxCodeTTL:
		return fmt.Errorf("codes must not live longer than %v", maxCodeTTL)
	case o.AccessTokenTTL > store.MaxAccessTokenTTL:
		return fmt.Errorf("access tokens must not live longer than %v", store.MaxAccessTokenTTL)
	}
	if err := o.ClientDocuments.complete(); err != nil {
		return err
	}
	if len(o.InitialAccessTokens) > 0 && len(o.ClientDocuments.Hosts) == 0 {
		o.ClientDocuments.Off = true
	}
	if err := o.completeClientAuth(); err != nil {
		return err
	}
	o.Registration.complete()
	setDefault(&o.AccessTokenTTL, 15*time.Minute)
	setDefault(&o.RefreshTokenTTL, 30*24*time.Hour)
	setDefault(&o.GrantTTL, 180*24*time.Hour)
	setDefault(&o.SessionTTL, 12*time.Hour)
	setDefault(&o.CodeTTL, time.Minute)
	if o.RefreshGrace == 0 {
		o.RefreshGrace = time.Minute
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Audit == nil {
		o.Audit = func(context.Context, audit.Event) {}
	}
	o.TrustedProxies = slices.Clone(o.TrustedProxies)
	for i, p := range o.TrustedProxies {
		if !p.IsValid() {
			return errors.New("TrustedProxies: a network is not valid")
		}
		o.TrustedProxies[i] = p.Masked()
	}
	o.Resources = slices.Clone(o.Resources)
	for i := range o.Resources {
		if err := o.Resources[i].complete(); err != nil {
			return err
		}
	}
	for _, token := range o.InitialAccessTokens {
		if len(token) < minSecret {
			return fmt.Errorf("an initial access token must have %d characters at least; openssl rand -hex 32 makes one", minSecret)
		}
	}
	o.InitialAccessTokens = slices.Clone(o.InitialAccessTokens)
	o.IdentityProviders = slices.Clone(o.IdentityProviders)
	for _, i := range o.IdentityProviders {
		if err := i.check(); err != nil {
			return fmt.Errorf("identity provider: %w", err)
		}
	}
	if err := o.checkClients(); err != nil {
		return err
	}
	if o.Admins = slices.Clone(o.Admins); slices.Contains(o.Admins, "") {
		return errors.New("an administrator without a subject; name one like local:alice")
	}
	return o.checkResourceServers()
}

// checkResourceServers also replaces their resources by how they are spelled
// here.
func (o *Options) checkResourceServers() error {
	o.ResourceServers = slices.Clone(o.ResourceServers)
	seen := map[string]bool{}
	for i := range o.ResourceServers {
		r := &o.ResourceServers[i]
		switch {
		case r.ID == "" || seen[r.ID] || strings.HasPrefix(r.ID, clientIDPrefix):
			return fmt.Errorf("resource server %q: its id must be there, be its own, and not begin with %s", r.ID, clientIDPrefix)
		case len(r.Secret) < minSecret:
			return fmt.Errorf("resource server %q: its secret must have %d characters at least; openssl rand -hex 32 makes one", r.ID, minSecret)
		}
		seen[r.ID] = true
		var known []string
		for _, uri := range r.Resources {
			found, ok := findResource(o.Resources, uri)
			if !ok {
				return fmt.Errorf("resource server %q: no tokens are issued for %q", r.ID, uri)
			}
			known = append(known, found.URI)
		}
		r.Resources = known
	}
	return nil
}

// minSecret is a length that cannot be guessed, if the secret is random.
const minSecret = 16

func setDefault(d *time.Duration, value time.Duration) {
	if *d <= 0 {
		*d = value
	}
}

func (r *Resource) complete() (err error) {
	if r.URI, err = oauthdyn.CanonicalResource(r.URI); err != nil {
		return err
	}
	if r.Name == "" {
		_, r.Name, _ = strings.Cut(r.URI, "://")
	}
	for _, scope := range r.Scopes {
		if !validScope(scope) {
			return fmt.Errorf("scope %q of resource %s holds a character that scopes cannot have (RFC 6749 section 3.3)", scope, r.URI)
		}
	}
	return nil
}

// validScope checks a scope-token: RFC 6749 section 3.3.
func validScope(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || r == '"' || r == '\\'
	})
}

// checkIssuer applies RFC 8414 section 2 and RFC 9207 section 2.
func checkIssuer(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case raw == "":
		return errors.New("no issuer; name the URL at which clients reach the server")
	case err != nil || u.Hostname() == "" || u.User != nil:
		return fmt.Errorf("issuer %q is not an absolute URL", raw)
	case u.RawQuery != "" || u.ForceQuery || strings.Contains(raw, "#"):
		return fmt.Errorf("issuer %q has a query or fragment; remove it", raw)
	case strings.HasSuffix(raw, "/"):
		return fmt.Errorf("issuer %q ends in a slash; remove it", raw)
	case u.Host != strings.ToLower(u.Host) || u.String() != raw:
		return fmt.Errorf("issuer %q is not in normal form; write it in lower case and without escapes", raw)
	case u.Scheme == "https" || u.Scheme == "http" && isLoopback(u.Hostname()):
		return nil
	}
	return fmt.Errorf("issuer %q must use https (http is accepted on a loopback address only)", raw)
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}
