// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/audit"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/internal/keyring"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/jose"
)

// The algorithms of signing keys: see KeyOptions.Algorithm.
const (
	ES256 = jose.ES256 // ECDSA on P-256
	RS256 = jose.RS256 // RSA, 2048 bits: for verifiers that know nothing else
	EdDSA = jose.EdDSA // Ed25519
)

// ErrKeysSealed reports signing keys in a store that cannot be opened with the
// key that was given, or without one.
var ErrKeysSealed = keyring.ErrSealed

const (
	// keysInterval is how often the signing keys are read again: another server,
	// or a command, may have changed them.
	keysInterval = 10 * time.Second

	defaultKeyRotation = 90 * 24 * time.Hour
	minKeyRotation     = 24 * time.Hour

	// maxKeep bounds how long an imported key verifies.
	maxKeep = 366 * 24 * time.Hour

	sealingKeyBytes = 32
)

// KeyOptions configure Keys. Store is required.
type KeyOptions struct {
	// Store keeps the keys.
	Store store.Keys

	// SealingKey seals the private keys in the store (AES-256-GCM): 32 random
	// bytes, the same for all servers on the store. Keys that are there in clear
	// are sealed as soon as a Server reads them, or with the next change. Nil:
	// they are kept in clear.
	SealingKey []byte

	// OldSealingKeys open what was sealed before SealingKey took their place. It
	// is sealed anew at the same times.
	OldSealingKeys [][]byte

	// Algorithm is what fresh keys are for: ES256, RS256 or EdDSA. If the key
	// that signs is for another one, a fresh key takes over. Empty: that of the
	// key that signs, ES256 for the first one.
	Algorithm string

	// Rotation is how long a key signs; at least a day. Default 90 days;
	// negative: until it is rotated by hand.
	Rotation time.Duration

	// Logger gets one line per event. Nil: none.
	Logger *slog.Logger
}

// Keys are the signing keys of an authorization server, in its store, 32 at most.
// They are safe for concurrent use, also by several servers and commands on one
// store.
//
// A fresh key is published for an hour before it signs, so that verifiers know
// it by then. It signs until its successor does. After that it is published for
// 25 hours more, until all that it signed has expired, without its private half,
// which is forgotten.
type Keys struct {
	o     KeyOptions
	audit func(context.Context, audit.Event, error)

	mu sync.Mutex
	// mu is held while the keys are read or changed: what is read later is shown
	// later.
	current atomic.Pointer[keyView]
}

// keyView is what the keys are at one time. It is immutable.
type keyView struct {
	stored     []byte // the document
	ring       *keyring.Ring
	active     *keyring.Key
	public     *jose.PublicKeys
	changes    time.Time // when something happens by itself; zero: never
	algorithms []string  // of the keys that sign, now and next
	jwks       document
}

// OpenKeys checks the options. It leaves the store alone: the keys of a server
// that runs are those of Server.Keys.
func OpenKeys(o KeyOptions) (*Keys, error) {
	switch {
	case o.Store == nil:
		return nil, errors.New("authserver: no store of keys")
	case o.SealingKey == nil && o.OldSealingKeys != nil:
		return nil, errors.New("authserver: there are old sealing keys, and none that took their place")
	case o.Algorithm != "" && !slices.Contains(jose.Algorithms, o.Algorithm):
		return nil, fmt.Errorf("authserver: signing algorithm %q is not %s", o.Algorithm, strings.Join(jose.Algorithms, ", "))
	case o.Rotation > 0 && o.Rotation < minKeyRotation:
		return nil, fmt.Errorf("authserver: signing keys must be kept for %v at least", minKeyRotation)
	}
	for _, key := range append([][]byte{o.SealingKey}, o.OldSealingKeys...) {
		if key != nil && len(key) != sealingKeyBytes {
			return nil, fmt.Errorf("authserver: the key that seals signing keys has %d bytes, not %d", len(key), sealingKeyBytes)
		}
	}
	if o.Rotation == 0 {
		o.Rotation = defaultKeyRotation
	}
	o.Rotation = max(o.Rotation, 0)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Keys{o: o, audit: func(context.Context, audit.Event, error) {}}, nil
}

// sign makes an access token.
func (k *Keys) sign(c jose.Claims) (string, error) {
	active := k.current.Load().active
	if active == nil {
		return "", errors.New("there is no signing key in the store") // until keep makes one
	}
	return active.Sign(c)
}

// verify checks that one of the keys that are published has signed an access
// token, and returns its claims. What they say is for the caller to judge.
func (k *Keys) verify(raw string) (*jose.Claims, error) {
	token, err := jose.Parse(raw)
	if err != nil {
		return nil, err
	}
	return token.Verify(k.current.Load().public)
}

// keep does what is due, and shows what the keys are now.
func (k *Keys) keep(ctx context.Context) error {
	if v := k.current.Load(); v != nil && (v.changes.IsZero() || time.Now().Before(v.changes)) {
		if stored, _, err := k.o.Store.LoadKeys(ctx); err == nil && bytes.Equal(stored, v.stored) {
			return nil // as most times
		}
	}
	return k.update(ctx, func(r *keyring.Ring, now time.Time) (changed bool, err error) {
		if err := k.open(r); err != nil {
			return false, err
		}
		changed = r.Clean(now) || k.o.SealingKey != nil && r.Unsealed()
		if r.Due(now, k.o.Rotation, k.o.Algorithm) {
			changed, err = true, k.introduce(ctx, r, now)
		}
		return changed, err
	})
}

func (k *Keys) open(r *keyring.Ring) error { return r.Open(k.o.SealingKey, k.o.OldSealingKeys...) }

// introduce adds a fresh key.
func (k *Keys) introduce(ctx context.Context, r *keyring.Ring, now time.Time) error {
	fresh, err := k.fresh(r, now)
	if err != nil {
		return err
	}
	return r.Introduce(fresh, false, now)
}

func (k *Keys) fresh(r *keyring.Ring, now time.Time) (*jose.SigningKey, error) {
	algorithm := k.o.Algorithm
	if active := r.Active(now); algorithm == "" && active != nil {
		algorithm = active.Public.Algorithm()
	}
	if algorithm == "" {
		algorithm = ES256
	}
	return jose.NewSigningKey(algorithm)
}

// update changes the keys, if change says so, and shows what they are then. Of
// several writers one is first; the others look again.
func (k *Keys) update(ctx context.Context, change func(*keyring.Ring, time.Time) (changed bool, err error)) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for {
		stored, revision, err := k.o.Store.LoadKeys(ctx)
		if err != nil {
			return err
		}
		ring, err := k.parse(stored)
		if err != nil {
			return err
		}
		now := time.Now().Round(0) // as it is in the store
		changed, err := change(ring, now)
		if err != nil {
			return err
		}
		if !changed {
			return k.show(ctx, stored, ring, now)
		}
		if stored, err = ring.Marshal(k.o.SealingKey); err != nil {
			return err
		}
		err = k.o.Store.SaveKeys(ctx, stored, revision)
		if err == nil {
			k.o.Logger.LogAttrs(ctx, slog.LevelInfo, "signing keys changed", slog.Any("keys", describe(ring, now)))
			return k.show(ctx, stored, ring, now)
		}
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}

// parse returns a ring that can be changed.
func (k *Keys) parse(stored []byte) (*keyring.Ring, error) {
	if v := k.current.Load(); v != nil && bytes.Equal(v.stored, stored) {
		return v.ring.Clone(), nil
	}
	if stored == nil {
		return &keyring.Ring{}, nil
	}
	return keyring.Parse(stored)
}

// show makes the keys those that sign and verify here.
func (k *Keys) show(ctx context.Context, stored []byte, ring *keyring.Ring, now time.Time) error {
	v := &keyView{stored: stored, ring: ring, active: ring.Active(now), changes: ring.Changes(now, k.o.Rotation)}
	var public []jose.PublicKey
	for _, key := range ring.Published(now) {
		public = append(public, key.Public)
		if ring.State(key, now) != keyring.Retired && !slices.Contains(v.algorithms, key.Public.Algorithm()) {
			v.algorithms = append(v.algorithms, key.Public.Algorithm())
		}
	}
	v.public = jose.NewPublicKeys(public...)
	data, err := json.Marshal(v.public)
	if err != nil {
		return err
	}
	v.jwks = newDocument(data)
	old := k.current.Swap(v)
	if old != nil && old.active != nil && v.active != nil && old.active.Public.ID() != v.active.Public.ID() {
		k.o.Logger.LogAttrs(ctx, slog.LevelInfo, "another key signs", slog.String("kid", v.active.Public.ID()), slog.String("alg", v.active.Public.Algorithm()))
	}
	return nil
}

// describe names keys and their states, for the log.
func describe(r *keyring.Ring, now time.Time) (keys []string) {
	for _, key := range r.Published(now) {
		keys = append(keys, string(r.State(key, now))+" "+key.Public.Algorithm()+" "+key.Public.ID())
	}
	return keys
}

// run keeps the keys until ctx ends. While the store fails, those that are known
// take over from each other as they should.
func (k *Keys) run(ctx context.Context) {
	ticker := time.NewTicker(keysInterval)
	defer ticker.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		err := k.keep(audit.As(ctx, audit.ByServer))
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			k.showAgain(ctx)
		}
		if err != nil && !failing { // one line, not one each time
			k.o.Logger.LogAttrs(ctx, slog.LevelError, "signing keys cannot be read or changed; those that are known go on", slog.String("error", err.Error()))
		}
		failing = err != nil
	}
}

// showAgain shows the known keys as they are now.
func (k *Keys) showAgain(ctx context.Context) {
	k.mu.Lock()
	defer k.mu.Unlock()
	v := k.current.Load()
	if err := k.show(ctx, v.stored, v.ring, time.Now().Round(0)); err != nil {
		k.o.Logger.LogAttrs(ctx, slog.LevelError, "signing keys cannot be published", slog.String("error", err.Error()))
	}
}
