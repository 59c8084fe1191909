// SPDX-License-Identifier: Apache-2.0

package oauthdyn

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/jose/jwt"
)

const (
	// Poll intervals of RFC 8628 sections 3.2 and 3.5.
	defaultPollInterval = 5 * time.Second
	slowDown            = 5 * time.Second
	maxPollInterval     = time.Minute

	maxUserCodeBytes = 128
)

// DeviceCode is the flow for a machine without a browser: the person opens a
// page on another machine and enters a code (RFC 8628). The authorization
// server has to support it.
type DeviceCode struct {
	// Prompt tells the person what to do, and returns.
	Prompt func(ctx context.Context, a DeviceAuthorization) error
}

// DeviceAuthorization is what a person needs to know to sign in with another
// machine. The user code is a secret until it is used; it prints without it.
type DeviceAuthorization struct {
	// VerificationURI is the page to open, and UserCode what to enter there.
	VerificationURI, UserCode string

	// VerificationURIComplete holds the code already, fit for a QR code. It is
	// empty if the server offers none.
	VerificationURIComplete string

	// Expires is when the code ends.
	Expires time.Time
}

// String names the page, without the code.
func (a DeviceAuthorization) String() string { return "device authorization at " + a.VerificationURI }

// Format prints String for every verb.
func (a DeviceAuthorization) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, a.String()) }

// LogValue logs the page, without the code.
func (a DeviceAuthorization) LogValue() slog.Value {
	return slog.GroupValue(slog.String("verification_uri", a.VerificationURI), slog.Time("expires", a.Expires))
}

func (DeviceCode) grantType() string { return GrantDeviceCode }
func (DeviceCode) servers() []string { return nil }
func (DeviceCode) unattended() bool  { return false }

func (f DeviceCode) check(*Config) error {
	if f.Prompt == nil {
		return errors.New("DeviceCode needs a Prompt")
	}
	return nil
}

func (DeviceCode) usable(m *ServerMetadata) error {
	if m.DeviceAuthorizationEndpoint == "" {
		return errors.New("announces no device_authorization_endpoint (RFC 8628)")
	}
	return nil
}

func (f DeviceCode) run(ctx context.Context, c *Client, d *Discovery, scopes []string) (*Credentials, error) {
	id, _, err := c.identity(ctx, d)
	if err != nil {
		return nil, err
	}
	stored := id != nil && c.cfg.ClientID == "" && id.ClientID != c.cfg.ClientMetadataURL
	if id == nil {
		if id, err = c.registerDynamic(ctx, d, nil, toScopes(scopes)); err != nil {
			return nil, err
		}
	}
	p := &polling{client: c, d: d, id: id}
	if p.key, err = c.keyFor(d); err != nil {
		return nil, err
	}
	a, err := p.begin(ctx, scopes)
	if err != nil {
		return nil, c.blame(stored, id.ClientID, err)
	}
	c.asking(ctx)
	if err := f.Prompt(ctx, *a); err != nil {
		return nil, fmt.Errorf("show the code: %w", err)
	}
	g, err := p.wait(ctx, a.Expires)
	if err != nil {
		return nil, c.blame(stored, id.ClientID, err)
	}
	return c.accept(ctx, d, id, g, scopes)
}

// polling is one device authorization.
type polling struct {
	client   *Client
	d        *Discovery
	id       *ClientInformation
	key      *jwt.Key
	code     string
	interval time.Duration
}

// begin asks for the codes: RFC 8628 section 3.1.
func (p *polling) begin(ctx context.Context, scopes []string) (*DeviceAuthorization, error) {
	form := url.Values{}
	if p.d.Resource != "" {
		form.Set("resource", p.d.Resource)
	}
	if len(scopes) > 0 {
		form.Set("scope", strings.Join(scopes, " "))
	}
	sent := time.Now()
	resp, body, err := p.client.postForm(ctx, formRequest{d: p.d, endpoint: p.d.Server.DeviceAuthorizationEndpoint, client: p.id, form: form})
	if err != nil {
		return nil, fmt.Errorf("device authorization: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("device authorization: %w", postError(resp, body))
	}
	a, err := p.parse(body, sent)
	if err != nil {
		return nil, fmt.Errorf("device authorization: %w", err)
	}
	return a, nil
}

// parse reads the answer: RFC 8628 section 3.2. What it wants shown to a person
// is held to what a browser may be given.
func (p *polling) parse(body []byte, sent time.Time) (*DeviceAuthorization, error) {
	var t struct {
		DeviceCode              string          `json:"device_code"`
		UserCode                string          `json:"user_code"`
		VerificationURI         string          `json:"verification_uri"`
		VerificationURIComplete string          `json:"verification_uri_complete"`
		ExpiresIn               json.RawMessage `json:"expires_in"`
		Interval                json.RawMessage `json:"interval"`
	}
	if err := decodeObject(body, &t); err != nil {
		return nil, err
	}
	if t.DeviceCode == "" || t.UserCode == "" || len(t.UserCode) > maxUserCodeBytes || peerText(t.UserCode) != t.UserCode {
		return nil, errors.New("answer holds no usable codes")
	}
	u, err := parseBrowserURL(t.VerificationURI)
	if err != nil {
		return nil, fmt.Errorf("verification page: %w", err)
	}
	a := &DeviceAuthorization{UserCode: t.UserCode, VerificationURI: u.String()}
	if u, err := parseBrowserURL(t.VerificationURIComplete); err == nil {
		a.VerificationURIComplete = u.String()
	}
	lifetime := parseLifetime(t.ExpiresIn)
	if lifetime == 0 {
		lifetime = p.client.cfg.LoginTimeout // RFC 8628 requires expires_in
	}
	a.Expires = sent.Add(lifetime)
	p.code = t.DeviceCode
	p.interval = parseLifetime(t.Interval)
	if p.interval == 0 {
		p.interval = defaultPollInterval
	}
	return a, nil
}

// wait polls the token endpoint until the person has decided: RFC 8628 sections
// 3.4 and 3.5.
func (p *polling) wait(ctx context.Context, until time.Time) (*Grant, error) {
	ctx, cancel := context.WithDeadlineCause(ctx, until, errors.New("nobody entered the code in time"))
	defer cancel()
	for {
		if err := sleep(ctx, min(p.interval, maxPollInterval)); err != nil {
			return nil, context.Cause(ctx)
		}
		form := url.Values{"grant_type": {GrantDeviceCode}, "device_code": {p.code}}
		g, err := p.client.requestToken(ctx, p.d, p.id, form, p.key)
		if err == nil {
			return g, nil
		}
		if err := p.goOn(ctx, err); err != nil {
			return nil, err
		}
	}
}

// goOn decides whether a refusal is one to wait after. Without a connection the
// client shall slow down, too.
func (p *polling) goOn(ctx context.Context, err error) error {
	e, answered := errors.AsType[*Error](err)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, &Error{Code: CodeAuthorizationPending}):
	case errors.Is(err, &Error{Code: CodeSlowDown}):
		p.interval += slowDown
	case !answered || e.Status >= 500 || e.Status == http.StatusTooManyRequests:
		p.interval *= 2
	default:
		return err
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
