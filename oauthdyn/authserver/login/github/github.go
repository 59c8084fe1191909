// SPDX-License-Identifier: Apache-2.0

// Package github is a login with a GitHub account, through an OAuth app of
// yours at github.com, GHE.com or a GitHub Enterprise Server.
//
//	login, err := github.New(github.Options{
//		ClientID:     "Ov23li…",
//		ClientSecret: secret,
//		Allow:        allow.List{Users: []string{"id:583231"}, Groups: []string{"my-org"}},
//	})
//
// A person is known by the number of the account (the subject is
// "github:583231"), since names change hands. The app asks for nothing that the
// allow-list does not need: organisations need the scope read:org, e-mail
// addresses user:email.
//
// Whether somebody is still let in is found out at each refresh. Entries of the
// allow-list count at once; what GitHub says of organisations and addresses is
// asked again if Options.TokenKey is set, and else counts for Options.MaxAge.
package github

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/internal/pages"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/allow"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/internal/upstream"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/internal/vouch"
)

const (
	defaultURL    = "https://github.com"
	defaultAPIURL = "https://api.github.com"
	name          = "GitHub"
	prefix        = "github:"
)

// Options configure New. ClientID and ClientSecret are required.
type Options struct {
	// ClientID and ClientSecret are those of the OAuth app. Its callback URL is
	// the issuer of the authorization server and "/login/callback".
	ClientID, ClientSecret string

	// Allow says who may come in. Empty: nobody.
	Allow allow.List

	// URL is that of GitHub, default https://github.com; http is accepted on a
	// loopback address only.
	URL string

	// APIURL is that of the REST API. By default it follows from URL:
	// https://api.github.com, https://api.NAME.ghe.com, or /api/v3 of an
	// Enterprise Server.
	APIURL string

	// TokenKey, of at least 32 random bytes, encrypts GitHub's tokens, which
	// are then kept in the store to ask again about organisations and
	// addresses. Nil: they are not kept.
	TokenKey []byte

	// OldTokenKeys decrypt what was encrypted before TokenKey took their place;
	// a token is encrypted anew when the person is next asked about.
	OldTokenKeys [][]byte

	// CheckEvery is how long a person is not asked about again, however often
	// their tokens are refreshed. Default 1 minute; negative: each refresh asks.
	CheckEvery time.Duration

	// MaxAge is how long GitHub's word about organisations and addresses counts
	// while it cannot be asked again. Default 24 hours.
	MaxAge time.Duration

	// Transport makes the requests. Nil: one like http.DefaultTransport.
	Transport http.RoundTripper

	// Logger hears of refused sign-ins. Nil: none.
	Logger *slog.Logger
}

// A Login signs people in with GitHub accounts. It implements
// authserver.Rechecker and is safe for concurrent use.
type Login struct {
	config oauth2.Config
	url    string
	api    api
	keeper vouch.Keeper
	log    *slog.Logger
}

// New checks the options. It sends no request.
func New(o Options) (*Login, error) {
	if o.ClientID == "" || o.ClientSecret == "" {
		return nil, errors.New("github: the id and the secret of an OAuth app are needed")
	}
	if o.URL == "" {
		o.URL = defaultURL
	}
	o.URL = strings.TrimSuffix(o.URL, "/")
	u, err := upstream.CheckURL(o.URL)
	if err != nil {
		return nil, fmt.Errorf("github: %w", err)
	}
	if o.APIURL == "" {
		o.APIURL = apiURL(u)
	}
	if _, err := upstream.CheckURL(o.APIURL); err != nil {
		return nil, fmt.Errorf("github: %w", err)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if slices.ContainsFunc(o.Allow.Domains, func(d string) bool { return strings.HasSuffix(strings.ToLower(d), "users.noreply.github.com") }) {
		return nil, errors.New("github: everybody can have an address at users.noreply.github.com; to let everybody in, say so with *")
	}
	o.Allow.Groups = lower(o.Allow.Groups)
	client := upstream.NewClient(o.Transport)
	l := &Login{
		url: o.URL,
		log: o.Logger,
		api: api{client: client, url: strings.TrimSuffix(o.APIURL, "/"), organisations: len(o.Allow.Groups) > 0, emails: o.Allow.NeedsEmails()},
		config: oauth2.Config{
			ClientID:     o.ClientID,
			ClientSecret: o.ClientSecret,
			Endpoint: oauth2.Endpoint{
				AuthURL:   o.URL + "/login/oauth/authorize",
				TokenURL:  o.URL + "/login/oauth/access_token",
				AuthStyle: oauth2.AuthStyleInParams,
			},
		},
		keeper: vouch.Keeper{Prefix: prefix, Allow: o.Allow, Key: o.TokenKey, OldKeys: o.OldTokenKeys, CheckEvery: o.CheckEvery, MaxAge: o.MaxAge},
	}
	if l.api.organisations {
		l.config.Scopes = append(l.config.Scopes, "read:org")
	}
	if l.api.emails {
		l.config.Scopes = append(l.config.Scopes, "user:email")
	}
	// Who is let in by name or number stays what they are, whatever GitHub
	// says of them.
	l.keeper.Lasting = func(p allow.Person) bool { return o.Allow.AllowsUser(allow.Person{ID: p.ID, Login: p.Login}) }
	l.keeper.Ask = func(ctx context.Context, token string) (vouch.Answer, error) {
		person, _, err := l.api.person(ctx, token)
		if e, ok := errors.AsType[*apiError](err); ok && e.status == http.StatusUnauthorized {
			err = fmt.Errorf("%w: %w", vouch.ErrRevoked, err)
		}
		return vouch.Answer{Person: person, Token: token}, err
	}
	if err := l.keeper.Check(); err != nil {
		return nil, fmt.Errorf("github: %w", err)
	}
	return l, nil
}

// apiURL is where GitHub's products have their REST API.
func apiURL(u *url.URL) string {
	switch {
	case u.String() == defaultURL:
		return defaultAPIURL
	case strings.HasSuffix(u.Hostname(), ".ghe.com"):
		return u.Scheme + "://api." + u.Host
	}
	return u.String() + "/api/v3"
}

// lower returns the names of organisations as they are compared: GitHub does not
// tell cases apart.
func lower(names []string) []string {
	var small []string
	for _, n := range names {
		small = append(small, strings.ToLower(n))
	}
	return small
}

// ServeLogin implements authserver.Login.
func (l *Login) ServeLogin(w http.ResponseWriter, r *http.Request, a *authserver.Attempt) (*authserver.User, error) {
	return upstream.Serve(provider{l}, l.log, w, r, a)
}

// Recheck implements authserver.Rechecker.
func (l *Login) Recheck(ctx context.Context, u authserver.User) (string, error) {
	return l.keeper.Recheck(ctx, u)
}

// Known returns a person that another server has signed in at GitHub, by the
// number and the name of the account, for a store that people are moved to. Who
// is let in by name or number stays so; others sign in again when
// Options.MaxAge has passed since checked.
func Known(id, login string, checked time.Time) (authserver.User, error) {
	if n, err := strconv.ParseInt(id, 10, 64); err != nil || n <= 0 {
		return authserver.User{}, errors.New("github: the number of an account is a positive one")
	}
	account, err := vouch.Known(allow.Person{ID: id, Login: login}, checked)
	if err != nil {
		return authserver.User{}, err
	}
	return authserver.User{Subject: prefix + id, Name: login, Account: account}, nil
}

// provider implements upstream.Provider.
type provider struct{ *Login }

func (provider) Name() string { return name }

func (l provider) AuthURL(_ context.Context, req upstream.Request, again bool) (string, error) {
	config := l.config
	config.RedirectURL = req.RedirectURI
	params := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(req.Verifier)}
	if again {
		params = append(params, oauth2.SetAuthURLParam("prompt", "select_account"))
	}
	return config.AuthCodeURL(req.State, params...), nil
}

// CheckIssuer takes a reply without iss, which GitHub does not announce to send.
func (l provider) CheckIssuer(_ context.Context, iss string) error {
	if iss != "" && iss != l.url && iss != l.url+"/login/oauth" {
		return errors.New("iss names another issuer")
	}
	return nil
}

func (l provider) SignIn(ctx context.Context, req upstream.Request, code string) (*authserver.User, error) {
	config := l.config
	config.RedirectURL = req.RedirectURI
	ctx = context.WithValue(ctx, oauth2.HTTPClient, l.api.client)
	token, err := config.Exchange(ctx, code, oauth2.VerifierOption(req.Verifier))
	if err != nil {
		return nil, exchangeProblem(err)
	}
	if missing := l.missingScopes(token); len(missing) > 0 {
		return nil, &upstream.Problem{
			Status: http.StatusForbidden,
			Text:   "You did not let this server see what it has to know at GitHub: " + strings.Join(missing, ", ") + ".",
		}
	}
	person, sso, err := l.api.person(ctx, token.AccessToken)
	if err != nil {
		return nil, apiProblem(err)
	}
	subject := prefix + person.ID
	login := pages.Clean(person.Login)
	if !l.keeper.Allow.Allows(person) {
		hint := ""
		if sso {
			hint = " If an organisation of yours asks for single sign-on, sign in there first."
		}
		return nil, upstream.NotAllowed(name, login+" (number "+person.ID+")", subject, hint)
	}
	account, err := l.keeper.Account(vouch.Answer{Person: person, Token: token.AccessToken})
	if err != nil {
		return nil, err
	}
	return &authserver.User{Subject: subject, Name: login, Account: account}, nil
}

// missingScopes compares the scopes that were granted with those asked for:
// people can grant less. GitHub separates them by commas, and leaves out those
// that another one includes.
func (l provider) missingScopes(token *oauth2.Token) (missing []string) {
	granted, _ := token.Extra("scope").(string)
	has := strings.FieldsFunc(granted, func(r rune) bool { return r == ',' || r == ' ' })
	includes := map[string][]string{
		"read:org":   {"read:org", "write:org", "admin:org"},
		"user:email": {"user:email", "user"},
	}
	for _, scope := range l.config.Scopes {
		if !slices.ContainsFunc(includes[scope], func(s string) bool { return slices.Contains(has, s) }) {
			missing = append(missing, scope)
		}
	}
	return missing
}

// exchangeProblem explains why GitHub gave no token. Its errors come with status
// 200.
func exchangeProblem(err error) error {
	e, ok := errors.AsType[*oauth2.RetrieveError](err)
	if !ok {
		return upstream.Unreachable(name, err)
	}
	switch e.ErrorCode {
	case "bad_verification_code":
		return &upstream.Problem{Status: http.StatusForbidden, Text: "The sign-in at GitHub has expired.", Err: err}
	case "unverified_user_email":
		return &upstream.Problem{Status: http.StatusForbidden, Text: "Verify the e-mail address of your GitHub account first.", Err: err}
	case "incorrect_client_credentials", "redirect_uri_mismatch", "application_suspended":
		return fmt.Errorf("the OAuth app at GitHub is not set up right: %w", upstream.Brief(err))
	}
	return upstream.Unreachable(name, err)
}
