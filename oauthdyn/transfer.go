// SPDX-License-Identifier: Apache-2.0

package oauthdyn

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
)

const (
	transferVersion  = 1
	maxTransferBytes = 256 << 10
)

// transfer is an exported grant.
type transfer struct {
	Version     int          `json:"oauthdyn_grant"`
	Target      string       `json:"target"`
	Credentials *Credentials `json:"credentials"`
}

// ExportGrant moves the grant of this client to another machine or store: it
// passes the grant to deliver, which holds its secrets in JSON, and forgets it
// here once deliver has returned nil. It is a move and no copy, because a
// rotated refresh token that two parties use is taken for a stolen one.
// Without a grant the error wraps ErrNotSignedIn.
func (c *Client) ExportGrant(ctx context.Context, deliver func(grant []byte) error) error {
	unlock, err := c.lock(ctx)
	if err == nil {
		defer unlock()
		err = c.exportGrant(ctx, deliver)
	}
	if err != nil {
		return fmt.Errorf("oauthdyn: export the grant for %s: %w", c.cfg.target(), err)
	}
	return nil
}

func (c *Client) exportGrant(ctx context.Context, deliver func([]byte) error) error {
	creds, err := c.load(ctx)
	if err != nil {
		return err
	}
	if creds == nil {
		return ErrNotSignedIn
	}
	data, err := json.Marshal(transfer{transferVersion, c.cfg.target(), creds})
	if err != nil {
		return err
	}
	if err := deliver(data); err != nil {
		return err
	}
	// It belongs to somebody else now, whether or not the caller still waits.
	if err := c.forgetGrant(context.WithoutCancel(ctx), creds); err != nil {
		return fmt.Errorf("the grant was delivered, but is still here: %w", err)
	}
	c.log.LogAttrs(ctx, slog.LevelInfo, "grant exported", slog.Any("grant", *creds.Grant))
	return nil
}

// ImportGrant takes over a grant that ExportGrant delivered. The client must be
// configured for the same resource, and have no grant yet. A grant that was
// issued to a client that was registered by hand needs the same Config.ClientID
// and its secret or key.
func (c *Client) ImportGrant(ctx context.Context, grant []byte) error {
	unlock, err := c.lock(ctx)
	if err == nil {
		defer unlock()
		err = c.importGrant(ctx, grant)
	}
	if err != nil {
		return fmt.Errorf("oauthdyn: import a grant for %s: %w", c.cfg.target(), err)
	}
	return nil
}

func (c *Client) importGrant(ctx context.Context, grant []byte) error {
	if len(grant) > maxTransferBytes {
		return fmt.Errorf("it is larger than %d bytes", maxTransferBytes)
	}
	var t transfer
	if json.Unmarshal(grant, &t) != nil || t.Credentials == nil || t.Credentials.Grant == nil { // the error could quote a secret
		return errors.New("it is not an exported grant")
	}
	g := t.Credentials.Grant
	switch {
	case t.Version != transferVersion:
		return fmt.Errorf("it has the layout %d, and this program knows %d", t.Version, transferVersion)
	case t.Target != c.cfg.target():
		return fmt.Errorf("it is for %q", peerText(t.Target))
	case !validToken(g.AccessToken) || g.ClientID == "":
		return errors.New("it holds no token")
	case c.cfg.ClientID != "" && c.cfg.ClientID != g.ClientID:
		return errors.New("it was issued to another client")
	case c.cfg.AuthServer != "" && trimSlash(c.cfg.AuthServer) != trimSlash(t.Credentials.Issuer):
		return errors.New("it was issued by another authorization server")
	}
	if err := checkIssuer(t.Credentials.Issuer, c.local()); err != nil {
		return err
	}
	if _, err := c.keyOf(g); err != nil {
		return err
	}
	present, err := c.load(ctx)
	if err != nil {
		return err
	}
	if present != nil {
		return errors.New("there is a grant already; sign out first")
	}
	t.Credentials.Registration = nil
	if err := c.keep(ctx, t.Credentials); err != nil {
		return err
	}
	c.log.LogAttrs(ctx, slog.LevelInfo, "grant imported", slog.Any("grant", *g))
	return nil
}
