// SPDX-License-Identifier: Apache-2.0

package jwt

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"time"
)

const (
	typeJWT  = "JWT"
	typeDPoP = "dpop+jwt"

	// assertionLifetime leaves room for clocks that differ a little.
	assertionLifetime = 2 * time.Minute
)

// header is a JWS header: RFC 7515 section 4.1.
type header struct {
	Algorithm string     `json:"alg"`
	Type      string     `json:"typ"`
	KeyID     string     `json:"kid,omitempty"`
	JWK       *publicKey `json:"jwk,omitempty"`
}

// Assertion returns the assertion by which a client authenticates: RFC 7523
// section 3. The audience is the issuer identifier of the authorization server.
func (k *Key) Assertion(alg, clientID, audience string) (string, error) {
	now := time.Now()
	return k.sign(header{Algorithm: alg, Type: typeJWT, KeyID: k.id}, struct {
		Issuer   string `json:"iss"`
		Subject  string `json:"sub"`
		Audience string `json:"aud"`
		ID       string `json:"jti"`
		IssuedAt int64  `json:"iat"`
		Expires  int64  `json:"exp"`
	}{clientID, clientID, audience, rand.Text(), now.Unix(), now.Add(assertionLifetime).Unix()})
}

// Proof is what a DPoP proof is about, made or checked: RFC 9449 section 4.2.
type Proof struct {
	Method string // of the request
	URL    string // of the request, without query and fragment
	Nonce  string // that the server asked for; may be empty
	Token  string // that the request carries; empty in a token request
}

// DPoP returns a fresh proof.
func (k *Key) DPoP(p Proof) (string, error) {
	claims := struct {
		ID       string `json:"jti"`
		Method   string `json:"htm"`
		URL      string `json:"htu"`
		IssuedAt int64  `json:"iat"`
		Nonce    string `json:"nonce,omitempty"`
		Hash     string `json:"ath,omitempty"`
	}{ID: rand.Text(), Method: p.Method, URL: p.URL, IssuedAt: time.Now().Unix(), Nonce: p.Nonce}
	if p.Token != "" {
		claims.Hash = tokenHash(p.Token)
	}
	return k.sign(header{Algorithm: k.algorithms[0], Type: typeDPoP, JWK: &k.public}, claims)
}

// sign makes a JWS in compact form.
func (k *Key) sign(h header, claims any) (string, error) {
	head, err := marshal(h)
	if err != nil {
		return "", err
	}
	payload, err := marshal(claims)
	if err != nil {
		return "", err
	}
	input := head + "." + payload
	sig, err := k.signature(h.Algorithm, []byte(input))
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	return input + "." + encode(sig), nil
}

// signature signs as RFC 7518 section 3 and RFC 8037 section 3.1 have it.
func (k *Key) signature(alg string, input []byte) ([]byte, error) {
	var opts crypto.SignerOpts
	switch alg {
	case "EdDSA":
		return k.private.Sign(rand.Reader, input, crypto.Hash(0))
	case "ES256", "RS256":
		opts = crypto.SHA256
	case "ES384":
		opts = crypto.SHA384
	case "ES512":
		opts = crypto.SHA512
	case "PS256":
		opts = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}
	default:
		return nil, fmt.Errorf("unknown algorithm %q", alg)
	}
	hash := opts.HashFunc().New()
	hash.Write(input)
	sig, err := k.private.Sign(rand.Reader, hash.Sum(nil), opts)
	if err != nil || k.public.Type != "EC" {
		return sig, err
	}
	return flatten(sig, k.public.X)
}

// flatten turns the ASN.1 form of an ECDSA signature into r and s of fixed
// size: RFC 7518 section 3.4. x is a coordinate of the same size, encoded.
func flatten(sig []byte, x string) ([]byte, error) {
	var rs struct{ R, S *big.Int }
	rest, err := asn1.Unmarshal(sig, &rs)
	n := len(x) * 3 / 4 // unpadded base64
	if err != nil || len(rest) > 0 || rs.R.Sign() <= 0 || rs.S.Sign() <= 0 || rs.R.BitLen() > 8*n || rs.S.BitLen() > 8*n {
		return nil, errors.New("signer made no ECDSA signature")
	}
	flat := make([]byte, 2*n)
	rs.R.FillBytes(flat[:n])
	rs.S.FillBytes(flat[n:])
	return flat, nil
}
