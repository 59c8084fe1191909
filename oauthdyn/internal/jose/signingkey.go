// SPDX-License-Identifier: Apache-2.0

package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jws"
)

// freshRSABits is the size of RSA keys that are made here. They sign for some
// months, so that the least size is enough.
const freshRSABits = minRSABits

// A SigningKey is a private key of an issuer. It is immutable and safe for
// concurrent use. It prints without the key.
type SigningKey struct {
	public  PublicKey
	private crypto.Signer
}

// NewSigningKey makes a fresh key for one of Algorithms. Its id is the JWK
// thumbprint (RFC 7638).
func NewSigningKey(algorithm string) (*SigningKey, error) {
	var private crypto.Signer
	var err error
	switch algorithm {
	case ES256:
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case RS256:
		private, err = rsa.GenerateKey(rand.Reader, freshRSABits)
	case EdDSA:
		_, private, err = ed25519.GenerateKey(rand.Reader)
	default:
		return nil, fmt.Errorf("algorithm %q is not one of %v", algorithm, Algorithms)
	}
	if err != nil {
		return nil, err
	}
	return ImportSigningKey(private, "")
}

// ImportSigningKey takes over a key that was made elsewhere: ECDSA on P-256,
// RSA of 2048 to 8192 bits, or Ed25519. An empty id means the JWK thumbprint.
func ImportSigningKey(private crypto.Signer, id string) (*SigningKey, error) {
	public, err := newPublicKey(private.Public(), id)
	if err == nil && id == "" {
		public.id, err = public.thumbprint()
	}
	if err != nil {
		return nil, err
	}
	return &SigningKey{public: public, private: private}, nil
}

// ParseSigningKey reads what Marshal wrote.
func ParseSigningKey(pkcs8 []byte, id string) (*SigningKey, error) {
	key, err := x509.ParsePKCS8PrivateKey(pkcs8)
	if err != nil {
		return nil, errors.New("a signing key cannot be read") // the error may quote it
	}
	private, ok := key.(crypto.Signer)
	if !ok {
		return nil, errors.New("a signing key cannot sign")
	}
	return ImportSigningKey(private, id)
}

// Marshal encodes the private key without its id: PKCS #8.
func (k *SigningKey) Marshal() ([]byte, error) { return x509.MarshalPKCS8PrivateKey(k.private) }

// Public returns the public half.
func (k *SigningKey) Public() PublicKey { return k.public }

// Sign makes an access token (RFC 9068).
func (k *SigningKey) Sign(c Claims) (string, error) {
	payload, err := json.Marshal(c.wire())
	if err != nil {
		return "", err
	}
	algorithm, ok := jwa.LookupSignatureAlgorithm(k.public.algorithm)
	if !ok {
		return "", fmt.Errorf("sign: unknown algorithm %q", k.public.algorithm)
	}
	headers := jws.NewHeaders()
	if err := headers.Set(jws.TypeKey, TypeAccessToken); err != nil {
		return "", err
	}
	if err := headers.Set(jws.KeyIDKey, k.public.id); err != nil {
		return "", err
	}
	token, err := jws.Sign(payload, jws.WithKey(algorithm, k.private, jws.WithProtectedHeaders(headers)), jws.WithStrictECDSA(true))
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	return string(token), nil
}

// String names the key.
func (k *SigningKey) String() string { return k.public.algorithm + " key " + k.public.id }

// Format prints String for every verb.
func (k *SigningKey) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.String()) }

// LogValue logs what String says.
func (k *SigningKey) LogValue() slog.Value { return slog.StringValue(k.String()) }
