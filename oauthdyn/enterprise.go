// SPDX-License-Identifier: Apache-2.0

package oauthdyn

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
)

// Token types of RFC 8693 section 3 and of the identity assertion grant.
const (
	TokenTypeIDToken = "urn:ietf:params:oauth:token-type:id_token"
	TokenTypeSAML2   = "urn:ietf:params:oauth:token-type:saml2"

	tokenTypeIDJAG = "urn:ietf:params:oauth:token-type:id-jag"
)

// EnterpriseManaged is the flow of a person who has signed in to the identity
// provider of an organization, which decides what the person's programs may
// use: MCP's enterprise-managed-authorization extension. The identity provider
// turns the person's token into an identity assertion for the authorization
// server (RFC 8693), which turns that into an access token (RFC 7523).
//
// Config.ClientID, with its secret or key, is the client at the authorization
// server of the resource.
type EnterpriseManaged struct {
	// IdentityProvider is the issuer identifier of the identity provider.
	IdentityProvider string

	// TokenEndpoint is that of the identity provider; empty means the one that
	// its metadata names.
	TokenEndpoint string

	// ClientID and ClientSecret are this program at the identity provider.
	ClientID, ClientSecret string

	// SubjectToken returns the person's present token from the identity
	// provider.
	SubjectToken func(ctx context.Context) (string, error)

	// SubjectTokenType is what SubjectToken returns; empty means
	// TokenTypeIDToken.
	SubjectTokenType string
}

// String names the identity provider, without secrets.
func (f EnterpriseManaged) String() string { return "enterprise-managed by " + f.IdentityProvider }

// Format prints String for every verb.
func (f EnterpriseManaged) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, f.String()) }

// LogValue logs the identity provider, without secrets.
func (f EnterpriseManaged) LogValue() slog.Value {
	return slog.GroupValue(slog.String("identity_provider", f.IdentityProvider), slog.String("client_id", f.ClientID))
}

func (EnterpriseManaged) grantType() string            { return GrantJWTBearer }
func (f EnterpriseManaged) servers() []string          { return []string{f.IdentityProvider, f.TokenEndpoint} }
func (EnterpriseManaged) unattended() bool             { return true }
func (EnterpriseManaged) usable(*ServerMetadata) error { return nil }

func (f EnterpriseManaged) check(cfg *Config) error {
	if f.SubjectToken == nil || f.IdentityProvider == "" || f.ClientID == "" {
		return errors.New("EnterpriseManaged needs an IdentityProvider, a ClientID there, and a SubjectToken")
	}
	if cfg.ClientID == "" && cfg.ClientMetadataURL == "" {
		return errors.New("enterprise-managed authorization needs a ClientID at the authorization server, too")
	}
	if f.TokenEndpoint != "" {
		u, err := url.Parse(f.TokenEndpoint)
		if err != nil {
			return errors.New("token endpoint of the identity provider is not a URL")
		}
		if err := secureScheme(u, true); err != nil {
			return fmt.Errorf("token endpoint of the identity provider: %w", err)
		}
	}
	return checkIssuer(f.IdentityProvider, true)
}

func (f EnterpriseManaged) run(ctx context.Context, c *Client, d *Discovery, scopes []string) (*Credentials, error) {
	assertion, err := f.exchange(ctx, c, d, scopes)
	if err != nil {
		return nil, fmt.Errorf("identity provider %s: %w", f.IdentityProvider, err)
	}
	return c.machineGrant(ctx, d, scopes, url.Values{"grant_type": {GrantJWTBearer}, "assertion": {assertion}})
}

// exchange gets the identity assertion (ID-JAG) for an authorization server.
func (f EnterpriseManaged) exchange(ctx context.Context, c *Client, d *Discovery, scopes []string) (string, error) {
	subject, err := f.SubjectToken(ctx)
	if err != nil {
		return "", fmt.Errorf("get subject token: %w", err)
	}
	idp, err := f.discover(ctx, c)
	if err != nil {
		return "", err
	}
	form := url.Values{
		"grant_type":           {GrantTokenExchange},
		"requested_token_type": {tokenTypeIDJAG},
		"audience":             {d.Issuer},
		"subject_token":        {subject},
		"subject_token_type":   {f.subjectTokenType()},
	}
	if d.Resource != "" {
		form.Set("resource", d.Resource)
	}
	if len(scopes) > 0 {
		form.Set("scope", strings.Join(scopes, " "))
	}
	id := &ClientInformation{ClientID: f.ClientID, ClientSecret: f.ClientSecret}
	id.TokenEndpointAuthMethod = AuthMethodNone
	if f.ClientSecret != "" {
		id.TokenEndpointAuthMethod = secretAuthMethod(idp.Server.TokenEndpointAuthMethodsSupported)
	}
	resp, body, err := c.postForm(ctx, formRequest{d: idp, endpoint: idp.Server.TokenEndpoint, client: id, form: form})
	if err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK {
		return "", postError(resp, body)
	}
	return parseExchange(body)
}

func (f EnterpriseManaged) subjectTokenType() string {
	if f.SubjectTokenType != "" {
		return f.SubjectTokenType
	}
	return TokenTypeIDToken
}

// discover finds the token endpoint of the identity provider.
func (f EnterpriseManaged) discover(ctx context.Context, c *Client) (*Discovery, error) {
	if f.TokenEndpoint != "" {
		return &Discovery{Issuer: f.IdentityProvider, Server: &ServerMetadata{TokenEndpoint: f.TokenEndpoint}}, nil
	}
	m, err := c.serverMetadata(ctx, f.IdentityProvider)
	if err != nil {
		return nil, err
	}
	if m.TokenEndpoint == "" {
		return nil, errors.New("it announces no token_endpoint")
	}
	return &Discovery{Issuer: f.IdentityProvider, Server: m}, nil
}

// parseExchange reads the answer to a token exchange: RFC 8693 section 2.2.1.
func parseExchange(body []byte) (string, error) {
	var t struct {
		AccessToken     string          `json:"access_token"`
		IssuedTokenType json.RawMessage `json:"issued_token_type"`
	}
	if err := decodeObject(body, &t); err != nil {
		return "", err
	}
	var issued string
	if json.Unmarshal(t.IssuedTokenType, &issued) != nil || issued != tokenTypeIDJAG {
		return "", fmt.Errorf("answer holds a token of type %q: want %s", peerText(issued), tokenTypeIDJAG)
	}
	if !validToken(t.AccessToken) {
		return "", errors.New("answer holds no token")
	}
	return t.AccessToken, nil
}
