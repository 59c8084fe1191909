// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/jose"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/strictjson"
)

const (
	// defaultIntrospectionAge is how long an answer counts by default: how
	// long a revocation may go unnoticed.
	defaultIntrospectionAge = 30 * time.Second

	// maxIntrospections bounds the questions in flight, so that made-up tokens
	// do not pile up at the authorization server.
	maxIntrospections = 32
)

// IntrospectionOptions configure an IntrospectionVerifier. They hold a secret
// and print without it.
type IntrospectionOptions struct {
	// Issuer is the authorization server that is asked. https, or http on a
	// loopback address. Required.
	Issuer string

	// Endpoint is the introspection endpoint, under the same condition. Empty:
	// that of the issuer's metadata.
	Endpoint string

	// ClientID and ClientSecret authenticate this resource server
	// (client_secret_basic). ClientID is required.
	ClientID, ClientSecret string

	// Audience must be among a token's audiences, byte by byte. Required.
	Audience string

	// OtherAudiences are as good as Audience. Optional.
	OtherAudiences []string

	// ClientAsSubject lets a token of which the answer names neither subject
	// nor username speak for its client, as RFC 9068 section 2.2 has it after
	// client credentials; some authorization servers leave the subject out
	// then. Only for an issuer that names the subject whenever there is a
	// person: else all who use one client would be taken for the same.
	// Otherwise such tokens are refused.
	ClientAsSubject bool

	// HTTPClient makes the requests. Nil: a client that follows no redirects
	// and gives up after 10 seconds.
	HTTPClient *http.Client

	// MaxAge is how long the answer for a valid token counts, and thus how
	// long a revocation may go unnoticed. 0: 30 seconds. Negative: every
	// request asks. At most 5 minutes.
	MaxAge time.Duration

	// CacheSize bounds the number of remembered tokens. 0: 65,536.
	CacheSize int

	// Logger hears about failing requests. Nil: none.
	Logger *slog.Logger
}

// String names the issuer and the client.
func (o IntrospectionOptions) String() string {
	return "introspection at " + o.Issuer + " as " + o.ClientID
}

// Format prints String for every verb.
func (o IntrospectionOptions) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, o.String()) }

// LogValue logs what String says.
func (o IntrospectionOptions) LogValue() slog.Value { return slog.StringValue(o.String()) }

// An IntrospectionVerifier asks the authorization server about each token: RFC
// 7662. It serves tokens of any form. Requests with the same new token share one
// question, and valid tokens are remembered for a short time by their hash.
// 32 questions at most are asked at a time; further ones wait. Each has 10 seconds,
// waiting included. While the authorization server fails, it is asked again after
// growing pauses.
//
// It is safe for concurrent use.
type IntrospectionVerifier struct {
	o         IntrospectionOptions
	server    *authorizationServer
	audiences []string
	cache     *cache
	places    chan struct{} // for questions in flight

	mu sync.Mutex
	// mu guards the fields below.
	endpoint string // found in the metadata
	asking   map[[sha256.Size]byte]*question
	pause    pause
}

// A question is one that several callers wait for.
type question struct {
	done      chan struct{}
	principal *Principal
	err       error
}

// NewIntrospectionVerifier checks the options and makes a verifier. It does no
// network requests.
func NewIntrospectionVerifier(o IntrospectionOptions) (*IntrospectionVerifier, error) {
	if o.Audience == "" || o.ClientID == "" {
		return nil, errors.New("resource: introspection needs an audience and a client id")
	}
	server, err := newAuthorizationServer(o.Issuer, o.HTTPClient)
	if err != nil {
		return nil, fmt.Errorf("resource: %w", err)
	}
	if o.Endpoint != "" {
		if err := checkURL(o.Endpoint); err != nil {
			return nil, fmt.Errorf("resource: introspection endpoint %w", err)
		}
	}
	if o.MaxAge == 0 {
		o.MaxAge = defaultIntrospectionAge
	}
	o.MaxAge = min(o.MaxAge, maxCacheAge)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &IntrospectionVerifier{
		o:         o,
		server:    server,
		audiences: append([]string{o.Audience}, o.OtherAudiences...),
		cache:     newCache(o.CacheSize),
		places:    make(chan struct{}, maxIntrospections),
		endpoint:  o.Endpoint,
		asking:    map[[sha256.Size]byte]*question{},
	}, nil
}

// Verify implements Verifier.
func (v *IntrospectionVerifier) Verify(ctx context.Context, token string) (*Principal, error) {
	if len(token) > jose.MaxTokenBytes {
		return nil, invalid(fmt.Errorf("longer than %d bytes", jose.MaxTokenBytes))
	}
	key := sha256.Sum256([]byte(token))
	if p := v.cache.get(key, time.Now()); p != nil {
		return provable(ctx, p)
	}
	v.mu.Lock()
	q := v.asking[key]
	if q == nil {
		q = &question{done: make(chan struct{})}
		v.asking[key] = q
		// The answer is for everybody, so that one impatient caller must not
		// cancel the question.
		go v.answer(context.WithoutCancel(ctx), q, key, token)
	}
	v.mu.Unlock()
	select {
	case <-q.done:
		if q.err != nil {
			return nil, q.err
		}
		return provable(ctx, q.principal)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// answer asks the question and lets those know who wait for it.
func (v *IntrospectionVerifier) answer(ctx context.Context, q *question, key [sha256.Size]byte, token string) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	q.principal, q.err = v.ask(ctx, token)
	if now := time.Now(); q.err == nil {
		until := now.Add(v.o.MaxAge)
		if p := q.principal; !p.Expires.IsZero() {
			until = earliest(p.Expires, until)
		}
		if until.After(now) {
			v.cache.put(key, q.principal, until, now)
		}
	}
	v.mu.Lock()
	delete(v.asking, key)
	v.mu.Unlock()
	close(q.done)
}

// ask makes the request, unless the authorization server is given a rest.
func (v *IntrospectionVerifier) ask(ctx context.Context, token string) (*Principal, error) {
	select {
	case v.places <- struct{}{}:
		defer func() { <-v.places }()
	case <-ctx.Done():
		return nil, errors.New("too many tokens are being introspected")
	}
	v.mu.Lock()
	endpoint, err := v.endpoint, v.pause.inForce(time.Now())
	v.mu.Unlock()
	if err != nil {
		return nil, err
	}
	found, data, err := v.request(ctx, endpoint, token)
	v.mu.Lock()
	if err != nil {
		err = fmt.Errorf("introspection at %s: %w", v.o.Issuer, err)
		if !aboutToken(err) {
			v.pause.failed(time.Now(), err)
		}
	} else {
		v.endpoint = found
		v.pause = pause{}
	}
	v.mu.Unlock()
	if err != nil {
		v.o.Logger.LogAttrs(ctx, slog.LevelWarn, "token could not be introspected", slog.String("error", err.Error()))
		return nil, err
	}
	return v.read(data)
}

// aboutToken reports whether only this token may have displeased the server. RFC
// 7662 wants 200 for any token; not all servers know, and nobody shall be able
// to make us pause.
func aboutToken(err error) bool {
	status, ok := errors.AsType[*statusError](err)
	return ok && (status.code == http.StatusBadRequest || status.code == http.StatusRequestEntityTooLarge)
}

// request sends a token to the endpoint, which it looks up if it is unknown.
func (v *IntrospectionVerifier) request(ctx context.Context, endpoint, token string) (string, []byte, error) {
	if endpoint == "" {
		md, err := v.server.metadata(ctx, func(md *oauthdyn.ServerMetadata) error {
			if err := checkURL(md.IntrospectionEndpoint); err != nil {
				return fmt.Errorf("introspection_endpoint %w", err)
			}
			return nil
		})
		if err != nil {
			return "", nil, err
		}
		endpoint = md.IntrospectionEndpoint
	}
	form := url.Values{"token": {token}, "token_type_hint": {"access_token"}}.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form))
	if err != nil {
		return "", nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	// RFC 6749 section 2.3.1: both are encoded like form values first.
	req.SetBasicAuth(url.QueryEscape(v.o.ClientID), url.QueryEscape(v.o.ClientSecret))
	data, err := v.server.read(req)
	return endpoint, data, err
}

// introspection is the part of RFC 7662 section 2.2 that matters.
type introspection struct {
	Active bool `json:"active"`
	jose.Members
	Name      string `json:"username"`
	TokenType string `json:"token_type"`
	TokenUse  string `json:"token_use"`
}

// read judges the answer.
func (v *IntrospectionVerifier) read(data []byte) (*Principal, error) {
	obj, err := strictjson.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("introspection at %s: %w", v.o.Issuer, err)
	}
	var a introspection
	if err := obj.Decode(&a); err != nil {
		return nil, fmt.Errorf("introspection at %s: %w", v.o.Issuer, err)
	}
	if !a.Active {
		return nil, invalid(errors.New("the authorization server says that it is not active"))
	}
	claims, err := a.Claims()
	if err != nil {
		return nil, invalid(err)
	}
	// The issuer is who answers; if the answer names one, it must be the same.
	if claims.Issuer == "" {
		claims.Issuer = v.o.Issuer
	}
	if v.o.ClientAsSubject && claims.Subject == "" && claims.Username == "" && a.Name == "" {
		claims.Subject = claims.ClientID
	}
	switch {
	case a.TokenType != "" && !strings.EqualFold(a.TokenType, "bearer") && !strings.EqualFold(a.TokenType, "dpop"):
		return nil, invalid(fmt.Errorf("token type %q is neither Bearer nor DPoP", a.TokenType))
	case strings.EqualFold(a.TokenType, "dpop") && claims.KeyThumbprint == "":
		return nil, invalid(errors.New("token type is DPoP, and the key is not named (cnf)"))
	case a.TokenUse != "" && a.TokenUse != "access_token":
		return nil, invalid(fmt.Errorf("%q is not an access token", a.TokenUse))
	}
	now := time.Now()
	err = claims.Check(jose.Expect{
		Issuer: v.o.Issuer, Audience: v.audiences, Now: now, Skew: ClockSkew,
		NoExpiry: true, // the issuer checked it, and is asked again soon
		Bound:    true,
	})
	if err != nil {
		return nil, invalid(err)
	}
	p := principal(claims)
	if p.Username == "" {
		p.Username = a.Name
	}
	return p, nil
}
