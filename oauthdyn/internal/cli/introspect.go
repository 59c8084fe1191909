// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
)

func (a *app) introspectCommand() *cobra.Command {
	f := &clientFlags{}
	return a.clientCommand(&cobra.Command{
		Use:   "introspect URL",
		Short: "Ask the authorization server what it knows of the token",
		Long: `Asks the authorization server about the access token of a login (RFC 7662). Many
answer protected resources only; "oauthdyn decode" reads a JWT without asking.

The exit status is 1 if the token is not active.`,
	}, f, func(ctx context.Context, target string) error {
		client, err := a.client(f, target)
		if err != nil {
			return err
		}
		i, err := client.Introspect(ctx)
		if err != nil {
			if !errors.Is(err, oauthdyn.ErrNotSignedIn) {
				err = &hintedError{err, "oauthdyn token URL | oauthdyn decode shows what is in a JWT, without asking"}
			}
			return err
		}
		if err := a.showIntrospection(f, i); err != nil {
			return err
		}
		if !i.Active {
			return &statusError{exitFailure}
		}
		return nil
	})
}

// introspection has the names of RFC 7662 section 2.2.
type introspection struct {
	Active    bool     `json:"active"`
	Scope     string   `json:"scope,omitempty"`
	ClientID  string   `json:"client_id,omitempty"`
	Username  string   `json:"username,omitempty"`
	TokenType string   `json:"token_type,omitempty"`
	Expires   int64    `json:"exp,omitempty"`
	IssuedAt  int64    `json:"iat,omitempty"`
	NotBefore int64    `json:"nbf,omitempty"`
	Subject   string   `json:"sub,omitempty"`
	Audience  []string `json:"aud,omitempty"`
	Issuer    string   `json:"iss,omitempty"`
	ID        string   `json:"jti,omitempty"`
}

func (a *app) showIntrospection(f *clientFlags, i *oauthdyn.Introspection) error {
	v := introspection{
		Active: i.Active, Scope: strings.Join(i.Scopes, " "), ClientID: i.ClientID, Username: i.Username, TokenType: i.TokenType,
		Expires: seconds(i.Expires), IssuedAt: seconds(i.IssuedAt), NotBefore: seconds(i.NotBefore),
		Subject: i.Subject, Audience: i.Audience, Issuer: i.Issuer, ID: i.ID,
	}
	if f.json {
		return a.writeJSON(v)
	}
	title := "The token is active."
	if !i.Active {
		title = "The token is not active."
	}
	t, now := &table{}, time.Now()
	t.add("sub", v.Subject)
	t.add("username", v.Username)
	t.add("client_id", v.ClientID)
	t.add("scope", v.Scope)
	t.add("aud", strings.Join(v.Audience, " "))
	t.add("iss", v.Issuer)
	t.add("token_type", v.TokenType)
	t.add("jti", v.ID)
	for _, date := range []struct {
		name string
		t    time.Time
	}{{"iat", i.IssuedAt}, {"nbf", i.NotBefore}, {"exp", i.Expires}} {
		if !date.t.IsZero() {
			t.add(date.name, moment(date.t, now))
		}
	}
	return t.write(a.stdout, title)
}

// seconds since the epoch; 0 for no time.
func seconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}
