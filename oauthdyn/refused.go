// SPDX-License-Identifier: Apache-2.0

package oauthdyn

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
)

// A refusedError tells that the authorization server does not know a client any
// more, or does not accept its metadata document.
type refusedError struct {
	clientID string
	document bool
	err      error
}

func (e *refusedError) Error() string {
	return fmt.Sprintf("client %s is refused: %v", e.clientID, e.err)
}

func (e *refusedError) Unwrap() error { return e.err }

// isDocument reports whether a client id is the URL of this program's client ID
// metadata document.
func (c *Client) isDocument(clientID string) bool {
	return c.cfg.ClientID == "" && clientID != "" && clientID == c.cfg.ClientMetadataURL
}

// blame marks an error that means that a stored registration is gone, or that
// the authorization server could not or would not read the document. For the
// latter there is no code of its own; invalid_request is among those in use.
func (c *Client) blame(stored bool, clientID string, err error) error {
	document := c.isDocument(clientID)
	refused := errors.Is(err, &Error{Code: CodeInvalidClient}) || errors.Is(err, &Error{Code: CodeUnauthorizedClient}) ||
		document && errors.Is(err, &Error{Code: CodeInvalidRequest})
	if refused && (stored || document) {
		return &refusedError{clientID: clientID, document: document, err: err}
	}
	return err
}

// runFlow gets a grant. A client that is refused is replaced once: a metadata
// document by a registration (MCP, "Client ID Metadata Documents", lets clients
// fall back), a registration that the server has forgotten by a new one.
func (c *Client) runFlow(ctx context.Context, d *Discovery, scopes []string) (*Credentials, error) {
	var document *refusedError
	for again := true; ; {
		creds, err := c.flow.run(ctx, c, d, scopes)
		refused, ok := errors.AsType[*refusedError](err)
		switch {
		case ok && refused.document && document == nil:
			if d.Server.RegistrationEndpoint == "" {
				return nil, fmt.Errorf("authorization server %s refuses the client ID metadata document and offers no registration; see that it can read the document, or register this program there by hand and configure its client id: %w", d.Issuer, err)
			}
			c.log.LogAttrs(ctx, slog.LevelInfo, "client ID metadata document is refused, registering", slog.String("issuer", d.Issuer), slog.Any("error", refused.err))
			c.giveUpDocument(d.Issuer)
			document = refused
		case ok && again:
			again = false
			c.log.LogAttrs(ctx, slog.LevelInfo, "registration is not known any more, registering again", slog.String("issuer", d.Issuer))
			if err := c.forgetRegistration(ctx, d.Issuer, refused.clientID); err != nil {
				return nil, err
			}
		case err != nil && document != nil:
			return nil, fmt.Errorf("%w; before that, %w", err, document)
		default:
			return creds, err
		}
	}
}

// giveUpDocument lets this client register with an authorization server that
// refuses its metadata document. Another run of the program tries it again.
func (c *Client) giveUpDocument(issuer string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refusing == nil {
		c.refusing = map[string]bool{}
	}
	c.refusing[issuer] = true
}

// showsDocument reports whether the metadata document is this program's
// identity at an authorization server.
func (c *Client) showsDocument(d *Discovery) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cfg.ClientMetadataURL != "" && d.Server.ClientIDMetadataDocumentSupported && !c.refusing[d.Issuer]
}
