// SPDX-License-Identifier: Apache-2.0

// Package jwt signs the short-lived JWTs of a client, assertions (RFC 7523) and
// DPoP proofs (RFC 9449), and checks such proofs. It needs nothing but the
// standard library, so that a program that only wants the client does not link
// a JOSE library.
package jwt

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
)

// minRSABits is the least RSA modulus that RFC 7518 section 3.3 allows.
const minRSABits = 2048

// Key is a private key that signs. It is immutable, safe for concurrent use if
// the private key is, and prints without it.
type Key struct {
	private    crypto.Signer
	algorithms []string // the preferred one first
	public     publicKey
	id         string
}

// publicKey is a public key as a JWK: RFC 7517, RFC 7518 section 6, RFC 8037.
// The order of the members is that of RFC 7638 section 3.2, by name.
type publicKey struct {
	Curve    string `json:"crv,omitempty"`
	Exponent string `json:"e,omitempty"`
	Type     string `json:"kty"`
	Modulus  string `json:"n,omitempty"`
	X        string `json:"x,omitempty"`
	Y        string `json:"y,omitempty"`
}

// NewKey takes a private key in use: ECDSA on P-256, P-384 or P-521, RSA of at
// least 2048 bits, or Ed25519. An empty id means the JWK thumbprint (RFC 7638).
func NewKey(private crypto.Signer, id string) (*Key, error) {
	k := &Key{private: private, id: id}
	switch public := private.Public().(type) {
	case *ecdsa.PublicKey:
		if err := k.takeECDSA(public); err != nil {
			return nil, err
		}
	case *rsa.PublicKey:
		if public.N.BitLen() < minRSABits {
			return nil, fmt.Errorf("RSA key of %d bits is too short: want %d", public.N.BitLen(), minRSABits)
		}
		k.algorithms = []string{"RS256", "PS256"}
		k.public = publicKey{Type: "RSA", Modulus: encode(public.N.Bytes()), Exponent: encode(big.NewInt(int64(public.E)).Bytes())}
	case ed25519.PublicKey:
		k.algorithms = []string{"EdDSA"}
		k.public = publicKey{Type: "OKP", Curve: "Ed25519", X: encode(public)}
	default:
		return nil, fmt.Errorf("key of type %T cannot sign a JWT: want ECDSA, RSA or Ed25519", private)
	}
	if k.id == "" {
		k.id = k.Thumbprint()
	}
	return k, nil
}

func (k *Key) takeECDSA(public *ecdsa.PublicKey) error {
	var alg string
	switch public.Curve {
	case elliptic.P256():
		alg = "ES256"
	case elliptic.P384():
		alg = "ES384"
	case elliptic.P521():
		alg = "ES512"
	default:
		return errors.New("ECDSA key is on a curve that JOSE does not know")
	}
	point, err := public.Bytes()
	if err != nil {
		return err
	}
	n := len(point) / 2 // 0x04, x, y
	k.algorithms = []string{alg}
	k.public = publicKey{Type: "EC", Curve: public.Params().Name, X: encode(point[1 : 1+n]), Y: encode(point[1+n:])}
	return nil
}

// Generate makes a key for ES256, the algorithm that every server knows.
func Generate() (*Key, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	return NewKey(private, "")
}

// ParseKey reads what Marshal wrote. The error does not quote it.
func ParseKey(pkcs8 []byte) (*Key, error) {
	parsed, err := x509.ParsePKCS8PrivateKey(pkcs8)
	private, ok := parsed.(crypto.Signer)
	if err != nil || !ok {
		return nil, errors.New("private key cannot be read")
	}
	return NewKey(private, "")
}

// Marshal writes a generated key in PKCS #8 form, for a store.
func (k *Key) Marshal() ([]byte, error) { return x509.MarshalPKCS8PrivateKey(k.private) }

// Thumbprint returns the JWK thumbprint: RFC 7638.
func (k *Key) Thumbprint() string { return k.public.thumbprint() }

// PublicSet returns the public half as a JWK set: RFC 7517 section 5.
func (k *Key) PublicSet() json.RawMessage {
	type member struct {
		publicKey
		ID  string `json:"kid"`
		Use string `json:"use"`
	}
	set, _ := json.Marshal(map[string][]member{"keys": {{k.public, k.id, "sig"}}}) // strings always encode
	return set
}

// Algorithm returns the algorithm to sign with at a server that accepts the
// given ones; an empty list says nothing.
func (k *Key) Algorithm(accepted []string) (string, error) {
	if len(accepted) == 0 {
		return k.algorithms[0], nil
	}
	for _, alg := range k.algorithms {
		if slices.Contains(accepted, alg) {
			return alg, nil
		}
	}
	return "", fmt.Errorf("server accepts no signature by this key: want one of %q", k.algorithms)
}

// Format prints the key id for every verb.
func (k *Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "key "+k.id) }

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// marshal encodes a part of a JWT; slashes and ampersands in URLs stay legible.
func marshal(v any) (string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return "", err
	}
	return encode(bytes.TrimRight(b.Bytes(), "\n")), nil
}
