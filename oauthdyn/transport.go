// SPDX-License-Identifier: Apache-2.0

package oauthdyn

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
)

const (
	// maxReplayBytes bounds a request body that is kept for a second try when
	// the request has no GetBody.
	maxReplayBytes = 1 << 20

	// Bounds of one request. Its worst case is a refresh, a login and two
	// step-ups.
	maxRefusals       = 2
	maxNoncesPerCall  = 2
	maxStepUpsPerCall = 2
)

// Transport returns a RoundTripper that adds the token to requests for the
// origin of the resource and to no others, so that a redirect to elsewhere does
// not carry it. A token that is bound to a key goes with a fresh proof (RFC
// 9449). A request that has an Authorization header is left alone.
//
// When the resource answers 401 the token is refreshed, or else a person is
// asked to sign in, and the request is sent again. When it answers 403 with
// insufficient_scope, the scopes that it names are asked for as well, at most
// twice. Requests that fail at the same time share one login. A body that
// cannot be read again and is larger than 1 MiB is not sent again: the refusal
// is returned, and the next request has the new token. When no token can be
// got, the request fails with an error like that of [Client.Authenticate].
//
// A nil base means the transport of Config.HTTPClient, else
// http.DefaultTransport.
func (c *Client) Transport(base http.RoundTripper) http.RoundTripper {
	if base == nil && c.cfg.HTTPClient != nil {
		base = c.cfg.HTTPClient.Transport
	}
	if base == nil {
		base = http.DefaultTransport
	}
	return &transport{client: c, base: base}
}

type transport struct {
	client *Client
	base   http.RoundTripper
}

// Format keeps the secrets of the client from being printed.
func (t *transport) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "transport of "+t.client.String())
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	c := t.client
	if c.resource == nil || origin(req.URL) != c.origin || req.Header.Get("Authorization") != "" {
		return t.base.RoundTrip(req)
	}
	body, err := newReplay(req)
	if err != nil {
		return nil, err
	}
	defer body.close()
	creds, err := c.current(req.Context())
	if err != nil && !errors.Is(err, ErrNotSignedIn) {
		return nil, fmt.Errorf("oauthdyn: token for %s: %w", c.cfg.target(), err)
	}
	for x := (exchange{client: c}); ; {
		resp, err := t.send(req, body, creds)
		if err != nil {
			return nil, err
		}
		if x.wantsNonce(resp, creds) {
			if x.nonces > maxNoncesPerCall || !body.again() {
				return resp, nil
			}
			drain(resp.Body)
			continue
		}
		n, again := x.judge(resp, creds)
		if !again {
			return resp, nil
		}
		fresh, err := c.acquire(req.Context(), n)
		if err != nil {
			drain(resp.Body)
			return nil, fmt.Errorf("oauthdyn: sign in to %s: %w", c.cfg.target(), err)
		}
		if !body.again() {
			return resp, nil
		}
		drain(resp.Body)
		creds = fresh
	}
}

// send makes one try.
func (t *transport) send(req *http.Request, body *replay, creds *Credentials) (*http.Response, error) {
	r := req.Clone(req.Context())
	var err error
	if r.Body, err = body.next(); err != nil {
		return nil, err
	}
	if creds == nil {
		return t.base.RoundTrip(r)
	}
	r.Header.Set("Authorization", creds.Grant.tokenType()+" "+creds.Grant.AccessToken)
	key, err := t.client.keyOf(creds.Grant)
	if err == nil && key != nil {
		err = t.client.prove(r, key, creds.Grant.AccessToken)
	}
	if err != nil {
		if r.Body != nil {
			_ = r.Body.Close() // a RoundTripper closes it, also on errors
		}
		return nil, fmt.Errorf("oauthdyn: token for %s: %w", t.client.cfg.target(), err)
	}
	resp, err := t.base.RoundTrip(r)
	if err == nil && key != nil {
		t.client.noteNonce(r.URL, resp.Header)
	}
	return resp, err
}

// exchange is what was tried for one request.
type exchange struct {
	client  *Client
	refused int    // answers 401
	stepUps int    // answers 403 that led to a login
	stepKey string // the scopes of the last of them
	nonces  int    // refusals for want of a nonce
}

// wantsNonce reports whether the same token with a new proof is the remedy.
func (x *exchange) wantsNonce(resp *http.Response, creds *Credentials) bool {
	if creds == nil || len(creds.Grant.DPoPKey) == 0 || resp.Header.Get(headerDPoPNonce) == "" || !wantsNonce(resp) {
		return false
	}
	x.nonces++
	return true
}

// judge decides what a response calls for.
func (x *exchange) judge(resp *http.Response, creds *Credentials) (n need, again bool) {
	if resp.StatusCode == http.StatusUnauthorized {
		return x.unauthorized(resp, creds)
	}
	if creds == nil {
		return need{}, false
	}
	x.client.proved(creds.Grant.AccessToken)
	if resp.StatusCode == http.StatusForbidden {
		return x.forbidden(resp, creds.Grant)
	}
	if x.stepUps > 0 {
		x.client.settleStepUp(x.stepKey)
	}
	return need{}, false
}

// unauthorized asks for another token: a refreshed one first, then one that a
// person signs in for.
func (x *exchange) unauthorized(resp *http.Response, creds *Credentials) (need, bool) {
	ch, ok := oauthChallenge(resp.Header)
	if !ok && len(ParseChallenges(resp.Header)) > 0 {
		return need{}, false // it wants something else than OAuth
	}
	n := need{challenge: &ch, login: true}
	if creds != nil {
		n.reject = creds.Grant.AccessToken
		if x.client.unprovedToken(n.reject) {
			return need{}, false // it comes from a login: another one is no remedy
		}
	}
	x.refused++
	n.noRefresh = x.refused > 1
	return n, x.refused <= maxRefusals
}

// forbidden asks for the scopes that the resource demands on top of those that
// were asked for before (MCP authorization, "Step-Up Authorization Flow").
func (x *exchange) forbidden(resp *http.Response, g *Grant) (need, bool) {
	ch, ok := oauthChallenge(resp.Header)
	demand := ch.Scopes()
	if !ok || ch.Code() != CodeInsufficientScope || coversScopes(g.Scopes, demand) {
		return need{}, false
	}
	base := g.Requested
	if len(base) == 0 {
		base = g.Scopes
	}
	scopes := unionScopes(base, demand)
	key := scopeKey(demand)
	if checkScopes(scopes) != nil || x.stepUps == maxStepUpsPerCall || !x.client.allowStepUp(key) {
		return need{}, false
	}
	x.stepUps++
	x.stepKey = key
	return need{challenge: &ch, login: true, noRefresh: true, reject: g.AccessToken, scopes: scopes}, true
}

// proved notes that the resource accepted a token.
func (c *Client) proved(token string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.unproved == token {
		c.unproved = ""
	}
}

// unprovedToken reports whether a token comes straight from a login and was
// never accepted.
func (c *Client) unprovedToken(token string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.unproved == token
}

func (c *Client) allowStepUp(key string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stepUps.allow(key)
}

func (c *Client) settleStepUp(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stepUps.settle(key)
}

// replay hands out the body of a request more than once, if it can.
type replay struct {
	first io.ReadCloser                 // what the first try sends; nil when handed out
	get   func() (io.ReadCloser, error) // what later tries send; nil when there is none
	empty bool
}

// newReplay takes over the body of a request. One that has no GetBody is read
// ahead as far as it may be kept.
func newReplay(req *http.Request) (*replay, error) {
	switch {
	case req.Body == nil || req.Body == http.NoBody:
		return &replay{empty: true}, nil
	case req.GetBody != nil:
		return &replay{first: req.Body, get: req.GetBody}, nil
	}
	head, err := io.ReadAll(io.LimitReader(req.Body, maxReplayBytes+1))
	if err != nil || len(head) <= maxReplayBytes {
		_ = req.Body.Close() // it was read to its end, or failed
	}
	if err != nil {
		return nil, err
	}
	if len(head) > maxReplayBytes {
		return &replay{first: prefixed{io.MultiReader(bytes.NewReader(head), req.Body), req.Body}}, nil
	}
	get := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(head)), nil }
	first, _ := get() // cannot fail
	return &replay{first: first, get: get}, nil
}

type prefixed struct {
	io.Reader
	io.Closer
}

// next returns the body for the next try, whose closing is left to the caller.
func (b *replay) next() (io.ReadCloser, error) {
	switch {
	case b.empty:
		return http.NoBody, nil
	case b.first != nil:
		body := b.first
		b.first = nil
		return body, nil
	default:
		return b.get()
	}
}

// again reports whether there is a body for one more try.
func (b *replay) again() bool { return b.empty || b.first != nil || b.get != nil }

// close gives up a body that was not sent.
func (b *replay) close() {
	if b.first != nil {
		_ = b.first.Close() // nothing was sent
	}
}
