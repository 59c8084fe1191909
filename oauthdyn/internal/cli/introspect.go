// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/terminal"
)

func (a *app) introspectCommand() *cobra.Command {
	f := &clientFlags{}
	from := ""
	cmd := a.clientCommand(&cobra.Command{
		Use:   "introspect URL",
		Short: "Ask the authorization server what it knows of a token",
		Long: `Asks the authorization server about the access token of a login (RFC 7662), or about
that of --token-file, for which no login is needed.

Many authorization servers answer protected resources only: then --client-id and
--client-secret-file name one. "oauthdyn decode" reads a JWT without asking.

The exit status is 1 if the token is not active.`,
		Example: `  oauthdyn introspect https://mcp.example.com/mcp
  oauthdyn introspect https://auth.example.com --token-file token --client-id mcp-server --client-secret-file secret`,
	}, f, func(ctx context.Context, target string) error { return a.introspect(ctx, f, target, from) })
	cmd.Flags().StringVar(&from, "token-file", "", "`file` with the token to ask about; - is standard input")
	return cmd
}

func (a *app) introspect(ctx context.Context, f *clientFlags, target, from string) error {
	i, err := a.askServer(ctx, f, target, from)
	if err != nil {
		if refused, ok := errors.AsType[*oauthdyn.Error](err); ok && refused.Status < 500 && !errors.Is(err, oauthdyn.ErrNotSignedIn) {
			err = &hintedError{err, "oauthdyn introspect --help tells how to ask as a protected resource; oauthdyn decode reads a JWT without asking"}
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
}

// askServer asks about the token of a login, or of a file.
func (a *app) askServer(ctx context.Context, f *clientFlags, target, from string) (*oauthdyn.Introspection, error) {
	if from == "" {
		client, err := a.client(f, target)
		if err != nil {
			return nil, err
		}
		return client.Introspect(ctx)
	}
	token, err := readToken(from, a.stdin)
	if err != nil {
		return nil, fmt.Errorf("--token-file: %w", err)
	}
	client, err := a.clientOfAny(ctx, f, target)
	if err != nil {
		return nil, err
	}
	return client.IntrospectToken(ctx, token)
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
	t, now := &terminal.Table{}, time.Now()
	t.Add("sub", v.Subject)
	t.Add("username", v.Username)
	t.Add("client_id", v.ClientID)
	t.Add("scope", v.Scope)
	t.Add("aud", strings.Join(v.Audience, " "))
	t.Add("iss", v.Issuer)
	t.Add("token_type", v.TokenType)
	t.Add("jti", v.ID)
	for _, date := range []struct {
		name string
		t    time.Time
	}{{"iat", i.IssuedAt}, {"nbf", i.NotBefore}, {"exp", i.Expires}} {
		if !date.t.IsZero() {
			t.Add(date.name, terminal.Moment(date.t, now))
		}
	}
	return t.Write(a.stdout, title)
}

// seconds since the epoch; 0 for no time.
func seconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}
