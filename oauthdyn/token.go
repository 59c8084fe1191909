// SPDX-License-Identifier: Apache-2.0

package oauthdyn

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/jose/jwt"
)

const (
	// tokenGrace is how long a token request goes on after its callers left:
	// its answer may hold the successor of a refresh token that is spent.
	tokenGrace = 2 * time.Second

	maxLifetime = 366 * 24 * time.Hour // that expires_in is believed
)

// requestToken sends a grant to the token endpoint: RFC 6749 section 4.1.3 and
// 6, with the resource indicator of RFC 8707. With a key it asks for a token
// that is bound to that key, and takes no other: RFC 9449 section 5.
func (c *Client) requestToken(ctx context.Context, d *Discovery, id *ClientInformation, form url.Values, key *jwt.Key) (*Grant, error) {
	if d.Resource != "" {
		form.Set("resource", d.Resource)
	}
	ctx, cancel := withGrace(ctx, tokenGrace)
	defer cancel()
	sent := time.Now()
	resp, body, err := c.postForm(ctx, formRequest{d: d, endpoint: d.Server.TokenEndpoint, client: id, form: form, key: key})
	if err != nil {
		return nil, fmt.Errorf("token request: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("token request: %w", postError(resp, body))
	}
	tokenType := tokenTypeBearer
	if key != nil {
		tokenType = tokenTypeDPoP
	}
	g, err := parseToken(body, sent, tokenType)
	if err != nil {
		return nil, fmt.Errorf("token request: %w", err)
	}
	if key != nil {
		if g.DPoPKey, err = key.Marshal(); err != nil {
			return nil, err
		}
	}
	g.Resource, g.ClientID, g.MetadataURL = d.Resource, id.ClientID, d.ResourceMetadataURL
	return g, nil
}

// Types of access tokens: RFC 6750, RFC 9449.
const (
	tokenTypeBearer = "Bearer"
	tokenTypeDPoP   = "DPoP"
)

// parseToken reads a token response: RFC 6749 section 5.1. It forgives what
// does not matter for safety: a missing token_type, and an expires_in that is
// text, a fraction, or not believable.
func parseToken(body []byte, sent time.Time, tokenType string) (*Grant, error) {
	var t struct {
		AccessToken  string          `json:"access_token"`
		TokenType    string          `json:"token_type"`
		RefreshToken string          `json:"refresh_token"`
		ExpiresIn    json.RawMessage `json:"expires_in"`
		Scope        json.RawMessage `json:"scope"`
		Error
	}
	if err := decodeObject(body, &t); err != nil {
		return nil, err
	}
	switch {
	case t.Code != "" && t.AccessToken == "":
		return nil, &Error{Code: peerText(t.Code), Description: peerText(t.Description), Status: http.StatusOK}
	case t.AccessToken == "":
		return nil, errors.New("answer holds no access_token")
	case !strings.EqualFold(cmp.Or(t.TokenType, tokenTypeBearer), tokenType):
		return nil, fmt.Errorf("answer holds a token of type %q: want %s", peerText(t.TokenType), tokenType)
	case !validToken(t.AccessToken):
		return nil, errors.New("answer holds an access_token that cannot be sent in a header")
	}
	g := &Grant{
		AccessToken:  t.AccessToken,
		RefreshToken: t.RefreshToken,
		Obtained:     sent,
		Scopes:       parseScope(t.Scope),
	}
	if lifetime := parseLifetime(t.ExpiresIn); lifetime > 0 {
		g.Expiry = sent.Add(lifetime)
	}
	return g, nil
}

// validToken accepts visible ASCII, a little more than RFC 6750 section 2.1.
func validToken(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return s != ""
}

// parseLifetime reads expires_in; 0 stands for unknown. A token whose lifetime
// is absent, unreadable or not positive is used until it is refused.
func parseLifetime(raw json.RawMessage) time.Duration {
	text := strings.Trim(string(raw), `"`)
	seconds, err := strconv.ParseFloat(text, 64)
	switch {
	case errors.Is(err, strconv.ErrRange) && seconds > 0:
		return maxLifetime
	case err != nil || !(seconds > 0): // also not a number
		return 0
	case seconds > maxLifetime.Seconds():
		return maxLifetime
	}
	return time.Duration(seconds * float64(time.Second))
}

// parseScope reads the scope of an answer: text as RFC 6749 has it, or a list.
// It returns nil when the answer has none.
func parseScope(raw json.RawMessage) []string {
	var text string
	if json.Unmarshal(raw, &text) == nil && text != "" {
		return strings.Fields(text)
	}
	var list []string
	if json.Unmarshal(raw, &list) == nil && len(list) > 0 {
		return list
	}
	return nil
}

// withGrace returns a context that ends a while after ctx, so that what is
// under way can still arrive.
func withGrace(ctx context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	late, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		t := time.NewTimer(grace)
		defer t.Stop()
		select {
		case <-t.C:
			cancel()
		case <-late.Done():
		}
	})
	return late, func() { stop(); cancel() }
}
