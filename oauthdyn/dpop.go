// SPDX-License-Identifier: Apache-2.0

package oauthdyn

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/jose/jwt"
)

const (
	headerDPoP      = "DPoP"
	headerDPoPNonce = "DPoP-Nonce"
	schemeDPoP      = "dpop"

	maxNonceOrigins = 8 // a resource and its authorization server need two
	maxNonceBytes   = 1 << 10
)

// keyFor makes the key that a new grant is bound to (RFC 9449), nil if neither
// the resource nor the configuration asks for that.
func (c *Client) keyFor(d *Discovery) (*jwt.Key, error) {
	if !c.cfg.DPoP && !d.DPoP {
		return nil, nil
	}
	key, err := jwt.Generate()
	if err != nil {
		return nil, err
	}
	alg, _ := key.Algorithm(nil)
	if list := d.Server.DPoPSigningAlgValuesSupported; len(list) > 0 && !slices.Contains(list, alg) {
		return nil, fmt.Errorf("authorization server %s accepts no DPoP proof that is signed with %s", d.Issuer, alg)
	}
	return key, nil
}

// keyOf returns the key that a grant is bound to, nil if it is a bearer token's.
func (c *Client) keyOf(g *Grant) (*jwt.Key, error) {
	if len(g.DPoPKey) == 0 {
		return nil, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if bytes.Equal(c.proofs.stored, g.DPoPKey) {
		return c.proofs.key, nil
	}
	key, err := jwt.ParseKey(g.DPoPKey)
	if err != nil {
		return nil, err
	}
	c.proofs.key, c.proofs.stored = key, g.DPoPKey
	return key, nil
}

// proofs is what DPoP proofs are made with.
type proofs struct {
	key    *jwt.Key
	stored []byte            // key as the grant has it
	nonces map[string]string // by origin: RFC 9449 sections 8 and 9
}

// prove adds a fresh proof to a request that carries token, if any.
func (c *Client) prove(req *http.Request, key *jwt.Key, token string) error {
	target := url.URL{Scheme: req.URL.Scheme, Host: req.URL.Host, Path: req.URL.Path, RawPath: req.URL.RawPath}
	c.mu.Lock()
	nonce := c.proofs.nonces[origin(req.URL)]
	c.mu.Unlock()
	proof, err := key.DPoP(jwt.Proof{Method: req.Method, URL: target.String(), Nonce: nonce, Token: token})
	if err != nil {
		return fmt.Errorf("DPoP proof: %w", err)
	}
	req.Header.Set(headerDPoP, proof)
	return nil
}

// noteNonce remembers the nonce that a server wants in the next proof, and
// reports whether there was one.
func (c *Client) noteNonce(u *url.URL, h http.Header) bool {
	nonce := h.Get(headerDPoPNonce)
	if !validToken(nonce) || len(nonce) > maxNonceBytes {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.proofs.nonces == nil || len(c.proofs.nonces) >= maxNonceOrigins {
		c.proofs.nonces = map[string]string{}
	}
	c.proofs.nonces[origin(u)] = nonce
	return true
}

// wantsNonce reports whether a resource refused a request only because its
// proof lacks the present nonce.
func wantsNonce(resp *http.Response) bool {
	return resp.StatusCode == http.StatusUnauthorized &&
		slices.ContainsFunc(ParseChallenges(resp.Header), func(ch Challenge) bool {
			return ch.Scheme == schemeDPoP && ch.Code() == CodeUseDPoPNonce
		})
}

// oauthChallenge returns the challenge of a response that asks for a token: for
// a bearer token, else for one that is bound to a key.
func oauthChallenge(h http.Header) (Challenge, bool) {
	if ch, ok := BearerChallenge(h); ok {
		return ch, true
	}
	for _, ch := range ParseChallenges(h) {
		if ch.Scheme == schemeDPoP {
			return ch, true
		}
	}
	return Challenge{}, false
}
