// SPDX-License-Identifier: Apache-2.0

package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jws"
)

// A KeySet holds the private keys of an issuer: one that signs, and retired
// ones that are still published until the tokens they signed have expired. It
// is immutable and safe for concurrent use. It prints without its keys.
type KeySet struct {
	keys []signingKey // the first one signs
}

type signingKey struct {
	id      string
	private *ecdsa.PrivateKey
	retired time.Time // zero for the first
}

// storedKey is a signingKey in a store. The JWK holds the private key.
type storedKey struct {
	JWK     json.RawMessage `json:"jwk"`
	Retired time.Time       `json:"retired,omitzero"`
}

// NewKeySet makes a set with one fresh ES256 key.
func NewKeySet() (*KeySet, error) {
	key, err := newSigningKey()
	if err != nil {
		return nil, err
	}
	return &KeySet{keys: []signingKey{key}}, nil
}

func newSigningKey() (signingKey, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return signingKey{}, err
	}
	id, err := thumbprint(private.Public())
	return signingKey{id: id, private: private}, err
}

// thumbprint returns the key id: the JWK thumbprint of RFC 7638.
func thumbprint(public any) (string, error) {
	key, err := jwk.Import(public)
	if err != nil {
		return "", err
	}
	sum, err := key.Thumbprint(crypto.SHA256)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(sum), nil
}

// Rotate returns a set in which a fresh key signs and the previous one is
// retired. Keys retired longer than keep ago are dropped.
func (s *KeySet) Rotate(now time.Time, keep time.Duration) (*KeySet, error) {
	fresh, err := newSigningKey()
	if err != nil {
		return nil, err
	}
	keys := []signingKey{fresh}
	for i, k := range s.keys {
		if i == 0 {
			k.retired = now
		}
		if now.Sub(k.retired) <= keep {
			keys = append(keys, k)
		}
	}
	return &KeySet{keys: keys}, nil
}

// ParseKeySet reads a set written by Marshal.
func ParseKeySet(data []byte) (*KeySet, error) {
	var stored []storedKey
	if err := json.Unmarshal(data, &stored); err != nil || len(stored) == 0 {
		return nil, errors.New("signing keys cannot be read")
	}
	s := &KeySet{}
	for _, k := range stored {
		key, err := jwk.ParseKey(k.JWK)
		if err != nil {
			return nil, errors.New("signing keys cannot be read")
		}
		var private ecdsa.PrivateKey
		if err := jwk.Export(key, &private); err != nil {
			return nil, errors.New("signing keys are not ES256 keys")
		}
		id, err := thumbprint(private.Public())
		if err != nil {
			return nil, err
		}
		s.keys = append(s.keys, signingKey{id: id, private: &private, retired: k.Retired})
	}
	return s, nil
}

// Marshal encodes the private keys for a store.
func (s *KeySet) Marshal() ([]byte, error) {
	stored := make([]storedKey, len(s.keys))
	for i, k := range s.keys {
		key, err := jwk.Import(k.private)
		if err != nil {
			return nil, err
		}
		raw, err := json.Marshal(key)
		if err != nil {
			return nil, err
		}
		stored[i] = storedKey{JWK: raw, Retired: k.retired}
	}
	return json.Marshal(stored)
}

// PublicJWKS encodes the public halves as a JWK set.
func (s *KeySet) PublicJWKS() ([]byte, error) {
	set := jwk.NewSet()
	for _, k := range s.keys {
		key, err := jwk.Import(k.private.Public())
		if err != nil {
			return nil, err
		}
		for name, value := range map[string]any{
			jwk.KeyIDKey: k.id, jwk.AlgorithmKey: jwa.ES256(), jwk.KeyUsageKey: jwk.ForSignature,
		} {
			if err := key.Set(name, value); err != nil {
				return nil, err
			}
		}
		if err := set.AddKey(key); err != nil {
			return nil, err
		}
	}
	return json.Marshal(set)
}

// Sign makes an access token (RFC 9068) with the active key.
func (s *KeySet) Sign(c Claims) (string, error) {
	payload, err := json.Marshal(c.wire())
	if err != nil {
		return "", err
	}
	active := s.keys[0]
	headers := jws.NewHeaders()
	if err := headers.Set(jws.TypeKey, TypeAccessToken); err != nil {
		return "", err
	}
	if err := headers.Set(jws.KeyIDKey, active.id); err != nil {
		return "", err
	}
	token, err := jws.Sign(payload, jws.WithKey(jwa.ES256(), active.private, jws.WithProtectedHeaders(headers)),
		jws.WithStrictECDSA(true))
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	return string(token), nil
}

// Verify checks that one of the keys, be it a retired one, has signed an access
// token, and returns its claims. What they say is for the caller to judge.
func (s *KeySet) Verify(raw string) (*Claims, error) {
	token, err := Parse(raw)
	if err != nil {
		return nil, err
	}
	public := &PublicKeys{}
	for _, k := range s.keys {
		public.keys = append(public.keys, publicKey{id: k.id, algorithm: ES256, key: &k.private.PublicKey})
	}
	return token.Verify(public)
}

// ActiveID returns the id of the key that signs.
func (s *KeySet) ActiveID() string { return s.keys[0].id }

// String names the active key.
func (s *KeySet) String() string { return fmt.Sprintf("%d keys, active %s", len(s.keys), s.ActiveID()) }

// GoString is String.
func (s *KeySet) GoString() string { return s.String() }

// LogValue logs the id of the active key.
func (s *KeySet) LogValue() slog.Value { return slog.StringValue(s.String()) }
