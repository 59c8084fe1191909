// SPDX-License-Identifier: Apache-2.0

// Package josetest signs tokens as other authorization servers do: with every
// algorithm that package jose verifies, and with any header and claims.
package josetest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/jose"
)

// A Key is a private key and its name. It uses the standard library only.
type Key struct {
	Algorithm string
	ID        string

	private crypto.Signer
}

// NewKey makes a key for an algorithm of package jose.
func NewKey(algorithm, id string) (*Key, error) {
	k := &Key{Algorithm: algorithm, ID: id}
	var err error
	switch algorithm {
	case jose.ES256:
		k.private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case jose.RS256:
		k.private, err = rsa.GenerateKey(rand.Reader, 2048)
	case jose.EdDSA:
		_, k.private, err = ed25519.GenerateKey(rand.Reader)
	default:
		err = errors.ErrUnsupported
	}
	return k, err
}

// Private returns the private half.
func (k *Key) Private() crypto.Signer { return k.private }

// JWKS encodes the public halves of keys.
func JWKS(keys ...*Key) ([]byte, error) {
	set := []map[string]string{}
	for _, k := range keys {
		jwk := map[string]string{"kid": k.ID}
		switch public := k.private.Public().(type) {
		case *ecdsa.PublicKey:
			point, err := public.Bytes()
			if err != nil {
				return nil, err
			}
			jwk["kty"], jwk["crv"], jwk["x"], jwk["y"] = "EC", "P-256", encode(point[1:33]), encode(point[33:])
		case *rsa.PublicKey:
			jwk["kty"], jwk["n"], jwk["e"] = "RSA", encode(public.N.Bytes()), "AQAB"
		case ed25519.PublicKey:
			jwk["kty"], jwk["crv"], jwk["x"] = "OKP", "Ed25519", encode(public)
		}
		set = append(set, jwk)
	}
	return json.Marshal(map[string]any{"keys": set})
}

func encode(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

// Sign makes a token of a given type with the claims, which are JSON. A type or
// key id that is empty is left out.
func (k *Key) Sign(typ, claims string) (string, error) {
	header := map[string]string{"alg": k.Algorithm}
	if k.ID != "" {
		header["kid"] = k.ID
	}
	if typ != "" {
		header["typ"] = typ
	}
	data, err := json.Marshal(header)
	if err != nil {
		return "", err
	}
	input := encode(data) + "." + encode([]byte(claims))
	sig, err := k.sign([]byte(input))
	return input + "." + encode(sig), err
}

func (k *Key) sign(input []byte) ([]byte, error) {
	digest := sha256.Sum256(input)
	switch private := k.private.(type) {
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, private, digest[:])
		if err != nil {
			return nil, err
		}
		sig := make([]byte, 64)
		r.FillBytes(sig[:32])
		s.FillBytes(sig[32:])
		return sig, nil
	case *rsa.PrivateKey:
		return rsa.SignPKCS1v15(rand.Reader, private, crypto.SHA256, digest[:])
	default:
		return k.private.Sign(rand.Reader, input, crypto.Hash(0))
	}
}
