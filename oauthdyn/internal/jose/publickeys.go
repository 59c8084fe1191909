// SPDX-License-Identifier: Apache-2.0

package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/lestrrat-go/jwx/v3/jwk"
)

const (
	// maxKeys bounds the keys taken from one key set.
	maxKeys = 64

	// minRSABits is the least RSA modulus that RFC 7518 section 3.3 allows.
	minRSABits = 2048

	// maxRSABits bounds the work of a verification.
	maxRSABits = 8192

	// maxTried bounds the keys that are tried for a token without a key id.
	maxTried = 4
)

// PublicKeys are the keys that verify the tokens of one issuer. It is immutable
// and safe for concurrent use.
type PublicKeys struct {
	keys []PublicKey
}

// A PublicKey verifies what one private key has signed.
type PublicKey struct {
	id        string
	algorithm string
	key       any // *ecdsa.PublicKey, *rsa.PublicKey or ed25519.PublicKey
}

// ID returns the key id; it may be empty.
func (p PublicKey) ID() string { return p.id }

// Algorithm returns the one of Algorithms that the key is for.
func (p PublicKey) Algorithm() string { return p.algorithm }

// NewPublicKeys makes a set.
func NewPublicKeys(keys ...PublicKey) *PublicKeys {
	return &PublicKeys{keys: append([]PublicKey{}, keys...)}
}

// newPublicKey takes a key that can verify signatures with an allowed algorithm.
func newPublicKey(raw any, id string) (PublicKey, error) {
	p := PublicKey{id: id, key: raw}
	switch raw := raw.(type) {
	case *ecdsa.PublicKey:
		if raw.Curve != elliptic.P256() {
			return p, errors.New("an ECDSA key must be on the curve P-256")
		}
		p.algorithm = ES256
	case *rsa.PublicKey:
		if bits := raw.N.BitLen(); bits < minRSABits || bits > maxRSABits {
			return p, fmt.Errorf("an RSA key must have %d to %d bits, and this one has %d", minRSABits, maxRSABits, bits)
		}
		p.algorithm = RS256
	case ed25519.PublicKey:
		p.algorithm = EdDSA
	default:
		return p, errors.New("a key must be of type RSA, ECDSA or Ed25519")
	}
	return p, nil
}

// thumbprint returns the JWK thumbprint: RFC 7638.
func (p PublicKey) thumbprint() (string, error) {
	key, err := jwk.Import(p.key)
	if err != nil {
		return "", err
	}
	sum, err := key.Thumbprint(crypto.SHA256)
	return base64.RawURLEncoding.EncodeToString(sum), err
}

// ParsePublicKey reads one key, written by MarshalJSON.
func ParsePublicKey(data []byte) (PublicKey, error) {
	key, err := jwk.ParseKey(data)
	if err != nil {
		return PublicKey{}, errors.New("not a JWK")
	}
	p, ok := readJWK(key)
	if !ok || p.id == "" {
		return PublicKey{}, errors.New("not a public key for signatures with an id")
	}
	return p, nil
}

// MarshalJSON encodes the key as a JWK (RFC 7517).
func (p PublicKey) MarshalJSON() ([]byte, error) {
	key, err := jwk.Import(p.key)
	if err != nil {
		return nil, err
	}
	for name, value := range map[string]any{
		jwk.KeyIDKey: p.id, jwk.AlgorithmKey: p.algorithm, jwk.KeyUsageKey: jwk.ForSignature,
	} {
		if err := key.Set(name, value); err != nil {
			return nil, err
		}
	}
	return json.Marshal(key)
}

// MarshalJSON encodes the keys as a JWK set.
func (k *PublicKeys) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Keys []PublicKey `json:"keys"`
	}{k.keys})
}

// ParseJWKS reads a JWK set (RFC 7517 section 5). Keys of unknown type, for
// other uses, too weak or beyond the first 64 are left out: one bad key must
// not stop the others.
func ParseJWKS(data []byte) (*PublicKeys, error) {
	set, err := jwk.Parse(data, jwk.WithStrictKeySetParsing(false))
	if err != nil {
		return nil, errors.New("not a JWK set")
	}
	keys := &PublicKeys{}
	for i := range set.Len() {
		if len(keys.keys) == maxKeys {
			break
		}
		key, _ := set.Key(i)
		if p, ok := readJWK(key); ok {
			keys.keys = append(keys.keys, p)
		}
	}
	return keys, nil
}

// readJWK takes a key that can verify signatures with an allowed algorithm.
func readJWK(key jwk.Key) (p PublicKey, ok bool) {
	if use, ok := key.KeyUsage(); ok && use != "sig" {
		return p, false
	}
	var raw any
	if err := jwk.Export(key, &raw); err != nil {
		return p, false
	}
	id, _ := key.KeyID()
	p, err := newPublicKey(raw, id)
	if err != nil {
		return p, false
	}
	alg, ok := key.Algorithm()
	return p, !ok || alg.String() == p.algorithm
}

// Len returns the number of usable keys.
func (k *PublicKeys) Len() int { return len(k.keys) }

// Lacks reports whether a key of another set is missing here. A key that was
// replaced under the same id is missing.
func (k *PublicKeys) Lacks(other *PublicKeys) bool {
	return slices.ContainsFunc(other.keys, func(want PublicKey) bool {
		return !slices.ContainsFunc(k.keys, want.Equal)
	})
}

// Equal reports whether both are the same key under the same id.
func (p PublicKey) Equal(other PublicKey) bool {
	key, ok := p.key.(interface{ Equal(crypto.PublicKey) bool })
	return ok && p.id == other.id && key.Equal(other.key)
}

// find returns the key with an id. A token without a key id can be signed by
// any of a few keys.
func (k *PublicKeys) find(id, algorithm string) (found []any, err error) {
	for _, p := range k.keys {
		switch {
		case id != "" && p.id == id && p.algorithm != algorithm:
			return nil, fmt.Errorf("key is not for %s", algorithm)
		case id != "" && p.id == id:
			return []any{p.key}, nil
		case id == "" && p.algorithm == algorithm:
			found = append(found, p.key)
		}
	}
	switch {
	case len(found) == 0:
		return nil, ErrUnknownKey
	case len(found) > maxTried:
		return nil, errors.New("no key id, and too many keys could fit")
	}
	return found, nil
}
