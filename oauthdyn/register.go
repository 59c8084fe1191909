// SPDX-License-Identifier: Apache-2.0

package oauthdyn

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/loopback"
)

// Register returns the client of this program at the authorization server: the
// configured one, the stored one, or else one that it registers and stores (RFC
// 7591).
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
	// The listener finds a free port, and is opened again for the login.
	l, err := c.listen("", false)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	return c.registerDynamic(ctx, d, l.URL())
}

// identity returns the client to use with an authorization server and the
// redirect URI that it registered, or nil when there is none yet. The order is
// that of MCP: registered by hand, client ID metadata document, dynamic
// registration.
func (c *Client) identity(ctx context.Context, d *Discovery) (*ClientInformation, string, error) {
	if c.cfg.ClientID != "" {
		info := &ClientInformation{ClientID: c.cfg.ClientID, ClientSecret: c.cfg.ClientSecret}
		info.TokenEndpointAuthMethod = authMethodWithSecret(c.cfg.ClientSecret, d.Server)
		return info, "", nil
	}
	if c.cfg.ClientMetadataURL != "" && d.Server.ClientIDMetadataDocumentSupported {
		info := &ClientInformation{ClientID: c.cfg.ClientMetadataURL}
		info.TokenEndpointAuthMethod = AuthMethodNone
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
	if !c.fitsCallback(r.RedirectURI) {
		return nil, "", nil
	}
	return r.Client, r.RedirectURI, nil
}

// fitsCallback reports whether a registered redirect URI is one that the
// configuration allows.
func (c *Client) fitsCallback(redirectURI string) bool {
	u, err := url.Parse(redirectURI)
	return err == nil && u.Path != "" &&
		(c.cfg.CallbackPath == "" || c.cfg.CallbackPath == u.Path) &&
		(c.cfg.CallbackPort == 0 || strconv.Itoa(c.cfg.CallbackPort) == u.Port())
}

// authMethodWithSecret chooses how a client that was registered by hand
// authenticates. RFC 8414 section 2: no list means client_secret_basic.
func authMethodWithSecret(secret string, m *ServerMetadata) string {
	methods := m.TokenEndpointAuthMethodsSupported
	switch {
	case secret == "":
		return AuthMethodNone
	case len(methods) > 0 && !slices.Contains(methods, AuthMethodClientSecretBasic) &&
		slices.Contains(methods, AuthMethodClientSecretPost):
		return AuthMethodClientSecretPost
	default:
		return AuthMethodClientSecretBasic
	}
}

// authMethodToRegister prefers to be a public client, which a program on a
// person's machine is (RFC 8252 section 8.4).
func authMethodToRegister(m *ServerMetadata) (string, error) {
	methods := m.TokenEndpointAuthMethodsSupported
	if len(methods) == 0 {
		return AuthMethodNone, nil
	}
	for _, method := range []string{AuthMethodNone, AuthMethodClientSecretBasic, AuthMethodClientSecretPost} {
		if slices.Contains(methods, method) {
			return method, nil
		}
	}
	return "", fmt.Errorf("authorization server %s supports no client authentication that this program knows, but %s",
		m.Issuer, peerText(strings.Join(methods, ", ")))
}

// registerDynamic registers this program and stores the result under the
// issuer.
func (c *Client) registerDynamic(ctx context.Context, d *Discovery, redirectURI string) (*ClientInformation, error) {
	if d.Server.RegistrationEndpoint == "" {
		return nil, fmt.Errorf("authorization server %s does not offer dynamic registration; register this program there by hand and configure its client id", d.Issuer)
	}
	method, err := authMethodToRegister(d.Server)
	if err != nil {
		return nil, err
	}
	scopes, err := c.scopesFor(nil, d)
	if err != nil {
		return nil, err
	}
	asked := ClientMetadata{
		RedirectURIs:            []string{redirectURI},
		TokenEndpointAuthMethod: method,
		GrantTypes:              []string{GrantAuthorizationCode, GrantRefreshToken},
		ResponseTypes:           []string{ResponseTypeCode},
		ApplicationType:         ApplicationTypeNative,
		ClientName:              c.cfg.ClientName,
		Scope:                   strings.Join(scopes, " "),
	}
	info, err := c.postRegistration(ctx, d.Server.RegistrationEndpoint, asked)
	if err != nil {
		return nil, fmt.Errorf("registration at %s: %w", d.Issuer, err)
	}
	creds := &Credentials{Issuer: d.Issuer, Registration: &Registration{Client: info, RedirectURI: redirectURI}}
	// What was registered must not be lost because a request was called off.
	if err := c.store.Save(context.WithoutCancel(ctx), c.registrationKey(d.Issuer), creds); err != nil {
		return nil, fmt.Errorf("save registration: %w", err)
	}
	c.log.LogAttrs(ctx, slog.LevelInfo, "registered", slog.String("issuer", d.Issuer), slog.Any("client", *info))
	return info, nil
}

func (c *Client) postRegistration(ctx context.Context, endpoint string, asked ClientMetadata) (*ClientInformation, error) {
	body, err := json.Marshal(asked)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer drain(resp.Body)
	if body, err = readBody(resp.Body); err != nil {
		return nil, err
	}
	// RFC 7591 section 3.2.1 says 201; some servers say 200.
	if resp.StatusCode != http.StatusCreated && resp.StatusCode != http.StatusOK {
		return nil, postError(resp, body)
	}
	return parseRegistration(body, asked)
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

// listen opens the callback listener for a registered redirect URI, or for a
// new one when that is empty, which a client that is known already expects at
// the default path. An authorization server has to accept any port of
// a loopback redirect URI (RFC 8252 section 7.3); because some do not, the
// registered port is used if it is free.
func (c *Client) listen(registered string, known bool) (*loopback.Listener, error) {
	port, path := c.cfg.CallbackPort, c.cfg.CallbackPath
	if path == "" && known {
		path = DefaultCallbackPath
	}
	if u, err := url.Parse(registered); err == nil && registered != "" {
		path = u.Path
		if p, err := strconv.Atoi(u.Port()); err == nil && port == 0 {
			if l, err := loopback.Listen(p, path); err == nil {
				return l, nil
			}
		}
	}
	if path == "" {
		path = "/callback/" + rand.Text()
	}
	return loopback.Listen(port, path)
}
