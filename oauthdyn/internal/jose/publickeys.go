// SPDX-License-Identifier: Apache-2.0

package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
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
)

// PublicKeys are the keys that verify the tokens of one issuer. It is immutable
// and safe for concurrent use.
type PublicKeys struct {
	keys []publicKey
}

type publicKey struct {
	id        string
	algorithm string
	key       any // *ecdsa.PublicKey, *rsa.PublicKey or ed25519.PublicKey
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
		if key, ok := set.Key(i); ok {
			keys.add(key)
		}
	}
	return keys, nil
}

// add takes a key in if it can verify signatures with an allowed algorithm.
func (k *PublicKeys) add(key jwk.Key) {
	if use, ok := key.KeyUsage(); ok && use != "sig" {
		return
	}
	var raw any
	if err := jwk.Export(key, &raw); err != nil {
		return
	}
	p := publicKey{key: raw}
	switch raw := raw.(type) {
	case *ecdsa.PublicKey:
		if raw.Curve != elliptic.P256() {
			return
		}
		p.algorithm = ES256
	case *rsa.PublicKey:
		if raw.N.BitLen() < minRSABits {
			return
		}
		p.algorithm = RS256
	case ed25519.PublicKey:
		p.algorithm = EdDSA
	default:
		return
	}
	if alg, ok := key.Algorithm(); ok && alg.String() != p.algorithm {
		return
	}
	p.id, _ = key.KeyID()
	k.keys = append(k.keys, p)
}

// Len returns the number of usable keys.
func (k *PublicKeys) Len() int { return len(k.keys) }

// Lacks reports whether a key of another set is missing here. A key that was
// replaced under the same id is missing.
func (k *PublicKeys) Lacks(other *PublicKeys) bool {
	return slices.ContainsFunc(other.keys, func(want publicKey) bool {
		return !slices.ContainsFunc(k.keys, want.equal)
	})
}

func (p publicKey) equal(other publicKey) bool {
	key, ok := p.key.(interface{ Equal(crypto.PublicKey) bool })
	return ok && p.id == other.id && key.Equal(other.key)
}

// find returns the key with an id. A token without a key id fits if just one
// key has its algorithm.
func (k *PublicKeys) find(id, algorithm string) (any, error) {
	var found any
	for _, p := range k.keys {
		if id != "" && p.id == id {
			if p.algorithm != algorithm {
				return nil, fmt.Errorf("key is not for %s", algorithm)
			}
			return p.key, nil
		}
		if id == "" && p.algorithm == algorithm {
			if found != nil {
				return nil, errors.New("no key id, and several keys could fit")
			}
			found = p.key
		}
	}
	if found == nil {
		return nil, ErrUnknownKey
	}
	return found, nil
}
