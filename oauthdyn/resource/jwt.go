// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/jose"
)

// ClockSkew is how far the issuer's clock may be from ours.
const ClockSkew = 60 * time.Second

// maxCacheAge bounds how long a verified token is not looked at again.
const maxCacheAge = 5 * time.Minute

// JWTOptions configure a JWTVerifier.
type JWTOptions struct {
	// Issuers are the accepted authorization servers, compared byte by byte
	// with the iss claim and with their metadata. https, or http on a loopback
	// address. At least one is required.
	Issuers []string

	// Audience must be among a token's audiences, byte by byte. Required.
	Audience string

	// OtherAudiences are as good as Audience: other names that an authorization
	// server has for the same resource. Optional.
	OtherAudiences []string

	// Algorithms are the allowed signature algorithms, out of ES256, RS256 and
	// EdDSA (Ed25519). Empty: all of them.
	Algorithms []string

	// AcceptTypeJWT also accepts tokens whose typ header is JWT or absent. Some
	// authorization servers issue them, against RFC 9068. The audience alone
	// then tells an access token from an ID token.
	AcceptTypeJWT bool

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
// with growing pauses, and reads the keys again when a token comes and they are ten
// minutes old, or it names a key that is not among them, but for that at most once a
// minute. While they cannot be read the old ones serve, until they are an hour old.
//
// It is safe for concurrent use.
type JWTVerifier struct {
	issuers   map[string]*issuer
	profile   jose.Profile
	audiences []string
	cache     *cache
}

// NewJWTVerifier checks the options and makes a verifier. It does no network
// requests.
func NewJWTVerifier(o JWTOptions) (*JWTVerifier, error) {
	if len(o.Issuers) == 0 || o.Audience == "" {
		return nil, errors.New("resource: a JWT verifier needs an issuer and an audience")
	}
	for _, alg := range o.Algorithms {
		if !slices.Contains(jose.Algorithms, alg) {
			return nil, fmt.Errorf("resource: algorithm %q is not one of %s", alg, strings.Join(jose.Algorithms, ", "))
		}
	}
	if o.HTTPClient == nil {
		o.HTTPClient = defaultClient()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	v := &JWTVerifier{
		issuers:   map[string]*issuer{},
		profile:   jose.Profile{Algorithms: slices.Clone(o.Algorithms), PlainType: o.AcceptTypeJWT},
		audiences: append([]string{o.Audience}, o.OtherAudiences...),
		cache:     newCache(o.CacheSize),
	}
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
		return provable(ctx, p)
	}
	claims, fresh, err := v.verify(ctx, token, now)
	if err != nil {
		return nil, err
	}
	p := principal(claims)
	until := earliest(claims.Expires, fresh, now.Add(maxCacheAge))
	if until.After(now) {
		v.cache.put(key, p, until, now)
	}
	return provable(ctx, p)
}

// verify does the work of Verify without the cache. It also returns until when
// the keys are known to be current.
func (v *JWTVerifier) verify(ctx context.Context, token string, now time.Time) (*jose.Claims, time.Time, error) {
	parsed, err := v.profile.Parse(token)
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
	if err := claims.Check(jose.Expect{Issuer: iss.id, Audience: v.audiences, Now: now, Skew: ClockSkew, Bound: true}); err != nil {
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

// principal is who the claims speak of.
func principal(claims *jose.Claims) *Principal {
	return &Principal{
		Subject:  claims.Subject,
		ClientID: claims.ClientID,
		Username: claims.Username,
		Issuer:   claims.Issuer,
		ID:       claims.ID,
		Session:  claims.Session,
		Scopes:   claims.Scopes,
		Audience: claims.Audience,
		IssuedAt: claims.IssuedAt,
		Expires:  claims.Expires,

		KeyThumbprint: claims.KeyThumbprint,
	}
}
