// SPDX-License-Identifier: Apache-2.0

package oauthdyn

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Register returns the client of this program at the authorization server: the
// configured one, the stored one, or else one that it registers and stores (RFC
// 7591). When the authorization server refuses that, there is an *Error in the
// error.
func (c *Client) Register(ctx context.Context) (*ClientInformation, error) {
	info, err := c.register(ctx)
	if err != nil {
		return nil, fmt.Errorf("oauthdyn: register with %s: %w", c.cfg.target(), err)
	}
	return info, nil
}

func (c *Client) register(ctx context.Context) (*ClientInformation, error) {
	d, err := c.discover(ctx, nil)
	if err != nil {
		return nil, err
	}
	unlock, err := c.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	info, _, err := c.identity(ctx, d)
	if info != nil || err != nil {
		return info, err
	}
	return c.registerAhead(ctx, d, nil)
}

// RegisterAnew registers this program (RFC 7591) even if the store has a
// registration already, and stores the new one in its place; the old one stays
// at the authorization server. change may edit what is registered, such as the
// redirect URIs of a client that runs elsewhere, which the application type
// follows unless change sets it; nil leaves it as it is. This client uses a
// registration for its own logins only if it can receive the redirect.
func (c *Client) RegisterAnew(ctx context.Context, change func(*ClientMetadata)) (*ClientInformation, error) {
	info, err := c.registerAnew(ctx, change)
	if err != nil {
		return nil, fmt.Errorf("oauthdyn: register with %s: %w", c.cfg.target(), err)
	}
	return info, nil
}

func (c *Client) registerAnew(ctx context.Context, change func(*ClientMetadata)) (*ClientInformation, error) {
	d, err := c.discoveryFor(ctx, need{})
	if err != nil {
		return nil, err
	}
	unlock, err := c.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	return c.registerAhead(ctx, d, change)
}

// registerAhead registers before there is a login.
func (c *Client) registerAhead(ctx context.Context, d *Discovery, change func(*ClientMetadata)) (*ClientInformation, error) {
	if c.flow.grantType() != GrantAuthorizationCode {
		return c.registerDynamic(ctx, d, nil, change)
	}
	// The listener finds a free port, and is opened again for the login.
	b, err := c.listen("", false)
	if err != nil {
		return nil, err
	}
	defer b.close()
	return c.registerDynamic(ctx, d, b, change)
}

// identity returns the client to use with an authorization server and the
// redirect URI that it registered, or nil when there is none yet. The order is
// that of MCP: registered by hand, client ID metadata document, dynamic
// registration.
func (c *Client) identity(ctx context.Context, d *Discovery) (*ClientInformation, string, error) {
	if c.cfg.ClientID != "" {
		if err := c.checkBinding(ctx, d); err != nil {
			return nil, "", err
		}
		info := &ClientInformation{ClientID: c.cfg.ClientID, ClientSecret: c.cfg.ClientSecret}
		info.TokenEndpointAuthMethod = c.configuredAuthMethod(d.Server)
		return info, "", nil
	}
	if c.showsDocument(d) {
		info := &ClientInformation{ClientID: c.cfg.ClientMetadataURL}
		info.TokenEndpointAuthMethod = c.configuredAuthMethod(d.Server)
		return info, "", nil
	}
	creds, err := c.store.Load(ctx, c.registrationKey(d.Issuer))
	switch {
	case errors.Is(err, ErrNoCredentials):
		return nil, "", nil
	case err != nil:
		return nil, "", err
	case creds.Issuer != d.Issuer || creds.Registration == nil || creds.Registration.Client == nil:
		return nil, "", nil
	}
	r := creds.Registration
	if expires := r.Client.ClientSecretExpiresAt; r.Client.ClientSecret != "" && expires != nil && *expires != 0 &&
		!time.Now().Before(time.Unix(*expires, 0)) {
		return nil, "", nil
	}
	if r.Client.TokenEndpointAuthMethod == AuthMethodPrivateKeyJWT && c.key == nil {
		return nil, "", nil
	}
	if c.flow.grantType() == GrantAuthorizationCode && !c.fitsCallback(r.RedirectURI) {
		return nil, "", nil
	}
	return r.Client, r.RedirectURI, nil
}

// registerDynamic registers this program and stores the result under the
// issuer. A registration that is refused for what it says of redirects is tried
// once more, said otherwise. There is no callback for a grant without redirect,
// and change may be nil.
func (c *Client) registerDynamic(ctx context.Context, d *Discovery, b *callback, change func(*ClientMetadata)) (*ClientInformation, error) {
	if d.Server.RegistrationEndpoint == "" {
		return nil, fmt.Errorf("authorization server %s does not offer dynamic registration; register this program there by hand and configure its client id", d.Issuer)
	}
	redirectURI := ""
	if b != nil {
		redirectURI = b.uri
	}
	asked, err := c.metadataToRegister(d, redirectURI)
	if err != nil {
		return nil, err
	}
	if change != nil {
		kind := asked.ApplicationType
		change(&asked)
		redirectURI = firstOf(asked.RedirectURIs)
		if asked.ApplicationType == kind {
			asked.ApplicationType = applicationType(redirectURI)
		}
	}
	info, err := c.postRegistration(ctx, d.Server.RegistrationEndpoint, asked)
	if again, ok := otherwise(asked, err); ok {
		c.log.LogAttrs(ctx, slog.LevelInfo, "registration is refused, trying another form of it", slog.Any("error", err))
		asked = again
		info, err = c.postRegistration(ctx, d.Server.RegistrationEndpoint, asked)
	}
	if err != nil {
		return nil, c.registrationError(d.Issuer, asked, err)
	}
	if registered := firstOf(asked.RedirectURIs); registered != redirectURI {
		if b != nil && b.uri == redirectURI {
			b.useLocalhost()
		}
		redirectURI = registered
	}
	creds := &Credentials{Issuer: d.Issuer, Registration: &Registration{Client: info, RedirectURI: redirectURI, Scope: asked.Scope}}
	// What was registered must not be lost because a request was called off.
	if err := c.store.Save(context.WithoutCancel(ctx), c.registrationKey(d.Issuer), creds); err != nil {
		return nil, fmt.Errorf("save registration: %w", err)
	}
	c.log.LogAttrs(ctx, slog.LevelInfo, "registered", slog.String("issuer", d.Issuer), slog.Any("client", *info))
	return info, nil
}

// metadataToRegister is what this program says of itself.
func (c *Client) metadataToRegister(d *Discovery, redirectURI string) (ClientMetadata, error) {
	method, err := c.authMethodToRegister(d.Server)
	if err != nil {
		return ClientMetadata{}, err
	}
	scopes, offline, err := c.scopesFor(nil, d)
	if err != nil {
		return ClientMetadata{}, err
	}
	if offline {
		scopes = withOfflineAccess(scopes)
	}
	m := c.cfg.Metadata
	// Left out, the response type would be code, which needs a redirect URI.
	m.RedirectURIs, m.ResponseTypes = []string{}, []string{}
	if redirectURI != "" {
		m.RedirectURIs, m.ResponseTypes = []string{redirectURI}, []string{ResponseTypeCode}
	}
	m.TokenEndpointAuthMethod = method
	if method == AuthMethodPrivateKeyJWT {
		m.JWKS = c.key.PublicSet()
	}
	m.GrantTypes = []string{c.flow.grantType(), GrantRefreshToken}
	m.ApplicationType = applicationType(redirectURI)
	m.ClientName = c.cfg.ClientName
	m.Scope = strings.Join(scopes, " ")
	return m, nil
}

// otherwise is how to say the same to a server that refused it (MCP,
// "Application Type and Redirect URI Constraints"): the first edition of OpenID
// Connect Dynamic Client Registration allowed native clients no other host than
// localhost, and some servers know web applications only.
func otherwise(asked ClientMetadata, err error) (again ClientMetadata, ok bool) {
	again = asked
	switch {
	case errors.Is(err, &Error{Code: CodeInvalidRedirectURI}) && len(asked.RedirectURIs) > 0:
		again.RedirectURIs = make([]string, len(asked.RedirectURIs))
		for i, uri := range asked.RedirectURIs {
			again.RedirectURIs[i] = strings.Replace(uri, "http://127.0.0.1:", "http://localhost:", 1)
		}
		return again, !slices.Equal(again.RedirectURIs, asked.RedirectURIs)
	case errors.Is(err, &Error{Code: CodeInvalidClientMetadata}) && asked.ApplicationType == ApplicationTypeNative:
		again.ApplicationType = ApplicationTypeWeb
		return again, true
	}
	return asked, false
}

func firstOf(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

// registrationError says what was refused and what could help.
func (c *Client) registrationError(issuer string, asked ClientMetadata, err error) error {
	e, _ := errors.AsType[*Error](err)
	switch {
	case e == nil:
		return fmt.Errorf("registration at %s: %w", issuer, err)
	case e.Status != http.StatusUnauthorized && e.Status != http.StatusForbidden:
		return fmt.Errorf("registration at %s as a %s application with the redirect URIs %q: %w",
			issuer, asked.ApplicationType, asked.RedirectURIs, err)
	case c.cfg.InitialAccessToken != "":
		return fmt.Errorf("registration at %s: the initial access token is refused: %w", issuer, err)
	default:
		return fmt.Errorf("registration at %s is not open to everybody; get an initial access token, or register this program by hand and configure its client id: %w", issuer, err)
	}
}

func (c *Client) postRegistration(ctx context.Context, endpoint string, asked ClientMetadata) (*ClientInformation, error) {
	body, err := json.Marshal(asked)
	if err != nil {
		return nil, err
	}
	status, body, err := c.sendJSON(ctx, http.MethodPost, endpoint, c.cfg.InitialAccessToken, body)
	if err != nil {
		return nil, err
	}
	// RFC 7591 section 3.2.1 says 201; some servers say 200.
	if status != http.StatusCreated && status != http.StatusOK {
		return nil, endpointError(status, body)
	}
	return parseRegistration(body, asked)
}

// sendJSON makes a request of the registration RFCs, authorized by a bearer
// token if there is one.
func (c *Client) sendJSON(ctx context.Context, method, endpoint, token string, body []byte) (status int, answer []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, method, endpoint, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Accept", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer drain(resp.Body)
	answer, err = readBody(resp.Body)
	return resp.StatusCode, answer, err
}

// parseRegistration reads an answer. What the server did not say stays as it
// was asked for, but for the means of authentication, which follows from
// whether there is a secret.
func parseRegistration(body []byte, asked ClientMetadata) (*ClientInformation, error) {
	info := &ClientInformation{}
	if err := decodeObject(body, info); err != nil {
		return nil, err
	}
	if info.ClientID == "" {
		return nil, errors.New("answer holds no client_id")
	}
	switch {
	case asked.TokenEndpointAuthMethod == AuthMethodPrivateKeyJWT && info.TokenEndpointAuthMethod == AuthMethodPrivateKeyJWT:
		return info, nil
	case info.ClientSecret == "":
		info.TokenEndpointAuthMethod = AuthMethodNone
	case info.TokenEndpointAuthMethod != "":
	case asked.TokenEndpointAuthMethod == AuthMethodClientSecretPost:
		info.TokenEndpointAuthMethod = AuthMethodClientSecretPost
	default:
		info.TokenEndpointAuthMethod = AuthMethodClientSecretBasic // the default of RFC 7591 section 2
	}
	switch method := info.TokenEndpointAuthMethod; method {
	case AuthMethodNone, AuthMethodClientSecretBasic, AuthMethodClientSecretPost:
	default:
		return nil, fmt.Errorf("server wants client authentication by %q, which this program does not know", peerText(method))
	}
	if len(info.RedirectURIs) == 0 {
		info.RedirectURIs = asked.RedirectURIs
	}
	if info.ClientName == "" {
		info.ClientName = asked.ClientName
	}
	return info, nil
}

// forgetRegistration drops a client that the authorization server does not know
// any more, unless the store holds another by now.
func (c *Client) forgetRegistration(ctx context.Context, issuer, clientID string) error {
	key := c.registrationKey(issuer)
	creds, err := c.store.Load(ctx, key)
	if errors.Is(err, ErrNoCredentials) {
		return nil
	}
	if err != nil || creds.Registration == nil || creds.Registration.Client == nil ||
		creds.Registration.Client.ClientID != clientID {
		return err
	}
	return c.store.Delete(ctx, key)
}
