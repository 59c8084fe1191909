// SPDX-License-Identifier: Apache-2.0

package jose

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Claims are the claims of an access token: RFC 9068 section 2.2. The names in
// the token are fixed here; no caller can add one.
type Claims struct {
	Issuer   string
	Subject  string
	ClientID string
	ID       string
	Session  string
	Username string
	Audience []string
	Scopes   []string

	// KeyThumbprint is that of the key which the token is bound to, and which
	// its sender must prove to have (RFC 9449 section 6.1); empty for a bearer
	// token.
	KeyThumbprint string

	IssuedAt  time.Time
	NotBefore time.Time // zero: absent
	Expires   time.Time
}

// Members is the JSON form of Claims. It can be embedded where the same members
// come outside of a token: RFC 7662 section 2.2.
type Members struct {
	Issuer    string      `json:"iss"`
	Subject   string      `json:"sub"`
	Audience  audience    `json:"aud"`
	ClientID  string      `json:"client_id,omitempty"`
	Party     string      `json:"azp,omitempty"` // the client, where an issuer knows OpenID Connect's name of it only
	ID        string      `json:"jti,omitempty"`
	Session   string      `json:"sid,omitempty"`
	Scope     *string     `json:"scope,omitempty"`
	Username  string      `json:"preferred_username,omitempty"`
	Bound     *Bound      `json:"cnf,omitempty"`
	IssuedAt  numericDate `json:"iat,omitempty"`
	NotBefore numericDate `json:"nbf,omitempty"`
	Expires   numericDate `json:"exp,omitempty"`
}

// Bound says what a token is bound to: RFC 7800 section 3.1.
type Bound struct {
	KeyThumbprint string `json:"jkt,omitempty"`
}

// audience is one string or a list of them: RFC 7519 section 4.1.3.
type audience []string

func (a audience) MarshalJSON() ([]byte, error) {
	if len(a) == 1 {
		return json.Marshal(a[0])
	}
	return json.Marshal([]string(a))
}

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

// numericDate is seconds since the epoch; other issuers add fractions.
type numericDate float64

// maxDate keeps a date inside of what time.Unix and int64 hold.
const maxDate = 1 << 40

func (d numericDate) time() (time.Time, error) {
	if d == 0 {
		return time.Time{}, nil
	}
	if !(d > 0 && d < maxDate) {
		return time.Time{}, errors.New("a date is out of range")
	}
	return time.Unix(int64(d), 0), nil
}

func (c Claims) wire() Members {
	w := Members{
		Issuer:   c.Issuer,
		Subject:  c.Subject,
		Audience: c.Audience,
		ClientID: c.ClientID,
		ID:       c.ID,
		Session:  c.Session,
		Username: c.Username,
		IssuedAt: numericDate(c.IssuedAt.Unix()),
		Expires:  numericDate(c.Expires.Unix()),
	}
	if c.KeyThumbprint != "" {
		w.Bound = &Bound{c.KeyThumbprint}
	}
	if len(c.Scopes) > 0 {
		scope := strings.Join(c.Scopes, " ")
		w.Scope = &scope
	}
	return w
}

// Claims reads the members.
func (w Members) Claims() (*Claims, error) {
	c := &Claims{
		Issuer:   w.Issuer,
		Subject:  w.Subject,
		ClientID: cmp.Or(w.ClientID, w.Party),
		ID:       w.ID,
		Session:  w.Session,
		Username: w.Username,
		Audience: w.Audience,
	}
	if w.Scope != nil {
		c.Scopes = strings.Fields(*w.Scope)
	}
	if w.Bound != nil {
		if c.KeyThumbprint = w.Bound.KeyThumbprint; c.KeyThumbprint == "" {
			return nil, errors.New("bound to something that cannot be proved here (cnf)")
		}
	}
	var errs [3]error
	c.IssuedAt, errs[0] = w.IssuedAt.time()
	c.NotBefore, errs[1] = w.NotBefore.time()
	c.Expires, errs[2] = w.Expires.time()
	return c, errors.Join(errs[:]...)
}

// Expect says what a token must be to be accepted.
type Expect struct {
	Issuer   string   // exact
	Audience []string // one of them is among the token's audiences, exact
	Now      time.Time
	Skew     time.Duration // tolerated difference of clocks
	NoExpiry bool          // a token without an expiry is fine
	Bound    bool          // one that is bound to a key is fine: a proof of the key is looked at, too
}

// Check validates claims as RFC 9068 section 4 asks. The signature has been
// checked before.
func (c *Claims) Check(e Expect) error {
	switch {
	case c.Issuer != e.Issuer:
		return fmt.Errorf("issued by %q", c.Issuer)
	case c.Subject == "":
		return errors.New("without a subject")
	case !slices.ContainsFunc(c.Audience, func(aud string) bool { return slices.Contains(e.Audience, aud) }):
		return errors.New("issued for another audience")
	case c.KeyThumbprint != "" && !e.Bound:
		return errors.New("bound to a key, but a bearer token comes with no proof of it")
	case c.Expires.IsZero() && !e.NoExpiry:
		return errors.New("without an expiry")
	case !c.Expires.IsZero() && !e.Now.Before(c.Expires.Add(e.Skew)):
		return errors.New("expired")
	case c.NotBefore.After(e.Now.Add(e.Skew)):
		return errors.New("not valid yet")
	case c.IssuedAt.After(e.Now.Add(e.Skew)):
		return errors.New("issued in the future")
	}
	return nil
}
