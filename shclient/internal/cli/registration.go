// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/clientcmd"
)

// registrationCommand is "client": what can be done with a registration.
func (a *app) registrationCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "client",
		Short: "Show, change or end the registration with a server's authorization server",
		RunE:  needsSubcommand,
	}
	cmd.AddCommand(a.clientShowCommand(), a.clientUpdateCommand(), a.clientDeleteCommand())
	return cmd
}

const secretsHelp = "also print the client secret and the registration access token"

func (a *app) clientShowCommand() *cobra.Command {
	f, stored := &accountFlags{}, false
	cmd := a.accountCommand(&cobra.Command{
		Use:   "show TARGET",
		Short: "Show what the authorization server has registered",
		Long: `Ask the authorization server what it has registered for this client (RFC 7592), and keep
the answer, in which secrets may have changed.`,
		Example: "  shclient client show https://example.com/mcp",
	}, f, func(ctx context.Context, client *oauthdyn.Client, _ target, out clientcmd.Output) error {
		kept, err := client.StoredRegistration(ctx)
		if err != nil {
			return err
		}
		if stored {
			return out.Registration("Registered with "+kept.Issuer+".", kept.Issuer, kept.Registration.Client)
		}
		info, err := client.ReadRegistration(ctx)
		if err != nil {
			return err
		}
		return out.Registration("Registered with "+kept.Issuer+".", kept.Issuer, info)
	})
	cmd.Flags().BoolVar(&stored, "stored", false, "show what is kept here, without asking")
	cmd.Flags().BoolVar(&f.secrets, "show-secrets", false, secretsHelp)
	return cmd
}

func (a *app) clientUpdateCommand() *cobra.Command {
	f, m := &accountFlags{}, &clientcmd.MetadataFlags{}
	cmd := a.accountCommand(&cobra.Command{
		Use:   "update TARGET",
		Short: "Change what is registered",
		Long: `Change what the authorization server has registered for this client (RFC 7592). What no
flag names stays as it is. --scope says what scopes the client may ask for.`,
		Example: "  shclient client update https://example.com/mcp --contact ops@example.com",
	}, f, func(ctx context.Context, client *oauthdyn.Client, _ target, out clientcmd.Output) error {
		m.Scopes = a.connect.Scopes
		if !m.Given() {
			return &exitError{failure: failure{code: exitUsage, text: "nothing to change: give a flag such as --contact or --scope"}}
		}
		change, err := m.Change()
		if wrong, ok := errors.AsType[*clientcmd.FlagError](err); ok {
			return &exitError{failure{code: exitUsage, text: wrong.Error()}, err}
		}
		if err != nil {
			return err
		}
		kept, err := client.StoredRegistration(ctx)
		if err != nil {
			return err
		}
		info, err := client.UpdateRegistration(ctx, change)
		if err != nil {
			return err
		}
		return out.Registration("Changed the registration with "+kept.Issuer+".", kept.Issuer, info)
	})
	m.Add(cmd.Flags())
	cmd.Flags().BoolVar(&f.secrets, "show-secrets", false, secretsHelp)
	return cmd
}

func (a *app) clientDeleteCommand() *cobra.Command {
	f := &accountFlags{}
	return a.accountCommand(&cobra.Command{
		Use:   "delete TARGET",
		Short: "End the registration, and the logins that came with it",
		Long: `End the registration at the authorization server (RFC 7592), and forget it here, together
with the login to this server. Logins to other servers with the same registration end,
too.`,
		Example: "  shclient client delete https://example.com/mcp",
	}, f, func(ctx context.Context, client *oauthdyn.Client, _ target, out clientcmd.Output) error {
		kept, err := client.StoredRegistration(ctx)
		if err != nil {
			return err
		}
		if err := client.DeleteRegistration(ctx); err != nil {
			return err
		}
		id := kept.Registration.Client.ClientID
		return out.Print(map[string]string{"deleted": id, "issuer": kept.Issuer}, "Ended the registration %s with %s.\n", id, kept.Issuer)
	})
}
