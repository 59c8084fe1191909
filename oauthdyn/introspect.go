// SPDX-License-Identifier: Apache-2.0

package oauthdyn

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// Introspection is what an authorization server says of a token: RFC 7662
// section 2.2. Members that it left out are zero.
type Introspection struct {
	Active    bool      // whether the token is good; if not, all else is zero
	Scopes    []string  // scope
	ClientID  string    // client_id
	Username  string    // username: for people to read
	TokenType string    // token_type, such as "Bearer"
	Subject   string    // sub
	Audience  []string  // aud
	Issuer    string    // iss
	ID        string    // jti
	IssuedAt  time.Time // iat
	NotBefore time.Time // nbf
	Expires   time.Time // exp
}

// Introspect asks the authorization server about the present access token (RFC
// 7662), which is refreshed first if it has to be. Without a grant the error
// wraps ErrNotSignedIn. Many servers answer protected resources only.
func (c *Client) Introspect(ctx context.Context) (*Introspection, error) {
	i, err := c.introspect(ctx)
	if err != nil {
		return nil, fmt.Errorf("oauthdyn: introspect the token for %s: %w", c.cfg.target(), err)
	}
	return i, nil
}

func (c *Client) introspect(ctx context.Context) (*Introspection, error) {
	creds, err := c.current(ctx)
	if err != nil {
		return nil, err
	}
	d, err := c.serverOf(ctx, creds)
	if err != nil {
		return nil, err
	}
	if d.Server.IntrospectionEndpoint == "" {
		return nil, errors.New("authorization server announces no introspection_endpoint (RFC 7662)")
	}
	id, err := c.holder(ctx, d, creds.Grant)
	if err != nil {
		return nil, err
	}
	form := url.Values{"token": {creds.Grant.AccessToken}, "token_type_hint": {"access_token"}}
	resp, body, err := c.postForm(ctx, formRequest{d: d, endpoint: d.Server.IntrospectionEndpoint, client: id, form: form})
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, postError(resp, body)
	}
	return parseIntrospection(body)
}

func parseIntrospection(body []byte) (*Introspection, error) {
	var t struct {
		Active    *bool           `json:"active"`
		Scope     json.RawMessage `json:"scope"`
		ClientID  string          `json:"client_id"`
		Username  string          `json:"username"`
		TokenType string          `json:"token_type"`
		Subject   string          `json:"sub"`
		Audience  json.RawMessage `json:"aud"`
		Issuer    string          `json:"iss"`
		ID        string          `json:"jti"`
		IssuedAt  float64         `json:"iat"`
		NotBefore float64         `json:"nbf"`
		Expires   float64         `json:"exp"`
	}
	if err := decodeObject(body, &t); err != nil {
		return nil, err
	}
	if t.Active == nil {
		return nil, errors.New("answer does not say whether the token is active")
	}
	if !*t.Active {
		return &Introspection{}, nil // RFC 7662 section 2.2: nothing else counts
	}
	return &Introspection{
		Active: true, Scopes: parseScope(t.Scope), ClientID: t.ClientID, Username: t.Username, TokenType: t.TokenType,
		Subject: t.Subject, Audience: parseAudience(t.Audience), Issuer: t.Issuer, ID: t.ID,
		IssuedAt: parseDate(t.IssuedAt), NotBefore: parseDate(t.NotBefore), Expires: parseDate(t.Expires),
	}, nil
}

// parseAudience reads one string or a list of them: RFC 7519 section 4.1.3.
func parseAudience(raw json.RawMessage) []string {
	var one string
	if json.Unmarshal(raw, &one) == nil && one != "" {
		return []string{one}
	}
	var list []string
	if json.Unmarshal(raw, &list) != nil {
		return nil
	}
	return list
}

// parseDate reads seconds since the epoch; what time cannot hold is zero.
func parseDate(seconds float64) time.Time {
	if !(seconds > 0 && seconds < 1<<40) {
		return time.Time{}
	}
	return time.Unix(int64(seconds), 0)
}
