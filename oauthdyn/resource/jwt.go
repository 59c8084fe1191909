// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/jose"
)

const (
	// clockSkew is how far the issuer's clock may be from ours.
	clockSkew = 60 * time.Second

	// maxCacheAge bounds how long a verified token is not looked at again.
	maxCacheAge = 5 * time.Minute
)

// JWTOptions configure a JWTVerifier.
type JWTOptions struct {
	// Issuers are the accepted authorization servers, compared byte by byte
	// with the iss claim and with their metadata. https, or http on a loopback
	// address. At least one is required.
	Issuers []string

	// Audience must be among a token's audiences, byte by byte. Required.
	Audience string

	// HTTPClient fetches metadata and keys. Nil: a client that follows no
	// redirects and gives up after 10 seconds.
	HTTPClient *http.Client

	// CacheSize bounds the number of remembered tokens. 0: 65,536.
	CacheSize int

	// Logger hears about key changes and failing fetches. Nil: none.
	Logger *slog.Logger
}

// A JWTVerifier verifies JWT access tokens (RFC 9068). It reads the issuer's
// metadata and keys when they are first needed, at most once at a time, retries
// with growing pauses, and reads the keys again every ten minutes, or when a
// token names a key it does not know, but for that at most once a minute.
//
// It is safe for concurrent use.
type JWTVerifier struct {
	issuers  map[string]*issuer
	audience string
	cache    *cache
}

// NewJWTVerifier checks the options and makes a verifier. It does no network
// requests.
func NewJWTVerifier(o JWTOptions) (*JWTVerifier, error) {
	if len(o.Issuers) == 0 || o.Audience == "" {
		return nil, errors.New("resource: a JWT verifier needs an issuer and an audience")
	}
	if o.HTTPClient == nil {
		o.HTTPClient = defaultClient()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.CacheSize <= 0 {
		o.CacheSize = 1 << 16
	}
	v := &JWTVerifier{issuers: map[string]*issuer{}, audience: o.Audience, cache: newCache(o.CacheSize)}
	for _, id := range o.Issuers {
		iss, err := newIssuer(id, o.HTTPClient, o.Logger)
		if err != nil {
			return nil, fmt.Errorf("resource: %w", err)
		}
		iss.keysRemoved = v.cache.clear
		v.issuers[id] = iss
	}
	return v, nil
}

// Verify implements Verifier.
func (v *JWTVerifier) Verify(ctx context.Context, token string) (*Principal, error) {
	now := time.Now()
	key := sha256.Sum256([]byte(token))
	if p := v.cache.get(key, now); p != nil {
		return p, nil
	}
	claims, fresh, err := v.verify(ctx, token, now)
	if err != nil {
		return nil, err
	}
	p := &Principal{
		Subject:  claims.Subject,
		ClientID: claims.ClientID,
		Username: claims.Username,
		Issuer:   claims.Issuer,
		ID:       claims.ID,
		Scopes:   claims.Scopes,
		Audience: claims.Audience,
		Expires:  claims.Expires,
	}
	until := earliest(claims.Expires, fresh, now.Add(maxCacheAge))
	if until.After(now) {
		v.cache.put(key, p, until, now)
	}
	return p, nil
}

// verify does the work of Verify without the cache. It also returns until when
// the keys are known to be current.
func (v *JWTVerifier) verify(ctx context.Context, token string, now time.Time) (*jose.Claims, time.Time, error) {
	parsed, err := jose.Parse(token)
	if err != nil {
		return nil, time.Time{}, invalid(err)
	}
	iss := v.issuers[parsed.Issuer]
	if iss == nil {
		return nil, time.Time{}, invalid(errors.New("the issuer is not trusted"))
	}
	keys, err := iss.keys(ctx, now)
	if err != nil {
		return nil, time.Time{}, err
	}
	claims, err := parsed.Verify(keys.set)
	if errors.Is(err, jose.ErrUnknownKey) {
		if keys, err = iss.newerKeys(ctx, keys, now); err != nil {
			return nil, time.Time{}, err
		}
		claims, err = parsed.Verify(keys.set)
	}
	if err != nil {
		return nil, time.Time{}, invalid(err)
	}
	if err := claims.Check(jose.Expect{Issuer: iss.id, Audience: v.audience, Now: now, Skew: clockSkew}); err != nil {
		return nil, time.Time{}, invalid(err)
	}
	return claims, keys.freshUntil, nil
}

func invalid(reason error) error { return fmt.Errorf("%w: %w", ErrInvalidToken, reason) }

func earliest(t time.Time, more ...time.Time) time.Time {
	for _, u := range more {
		if u.Before(t) {
			t = u
		}
	}
	return t
}
