// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/jose"
)

const (
	keysFresh       = 10 * time.Minute // after that the keys are read again
	keysUsable      = time.Hour        // how long old keys serve while reading fails
	unknownKeyPause = time.Minute      // between reads that unknown key ids cause
)

// An issuer finds and keeps the keys of one authorization server.
type issuer struct {
	id          string
	server      *authorizationServer
	log         *slog.Logger
	keysRemoved func()

	// turn holds one token; who has it may fetch.
	turn chan struct{}

	mu sync.Mutex
	// mu guards the fields below.
	current   *issuerKeys
	pause     pause     // no fetch before it is over
	askedMore time.Time // last read because of an unknown key
}

// issuerKeys is one reading of an issuer's keys. It is immutable.
type issuerKeys struct {
	set         *jose.PublicKeys
	freshUntil  time.Time
	usableUntil time.Time
}

func newIssuer(id string, client *http.Client, log *slog.Logger) (*issuer, error) {
	server, err := newAuthorizationServer(id, client)
	if err != nil {
		return nil, err
	}
	return &issuer{id: id, server: server, log: log, turn: make(chan struct{}, 1)}, nil
}

// keys returns the current keys, reading them if they are missing or old.
func (i *issuer) keys(ctx context.Context, now time.Time) (*issuerKeys, error) {
	i.mu.Lock()
	current, lastError := i.current, i.pause.reason
	i.mu.Unlock()
	if current != nil && now.Before(current.freshUntil) {
		return current, nil
	}
	if lastError != nil && len(i.turn) > 0 {
		// Somebody tries again. An issuer that hangs must not hold up everybody.
		if old, err := usable(current, lastError); err == nil {
			return old, nil
		}
	}
	return i.refresh(ctx, current, true)
}

// newerKeys returns the keys after those that the caller has seen, because a
// token names one that they lack. They are read at most once a minute for that;
// until they are newer, those that the caller has seen are returned.
func (i *issuer) newerKeys(ctx context.Context, seen *issuerKeys, now time.Time) (*issuerKeys, error) {
	i.mu.Lock()
	read := i.current == seen && now.Sub(i.askedMore) >= unknownKeyPause
	if read {
		i.askedMore = now
	}
	i.mu.Unlock()
	return i.refresh(ctx, seen, read)
}

// refresh replaces the keys that the caller has seen. One caller reads; the
// others wait for it and share the result, as do those that may not read.
func (i *issuer) refresh(ctx context.Context, seen *issuerKeys, read bool) (*issuerKeys, error) {
	select {
	case i.turn <- struct{}{}:
		defer func() { <-i.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	i.mu.Lock()
	current, lastError := i.current, i.pause.inForce(time.Now())
	i.mu.Unlock()
	if current != nil && (current != seen || !read) {
		return current, nil
	}
	if lastError != nil {
		return usable(current, lastError)
	}
	// The result is for everybody, so that one impatient caller must not
	// cancel it.
	fetchCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
	defer cancel()
	set, err := i.fetch(fetchCtx)
	return i.settle(fetchCtx, set, err)
}

// settle records the outcome of a fetch.
func (i *issuer) settle(ctx context.Context, set *jose.PublicKeys, err error) (*issuerKeys, error) {
	now := time.Now()
	i.mu.Lock()
	previous := i.current
	if err != nil {
		err = fmt.Errorf("keys of authorization server %s: %w", i.id, err)
		i.pause.failed(now, err)
	} else {
		i.current = &issuerKeys{set: set, freshUntil: now.Add(keysFresh), usableUntil: now.Add(keysUsable)}
		i.pause = pause{}
	}
	current := i.current
	i.mu.Unlock()

	if err != nil {
		i.log.LogAttrs(ctx, slog.LevelWarn, "keys could not be read", slog.String("issuer", i.id), slog.String("error", err.Error()))
		return usable(current, err)
	}
	if previous != nil && set.Lacks(previous.set) {
		i.keysRemoved()
	}
	i.log.LogAttrs(ctx, slog.LevelDebug, "keys read", slog.String("issuer", i.id), slog.Int("keys", set.Len()))
	return current, nil
}

// usable returns old keys while they may still serve.
func usable(keys *issuerKeys, err error) (*issuerKeys, error) {
	if keys != nil && time.Now().Before(keys.usableUntil) {
		return keys, nil
	}
	return nil, err
}

// fetch reads the metadata, then the keys.
func (i *issuer) fetch(ctx context.Context) (*jose.PublicKeys, error) {
	md, err := i.server.metadata(ctx, func(md *oauthdyn.ServerMetadata) error {
		if err := checkURL(md.JWKSURI); err != nil {
			return fmt.Errorf("jwks_uri %w", err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	data, err := i.server.get(ctx, md.JWKSURI)
	if err != nil {
		return nil, err
	}
	keys, err := jose.ParseJWKS(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", md.JWKSURI, err)
	}
	if keys.Len() == 0 {
		return nil, fmt.Errorf("%s holds no key for %s", md.JWKSURI, strings.Join(jose.Algorithms, ", "))
	}
	return keys, nil
}
