// SPDX-License-Identifier: Apache-2.0

package oauthdyn

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
)

// A Flow is the way in which a client gets a grant. Without one, a person signs
// in with a browser on this machine (authorization code). The other ways are
// [DeviceCode], where the browser is on another machine, and, without any
// person, [ClientCredentials], [JWTBearer] and [EnterpriseManaged].
type Flow interface {
	// grantType names the flow to authorization servers, and tells the
	// registrations of different flows apart.
	grantType() string

	// unattended reports that no person takes part, so that a grant can be had
	// at any time.
	unattended() bool

	// servers are URLs that the user named in the flow.
	servers() []string

	// check looks at the configuration of a new client.
	check(*Config) error

	// usable reports what an authorization server lacks.
	usable(*ServerMetadata) error

	// run gets a grant and keeps it.
	run(context.Context, *Client, *Discovery, []string) (*Credentials, error)
}

// authorizationCode is the flow of RFC 6749 section 4.1.
type authorizationCode struct{}

func (authorizationCode) grantType() string   { return GrantAuthorizationCode }
func (authorizationCode) unattended() bool    { return false }
func (authorizationCode) servers() []string   { return nil }
func (authorizationCode) check(*Config) error { return nil }

func (authorizationCode) usable(m *ServerMetadata) error {
	if !slices.Contains(m.CodeChallengeMethodsSupported, "S256") {
		return errors.New("does not announce PKCE with S256 (code_challenge_methods_supported), which MCP requires")
	}
	if m.AuthorizationEndpoint == "" {
		return errors.New("announces no authorization_endpoint")
	}
	return nil
}

func (authorizationCode) run(ctx context.Context, c *Client, d *Discovery, scopes []string) (*Credentials, error) {
	return c.loginOnce(ctx, d, scopes)
}

// accept completes a grant that was issued, and saves it.
func (c *Client) accept(ctx context.Context, d *Discovery, id *ClientInformation, g *Grant, scopes []string) (*Credentials, error) {
	g.Requested = scopes
	if c.cfg.ClientID == "" {
		g.ClientSecret, g.AuthMethod = id.ClientSecret, id.TokenEndpointAuthMethod
	}
	if g.Scopes == nil {
		g.Scopes = scopes // RFC 6749 section 5.1: as asked for
	}
	creds := &Credentials{Issuer: d.Issuer, Grant: g}
	if err := c.keep(ctx, creds); err != nil {
		return nil, fmt.Errorf("signed in, but the token could not be saved: %w", err)
	}
	if err := c.bind(ctx, d); err != nil {
		return nil, fmt.Errorf("signed in, but the authorization server could not be remembered: %w", err)
	}
	c.answered(ctx)
	c.mu.Lock()
	c.unproved = g.AccessToken
	c.mu.Unlock()
	c.log.LogAttrs(ctx, slog.LevelInfo, "signed in", slog.String("issuer", d.Issuer), slog.Any("grant", *g))
	return creds, nil
}
