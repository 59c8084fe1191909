// SPDX-License-Identifier: Apache-2.0

package oauthdyn

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/jose/jwt"
)

// probeAuthorizationTimeout bounds the question whether a stored registration
// is still known.
const probeAuthorizationTimeout = 10 * time.Second

// attempt is one authorization request. It keeps together what the answer is
// checked against, above all the issuer that the person was sent to.
type attempt struct {
	d           *Discovery
	client      *ClientInformation
	redirectURI string
	state       string
	verifier    string
	scopes      []string
	more        url.Values // Config.AuthorizeParams
	key         *jwt.Key   // to bind the tokens to; nil for bearer tokens
	stored      bool       // the registration was made for an earlier login
}

// login gets a grant by the flow of this client. It asks for offline_access of
// its own accord, and does without where that is denied.
func (c *Client) login(ctx context.Context, n need) (creds *Credentials, err error) {
	d, err := c.discover(ctx, n.challenge)
	if err != nil {
		return nil, err
	}
	if !c.flow.unattended() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, c.cfg.LoginTimeout,
			fmt.Errorf("nobody signed in within %v", c.cfg.LoginTimeout))
		defer cancel()
	}
	scopes, offline, err := c.scopesFor(n.scopes, d)
	if err != nil {
		return nil, err
	}
	if !offline {
		creds, err = c.loginFor(ctx, d, scopes)
	} else if creds, err = c.loginFor(ctx, d, withOfflineAccess(scopes)); deniesScope(err) {
		c.log.LogAttrs(ctx, slog.LevelInfo, "offline_access is denied, signing in without it", slog.String("issuer", d.Issuer), slog.Any("error", err))
		creds, err = c.loginFor(ctx, d, scopes)
	}
	if err != nil && errors.Is(err, context.DeadlineExceeded) && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return creds, err
}

// loginOnce makes one authorization request and redeems its code. The listener
// is open before anything leaves this machine.
func (c *Client) loginOnce(ctx context.Context, d *Discovery, scopes []string) (*Credentials, error) {
	client, registered, err := c.identity(ctx, d)
	if err != nil {
		return nil, err
	}
	b, err := c.listen(registered, client != nil)
	if err != nil {
		return nil, err
	}
	defer b.close()
	stored := registered != ""
	if client == nil {
		if client, err = c.registerDynamic(ctx, d, b, toScopes(scopes)); err != nil {
			return nil, err
		}
	}
	key, err := c.keyFor(d)
	if err != nil {
		return nil, err
	}
	a := &attempt{
		d: d, key: key, client: client, redirectURI: b.uri, scopes: scopes, more: c.cfg.AuthorizeParams,
		state: rand.Text(), verifier: oauth2.GenerateVerifier(), stored: stored,
	}
	page, err := a.url()
	if err != nil {
		return nil, err
	}
	if stored || c.isDocument(client.ClientID) {
		if err := c.probeAuthorization(ctx, a, page); err != nil {
			return nil, err
		}
	}
	answer, err := c.ask(ctx, b, page)
	if err != nil {
		return nil, err
	}
	code, err := a.check(answer)
	if err != nil {
		return nil, c.blame(a.stored, a.client.ClientID, err)
	}
	return c.redeem(ctx, a, code)
}

// url builds the authorization URL: RFC 6749 section 4.1.1, RFC 7636, RFC 8707.
func (a *attempt) url() (string, error) {
	u, err := parseBrowserURL(a.d.Server.AuthorizationEndpoint)
	if err != nil {
		return "", err
	}
	if u.Fragment != "" {
		return "", errors.New("authorization endpoint has a fragment (RFC 6749 section 3.1)")
	}
	q := u.Query()
	maps.Copy(q, a.more)
	q.Set("response_type", ResponseTypeCode)
	q.Set("client_id", a.client.ClientID)
	q.Set("redirect_uri", a.redirectURI)
	q.Set("state", a.state)
	q.Set("code_challenge", oauth2.S256ChallengeFromVerifier(a.verifier))
	q.Set("code_challenge_method", "S256")
	if a.d.Resource != "" {
		q.Set("resource", a.d.Resource)
	}
	if a.key != nil {
		q.Set("dpop_jkt", a.key.Thumbprint()) // RFC 9449 section 10
	}
	if len(a.scopes) > 0 {
		q.Set("scope", strings.Join(a.scopes, " "))
	}
	u.RawQuery = q.Encode()
	return u.String(), nil
}

// ownParameters are those of the authorization request that a client sets
// itself, or that would lead the answer past it.
var ownParameters = []string{
	"client_id", "client_secret", "code_challenge", "code_challenge_method", "dpop_jkt", "redirect_uri",
	"request", "request_uri", "resource", "response_mode", "response_type", "scope", "state",
}

// ownParameter returns one of these that more has, or the empty string.
func ownParameter(more url.Values) string {
	for _, name := range ownParameters {
		if more.Has(name) {
			return name
		}
	}
	return ""
}

// probeAuthorization asks whether the server still knows a stored client, or
// accepts a metadata document. One that does not must not redirect (RFC 6749
// section 4.1.2.1), so a person would be left in front of an error page, and
// this program without an answer. One that finds the scopes too many for the
// client often says so at once, which need not be shown to anybody.
func (c *Client) probeAuthorization(ctx context.Context, a *attempt, page string) error {
	ctx, cancel := context.WithTimeout(ctx, probeAuthorizationTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, page, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "text/html")
	h := *c.http
	h.Jar = nil
	h.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := h.Do(req)
	if err != nil {
		return nil // the browser may do better, behind a proxy for one
	}
	_ = resp.Body.Close() // only the status counts
	if resp.StatusCode == http.StatusBadRequest || resp.StatusCode == http.StatusUnauthorized {
		return c.blame(true, a.client.ClientID, &Error{Code: CodeInvalidClient, Status: resp.StatusCode})
	}
	if to, err := resp.Location(); err == nil && to.Query().Get("state") == a.state && to.Query().Get("error") == CodeInvalidScope {
		return &Error{Code: CodeInvalidScope, Description: peerText(to.Query().Get("error_description"))}
	}
	return nil
}

// ask shows the authorization URL and waits for the redirect, which comes to
// the listener or is read from the person, whichever is first.
func (c *Client) ask(ctx context.Context, b *callback, page string) (url.Values, error) {
	c.asking(ctx)
	openCtx, cancel := context.WithCancel(ctx)
	opened := c.open(openCtx, page)
	opening := opened != nil
	defer func() {
		b.close() // lets the reply page leave before the opener is told to stop
		cancel()
		if opening {
			<-opened
		}
	}()
	read := c.readRedirect(openCtx, b, page)
	for {
		select {
		case q := <-b.answer():
			return q, nil
		case a := <-read:
			return a.query, a.err
		case err := <-opened:
			opening = false
			select {
			case q := <-b.answer(): // it did its work before it failed
				return q, nil
			default:
			}
			if err != nil {
				return nil, fmt.Errorf("show the sign-in page: %w", err)
			}
			opened = nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// open starts Config.OpenURL, if there is one, and returns its outcome.
func (c *Client) open(ctx context.Context, page string) chan error {
	if c.cfg.OpenURL == nil {
		return nil
	}
	opened := make(chan error, 1)
	go func() { opened <- c.cfg.OpenURL(ctx, page) }()
	return opened
}

// redirected is the outcome of Config.ReadRedirect.
type redirected struct {
	query url.Values
	err   error
}

// readRedirect starts Config.ReadRedirect, if there is one, and returns its
// outcome. Nobody waits for it: reading from a terminal cannot be called off.
func (c *Client) readRedirect(ctx context.Context, b *callback, page string) chan redirected {
	if c.cfg.ReadRedirect == nil {
		return nil
	}
	read := make(chan redirected, 1)
	go func() {
		text, err := c.cfg.ReadRedirect(ctx, page)
		if err != nil {
			read <- redirected{err: fmt.Errorf("read the redirect: %w", err)}
			return
		}
		q, err := b.parse(text)
		read <- redirected{q, err}
	}()
	return read
}

// check returns the code of an answer, or why there is none. Until state and
// issuer are right, nothing in the answer is believed or repeated.
func (a *attempt) check(q url.Values) (code string, err error) {
	for _, name := range []string{"state", "iss", "code", "error"} {
		if len(q[name]) > 1 {
			return "", fmt.Errorf("redirect carries %s twice and is not believed", name)
		}
	}
	if subtle.ConstantTimeCompare([]byte(q.Get("state")), []byte(a.state)) != 1 {
		return "", errors.New("redirect carries a wrong state and is not believed")
	}
	// RFC 9207 section 2.4, compared byte by byte.
	iss, sent := q.Get("iss"), q.Has("iss")
	switch {
	case sent && iss != a.d.Issuer:
		return "", fmt.Errorf("redirect comes from another authorization server than %s and is not believed (RFC 9207)", a.d.Issuer)
	case !sent && a.d.Server.AuthorizationResponseIssParameterSupported:
		return "", fmt.Errorf("redirect lacks the issuer that %s announces to send, and is not believed (RFC 9207)", a.d.Issuer)
	}
	if q.Has("error") {
		return "", &Error{
			Code:        peerText(q.Get("error")),
			Description: peerText(q.Get("error_description")),
			URI:         peerText(q.Get("error_uri")),
		}
	}
	if q.Get("code") == "" {
		return "", errors.New("redirect carries neither a code nor an error")
	}
	return q.Get("code"), nil
}

// redeem trades a code for a grant and saves it.
func (c *Client) redeem(ctx context.Context, a *attempt, code string) (*Credentials, error) {
	g, err := c.requestToken(ctx, a.d, a.client, url.Values{
		"grant_type":    {GrantAuthorizationCode},
		"code":          {code},
		"redirect_uri":  {a.redirectURI},
		"code_verifier": {a.verifier},
	}, a.key)
	if err != nil {
		return nil, c.blame(a.stored, a.client.ClientID, err)
	}
	return c.accept(ctx, a.d, a.client, g, a.scopes)
}
