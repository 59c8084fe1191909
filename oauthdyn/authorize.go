// SPDX-License-Identifier: Apache-2.0

package oauthdyn

import (
	"context"
	"fmt"
	"net/http"
	"strings"
)

// Authorize does what the refusal of a request calls for, so that it can be
// sent again with a token of TokenSource: a refresh, a login, or a login for
// the scopes that a 403 demands. It closes the body of the response. The error
// tells when nothing can be done.
//
// It is for transports that add tokens themselves; Transport needs no help.
func (c *Client) Authorize(ctx context.Context, req *http.Request, resp *http.Response) error {
	defer drain(resp.Body)
	if err := c.authorize(ctx, req, resp); err != nil {
		return fmt.Errorf("oauthdyn: sign in to %s: %w", c.cfg.target(), err)
	}
	return nil
}

func (c *Client) authorize(ctx context.Context, req *http.Request, resp *http.Response) error {
	if c.resource == nil || origin(req.URL) != c.origin {
		return fmt.Errorf("%s is of another origin", req.URL.Redacted())
	}
	creds, _, err := c.peek(ctx)
	if err != nil {
		return err
	}
	scheme, token, _ := strings.Cut(req.Header.Get("Authorization"), " ")
	if creds != nil && (token != creds.Grant.AccessToken || !strings.EqualFold(scheme, creds.Grant.tokenType())) {
		if usable(creds.Grant) {
			return nil // somebody got another one in the meantime
		}
		creds = nil
	}
	// Whether the resource accepted a token is not told, and it is the caller
	// who bounds the tries.
	c.proved(token)
	x := exchange{client: c}
	n, again := x.judge(resp, creds)
	if !again {
		return fmt.Errorf("resource answers %s, for which another token is no remedy", resp.Status)
	}
	_, err = c.acquire(ctx, n)
	return err
}
