// SPDX-License-Identifier: Apache-2.0

package oauthdyn

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"
)

// revocationTimeout bounds what a sign-out waits for the authorization server.
const revocationTimeout = 10 * time.Second

// errNoRevocation tells that an authorization server cannot be told.
var errNoRevocation = errors.New("authorization server announces no revocation_endpoint (RFC 7009)")

// Revoke ends the grant of this resource at the authorization server (RFC 7009)
// and forgets it here and in the store; the registration stays. When the
// authorization server does not confirm, the grant stays here, too, and the
// error says why. Without a grant it does nothing.
func (c *Client) Revoke(ctx context.Context) error {
	unlock, err := c.lock(ctx)
	if err == nil {
		defer unlock()
		err = c.revokeStored(ctx)
	}
	if err != nil {
		return fmt.Errorf("oauthdyn: revoke the grant for %s: %w", c.cfg.target(), err)
	}
	return nil
}

func (c *Client) revokeStored(ctx context.Context) error {
	creds, err := c.load(ctx)
	if err != nil || creds == nil {
		return err
	}
	if err := c.revoke(ctx, creds); err != nil {
		return err
	}
	return c.forgetGrant(ctx, creds)
}

// revoke tells the authorization server that a grant has ended: its refresh
// token first, which ends the grant, then its access token, which servers may
// decline.
func (c *Client) revoke(ctx context.Context, creds *Credentials) error {
	ctx, cancel := context.WithTimeout(ctx, revocationTimeout)
	defer cancel()
	d, err := c.serverOf(ctx, creds)
	if err != nil {
		return err
	}
	if d.Server.RevocationEndpoint == "" {
		return errNoRevocation
	}
	id, err := c.holder(ctx, d, creds.Grant)
	if err != nil {
		return err
	}
	var failed error
	for _, token := range []struct{ hint, value string }{
		{"refresh_token", creds.Grant.RefreshToken}, {"access_token", creds.Grant.AccessToken},
	} {
		if token.value == "" {
			continue
		}
		err := c.revokeToken(ctx, d, id, token.hint, token.value)
		if token.hint == "access_token" && creds.Grant.RefreshToken != "" && errors.Is(err, &Error{Code: CodeUnsupportedTokenType}) {
			err = nil
		}
		failed = errors.Join(failed, err)
	}
	if failed == nil {
		c.log.LogAttrs(ctx, slog.LevelInfo, "grant revoked", slog.String("issuer", creds.Issuer), slog.Any("grant", *creds.Grant))
	}
	return failed
}

func (c *Client) revokeToken(ctx context.Context, d *Discovery, id *ClientInformation, hint, token string) error {
	form := url.Values{"token": {token}, "token_type_hint": {hint}}
	resp, body, err := c.postForm(ctx, formRequest{d: d, endpoint: d.Server.RevocationEndpoint, client: id, form: form})
	if err != nil {
		return fmt.Errorf("revocation: %w", err)
	}
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusNoContent {
		return fmt.Errorf("revocation: %w", postError(resp, body))
	}
	return nil
}

// serverOf returns the authorization server that a grant came from, which the
// resource need not name any more.
func (c *Client) serverOf(ctx context.Context, creds *Credentials) (*Discovery, error) {
	c.mu.Lock()
	found := c.found
	c.mu.Unlock()
	if found != nil && found.Issuer == creds.Issuer {
		return found, nil
	}
	m, err := c.serverMetadata(ctx, creds.Issuer)
	if err != nil {
		return nil, err
	}
	return &Discovery{Resource: creds.Grant.Resource, Issuer: creds.Issuer, Server: m}, nil
}

// Unregister does what Logout does, and deletes the registration at the
// authorization server (RFC 7592 section 2.3), with which the grants of other
// resources end that were issued to it. The registration is forgotten here when
// that is confirmed; until then Unregister can be repeated. Where the server
// offers no management of it the error wraps ErrNoRegistration, and all is
// forgotten. Without a registration it is Logout.
func (c *Client) Unregister(ctx context.Context) error {
	if err := c.unregister(ctx); err != nil {
		return fmt.Errorf("oauthdyn: unregister from %s: %w", c.cfg.target(), err)
	}
	return nil
}

func (c *Client) unregister(ctx context.Context) error {
	// Without a grant it is the resource that knows where the registration is.
	_, err := c.store.Load(ctx, c.grantKey())
	if errors.Is(err, ErrNoCredentials) {
		_, err = c.discoveryFor(ctx, need{})
	}
	if err != nil {
		return err
	}
	unlock, err := c.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	return c.logout(ctx, c.deleteRegistration)
}

// deleteRegistration ends a registration at the authorization server and here.
func (c *Client) deleteRegistration(ctx context.Context, issuer string) error {
	return c.withRegistration(ctx, issuer, func(ctx context.Context, creds *Credentials) error {
		if creds == nil {
			return nil
		}
		m := &management{c: c, creds: creds}
		if !m.possible() {
			return errors.Join(m.impossible(), c.store.Delete(ctx, c.registrationKey(issuer)))
		}
		ctx, cancel := context.WithTimeout(ctx, revocationTimeout)
		defer cancel()
		if err := m.end(ctx); err != nil {
			return fmt.Errorf("registration: %w", err)
		}
		return nil
	})
}

// Logout ends the grant of this resource at the authorization server, if that
// supports revocation (RFC 7009), and forgets it and the registration that it
// was issued to, here and in the store. When the authorization server cannot be
// told, the error says so, and all is forgotten here nevertheless.
func (c *Client) Logout(ctx context.Context) error {
	unlock, err := c.lock(ctx)
	if err == nil {
		defer unlock()
		err = c.logout(ctx, c.dropRegistration)
		c.answered(ctx)
	}
	if err != nil {
		return fmt.Errorf("oauthdyn: sign out of %s: %w", c.cfg.target(), err)
	}
	return nil
}

// dropRegistration forgets a registration here.
func (c *Client) dropRegistration(ctx context.Context, issuer string) error {
	return c.store.Delete(ctx, c.registrationKey(issuer))
}

// logout ends the grant, and with end the registrations at its issuer and at
// the one in use.
func (c *Client) logout(ctx context.Context, end func(ctx context.Context, issuer string) error) error {
	creds, err := c.store.Load(ctx, c.grantKey())
	if err != nil && !errors.Is(err, ErrNoCredentials) {
		return err
	}
	var revoked error
	if creds != nil && creds.Grant != nil {
		if revoked = c.revoke(ctx, creds); errors.Is(revoked, errNoRevocation) {
			revoked = nil
		}
	}
	c.mu.Lock()
	found := c.found
	c.grant, c.found, c.unsaved = nil, nil, false
	c.unproved, c.stepUps = "", stepUps{}
	c.mu.Unlock()

	issuers := map[string]bool{}
	if creds != nil {
		issuers[creds.Issuer] = true
	}
	if found != nil {
		issuers[found.Issuer] = true
	}
	ended := revoked
	for issuer := range issuers {
		ended = errors.Join(ended, end(ctx, issuer))
	}
	return errors.Join(c.store.Delete(ctx, c.bindingKey()), c.store.Delete(ctx, c.grantKey()), ended)
}
