// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/clientcmd"
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

// showGrant prints what there is now, without its tokens.
func (a *app) showGrant(ctx context.Context, f *clientFlags, client *oauthdyn.Client, title string) error {
	return a.clientOutput(f).Grant(ctx, client, title, f.ClientCredentials || f.AssertionFile != "")
}

// clientOutput is where the results of clients go.
func (a *app) clientOutput(f *clientFlags) clientcmd.Output {
	return clientcmd.Output{Stdout: a.stdout, Stderr: a.stderr, JSON: f.json, Secrets: f.secrets}
}
