// SPDX-License-Identifier: Apache-2.0

package oauthdyn

import (
	"context"
	"errors"
	"log/slog"
	"strings"
)

// loginFor gets a grant with the scopes. A registration that was made for less,
// and that the server holds the client to, is widened once.
func (c *Client) loginFor(ctx context.Context, d *Discovery, scopes []string) (*Credentials, error) {
	creds, err := c.runFlow(ctx, d, scopes)
	if !errors.Is(err, &Error{Code: CodeInvalidScope}) {
		return creds, err
	}
	widened, failed := c.widenRegistration(ctx, d, scopes)
	if !widened {
		return nil, errors.Join(err, failed)
	}
	return c.runFlow(ctx, d, scopes)
}

// widenRegistration makes the stored registration good for scopes that it was
// not made for (RFC 7591 section 2, "scope"): it is changed where the server
// allows that (RFC 7592), else this program registers once more. It reports
// whether there is anything new to try.
func (c *Client) widenRegistration(ctx context.Context, d *Discovery, scopes []string) (bool, error) {
	if c.cfg.ClientID != "" || c.showsDocument(d) {
		return false, nil
	}
	var wide []string
	err := c.withRegistration(ctx, d.Issuer, func(ctx context.Context, creds *Credentials) error {
		if creds == nil {
			return nil
		}
		r := creds.Registration
		have := unionScopes(strings.Fields(r.Scope), strings.Fields(r.Client.Scope))
		if coversScopes(have, scopes) {
			return nil
		}
		wide = unionScopes(have, scopes)
		if err := checkScopes(wide); err != nil {
			return err
		}
		c.log.LogAttrs(ctx, slog.LevelInfo, "registration is too narrow, widening it", slog.String("issuer", d.Issuer), slog.Any("scopes", wide))
		return c.widenThere(ctx, &management{c: c, creds: creds}, wide)
	})
	if _, refused := errors.AsType[*Error](err); refused || errors.Is(err, ErrNoRegistration) {
		_, err = c.registerAhead(ctx, d, toScopes(wide))
	}
	return wide != nil && err == nil, err
}

// widenThere changes what the server has registered.
func (c *Client) widenThere(ctx context.Context, m *management, wide []string) error {
	if !m.possible() {
		return m.impossible()
	}
	// The answer may hold the successor of a registration access token.
	ctx, cancel := withGrace(ctx, tokenGrace)
	defer cancel()
	if _, err := m.update(ctx, toScopes(wide)); err != nil {
		return err
	}
	m.creds.Registration.Scope = strings.Join(wide, " ")
	return m.save(ctx)
}

// toScopes sets the scopes of a registration.
func toScopes(scopes []string) func(*ClientMetadata) {
	return func(m *ClientMetadata) { m.Scope = strings.Join(scopes, " ") }
}
