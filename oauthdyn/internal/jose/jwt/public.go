// SPDX-License-Identifier: Apache-2.0

package jwt

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	_ "crypto/sha512" // for ES384 and ES512
	"encoding/json"
	"errors"
	"fmt"
	"math/big"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/strictjson"
)

// Algorithms are the signature algorithms of proofs and assertions that are
// accepted.
var Algorithms = []string{"ES256", "ES384", "ES512", "EdDSA", "RS256", "PS256"}

// maxRSABits bounds what a signature of a stranger costs to check.
const maxRSABits = 4096

// verifyingKey is a public key that came from outside.
type verifyingKey struct {
	jwk publicKey
	key crypto.PublicKey
}

// parsePublicKey reads a JWK. One with a private part is refused: RFC 9449
// section 4.3.
func parsePublicKey(data []byte) (*verifyingKey, error) {
	obj, err := strictjson.Parse(data)
	if err != nil {
		return nil, errors.New("is missing, or " + err.Error())
	}
	return takePublicKey(obj)
}

var errPrivateKey = errors.New("is not a public key")

func takePublicKey(obj strictjson.Object) (*verifyingKey, error) {
	for _, name := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"} {
		if _, ok := obj[name]; ok {
			return nil, errPrivateKey
		}
	}
	k := &verifyingKey{}
	err := obj.Decode(&k.jwk)
	if err != nil {
		return nil, err
	}
	switch k.jwk.Type {
	case "EC":
		err = k.takeEC()
	case "RSA":
		err = k.takeRSA()
	case "OKP":
		err = k.takeOKP()
	default:
		err = errors.New("is of an unknown type")
	}
	return k, err
}

// curves are those of RFC 7518 section 6.2, with their algorithms.
var curves = map[string]struct {
	curve elliptic.Curve
	alg   string
	hash  crypto.Hash
}{
	"P-256": {elliptic.P256(), "ES256", crypto.SHA256},
	"P-384": {elliptic.P384(), "ES384", crypto.SHA384},
	"P-521": {elliptic.P521(), "ES512", crypto.SHA512},
}

func (k *verifyingKey) takeEC() error {
	known, ok := curves[k.jwk.Curve]
	if !ok {
		return errors.New("is on an unknown curve")
	}
	n := (known.curve.Params().BitSize + 7) / 8
	x, err1 := strict.DecodeString(k.jwk.X)
	y, err2 := strict.DecodeString(k.jwk.Y)
	if err1 != nil || err2 != nil || len(x) != n || len(y) != n {
		return errors.New("has malformed coordinates")
	}
	public, err := ecdsa.ParseUncompressedPublicKey(known.curve, append(append([]byte{4}, x...), y...))
	if err != nil {
		return errors.New("is not a point of its curve")
	}
	k.key = public
	k.jwk = publicKey{Type: "EC", Curve: k.jwk.Curve, X: k.jwk.X, Y: k.jwk.Y}
	return nil
}

func (k *verifyingKey) takeRSA() error {
	modulus, err1 := strict.DecodeString(k.jwk.Modulus)
	exponent, err2 := strict.DecodeString(k.jwk.Exponent)
	// Leading zeros would give one key several thumbprints.
	if err1 != nil || err2 != nil || len(modulus) == 0 || modulus[0] == 0 || len(exponent) == 0 || exponent[0] == 0 {
		return errors.New("has a malformed modulus or exponent")
	}
	n, e := new(big.Int).SetBytes(modulus), new(big.Int).SetBytes(exponent)
	if n.BitLen() < minRSABits || n.BitLen() > maxRSABits || e.Cmp(big.NewInt(65537)) != 0 {
		return fmt.Errorf("must have %d to %d bits and the exponent 65537", minRSABits, maxRSABits)
	}
	k.key = &rsa.PublicKey{N: n, E: 65537}
	k.jwk = publicKey{Type: "RSA", Modulus: k.jwk.Modulus, Exponent: k.jwk.Exponent}
	return nil
}

func (k *verifyingKey) takeOKP() error {
	x, err := strict.DecodeString(k.jwk.X)
	if k.jwk.Curve != "Ed25519" || err != nil || len(x) != ed25519.PublicKeySize {
		return errors.New("is not an Ed25519 key")
	}
	k.key = ed25519.PublicKey(x)
	k.jwk = publicKey{Type: "OKP", Curve: "Ed25519", X: k.jwk.X}
	return nil
}

// thumbprint is that of RFC 7638, whose members publicKey holds in order.
func (p publicKey) thumbprint() string {
	jwk, _ := json.Marshal(p) // strings always encode
	sum := sha256.Sum256(jwk)
	return encode(sum[:])
}

var errSignature = errors.New("signature is wrong, or not for the key")

// verify checks a signature. The algorithm must be one for the key.
func (k *verifyingKey) verify(alg string, input, sig []byte) error {
	ok := false
	switch public := k.key.(type) {
	case *ecdsa.PublicKey:
		known := curves[k.jwk.Curve]
		n := (known.curve.Params().BitSize + 7) / 8
		if alg == known.alg && len(sig) == 2*n {
			r, s := new(big.Int).SetBytes(sig[:n]), new(big.Int).SetBytes(sig[n:])
			ok = ecdsa.Verify(public, digest(known.hash, input), r, s)
		}
	case *rsa.PublicKey:
		switch alg {
		case "RS256":
			ok = rsa.VerifyPKCS1v15(public, crypto.SHA256, digest(crypto.SHA256, input), sig) == nil
		case "PS256":
			ok = rsa.VerifyPSS(public, crypto.SHA256, digest(crypto.SHA256, input), sig, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
		}
	case ed25519.PublicKey:
		ok = alg == "EdDSA" && ed25519.Verify(public, input, sig)
	}
	if !ok {
		return errSignature
	}
	return nil
}

func digest(h crypto.Hash, input []byte) []byte {
	hash := h.New()
	hash.Write(input)
	return hash.Sum(nil)
}
