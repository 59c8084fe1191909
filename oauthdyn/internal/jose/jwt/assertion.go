// SPDX-License-Identifier: Apache-2.0

package jwt

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	// maxAssertionBytes bounds an assertion.
	maxAssertionBytes = 8 << 10

	// maxIDBytes bounds the jti of an assertion.
	maxIDBytes = 512

	// AssertionSkew is how far the clock of the maker of an assertion may be
	// from ours.
	AssertionSkew = time.Minute
)

// A SignedAssertion is a JWT by which somebody vouches for a client, a person or
// a workload: RFC 7523. Until Verify its content is nobody's word, good for
// finding the keys only.
type SignedAssertion struct {
	Type      string // typ, in lower case and without "application/"; may be empty
	Algorithm string // alg
	Issuer    string // iss
	Subject   string // sub
	ID        string // jti
	Audience  []string
	Expires   time.Time // zero: it does not say
	IssuedAt  time.Time // zero: it does not say
	NotBefore time.Time // zero: it does not say

	jws *compact
}

// ParseAssertion reads an assertion. The errors are fit for the sender.
func ParseAssertion(raw string) (*SignedAssertion, error) {
	if len(raw) > maxAssertionBytes {
		return nil, fmt.Errorf("longer than %d bytes", maxAssertionBytes)
	}
	jws, err := parseCompact(raw)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(Algorithms, jws.algorithm) {
		return nil, fmt.Errorf("header: alg is not one of %s", strings.Join(Algorithms, ", "))
	}
	var c struct {
		Issuer    string   `json:"iss"`
		Subject   string   `json:"sub"`
		Audience  audience `json:"aud"`
		ID        string   `json:"jti"`
		Expires   date     `json:"exp"`
		IssuedAt  date     `json:"iat"`
		NotBefore date     `json:"nbf"`
	}
	if err := jws.claims.Decode(&c); err != nil {
		return nil, fmt.Errorf("claims: %w", err)
	}
	return &SignedAssertion{
		Type:      jws.typ,
		Algorithm: jws.algorithm,
		Issuer:    c.Issuer,
		Subject:   c.Subject,
		ID:        c.ID,
		Audience:  c.Audience,
		Expires:   c.Expires.time(),
		IssuedAt:  c.IssuedAt.time(),
		NotBefore: c.NotBefore.time(),
		jws:       jws,
	}, nil
}

// Verify checks the signature. The error is ErrUnknownKey if newer keys could
// help.
func (a *SignedAssertion) Verify(keys *Keys) error {
	return keys.verify(a.jws)
}

// Claims decodes further claims into v, a pointer to a struct.
func (a *SignedAssertion) Claims(v any) error { return a.jws.claims.Decode(v) }

// An AssertionRule says what is accepted of an assertion besides its signature.
type AssertionRule struct {
	// Audience are the names of this server. An assertion must be for one of
	// them, and for nobody else: another server could use it here.
	Audience []string

	// MaxLife bounds how far the expiry may be ahead. 0: no bound.
	MaxLife time.Duration

	// NeedsID: without a jti it is refused.
	NeedsID bool
}

// Check judges the claims that all assertions have: RFC 7523 section 3. Clocks
// may differ by AssertionSkew.
func (a *SignedAssertion) Check(rule AssertionRule, now time.Time) error {
	switch {
	case len(a.Audience) == 0 || slices.ContainsFunc(a.Audience, func(aud string) bool { return !slices.Contains(rule.Audience, aud) }):
		return fmt.Errorf("aud is not %s, and nothing else", rule.Audience[0])
	case a.Expires.IsZero():
		return errors.New("exp is missing")
	case !now.Before(a.Expires.Add(AssertionSkew)):
		return errors.New("it has expired (exp)")
	case rule.MaxLife > 0 && a.Expires.After(now.Add(rule.MaxLife+AssertionSkew)):
		return fmt.Errorf("exp is more than %v ahead", rule.MaxLife)
	case a.IssuedAt.After(now.Add(AssertionSkew)):
		return errors.New("it was issued in the future (iat); is the clock right?")
	case a.NotBefore.After(now.Add(AssertionSkew)):
		return errors.New("it is not valid yet (nbf)")
	case a.ID == "" && rule.NeedsID:
		return errors.New("jti is missing")
	case len(a.ID) > maxIDBytes:
		return fmt.Errorf("jti is longer than %d bytes", maxIDBytes)
	}
	return nil
}

// audience is one string or a list of them: RFC 7519 section 4.1.3.
type audience []string

func (a *audience) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '[' {
		return json.Unmarshal(data, (*[]string)(a))
	}
	var one string
	if err := json.Unmarshal(data, &one); err != nil {
		return err
	}
	*a = audience{one}
	return nil
}

// date is seconds since the epoch; fractions are cut.
type date float64

func (d *date) UnmarshalJSON(data []byte) error {
	var f float64
	if err := json.Unmarshal(data, &f); err != nil {
		return err
	}
	if !(f > 0 && f < maxDate) {
		return errors.New("a date is out of range")
	}
	*d = date(f)
	return nil
}

func (d date) time() time.Time {
	if d == 0 {
		return time.Time{}
	}
	return time.Unix(int64(d), 0)
}
