// SPDX-License-Identifier: Apache-2.0

package oidc

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	gooidc "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/internal/upstream"
)

// discoverAgain is how long what the provider says of itself is not asked for
// again. Its keys are, whenever a token names an unknown one.
const discoverAgain = time.Hour

// discoverRetry is how long a provider that did not answer is left alone.
const discoverRetry = 2 * time.Second

// metadata is what the provider says of itself: OpenID Connect Discovery 1.0.
type metadata struct {
	provider *gooidc.Provider
	verifier *gooidc.IDTokenVerifier
	endpoint oauth2.Endpoint
	userInfo bool
	fetched  time.Time

	offline        bool // there is a scope for refresh tokens
	selectsAccount bool // knows prompt=select_account
	sendsIssuer    bool // RFC 9207
}

// failure is a look-up that failed.
type failure struct {
	err error
	at  time.Time
}

// discover returns the metadata. Requests that need it share one look-up, also
// one that fails; old metadata is good enough while there is no newer.
func (l *Login) discover(ctx context.Context) (*metadata, error) {
	if m, err := l.known(); m != nil || err != nil {
		return m, err
	}
	select {
	case l.discovering <- struct{}{}:
		defer func() { <-l.discovering }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if m, err := l.known(); m != nil || err != nil {
		return m, err
	}
	fresh, err := l.fetchMetadata(context.WithoutCancel(ctx)) // others wait for it, too
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err == nil:
		l.found = fresh
	case l.found != nil:
		kept := *l.found
		kept.fetched = time.Now()
		l.found = &kept
	default:
		l.failed = failure{upstream.Brief(err), time.Now()}
		return nil, l.failed.err
	}
	return l.found, nil
}

// known returns what need not be looked up now.
func (l *Login) known() (*metadata, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.found != nil && time.Since(l.found.fetched) < discoverAgain:
		return l.found, nil
	case l.failed.err != nil && time.Since(l.failed.at) < discoverRetry:
		return nil, l.failed.err
	}
	return nil, nil
}

func (l *Login) fetchMetadata(ctx context.Context) (*metadata, error) {
	ctx = gooidc.ClientContext(ctx, l.client)
	provider, err := gooidc.NewProvider(ctx, l.o.Issuer)
	if err != nil {
		return nil, err
	}
	var document struct {
		JWKS        string   `json:"jwks_uri"`
		UserInfo    string   `json:"userinfo_endpoint"`
		AuthMethods []string `json:"token_endpoint_auth_methods_supported"`
		Scopes      []string `json:"scopes_supported"`
		Prompts     []string `json:"prompt_values_supported"`
		SendsIssuer bool     `json:"authorization_response_iss_parameter_supported"`
	}
	if err := provider.Claims(&document); err != nil {
		return nil, err
	}
	m := &metadata{
		provider:       provider,
		verifier:       provider.Verifier(&gooidc.Config{ClientID: l.o.ClientID}),
		endpoint:       provider.Endpoint(),
		userInfo:       document.UserInfo != "",
		fetched:        time.Now(),
		offline:        slices.Contains(document.Scopes, gooidc.ScopeOfflineAccess),
		selectsAccount: slices.Contains(document.Prompts, "select_account"),
		sendsIssuer:    document.SendsIssuer,
	}
	for _, address := range []string{m.endpoint.AuthURL, m.endpoint.TokenURL, document.JWKS, document.UserInfo} {
		if address == "" && address == document.UserInfo {
			continue
		}
		if err := upstream.CheckEndpoint(address); err != nil {
			return nil, fmt.Errorf("metadata: %w", err)
		}
		if strings.HasPrefix(l.o.Issuer, "https:") && !strings.HasPrefix(address, "https:") {
			return nil, fmt.Errorf("metadata: %q must use https", address)
		}
	}
	// Without a word about it, it is client_secret_basic. To try both would use
	// up the code.
	m.endpoint.AuthStyle = oauth2.AuthStyleInHeader
	if l.o.ClientSecret == "" || len(document.AuthMethods) > 0 && !slices.Contains(document.AuthMethods, "client_secret_basic") {
		m.endpoint.AuthStyle = oauth2.AuthStyleInParams
	}
	return m, nil
}
