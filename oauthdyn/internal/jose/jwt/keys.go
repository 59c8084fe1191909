// SPDX-License-Identifier: Apache-2.0

package jwt

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/strictjson"
)

const (
	maxKeys  = 64 // taken from one set
	maxTries = 4  // of keys that could have made a signature
)

// ErrUnknownKey reports an assertion signed by a key that is not in the set.
var ErrUnknownKey = errors.New("signed by an unknown key")

// Keys verify the assertions of one party. They are immutable and safe for
// concurrent use.
type Keys struct{ keys []setKey }

// setKey is a key of a JWK set: RFC 7517 section 4.
type setKey struct {
	*verifyingKey
	id        string
	algorithm string // empty: any that fits the key
}

// ParseKeys reads a JWK set (RFC 7517 section 5). Keys of unknown type, for
// other uses, too weak or beyond the first 64 are left out. The error is fit for
// whoever made the set: it is not one, holds a private key, or no key that can
// be used.
func ParseKeys(data []byte) (*Keys, error) {
	obj, err := strictjson.Parse(data)
	if err != nil {
		return nil, err
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := obj.Decode(&set); err != nil {
		return nil, err
	}
	k := &Keys{}
	for _, raw := range set.Keys {
		if len(k.keys) == maxKeys {
			break
		}
		if err := k.add(raw); err != nil {
			return nil, err
		}
	}
	if len(k.keys) == 0 {
		return nil, errors.New("holds no key that can be used: want EC, RSA of 2048 to 4096 bits, or Ed25519")
	}
	return k, nil
}

// add takes a key in if it can verify signatures.
func (k *Keys) add(raw json.RawMessage) error {
	obj, err := strictjson.Parse(raw)
	if err != nil {
		return fmt.Errorf("a key is %w", err)
	}
	public, err := takePublicKey(obj)
	if errors.Is(err, errPrivateKey) {
		return errors.New("holds a private key, which everybody has read by now; make a new one")
	}
	var about struct {
		ID         string   `json:"kid"`
		Algorithm  string   `json:"alg"`
		Use        string   `json:"use"`
		Operations []string `json:"key_ops"`
	}
	if err != nil || obj.Decode(&about) != nil ||
		about.Use != "" && about.Use != "sig" || len(about.Operations) > 0 && !slices.Contains(about.Operations, "verify") {
		return nil
	}
	k.keys = append(k.keys, setKey{public, about.ID, about.Algorithm})
	return nil
}

// verify checks a signature by the key that the header names, or by those that
// could have made it if it names none.
func (k *Keys) verify(jws *compact) error {
	tries := 0
	for _, key := range k.keys {
		if tries == maxTries {
			break
		}
		if jws.keyID != "" && key.id != jws.keyID || key.algorithm != "" && key.algorithm != jws.algorithm {
			continue
		}
		tries++
		if key.verifyingKey.verify(jws.algorithm, jws.input, jws.signature) == nil {
			return nil
		}
	}
	if tries == 0 || jws.keyID == "" {
		return ErrUnknownKey
	}
	return errSignature
}
