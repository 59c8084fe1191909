// SPDX-License-Identifier: Apache-2.0

package oidc

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/internal/pages"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/allow"
)

const (
	maxSubject = 255 // bytes: OpenID Connect Core 1.0 section 2
	maxClock   = 5 * time.Minute
)

// claims are what the provider says of a person.
type claims map[string]json.RawMessage

// identify finds out who a token response is about. At a refresh there is no
// nonce, and there may be no ID token (OpenID Connect Core 1.0 section 12.2).
func (l *Login) identify(ctx context.Context, m *metadata, token *oauth2.Token, nonce string) (claims, error) {
	all := claims{}
	raw, _ := token.Extra("id_token").(string)
	if raw == "" && nonce != "" {
		return nil, errors.New("the token response has no ID token")
	}
	if raw != "" {
		var err error
		if all, err = l.verify(ctx, m, raw, token.AccessToken, nonce); err != nil {
			return nil, err
		}
	}
	if m.userInfo { // many providers put little into the ID token then
		more, err := userInfo(ctx, m, token)
		if err != nil {
			return nil, fmt.Errorf("userinfo: %w", err)
		}
		if raw != "" && more.text("sub") != all.text("sub") {
			return nil, errors.New("userinfo is about somebody else") // OpenID Connect Core 1.0 section 5.3.2
		}
		all.add(more)
	}
	sub := all.text("sub")
	if sub == "" || len(sub) > maxSubject || strings.ContainsFunc(sub, func(r rune) bool { return r < ' ' || r > '~' }) {
		return nil, errors.New("sub is not up to 255 printable ASCII characters")
	}
	return all, nil
}

func userInfo(ctx context.Context, m *metadata, token *oauth2.Token) (claims, error) {
	info, err := m.provider.UserInfo(ctx, oauth2.StaticTokenSource(token))
	if err != nil {
		return nil, err
	}
	all := claims{}
	return all, info.Claims(&all)
}

// add takes over what UserInfo says. An address, and whether it is verified,
// come from one place.
func (c claims) add(more claims) {
	if _, ok := more["email"]; ok {
		delete(c, "email_verified")
	} else {
		delete(more, "email_verified")
	}
	maps.Copy(c, more)
}

// verify checks an ID token: OpenID Connect Core 1.0 section 3.1.3.7.
func (l *Login) verify(ctx context.Context, m *metadata, raw, accessToken, nonce string) (claims, error) {
	token, err := m.verifier.Verify(ctx, raw) // signature, iss, aud, exp, nbf
	if err != nil {
		return nil, err
	}
	all := claims{}
	if err := token.Claims(&all); err != nil {
		return nil, err
	}
	_, hasParty := all["azp"]
	switch {
	case nonce != "" && subtle.ConstantTimeCompare([]byte(token.Nonce), []byte(nonce)) != 1:
		return nil, errors.New("the ID token has another nonce")
	case hasParty && all.text("azp") != l.o.ClientID, !hasParty && len(token.Audience) > 1:
		return nil, errors.New("the ID token was issued to another client")
	case token.IssuedAt.After(time.Now().Add(maxClock)):
		return nil, errors.New("the ID token was issued in the future; is the clock of this machine right?")
	}
	if token.AccessTokenHash != "" {
		err = token.VerifyAccessToken(accessToken)
	}
	return all, err
}

// text returns a claim that is a string; else "".
func (c claims) text(name string) string {
	var s string
	if json.Unmarshal(c[name], &s) != nil {
		return ""
	}
	return s
}

// email returns the address if it is verified. Some providers say so by a
// string.
func (c claims) email() string {
	var verified bool
	if json.Unmarshal(c["email_verified"], &verified) != nil {
		verified = c.text("email_verified") == "true"
	}
	if !verified {
		return ""
	}
	return c.text("email")
}

// groups returns a claim that is a list of strings, or one string.
func (c claims) groups(name string) (groups []string) {
	var values []any
	if json.Unmarshal(c[name], &values) != nil {
		values = []any{c.text(name)}
	}
	for _, value := range values {
		if s, ok := value.(string); ok && s != "" {
			groups = append(groups, s)
		}
	}
	return groups
}

func (c claims) person(groupsClaim string) allow.Person {
	p := allow.Person{ID: c.text("sub"), Groups: c.groups(groupsClaim)}
	if email := c.email(); email != "" {
		p.Emails = []string{email}
	}
	return p
}

// name is what people call the person.
func (c claims) name() string {
	for _, name := range []string{c.text("preferred_username"), c.email(), c.text("sub")} {
		if name = pages.Clean(name); name != "" {
			return name
		}
	}
	return ""
}

// describe tells people who they are, in the words that an operator needs.
func (c claims) describe() string {
	about := []string{}
	if email := pages.Clean(c.email()); email != "" && email != c.name() {
		about = append(about, email)
	}
	if sub := pages.Clean(c.text("sub")); sub != c.name() {
		about = append(about, "id "+sub)
	}
	if len(about) == 0 {
		return c.name()
	}
	return c.name() + " (" + strings.Join(about, ", ") + ")"
}
