// SPDX-License-Identifier: Apache-2.0

package jwt

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
)

const (
	// maxProofBytes bounds a proof, which holds a key and a signature.
	maxProofBytes = 8 << 10

	// ProofAge is how old a proof may be, and how far the clock of its maker
	// may be from ours in either direction.
	ProofAge = 2 * time.Minute

	// maxDate keeps a date inside of what time.Unix holds.
	maxDate = 1 << 40
)

// SignedProof is a proof whose signature fits the key that it names.
type SignedProof struct {
	// Thumbprint is that of the key (RFC 7638): the jkt of tokens that are
	// bound to it.
	Thumbprint string

	claims proofClaims
}

type proofClaims struct {
	ID       string  `json:"jti"`
	Method   string  `json:"htm"`
	URL      string  `json:"htu"`
	IssuedAt float64 `json:"iat"`
	Nonce    string  `json:"nonce"`
	Hash     string  `json:"ath"`
}

// strict refuses the non-canonical forms that let one proof have many
// spellings.
var strict = base64.RawURLEncoding.Strict()

// ParseProof reads the DPoP headers of a request, of which there must be one,
// and checks the signature by the key in it: RFC 9449 section 4.3, points 1 to
// 7. The errors are fit for the sender.
func ParseProof(values []string) (*SignedProof, error) {
	switch {
	case len(values) == 0:
		return nil, errors.New("there is no DPoP header")
	case len(values) > 1:
		return nil, errors.New("there is more than one DPoP header")
	case len(values[0]) > maxProofBytes:
		return nil, fmt.Errorf("the DPoP proof is longer than %d bytes", maxProofBytes)
	}
	p, err := parseProof(values[0])
	if err != nil {
		return nil, fmt.Errorf("DPoP proof: %w", err)
	}
	return p, nil
}

func parseProof(raw string) (*SignedProof, error) {
	jws, err := parseCompact(raw)
	if err != nil {
		return nil, err
	}
	if jws.typ != typeDPoP {
		return nil, errors.New("header: typ is not " + typeDPoP)
	}
	public, err := parsePublicKey(jws.header["jwk"])
	if err != nil {
		return nil, fmt.Errorf("header: jwk %w", err)
	}
	if err := public.verify(jws.algorithm, jws.input, jws.signature); err != nil {
		return nil, err
	}
	p := &SignedProof{Thumbprint: public.jwk.thumbprint()}
	if err := jws.claims.Decode(&p.claims); err != nil {
		return nil, fmt.Errorf("claims: %w", err)
	}
	return p, nil
}

// Check compares a proof with the request that it came with: RFC 9449 section
// 4.3, points 8 to 12. A nonce is looked at if want has one.
func (p *SignedProof) Check(want Proof, now time.Time) error {
	c := &p.claims
	switch {
	case c.ID == "":
		return errors.New("DPoP proof without jti")
	case c.Method != want.Method:
		return errors.New("DPoP proof for another method (htm)")
	case !sameTarget(c.URL, want.URL):
		return errors.New("DPoP proof for another URL (htu)")
	case want.Token != "" && !equal(c.Hash, tokenHash(want.Token)):
		return errors.New("DPoP proof for another access token (ath)")
	case want.Nonce != "" && !equal(c.Nonce, want.Nonce):
		return errors.New("DPoP proof without the nonce of the server")
	case !(c.IssuedAt > 0 && c.IssuedAt < maxDate):
		return errors.New("DPoP proof without a date (iat)")
	}
	if age := now.Sub(p.issuedAt()); age > ProofAge || age < -ProofAge {
		return errors.New("DPoP proof is too old, or from the future (iat)")
	}
	return nil
}

func (p *SignedProof) issuedAt() time.Time { return time.Unix(int64(p.claims.IssuedAt), 0) }

// equal compares in constant time.
func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// tokenHash is the ath claim of proofs that come with an access token.
func tokenHash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return encode(sum[:])
}

// sameTarget compares two URLs without query and fragment, after the
// normalization that RFC 9449 section 4.3 recommends.
func sameTarget(a, b string) bool {
	a, ok1 := plainTarget(a)
	b, ok2 := plainTarget(b)
	return ok1 && ok2 && a == b
}

func plainTarget(raw string) (string, bool) {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.User != nil || u.Opaque != "" {
		return "", false
	}
	scheme, host := strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	switch {
	case scheme == "https":
		host = strings.TrimSuffix(host, ":443")
	case scheme == "http":
		host = strings.TrimSuffix(host, ":80")
	default:
		return "", false
	}
	path := plainEscapes(u.EscapedPath())
	if path == "" {
		path = "/"
	}
	return scheme + "://" + host + path, true
}

// plainEscapes writes escapes with capitals, and unreserved characters without:
// RFC 3986 section 6.2.2.
func plainEscapes(path string) string {
	if !strings.Contains(path, "%") {
		return path
	}
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := 0; i < len(path); i++ {
		if path[i] != '%' || i+2 >= len(path) {
			b.WriteByte(path[i])
			continue
		}
		high, low := strings.IndexByte(hex, upper(path[i+1])), strings.IndexByte(hex, upper(path[i+2]))
		if high < 0 || low < 0 {
			b.WriteByte(path[i])
			continue
		}
		c := byte(high<<4 | low)
		if 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0 {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', hex[high], hex[low]})
		}
		i += 2
	}
	return b.String()
}

func upper(c byte) byte {
	if 'a' <= c && c <= 'f' {
		return c - 'a' + 'A'
	}
	return c
}
