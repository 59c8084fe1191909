// SPDX-License-Identifier: Apache-2.0

// Package oidc is a login at any OpenID provider: Keycloak, Entra ID, Google,
// Okta, Authentik and others.
//
//	login, err := oidc.New(oidc.Options{
//		Issuer:       "https://login.example.com/realms/staff",
//		ClientID:     "mcp",
//		ClientSecret: secret,
//		Name:         "Example Corp",
//		Allow:        allow.List{Groups: []string{"mcp-users"}},
//	})
//
// It is the authorization code flow of OpenID Connect Core 1.0 with PKCE (RFC
// 7636) and a nonce, and the issuer check of RFC 9207. The provider is asked for
// its addresses when the first person signs in, so that a server starts while
// the provider is down.
//
// A person is known by the issuer and the sub claim. An e-mail address counts
// only if the provider says that it is verified; preferred_username is shown,
// and decides nothing, since people can change it at many providers.
//
// Whether somebody is still let in is found out at each refresh: the allow-list
// counts at once, and the provider is asked again if Options.TokenKey is set and
// it gives refresh tokens; else its word counts for Options.MaxAge.
package oidc

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	gooidc "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/allow"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/internal/upstream"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/internal/vouch"
)

// Options configure New. Issuer and ClientID are required.
type Options struct {
	// Issuer is the issuer identifier of the provider, letter by letter: https,
	// or http on a loopback address.
	Issuer string

	// ClientID and ClientSecret are those that the provider has for this
	// server. Its redirect URI is the issuer of the authorization server and
	// "/login/callback". A public client has no secret.
	ClientID, ClientSecret string

	// Name is what people call the provider, as in "Sign in with …". Default:
	// the host of Issuer.
	Name string

	// Allow says who may come in. Empty: nobody. Users are "id:" and the sub
	// claim, or verified e-mail addresses.
	Allow allow.List

	// Scopes are asked for besides openid, profile and email.
	Scopes []string

	// AuthParams are further parameters of the authorization request, such as
	// prompt=consent or access_type=offline, without which some providers give
	// no refresh token.
	AuthParams map[string]string

	// GroupsClaim names the claim that holds the groups, a list of strings or
	// one string. Default "groups".
	GroupsClaim string

	// TokenKey, of at least 32 random bytes, encrypts refresh tokens of the
	// provider, which are then asked for and kept in the store, to ask about
	// the person again. Nil: they are not.
	TokenKey []byte

	// OldTokenKeys decrypt what was encrypted before TokenKey took their place;
	// a token is encrypted anew when the person is next asked about.
	OldTokenKeys [][]byte

	// CheckEvery is how long a person is not asked about again, however often
	// their tokens are refreshed. Default 1 minute; negative: each refresh asks.
	CheckEvery time.Duration

	// MaxAge is how long the provider's word counts while it cannot be asked
	// again. Default 24 hours.
	MaxAge time.Duration

	// Transport makes the requests. Nil: one like http.DefaultTransport.
	Transport http.RoundTripper

	// Logger hears of refused sign-ins. Nil: none.
	Logger *slog.Logger
}

// ownParams are those that AuthParams cannot have.
var ownParams = []string{
	"client_id", "code_challenge", "code_challenge_method", "nonce", "redirect_uri", "request", "request_uri",
	"response_mode", "response_type", "scope", "state",
}

// A Login signs people in at an OpenID provider. It implements
// authserver.Rechecker and is safe for concurrent use.
type Login struct {
	o      Options
	client *http.Client
	keeper vouch.Keeper

	discovering chan struct{} // one at a time

	mu sync.Mutex
	// mu guards the fields below.
	found  *metadata
	failed failure
}

// New checks the options. It sends no request.
func New(o Options) (*Login, error) {
	u, err := upstream.CheckURL(o.Issuer)
	if err != nil {
		return nil, fmt.Errorf("oidc: issuer %w", err)
	}
	if o.ClientID == "" {
		return nil, errors.New("oidc: no client id; register this server at the provider, which gives it one")
	}
	if slices.ContainsFunc(o.Allow.Users, func(user string) bool {
		return user != allow.Anybody && !strings.Contains(user, "@") && !strings.HasPrefix(user, "id:")
	}) {
		return nil, errors.New("oidc: a user is an e-mail address that the provider has verified, or id: and the sub claim")
	}
	for _, name := range ownParams {
		if _, ok := o.AuthParams[name]; ok {
			return nil, fmt.Errorf("oidc: the parameter %s is not for you to set", name)
		}
	}
	if o.Name == "" {
		o.Name = u.Host
	}
	if o.GroupsClaim == "" {
		o.GroupsClaim = "groups"
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	issuer := sha256.Sum256([]byte(o.Issuer))
	l := &Login{
		o:           o,
		client:      upstream.NewClient(o.Transport),
		discovering: make(chan struct{}, 1),
		keeper: vouch.Keeper{
			Prefix:     "oidc:" + hex.EncodeToString(issuer[:8]) + ":",
			Allow:      o.Allow,
			Key:        o.TokenKey,
			OldKeys:    o.OldTokenKeys,
			CheckEvery: o.CheckEvery,
			MaxAge:     o.MaxAge,
		},
	}
	l.keeper.Ask = l.askAgain
	if err := l.keeper.Check(); err != nil {
		return nil, fmt.Errorf("oidc: %w", err)
	}
	return l, nil
}

// Name returns what people call the provider: Options.Name or its default.
func (l *Login) Name() string { return l.o.Name }

// ServeLogin implements authserver.Login.
func (l *Login) ServeLogin(w http.ResponseWriter, r *http.Request, a *authserver.Attempt) (*authserver.User, error) {
	return upstream.Serve(provider{l}, l.o.Logger, w, r, a)
}

// Recheck implements authserver.Rechecker.
func (l *Login) Recheck(ctx context.Context, u authserver.User) (string, error) {
	return l.keeper.Recheck(ctx, u)
}

// Admit implements authserver.Admitter: of the people whom the provider vouches
// for by an identity assertion, the allow-list lets in those that it would let
// in by a sign-in. It sees the claims of the assertion alone.
func (l *Login) Admit(_ context.Context, issuer string, assertion json.RawMessage) (*authserver.User, error) {
	if issuer != l.o.Issuer {
		return nil, nil
	}
	all := claims{}
	if err := json.Unmarshal(assertion, &all); err != nil {
		return nil, err
	}
	person := all.person(l.o.GroupsClaim)
	if person.ID == "" || !l.keeper.Allow.Allows(person) {
		return nil, authserver.ErrNotAllowed
	}
	return &authserver.User{Subject: l.keeper.Prefix + person.ID, Name: all.name()}, nil
}

// provider implements upstream.Provider.
type provider struct{ *Login }

func (p provider) AuthURL(ctx context.Context, req upstream.Request, again bool) (string, error) {
	m, err := p.discover(ctx)
	if err != nil {
		return "", upstream.Unreachable(p.o.Name, err)
	}
	var params []oauth2.AuthCodeOption
	for name, value := range p.o.AuthParams {
		params = append(params, oauth2.SetAuthURLParam(name, value))
	}
	params = append(params, oauth2.S256ChallengeOption(req.Verifier), gooidc.Nonce(req.Nonce))
	if again {
		choose := "login"
		if m.selectsAccount {
			choose = "select_account"
		}
		params = append(params, oauth2.SetAuthURLParam("prompt", strings.TrimSpace(p.o.AuthParams["prompt"]+" "+choose)))
	}
	config := p.config(m)
	config.RedirectURL = req.RedirectURI
	return config.AuthCodeURL(req.State, params...), nil
}

// config returns the client as the provider wants it to be.
func (l *Login) config(m *metadata) oauth2.Config {
	config := oauth2.Config{
		ClientID:     l.o.ClientID,
		ClientSecret: l.o.ClientSecret,
		Endpoint:     m.endpoint,
		Scopes:       append([]string{gooidc.ScopeOpenID, gooidc.ScopeProfile, gooidc.ScopeEmail}, l.o.Scopes...),
	}
	if l.o.TokenKey != nil && m.offline && !slices.Contains(config.Scopes, gooidc.ScopeOfflineAccess) {
		config.Scopes = append(config.Scopes, gooidc.ScopeOfflineAccess)
	}
	return config
}

// CheckIssuer applies RFC 9207 section 2.4.
func (p provider) CheckIssuer(ctx context.Context, iss string) error {
	m, err := p.discover(ctx)
	switch {
	case err != nil:
		return upstream.Unreachable(p.o.Name, err)
	case iss == "" && m.sendsIssuer:
		return errors.New("iss is missing, which the provider announces to send")
	case iss != "" && iss != p.o.Issuer:
		return errors.New("iss names another issuer")
	}
	return nil
}

func (p provider) SignIn(ctx context.Context, req upstream.Request, code string) (*authserver.User, error) {
	m, err := p.discover(ctx)
	if err != nil {
		return nil, upstream.Unreachable(p.o.Name, err)
	}
	ctx = gooidc.ClientContext(ctx, p.client)
	config := p.config(m)
	config.RedirectURL = req.RedirectURI
	token, err := config.Exchange(ctx, code, oauth2.VerifierOption(req.Verifier))
	if err != nil {
		return nil, p.exchangeProblem(err)
	}
	claims, err := p.identify(ctx, m, token, req.Nonce)
	if err != nil {
		return nil, upstream.Unreachable(p.o.Name, err)
	}
	person := claims.person(p.o.GroupsClaim)
	subject := p.keeper.Prefix + person.ID
	if !p.keeper.Allow.Allows(person) {
		return nil, upstream.NotAllowed(p.o.Name, claims.describe(), subject, "")
	}
	account, err := p.keeper.Account(vouch.Answer{Person: person, Token: token.RefreshToken})
	if err != nil {
		return nil, err
	}
	return &authserver.User{Subject: subject, Name: claims.name(), Account: account}, nil
}

func (p provider) exchangeProblem(err error) error {
	e, ok := errors.AsType[*oauth2.RetrieveError](err)
	switch {
	case ok && e.ErrorCode == "invalid_grant":
		return &upstream.Problem{Status: http.StatusForbidden, Text: "The sign-in at " + p.o.Name + " has expired.", Err: err}
	case ok && (e.ErrorCode == "invalid_client" || e.ErrorCode == "unauthorized_client"):
		return fmt.Errorf("the client id or secret is wrong, or the provider wants to be told them otherwise: %w", upstream.Brief(err))
	}
	return upstream.Unreachable(p.o.Name, err)
}

// askAgain asks about a person with a refresh token, which is used up where the
// provider rotates them.
func (l *Login) askAgain(ctx context.Context, refreshToken string) (vouch.Answer, error) {
	m, err := l.discover(ctx)
	if err != nil {
		return vouch.Answer{}, upstream.Brief(err)
	}
	ctx = gooidc.ClientContext(ctx, l.client)
	config := l.config(m)
	token, err := config.TokenSource(ctx, &oauth2.Token{RefreshToken: refreshToken}).Token()
	if e, ok := errors.AsType[*oauth2.RetrieveError](err); ok && e.ErrorCode == "invalid_grant" {
		return vouch.Answer{}, vouch.ErrRevoked
	}
	if err != nil {
		return vouch.Answer{}, upstream.Brief(err)
	}
	claims, err := l.identify(ctx, m, token, "")
	if err != nil {
		return vouch.Answer{}, upstream.Brief(err)
	}
	return vouch.Answer{Person: claims.person(l.o.GroupsClaim), Token: token.RefreshToken}, nil
}
