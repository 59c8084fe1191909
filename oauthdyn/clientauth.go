// SPDX-License-Identifier: Apache-2.0

package oauthdyn

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/jose/jwt"
)

// clientAssertionType is that of RFC 7523 section 2.2.
const clientAssertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// configuredAuthMethod chooses how a client authenticates that did not register
// itself. RFC 8414 section 2: no list means client_secret_basic.
func (c *Client) configuredAuthMethod(m *ServerMetadata) string {
	methods := m.TokenEndpointAuthMethodsSupported
	switch {
	case c.key != nil:
		return AuthMethodPrivateKeyJWT
	case c.cfg.ClientSecret == "":
		return AuthMethodNone
	default:
		return secretAuthMethod(methods)
	}
}

func secretAuthMethod(methods []string) string {
	if len(methods) > 0 && !slices.Contains(methods, AuthMethodClientSecretBasic) && slices.Contains(methods, AuthMethodClientSecretPost) {
		return AuthMethodClientSecretPost
	}
	return AuthMethodClientSecretBasic
}

// authMethodToRegister prefers a private key if there is one, else to be a
// public client, which a program on a person's machine is (RFC 8252 section
// 8.4).
func (c *Client) authMethodToRegister(m *ServerMetadata) (string, error) {
	methods := m.TokenEndpointAuthMethodsSupported
	if c.key != nil && slices.Contains(methods, AuthMethodPrivateKeyJWT) {
		return AuthMethodPrivateKeyJWT, nil
	}
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

// checkBinding keeps a client that was registered by hand to the authorization
// server that it got its first grant from, unless the configuration names one.
// Metadata of a resource, which may change, must not lead it to another (MCP,
// "Authorization Server Binding").
func (c *Client) checkBinding(ctx context.Context, d *Discovery) error {
	if c.cfg.AuthServer != "" {
		return nil // discovery kept to it
	}
	bound, err := c.store.Load(ctx, c.bindingKey())
	switch {
	case errors.Is(err, ErrNoCredentials):
		return nil
	case err != nil:
		return err
	case bound.Issuer != d.Issuer:
		return fmt.Errorf("client %s belongs to the authorization server %s, and the resource now names %s; sign out, and configure a client for that one",
			c.cfg.ClientID, bound.Issuer, d.Issuer)
	}
	return nil
}

// bind remembers the authorization server of a client that was registered by
// hand.
func (c *Client) bind(ctx context.Context, d *Discovery) error {
	if c.cfg.ClientID == "" || c.cfg.AuthServer != "" {
		return nil
	}
	return c.store.Save(ctx, c.bindingKey(), &Credentials{Issuer: d.Issuer})
}

func (c *Client) bindingKey() string { return "client " + c.cfg.target() + " " + c.cfg.ClientID }

// formRequest is a form for an endpoint that a client authenticates at.
type formRequest struct {
	d        *Discovery
	endpoint string
	client   *ClientInformation
	form     url.Values
	key      *jwt.Key // for a DPoP proof; nil without one
}

// postForm sends a form, again if a nonce is all that the answer asks for, and
// returns the answer with its body read and closed.
func (c *Client) postForm(ctx context.Context, r formRequest) (*http.Response, []byte, error) {
	if err := c.checkURL(r.endpoint); err != nil {
		return nil, nil, err
	}
	for again := false; ; again = true {
		req, err := c.newFormRequest(ctx, r)
		if err != nil {
			return nil, nil, err
		}
		resp, err := c.http.Do(req)
		if err != nil {
			return nil, nil, err
		}
		body, err := readBody(resp.Body)
		drain(resp.Body)
		if err != nil {
			return nil, nil, err
		}
		if r.key == nil || !c.noteNonce(req.URL, resp.Header) || again ||
			resp.StatusCode == http.StatusOK || endpointError(resp.StatusCode, body).Code != CodeUseDPoPNonce {
			return resp, body, nil
		}
	}
}

// newFormRequest adds the client's authentication to a form: RFC 6749 section
// 2.3.1, RFC 7523 section 2.2, or just the client_id of a public client.
func (c *Client) newFormRequest(ctx context.Context, r formRequest) (*http.Request, error) {
	form, id := r.form, r.client
	method := id.TokenEndpointAuthMethod
	switch method {
	case AuthMethodClientSecretPost:
		form.Set("client_secret", id.ClientSecret)
	case AuthMethodPrivateKeyJWT:
		assertion, err := c.assertion(r.d, id.ClientID)
		if err != nil {
			return nil, err
		}
		form.Set("client_assertion_type", clientAssertionType)
		form.Set("client_assertion", assertion)
	}
	if method != AuthMethodClientSecretBasic && id.ClientID != "" {
		form.Set("client_id", id.ClientID)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	if method == AuthMethodClientSecretBasic {
		req.SetBasicAuth(url.QueryEscape(id.ClientID), url.QueryEscape(id.ClientSecret))
	}
	if r.key != nil {
		err = c.prove(req, r.key, "")
	}
	return req, err
}

// assertion makes a fresh assertion for one request. Its audience is the issuer
// and nothing else, so that no other server can use it.
func (c *Client) assertion(d *Discovery, clientID string) (string, error) {
	if c.key == nil {
		return "", fmt.Errorf("client %s authenticates with a private key, and Config.ClientKey is empty", clientID)
	}
	alg, err := c.key.Algorithm(d.Server.TokenEndpointAuthSigningAlgValuesSupported)
	if err != nil {
		return "", fmt.Errorf("authorization server %s: %w", d.Issuer, err)
	}
	return c.key.Assertion(alg, clientID, d.Issuer)
}
