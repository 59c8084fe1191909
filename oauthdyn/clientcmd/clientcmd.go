// SPDX-License-Identifier: Apache-2.0

// Package clientcmd is what the commands of this project print and do about the
// logins and registrations of a user, beside package signin, which makes them:
//
//	out := clientcmd.Output{Stdout: os.Stdout, Stderr: os.Stderr}
//	err := out.Token(ctx, client, false)
//
// Secrets are printed only by Token, by Export to "-", or if Output.Secrets says so.
//
// It is made for the commands of this project, and changes with them.
package clientcmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/terminal"
)

// hidden stands for a secret that was not asked for.
const hidden = "(kept; --show-secrets shows it)"

// Output says where and how results are printed.
type Output struct {
	Stdout  io.Writer
	Stderr  io.Writer // for notes
	JSON    bool
	Secrets bool // that a result has besides what was asked for
}

// Print prints a sentence, or v as JSON.
func (o Output) Print(v any, format string, args ...any) error {
	if o.JSON {
		return o.writeJSON(v)
	}
	_, err := fmt.Fprintf(o.Stdout, format, args...)
	return err
}

func (o Output) writeJSON(v any) error {
	e := json.NewEncoder(o.Stdout)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// grant is what a person or program may know of a login. Names are those of RFC
// 6749 where it has one.
type grant struct {
	Resource     string    `json:"resource,omitempty"`
	Issuer       string    `json:"issuer"`
	ClientID     string    `json:"client_id"`
	TokenType    string    `json:"token_type"`
	Scope        string    `json:"scope,omitempty"`
	ExpiresAt    time.Time `json:"expires_at,omitzero"` // of the access token
	Refreshable  bool      `json:"refreshable"`
	AccessToken  string    `json:"access_token,omitempty"`
	RefreshToken string    `json:"refresh_token,omitempty"`
}

// grantOf leaves the tokens out. The credentials must have a grant.
func grantOf(c *oauthdyn.Credentials) grant {
	token := c.Grant.Token()
	return grant{
		Resource: c.Grant.Resource, Issuer: c.Issuer, ClientID: c.Grant.ClientID, TokenType: token.TokenType,
		Scope: strings.Join(c.Grant.Scopes, " "), ExpiresAt: c.Grant.Expiry.UTC().Truncate(time.Second), Refreshable: c.Grant.RefreshToken != "",
	}
}

// Grant prints the login that client has, without its tokens. unattended says
// that the client gets the next one by itself.
func (o Output) Grant(ctx context.Context, client *oauthdyn.Client, title string, unattended bool) error {
	creds, err := client.StoredGrant(ctx)
	if err != nil {
		return err
	}
	g := grantOf(creds)
	if o.JSON {
		return o.writeJSON(g)
	}
	t := &terminal.Table{}
	t.Add("resource", g.Resource)
	t.Add("issuer", g.Issuer)
	t.Add("client_id", g.ClientID)
	t.Add("scope", g.Scope)
	t.Add("token", g.TokenType+", "+until(creds.Grant.Expiry))
	switch {
	case g.Refreshable:
		t.Add("refresh token", "yes")
	case unattended:
		t.Add("refresh token", "none, and none is needed: the same flags get the next token")
	default:
		t.Add("refresh token", "none: sign in again when the token ends")
	}
	return t.Write(o.Stdout, title)
}

// until says how long a token is valid; the zero time stands for no expiry.
func until(expiry time.Time) string {
	if expiry.IsZero() {
		return "no expiry announced"
	}
	return "until " + terminal.Moment(expiry, time.Now())
}

// Token prints the access token of the login that client has, refreshed first
// if it is about to end; as a whole header for header. Without a login the error
// wraps oauthdyn.ErrNotSignedIn.
func (o Output) Token(ctx context.Context, client *oauthdyn.Client, header bool) error {
	token, err := client.TokenSource(ctx).Token()
	if err != nil {
		return err
	}
	creds, err := client.StoredGrant(ctx)
	if err != nil {
		return err
	}
	if len(creds.Grant.DPoPKey) > 0 {
		fmt.Fprintln(o.Stderr, "note: this token is bound to a key (DPoP) and of no use without a proof for each request; shclient makes them")
	}
	switch {
	case o.JSON:
		g := grantOf(creds)
		g.AccessToken = token.AccessToken
		if o.Secrets {
			g.RefreshToken = creds.Grant.RefreshToken
		}
		return o.writeJSON(g)
	case header:
		_, err = fmt.Fprintf(o.Stdout, "Authorization: %s %s\n", token.TokenType, token.AccessToken)
	default:
		_, err = fmt.Fprintln(o.Stdout, token.AccessToken)
	}
	return err
}

// Grants prints all logins that a file keeps, without their tokens. Those that
// cannot be read are left out; the error says why.
func (o Output) Grants(ctx context.Context, store *oauthdyn.FileStore) error {
	all, unread := store.List(ctx)
	grants := []grant{}
	for _, c := range all {
		if c.Grant != nil {
			grants = append(grants, grantOf(c))
		}
	}
	if o.JSON {
		return errors.Join(o.writeJSON(map[string]any{"grants": grants}), unread)
	}
	w := tabwriter.NewWriter(o.Stdout, 0, 0, 2, ' ', 0)
	for _, g := range grants {
		state := until(g.ExpiresAt)
		if g.Refreshable {
			state += ", refreshable"
		}
		name := g.Resource
		if name == "" {
			name = g.Issuer
		}
		name, _, _ = strings.Cut(name, "?") // where keys may hide
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", terminal.Printable(name), terminal.Printable(g.Issuer), terminal.Printable(g.Scope), state)
	}
	return errors.Join(w.Flush(), unread)
}
