// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/signin"
)

func (a *app) loginCommand() *cobra.Command {
	f := &clientFlags{}
	cmd := a.clientCommand(&cobra.Command{
		Use:   "login URL",
		Short: "Sign in to an MCP server and keep the login",
		Long: `Signs in to an MCP server, whether or not there is a login already, and keeps it for
later: for "oauthdyn token", and for shclient.

A person signs in with the browser of this machine; with --no-browser in one
elsewhere, and pastes the address that it ends at; with --device by a code. With
--client-credentials or --assertion-file the program signs in itself; give the same
flags to the other commands then.

Secrets come from files, from standard input ("-" as a file), or from the
environment: ` + signin.EnvClientSecret + `, ` + signin.EnvClientKey + `,
` + envInitialToken + `.`,
		Example: `  oauthdyn login https://mcp.example.com/mcp
  oauthdyn login https://mcp.example.com/mcp --no-browser --scope mcp:read
  oauthdyn login https://mcp.example.com/mcp --client-credentials --client-id robot --client-key-file robot.pem`,
	}, f, func(ctx context.Context, target string) error {
		client, err := a.client(f, target)
		if err != nil {
			return err
		}
		if _, err := client.Authenticate(ctx); err != nil {
			return err
		}
		return a.showGrant(ctx, f, client, "Signed in to "+shown(target, f.AuthServer)+".")
	})
	f.AddLogin(cmd.Flags())
	f.addInitialToken(cmd.Flags())
	cmd.MarkFlagsMutuallyExclusive("device", "no-browser")
	cmd.MarkFlagsMutuallyExclusive("device", "client-credentials")
	cmd.MarkFlagsMutuallyExclusive("device", "assertion-file")
	return cmd
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

// grantOf leaves the tokens out.
func grantOf(c *oauthdyn.Credentials) grant {
	token := c.Grant.Token()
	return grant{
		Resource: c.Grant.Resource, Issuer: c.Issuer, ClientID: c.Grant.ClientID, TokenType: token.TokenType,
		Scope: strings.Join(c.Grant.Scopes, " "), ExpiresAt: c.Grant.Expiry.UTC().Truncate(time.Second), Refreshable: c.Grant.RefreshToken != "",
	}
}

// showGrant prints what there is now, without its tokens.
func (a *app) showGrant(ctx context.Context, f *clientFlags, client *oauthdyn.Client, title string) error {
	creds, err := client.StoredGrant(ctx)
	if err != nil {
		return err
	}
	g := grantOf(creds)
	if f.json {
		return a.writeJSON(g)
	}
	t := &table{}
	t.add("resource", g.Resource)
	t.add("issuer", g.Issuer)
	t.add("client_id", g.ClientID)
	t.add("scope", g.Scope)
	t.add("token", g.TokenType+", "+untilText(creds.Grant.Expiry))
	switch {
	case g.Refreshable:
		t.add("refresh token", "yes")
	case f.ClientCredentials || f.AssertionFile != "":
		t.add("refresh token", "none, and none is needed: the same flags get the next token")
	default:
		t.add("refresh token", "none: sign in again when the token ends")
	}
	return t.write(a.stdout, title)
}

func untilText(expiry time.Time) string {
	if expiry.IsZero() {
		return "no expiry announced"
	}
	return "until " + moment(expiry, time.Now())
}
