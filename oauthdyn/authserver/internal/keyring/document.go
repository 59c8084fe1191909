// SPDX-License-Identifier: Apache-2.0

package keyring

import (
	"crypto/cipher"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/internal/sealing"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/jose"
)

// version is that of the document.
const version = 1

// document is what a store keeps.
type document struct {
	Version int         `json:"version"`
	Keys    []storedKey `json:"keys"`
}

// storedKey has its private half, in PKCS #8, in clear or sealed, until it
// retires.
type storedKey struct {
	JWK      jwk       `json:"jwk"`
	Private  []byte    `json:"private,omitempty"`
	Sealed   []byte    `json:"sealed,omitempty"`
	Imported bool      `json:"imported,omitempty"`
	Created  time.Time `json:"created"`
	Signs    time.Time `json:"signs,omitzero"`
	Retires  time.Time `json:"retires,omitzero"`
	Until    time.Time `json:"until,omitzero"`
}

// jwk is a public key.
type jwk struct{ jose.PublicKey }

// UnmarshalJSON reads what PublicKey.MarshalJSON wrote.
func (j *jwk) UnmarshalJSON(data []byte) (err error) {
	j.PublicKey, err = jose.ParsePublicKey(data)
	return err
}

// Errors of a Ring whose keys cannot be opened.
var (
	ErrSealed = errors.New("the signing keys in the store are sealed")

	errNoKey    = fmt.Errorf("%w, and no key was given to open them", ErrSealed)
	errWrongKey = fmt.Errorf("%w with another key than the one that was given", ErrSealed)
)

var errUnreadable = errors.New("the document of the signing keys cannot be read")

// Parse reads a document. What is sealed stays so until Open.
func Parse(data []byte) (*Ring, error) {
	var d document
	if err := json.Unmarshal(data, &d); err != nil {
		return nil, errUnreadable // the error may quote a key
	}
	switch {
	case d.Version > version:
		return nil, fmt.Errorf("the document of the signing keys is of version %d; update this program, which knows %d", d.Version, version)
	case d.Version != version || len(d.Keys) == 0 || len(d.Keys) > maxKeys:
		return nil, errUnreadable
	}
	r := &Ring{}
	for _, stored := range d.Keys {
		k := &Key{
			Public: stored.JWK.PublicKey, Imported: stored.Imported,
			Created: stored.Created, Signs: stored.Signs, Retires: stored.Retires, Until: stored.Until,
			sealed: stored.Sealed,
		}
		if k.Public.ID() == "" || r.find(k.Public.ID()) >= 0 {
			return nil, errUnreadable
		}
		if stored.Private != nil {
			if err := k.take(stored.Private); err != nil {
				return nil, err
			}
			k.sealed, k.clear = nil, true
		}
		if k.signing() && k.Signs.IsZero() || !k.signing() && k.Until.IsZero() {
			return nil, errUnreadable
		}
		r.keys = append(r.keys, k)
	}
	return r, nil
}

// take reads the private half of a key.
func (k *Key) take(pkcs8 []byte) error {
	private, err := jose.ParseSigningKey(pkcs8, k.Public.ID())
	if err != nil || !private.Public().Equal(k.Public) {
		return errUnreadable
	}
	k.private = private
	return nil
}

// keyCipher returns the cipher that seals private keys; nil without a secret.
func keyCipher(secret []byte) (cipher.AEAD, error) {
	if secret == nil {
		return nil, nil
	}
	return sealing.Cipher(secret, "oauthdyn signing key")
}

// bound is what a sealed private key belongs to.
func (k *Key) bound() []byte { return []byte(k.Public.Algorithm() + " " + k.Public.ID()) }

// Open opens what is sealed, with the secret or with one of those that it took
// the place of. The error matches ErrSealed if none is the right one.
func (r *Ring) Open(secret []byte, old ...[]byte) error {
	var ciphers []cipher.AEAD
	for _, secret := range append([][]byte{secret}, old...) {
		aead, err := keyCipher(secret)
		if err != nil {
			return err
		}
		if aead != nil {
			ciphers = append(ciphers, aead)
		}
	}
	for _, k := range r.keys {
		if k.sealed == nil || k.private != nil {
			continue
		}
		if len(ciphers) == 0 {
			return errNoKey
		}
		if err := k.open(ciphers); err != nil {
			return err
		}
	}
	return nil
}

// open opens a key with the first cipher that can.
func (k *Key) open(ciphers []cipher.AEAD) error {
	for i, aead := range ciphers {
		if pkcs8, err := aead.Open(nil, nil, k.sealed, k.bound()); err == nil {
			k.outdated = i > 0
			return k.take(pkcs8)
		}
	}
	return errWrongKey
}

// Marshal writes the document. Private keys are sealed if there is a secret.
func (r *Ring) Marshal(secret []byte) ([]byte, error) {
	aead, err := keyCipher(secret)
	if err != nil {
		return nil, err
	}
	d := document{Version: version}
	for _, k := range r.keys {
		stored := storedKey{
			JWK: jwk{k.Public}, Imported: k.Imported,
			Created: k.Created.UTC(), Signs: k.Signs.UTC(), Retires: k.Retires.UTC(), Until: k.Until.UTC(),
		}
		switch {
		case k.private == nil:
			stored.Sealed = k.sealed
		default:
			if stored.Private, err = k.private.Marshal(); err != nil {
				return nil, err
			}
			if aead != nil {
				stored.Sealed, stored.Private = aead.Seal(nil, nil, stored.Private, k.bound()), nil
			}
		}
		d.Keys = append(d.Keys, stored)
	}
	return json.Marshal(d)
}
