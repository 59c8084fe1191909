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

const (
	// earlyPatience bounds a refresh that could still be put off.
	earlyPatience = 5 * time.Second

	// earlyHold is the pause after such a refresh failed.
	earlyHold = 10 * time.Second
)

// need is what a caller wants of a grant.
type need struct {
	reject    string     // an access token that the resource refused
	scopes    []string   // that the resource demanded beyond those of the token
	challenge *Challenge // of the refusal
	early     bool       // the present token still works
	noRefresh bool       // a refreshed token would not do
	login     bool       // a person may be asked
	force     bool       // a person must be asked
}

// key is equal for callers that one attempt can serve.
func (n need) key() string {
	return fmt.Sprintf("%t %t %t %t %q %q", n.early, n.noRefresh, n.login, n.force, n.reject, scopeKey(n.scopes))
}

// metBy reports whether a stored grant is what the caller wants, because
// somebody else got it in the meantime.
func (n need) metBy(g *Grant, c *Client) bool {
	if n.force || g.AccessToken == "" || g.AccessToken == n.reject || !coversScopes(g.Requested, n.scopes) {
		return false
	}
	return usable(g) && (!n.early || !c.due(g))
}

// current returns a grant with a usable access token, without asking a person.
func (c *Client) current(ctx context.Context) (*Credentials, error) {
	creds, quiet, err := c.peek(ctx)
	switch {
	case err != nil:
		return nil, err
	case creds == nil:
		return nil, ErrNotSignedIn
	case !usable(creds.Grant):
		return c.acquire(ctx, need{})
	case quiet || !c.due(creds.Grant) || creds.Grant.RefreshToken == "" && !c.flow.unattended():
		return creds, nil
	}
	n := need{early: true}
	if c.flights.running(n.key()) {
		return creds, nil // somebody sees to it
	}
	early, cancel := context.WithTimeout(ctx, earlyPatience)
	defer cancel()
	fresh, err := c.acquire(early, n)
	if err == nil {
		return fresh, nil
	}
	if !usable(creds.Grant) || errors.Is(err, ErrNotSignedIn) {
		return nil, err
	}
	c.log.LogAttrs(ctx, slog.LevelWarn, "early refresh failed, going on with the present token", slog.Any("error", err))
	c.mu.Lock()
	c.quietUntil = time.Now().Add(earlyHold)
	c.mu.Unlock()
	return creds, nil
}

// peek returns the present grant, nil if there is none, without waiting for
// whoever may be changing it, and whether early refreshes are to pause.
func (c *Client) peek(ctx context.Context) (creds *Credentials, quiet bool, err error) {
	present := func() (*Credentials, bool) {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.grant, time.Now().Before(c.quietUntil)
	}
	if creds, quiet = present(); creds != nil {
		return creds, quiet, nil
	}
	stored, err := c.stored(ctx)
	if err != nil || stored == nil {
		return nil, false, err
	}
	c.mu.Lock()
	if c.grant == nil {
		c.grant = stored
	}
	c.mu.Unlock()
	creds, quiet = present()
	return creds, quiet, nil
}

// acquire gets a grant that meets a need. Callers with the same need share the
// attempt; other goroutines and, if the store can lock, other processes wait
// their turn and look first what the one before them got.
func (c *Client) acquire(ctx context.Context, n need) (*Credentials, error) {
	return c.flights.do(ctx, n.key(), func(ctx context.Context) (*Credentials, error) {
		unlock, err := c.lock(ctx)
		if err != nil {
			return nil, err
		}
		defer unlock()
		return c.acquireLocked(ctx, n)
	})
}

func (c *Client) acquireLocked(ctx context.Context, n need) (*Credentials, error) {
	creds, err := c.load(ctx)
	if err != nil {
		return nil, err
	}
	if creds != nil && n.metBy(creds.Grant, c) {
		return creds, nil
	}
	refused := ErrNotSignedIn
	if creds != nil && creds.Grant.RefreshToken != "" && !n.noRefresh && !n.force {
		fresh, err := c.refresh(ctx, creds, n)
		if err == nil || !hopeless(err) {
			return fresh, err
		}
		c.log.LogAttrs(ctx, slog.LevelInfo, "refresh is refused, a new sign-in is needed", slog.Any("error", err))
		refused = fmt.Errorf("%w: %w", ErrNotSignedIn, err)
	}
	if c.flow.unattended() {
		return c.login(ctx, n)
	}
	if !n.login {
		return nil, refused
	}
	if !n.force {
		if err := c.mayAsk(ctx); err != nil {
			return nil, err
		}
	}
	return c.login(ctx, n)
}

// hopeless reports that no later refresh with the same grant can succeed.
func hopeless(err error) bool {
	if errors.Is(err, errOtherServer) {
		return true
	}
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Status >= 500 || e.Status == http.StatusTooManyRequests {
		return false
	}
	// Without a code it was not the token endpoint that answered.
	return e.Code != "" && e.Code != CodeTemporarilyUnavailable && e.Code != CodeServerError
}

var errOtherServer = errors.New("resource now names another authorization server")

// refresh trades the refresh token (RFC 6749 section 6) and saves what comes
// back before anybody uses it.
func (c *Client) refresh(ctx context.Context, creds *Credentials, n need) (*Credentials, error) {
	if err := c.postponed(); err != nil {
		return nil, err
	}
	d, err := c.discoveryFor(ctx, n)
	if err != nil {
		return nil, err
	}
	if d.Issuer != creds.Issuer {
		return nil, errOtherServer
	}
	id, err := c.holder(ctx, d, creds.Grant)
	if err != nil {
		return nil, err
	}
	form := url.Values{"grant_type": {GrantRefreshToken}, "refresh_token": {creds.Grant.RefreshToken}}
	key, err := c.keyOf(creds.Grant)
	if err != nil {
		return nil, err
	}
	g, err := c.requestToken(ctx, d, id, form, key)
	if err != nil {
		return nil, c.refreshFailed(ctx, creds, err)
	}
	if g.RefreshToken == "" {
		g.RefreshToken = creds.Grant.RefreshToken
	}
	if g.Scopes == nil {
		g.Scopes = creds.Grant.Scopes
	}
	g.Requested = creds.Grant.Requested
	g.ClientSecret, g.AuthMethod = creds.Grant.ClientSecret, creds.Grant.AuthMethod
	fresh := &Credentials{Issuer: d.Issuer, Grant: g}
	if err := c.keep(ctx, fresh); err != nil {
		// The old refresh token may be spent: going on is better than losing
		// the grant at once. The next acquire saves again.
		c.log.LogAttrs(ctx, slog.LevelError, "refreshed token could not be saved", slog.Any("error", err))
	}
	c.log.LogAttrs(ctx, slog.LevelInfo, "token refreshed", slog.Any("grant", *g))
	return fresh, nil
}

// holder returns the client that a grant was issued to.
func (c *Client) holder(ctx context.Context, d *Discovery, g *Grant) (*ClientInformation, error) {
	id, _, err := c.identity(ctx, d)
	if err != nil || id != nil && id.ClientID == g.ClientID {
		return id, err
	}
	id = &ClientInformation{ClientID: g.ClientID, ClientSecret: g.ClientSecret}
	id.TokenEndpointAuthMethod = g.AuthMethod
	return id, nil
}

// refreshFailed drops what the authorization server declared dead, and only if
// it is still what the store has.
func (c *Client) refreshFailed(ctx context.Context, creds *Credentials, err error) error {
	if retry, ok := errors.AsType[*retryError](err); ok {
		c.postpone(retry.wait, err)
	}
	if e, ok := errors.AsType[*Error](err); !ok || e.Code == "" {
		c.mu.Lock()
		c.found = nil // the endpoint may have moved
		c.mu.Unlock()
	}
	var drop error
	switch {
	case errors.Is(err, &Error{Code: CodeInvalidClient}):
		drop = errors.Join(c.forgetRegistration(ctx, creds.Issuer, creds.Grant.ClientID), c.forgetGrant(ctx, creds))
	case errors.Is(err, &Error{Code: CodeInvalidGrant}):
		drop = c.forgetGrant(ctx, creds)
	}
	return errors.Join(err, drop)
}

// discoveryFor returns what is known of the authorization server. After a
// refusal it asks again, because the resource may have moved to another one.
func (c *Client) discoveryFor(ctx context.Context, n need) (*Discovery, error) {
	c.mu.Lock()
	found := c.found
	c.mu.Unlock()
	if found != nil && n.challenge == nil {
		return found, nil
	}
	return c.discover(ctx, n.challenge)
}

// lock takes the right to change the grant, from other goroutines first and
// then from other processes.
func (c *Client) lock(ctx context.Context) (unlock func(), err error) {
	select {
	case c.busy <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	release := func() { <-c.busy }
	locker, ok := c.store.(Locker)
	if !ok {
		return release, nil
	}
	unlockStore, err := locker.Lock(ctx, c.grantKey())
	if err != nil {
		release()
		return nil, err
	}
	return func() { unlockStore(); release() }, nil
}

// load makes the stored grant the present one, nil if there is none. A grant
// that could not be saved takes precedence, and is saved again.
func (c *Client) load(ctx context.Context) (*Credentials, error) {
	c.mu.Lock()
	creds, unsaved := c.grant, c.unsaved
	c.mu.Unlock()
	if unsaved {
		if err := c.keep(ctx, creds); err != nil {
			c.log.LogAttrs(ctx, slog.LevelError, "token could not be saved", slog.Any("error", err))
		}
		return creds, nil
	}
	creds, err := c.stored(ctx)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if present := c.grant; present != nil && creds != nil && sameTokens(present, creds) {
		return present, nil // its times have a monotonic clock reading
	}
	c.grant = creds
	return creds, nil
}

func sameTokens(a, b *Credentials) bool {
	return a.Issuer == b.Issuer && a.Grant.AccessToken == b.Grant.AccessToken &&
		a.Grant.RefreshToken == b.Grant.RefreshToken && a.Grant.Expiry.Equal(b.Grant.Expiry)
}

// stored returns what the store has, nil if that comes from another server than
// the configured one.
func (c *Client) stored(ctx context.Context) (*Credentials, error) {
	creds, err := c.store.Load(ctx, c.grantKey())
	switch {
	case errors.Is(err, ErrNoCredentials):
		return nil, nil
	case err != nil:
		return nil, err
	case creds.Grant == nil, c.cfg.AuthServer != "" && trimSlash(creds.Issuer) != trimSlash(c.cfg.AuthServer):
		return nil, nil
	}
	return creds, nil
}

// keep makes a grant the present one and saves it.
func (c *Client) keep(ctx context.Context, creds *Credentials) error {
	// What was issued must not be lost because a request was called off.
	err := c.store.Save(context.WithoutCancel(ctx), c.grantKey(), creds)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.grant, c.unsaved = creds, err != nil
	return err
}

// forgetGrant drops a dead grant unless the store holds another by now.
func (c *Client) forgetGrant(ctx context.Context, dead *Credentials) error {
	c.mu.Lock()
	if c.grant != nil && c.grant.Grant.RefreshToken == dead.Grant.RefreshToken {
		c.grant, c.unsaved = nil, false
	}
	c.mu.Unlock()
	stored, err := c.store.Load(ctx, c.grantKey())
	if errors.Is(err, ErrNoCredentials) {
		return nil
	}
	if err != nil || stored.Grant == nil || stored.Grant.RefreshToken != dead.Grant.RefreshToken {
		return err
	}
	return c.store.Delete(ctx, c.grantKey())
}

// postpone makes refreshes fail at once for as long as the token endpoint asked
// for (RFC 9110 section 10.2.3).
func (c *Client) postpone(wait time.Duration, why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.holdUntil, c.holdErr = time.Now().Add(wait), why
}

// postponed returns why no refresh is tried now, if so.
func (c *Client) postponed() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Now().Before(c.holdUntil) {
		return c.holdErr
	}
	return nil
}
