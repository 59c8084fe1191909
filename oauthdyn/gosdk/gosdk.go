// SPDX-License-Identifier: Apache-2.0

// Package gosdk plugs an oauthdyn client into the OAuth seam of the official Go
// SDK for MCP:
//
//	transport := &mcp.StreamableClientTransport{Endpoint: endpoint, OAuthHandler: gosdk.Handler(client)}
//
// [oauthdyn.Client.HTTPClient] does the same for any transport that takes an
// http.Client, and more: tokens that are bound to a key (RFC 9449), and several
// attempts per request where they are called for.
package gosdk

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"golang.org/x/oauth2"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
)

// Handler returns a handler that gets its tokens from a client. All handlers of
// one client share its grant, its logins and its refreshes. It is safe for
// concurrent use. Tokens that are bound to a key are an error here, since the SDK
// sends bearer tokens only.
func Handler(client *oauthdyn.Client) auth.OAuthHandler { return handler{client} }

type handler struct {
	client *oauthdyn.Client
}

// String names the client, without secrets.
func (h handler) String() string { return "handler of " + h.client.String() }

// TokenSource implements auth.OAuthHandler.
func (h handler) TokenSource(ctx context.Context) (oauth2.TokenSource, error) {
	return source{h.client.TokenSource(ctx)}, nil
}

// Authorize implements auth.OAuthHandler.
func (h handler) Authorize(ctx context.Context, req *http.Request, resp *http.Response) error {
	return h.client.Authorize(ctx, req, resp)
}

// source tells the SDK in its way that somebody has to sign in.
type source struct {
	oauth2.TokenSource
}

// Token implements oauth2.TokenSource.
func (s source) Token() (*oauth2.Token, error) {
	token, err := s.TokenSource.Token()
	switch {
	case errors.Is(err, oauthdyn.ErrNotSignedIn):
		// The SDK sends the request without a token, to be refused.
		return nil, fmt.Errorf("%w: %w", err, &oauth2.RetrieveError{ErrorCode: oauthdyn.CodeInvalidGrant})
	case err != nil:
		return nil, err
	case token.Type() != "Bearer":
		return nil, fmt.Errorf("the SDK cannot send a token of type %s: use Client.HTTPClient", token.Type())
	}
	return token, nil
}
