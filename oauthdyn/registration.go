// SPDX-License-Identifier: Apache-2.0

package oauthdyn

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
)

// Values of ClientMetadata members.
const (
	ApplicationTypeNative = "native"
	ApplicationTypeWeb    = "web"

	AuthMethodNone              = "none"
	AuthMethodClientSecretBasic = "client_secret_basic"
	AuthMethodClientSecretPost  = "client_secret_post"
	AuthMethodPrivateKeyJWT     = "private_key_jwt"

	GrantAuthorizationCode = "authorization_code"
	GrantRefreshToken      = "refresh_token"
	GrantClientCredentials = "client_credentials"
	GrantDeviceCode        = "urn:ietf:params:oauth:grant-type:device_code"
	GrantJWTBearer         = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	GrantTokenExchange     = "urn:ietf:params:oauth:grant-type:token-exchange"

	ResponseTypeCode = "code"
)

// ClientMetadata is what a client says of itself when it registers: RFC 7591
// section 2, with application_type of OpenID Connect Dynamic Client
// Registration 1.0, which MCP requires. Absent members are left out of the
// JSON, never sent as null; an empty list of URIs or types is sent, because its
// absence stands for the default.
type ClientMetadata struct {
	RedirectURIs            []string        `json:"redirect_uris,omitzero"`
	TokenEndpointAuthMethod string          `json:"token_endpoint_auth_method,omitempty"`
	GrantTypes              []string        `json:"grant_types,omitzero"`
	ResponseTypes           []string        `json:"response_types,omitzero"`
	ApplicationType         string          `json:"application_type,omitempty"`
	ClientName              string          `json:"client_name,omitempty"`
	ClientURI               string          `json:"client_uri,omitempty"`
	LogoURI                 string          `json:"logo_uri,omitempty"`
	Scope                   string          `json:"scope,omitempty"`
	Contacts                []string        `json:"contacts,omitempty"`
	TOSURI                  string          `json:"tos_uri,omitempty"`
	PolicyURI               string          `json:"policy_uri,omitempty"`
	JWKSURI                 string          `json:"jwks_uri,omitempty"`
	JWKS                    json.RawMessage `json:"jwks,omitempty"`
	SoftwareID              string          `json:"software_id,omitempty"`
	SoftwareVersion         string          `json:"software_version,omitempty"`
	SoftwareStatement       string          `json:"software_statement,omitempty"` // a JWT: RFC 7591 section 2.3

	// TokenEndpointAuthSigningAlg is the only algorithm that the client signs
	// assertions with: OpenID Connect Dynamic Client Registration 1.0 section 2.
	TokenEndpointAuthSigningAlg string `json:"token_endpoint_auth_signing_alg,omitempty"`

	// TokenEndpointAuthMethodsSupported are all methods that the client can
	// authenticate by, beside the one that it would rather use: OpenID Connect
	// Relying Party Metadata Choices 1.0.
	TokenEndpointAuthMethodsSupported []string `json:"token_endpoint_auth_methods_supported,omitempty"`

	// DPoPBoundAccessTokens says that the client asks for no bearer tokens: RFC
	// 9449 section 5.2.
	DPoPBoundAccessTokens bool `json:"dpop_bound_access_tokens,omitempty"`
}

// ClientInformation is an authorization server's answer to a registration: RFC
// 7591 section 3.2.1 with the management members of RFC 7592 section 3.
//
// It holds secrets; it prints without them.
type ClientInformation struct {
	ClientID     string `json:"client_id"`
	ClientSecret string `json:"client_secret,omitempty"`

	// ClientIDIssuedAt is in seconds since the epoch; 0 when unknown.
	ClientIDIssuedAt int64 `json:"client_id_issued_at,omitempty"`

	// ClientSecretExpiresAt is in seconds since the epoch. RFC 7591 requires
	// it beside a secret, where 0 says "never"; nil means that it was absent.
	ClientSecretExpiresAt *int64 `json:"client_secret_expires_at,omitempty"`

	RegistrationAccessToken string `json:"registration_access_token,omitempty"`
	RegistrationClientURI   string `json:"registration_client_uri,omitempty"`

	ClientMetadata
}

// String names the client without its secrets.
func (c ClientInformation) String() string { return "client " + c.ClientID }

// Format prints String for every verb.
func (c ClientInformation) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }

// LogValue logs the client id and name.
func (c ClientInformation) LogValue() slog.Value {
	return slog.GroupValue(slog.String("client_id", c.ClientID), slog.String("client_name", c.ClientName))
}
