// SPDX-License-Identifier: Apache-2.0

package oauthdyn

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// ClientCredentials is the flow of a program that acts on its own behalf: RFC
// 6749 section 4.4 and MCP's oauth-client-credentials extension. It needs a
// Config.ClientID and a ClientKey or, second best, a ClientSecret; a client ID
// metadata document with a ClientKey does, too.
type ClientCredentials struct{}

func (ClientCredentials) grantType() string            { return GrantClientCredentials }
func (ClientCredentials) servers() []string            { return nil }
func (ClientCredentials) unattended() bool             { return true }
func (ClientCredentials) usable(*ServerMetadata) error { return nil }

func (ClientCredentials) check(cfg *Config) error {
	if cfg.ClientID == "" && cfg.ClientMetadataURL == "" || cfg.ClientSecret == "" && cfg.ClientKey == nil {
		return errors.New("client credentials need a ClientID, and a ClientKey or a ClientSecret")
	}
	return nil
}

func (ClientCredentials) run(ctx context.Context, c *Client, d *Discovery, scopes []string) (*Credentials, error) {
	return c.machineGrant(ctx, d, scopes, url.Values{"grant_type": {GrantClientCredentials}})
}

// JWTBearer is the flow of a program whose platform vouches for it with a JWT:
// RFC 7523 section 2.1, workload identity federation. Config.ClientID is
// optional.
type JWTBearer struct {
	// Assertion returns a JWT that is valid now and whose audience is the
	// issuer identifier of the authorization server. It is asked for each time
	// that a token is wanted, and its answer goes to that issuer only.
	Assertion func(ctx context.Context, issuer string) (string, error)
}

func (JWTBearer) grantType() string            { return GrantJWTBearer }
func (JWTBearer) servers() []string            { return nil }
func (JWTBearer) unattended() bool             { return true }
func (JWTBearer) usable(*ServerMetadata) error { return nil }

func (f JWTBearer) check(*Config) error {
	if f.Assertion == nil {
		return errors.New("JWTBearer needs an Assertion")
	}
	return nil
}

func (f JWTBearer) run(ctx context.Context, c *Client, d *Discovery, scopes []string) (*Credentials, error) {
	assertion, err := f.Assertion(ctx, d.Issuer)
	if err != nil {
		return nil, fmt.Errorf("get assertion: %w", err)
	}
	return c.machineGrant(ctx, d, scopes, url.Values{"grant_type": {GrantJWTBearer}, "assertion": {assertion}})
}

// machineGrant asks for a grant that no person takes part in. A refusal is
// final: there is neither a second try nor another flow.
func (c *Client) machineGrant(ctx context.Context, d *Discovery, scopes []string, form url.Values) (*Credentials, error) {
	id, err := c.machine(ctx, d)
	if err != nil {
		return nil, err
	}
	if len(scopes) > 0 {
		form.Set("scope", strings.Join(scopes, " "))
	}
	key, err := c.keyFor(d)
	if err != nil {
		return nil, err
	}
	g, err := c.requestToken(ctx, d, id, form, key)
	if err != nil {
		return nil, err
	}
	return c.accept(ctx, d, id, g, scopes)
}

// machine returns the client of a grant that no person takes part in. Only an
// assertion needs none.
func (c *Client) machine(ctx context.Context, d *Discovery) (*ClientInformation, error) {
	id, _, err := c.identity(ctx, d)
	if id != nil || err != nil {
		return id, err
	}
	if _, ok := c.flow.(JWTBearer); !ok {
		return nil, fmt.Errorf("authorization server %s does not support client ID metadata documents; register this program there by hand", d.Issuer)
	}
	id = &ClientInformation{}
	id.TokenEndpointAuthMethod = AuthMethodNone
	return id, nil
}
