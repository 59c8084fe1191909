// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/clientcmd"
)

// registrationCommand is "client": what can be done with a registration later.
func (a *app) registrationCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "client",
		Short: "Show, change or end a registration",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("unknown command %q of client", args[0])
			}
			return nil
		},
		RunE: func(*cobra.Command, []string) error {
			return &usageError{text: "no command given", hint: "oauthdyn client show URL"}
		},
	}
	cmd.AddCommand(a.clientShowCommand(), a.clientUpdateCommand(), a.clientDeleteCommand())
	return cmd
}

func (a *app) clientShowCommand() *cobra.Command {
	f := &clientFlags{}
	stored := false
	cmd := a.clientCommand(&cobra.Command{
		Use:   "show URL",
		Short: "Show what the authorization server has registered",
		Long: `Asks the authorization server what it has registered for this client (RFC 7592), and
keeps the answer, in which secrets may have changed. URL is that of an MCP server or
of an authorization server.`,
	}, f, func(ctx context.Context, target string) error {
		return a.manage(ctx, f, target, "Registered with ", func(client *oauthdyn.Client, kept *oauthdyn.Credentials) (*oauthdyn.ClientInformation, error) {
			if stored {
				return kept.Registration.Client, nil
			}
			info, err := client.ReadRegistration(ctx)
			if errors.Is(err, oauthdyn.ErrNoRegistration) {
				err = &hintedError{err, "--stored shows what is kept here"}
			}
			return info, err
		})
	})
	cmd.Flags().BoolVar(&stored, "stored", false, "show what is kept here, without asking")
	f.addSecrets(cmd.Flags(), "the client secret and the registration access token")
	return cmd
}

func (a *app) clientUpdateCommand() *cobra.Command {
	f, m := &clientFlags{}, &clientcmd.MetadataFlags{}
	cmd := a.clientCommand(&cobra.Command{
		Use:   "update URL",
		Short: "Change what is registered",
		Long: `Changes what the authorization server has registered for this client (RFC 7592). What
no flag names stays as it is.`,
		Example: `  oauthdyn client update https://auth.example.com --client-name 'My app' --contact ops@example.com`,
	}, f, func(ctx context.Context, target string) error {
		if !m.Given() {
			return &usageError{text: "nothing to change: give a flag such as --redirect-uri or --scope"}
		}
		m.Scopes = f.Scopes
		change, err := m.Change()
		if err != nil {
			return err
		}
		return a.manage(ctx, f, target, "Changed the registration with ", func(client *oauthdyn.Client, _ *oauthdyn.Credentials) (*oauthdyn.ClientInformation, error) {
			return client.UpdateRegistration(ctx, change)
		})
	})
	m.Add(cmd.Flags())
	cmd.Flags().StringSliceVar(&f.Scopes, "scope", nil, "`scopes` that the client may ask for")
	f.addSecrets(cmd.Flags(), "the client secret and the registration access token")
	return cmd
}

// manage finds the registration that is kept, does something with it, and shows
// the outcome.
func (a *app) manage(ctx context.Context, f *clientFlags, target, title string,
	do func(*oauthdyn.Client, *oauthdyn.Credentials) (*oauthdyn.ClientInformation, error),
) error {
	client, kept, err := a.registered(ctx, f, target)
	if err != nil {
		return err
	}
	info, err := do(client, kept)
	if err != nil {
		return err
	}
	return a.clientOutput(f).Registration(title+kept.Issuer+".", kept.Issuer, info)
}

// registered makes the client of a registration that is kept.
func (a *app) registered(ctx context.Context, f *clientFlags, target string) (*oauthdyn.Client, *oauthdyn.Credentials, error) {
	client, err := a.clientOfAny(ctx, f, target)
	if err != nil {
		return nil, nil, err
	}
	kept, err := client.StoredRegistration(ctx)
	if errors.Is(err, oauthdyn.ErrNoRegistration) {
		return nil, nil, &hintedError{
			fmt.Errorf("no registration of %s is kept for %s", f.clientName, shown(target, f.AuthServer)),
			"oauthdyn register makes one; --client-name chooses among several",
		}
	}
	return client, kept, err
}

func (a *app) clientDeleteCommand() *cobra.Command {
	f := &clientFlags{}
	return a.clientCommand(&cobra.Command{
		Use:   "delete URL",
		Short: "End a registration, and the logins that came with it",
		Long: `Ends the registration at the authorization server (RFC 7592), and forgets it here,
together with the login to this server. Logins to other servers with the same
registration end, too.`,
	}, f, func(ctx context.Context, target string) error {
		client, kept, err := a.registered(ctx, f, target)
		if err != nil {
			return err
		}
		if err := client.DeleteRegistration(ctx); err != nil {
			return err
		}
		id := kept.Registration.Client.ClientID
		return a.clientOutput(f).Print(map[string]string{"deleted": id, "issuer": kept.Issuer}, "Ended the registration %s with %s.\n", id, kept.Issuer)
	})
}
